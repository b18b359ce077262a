//! TLS towards a broker: rustls with the ring provider, authorities from a PEM file or the system, an optional
//! client certificate.
//!
//! Files are read anew for each connection, so a rotated certificate needs a reconnect and no restart.

use crate::config::MqttTls;
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("read {what} from {path}; check the path and that the service user may read it")]
    Read {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("find {what} in {path}; it must be PEM")]
    Empty { what: &'static str, path: PathBuf },
    #[error("find a trusted authority on this system; install ca-certificates or set `ca`")]
    NoSystemRoots,
    #[error("use the configured certificates")]
    Rustls(#[from] rustls::Error),
}

/// The transport of an `mqtts` connection.
pub(super) fn transport(tls: &MqttTls) -> Result<Transport, TlsError> {
    // The provider is named here: nothing depends on a process-wide default that another library may have set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(tls.ca.as_deref())?);
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
        }
    };
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(
        config,
    ))))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NoSystemRoots);
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "a certificate";
    let found = rustls_pemfile::certs(&mut open(what, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| read(what, path, source))?;
    if found.is_empty() {
        return Err(TlsError::Empty {
            what,
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "a private key";
    rustls_pemfile::private_key(&mut open(what, path)?)
        .map_err(|source| read(what, path, source))?
        .ok_or_else(|| TlsError::Empty {
            what,
            path: path.to_owned(),
        })
}

fn open(what: &'static str, path: &Path) -> Result<BufReader<File>, TlsError> {
    Ok(BufReader::new(
        File::open(path).map_err(|source| read(what, path, source))?,
    ))
}

fn read(what: &'static str, path: &Path, source: io::Error) -> TlsError {
    TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    }
}
