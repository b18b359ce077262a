//! Certificates and keys in PEM files: reading them, and what they say about names and times.
//!
//! Trusting them is left to TLS; what a file holds is told here so that a check can name what is wrong before anybody
//! connects.

use linli_domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};

/// Largest file that is read; the system's own list of authorities fits.
const MAX_BYTES: u64 = 4 << 20;
/// Object identifier of the common name (X.520).
const COMMON_NAME: x509_cert::der::asn1::ObjectIdentifier =
    x509_cert::der::asn1::ObjectIdentifier::new_unwrap("2.5.4.3");

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("read {what} from {path}; check the path and that the service user may read it", path = path.display())]
    Read {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds something else.
    #[error("find {what} in {path}; it must be PEM", path = path.display())]
    Empty {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// The certificates of a file, in its order.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let what = "a certificate";
    let found = rustls_pemfile::certs(&mut open(what, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| unreadable(what, path, source))?;
    if found.is_empty() {
        return Err(FileError::Empty {
            what,
            path: path.to_owned(),
        });
    }
    Ok(found)
}

/// The private key of a file.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let what = "a private key";
    rustls_pemfile::private_key(&mut open(what, path)?)
        .map_err(|source| unreadable(what, path, source))?
        .ok_or_else(|| FileError::Empty {
            what,
            path: path.to_owned(),
        })
}

/// From when and until when a certificate is valid; `None` when it is none.
pub fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let at = |time: x509_cert::time::Time| {
        let millis = i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(millis)
    };
    Some((at(validity.not_before), at(validity.not_after)))
}

/// When the first certificate of a chain expires; one that cannot be read has.
pub fn expires(chain: &[CertificateDer<'_>]) -> Timestamp {
    let first = chain.first().and_then(|certificate| validity(certificate));
    first.map_or(Timestamp::default(), |(_, until)| until)
}

/// The names in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Common names of the subject.
    pub common: Vec<String>,
    /// DNS names among its alternative names.
    pub dns: Vec<String>,
}

impl Names {
    /// Reads them; `None` when it is no certificate, or a name in it cannot be read.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let certificate = certificate.tbs_certificate();
        let common = certificate
            .subject()
            .iter()
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .map(|attribute| {
                Some(
                    attribute
                        .value
                        .decode_as::<DirectoryString>()
                        .ok()?
                        .value()
                        .into_owned(),
                )
            })
            .collect::<Option<Vec<_>>>()?;
        let alternative = certificate.get_extension::<SubjectAltName>().ok().flatten();
        let dns = alternative
            .into_iter()
            .flat_map(|(_, names)| names.0)
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
                _ => None,
            });
        Some(Self {
            common,
            dns: dns.collect(),
        })
    }
}

fn open(what: &'static str, path: &Path) -> Result<BufReader<io::Take<File>>, FileError> {
    let file = File::open(path).map_err(|source| unreadable(what, path, source))?;
    Ok(BufReader::new(file.take(MAX_BYTES)))
}

fn unreadable(what: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError::Read {
        what,
        path: path.to_owned(),
        source,
    }
}
