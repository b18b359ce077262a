//! TLS of the broker's own listener: rustls with the ring provider, certificates from PEM files that may be renewed
//! while the broker runs, and the user's name in a client's certificate.
//!
//! Times are checked against the gateway's own clock. Nothing is resumed: an expired certificate does not ride on an
//! older session.

use crate::certificates::{self, FileError, Names};
use crate::clock::SharedClock;
use crate::config::{BrokerTls, CertificateName};
use arc_swap::ArcSwap;
use linli_domain::time::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// Why the files of a TLS listener cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// A file cannot be read or holds something else.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files do not fit together.
    #[error("use the certificates of the broker: {0}; does the key belong to the certificate?")]
    Rustls(#[from] rustls::Error),
    /// The authority of client certificates cannot be one.
    #[error("trust the authority of client certificates: {0}")]
    Authority(String),
}

/// What the listener shows and asks for.
pub(in crate::field::broker) struct Server {
    files: BrokerTls,
    clock: SharedClock,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    expires: Timestamp,
}

impl Server {
    /// Reads the files.
    pub(in crate::field::broker) fn new(
        files: &BrokerTls,
        clock: &SharedClock,
    ) -> Result<Arc<Self>, TlsFileError> {
        let loaded = load(files, clock)?;
        Ok(Arc::new(Self {
            files: files.clone(),
            clock: Arc::clone(clock),
            current: ArcSwap::from_pointee(loaded),
        }))
    }

    /// Reads the files again; on an error what was read before stays in use.
    pub(in crate::field::broker) fn reload(&self) -> Result<(), TlsFileError> {
        self.current.store(Arc::new(load(&self.files, &self.clock)?));
        Ok(())
    }

    /// When the broker's own certificate expires.
    pub(in crate::field::broker) fn expires(&self) -> Timestamp {
        self.current.load().expires
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// The user's name in a client's certificate. It must stand there exactly once.
    pub(super) fn user(&self, certificate: &[u8]) -> Option<String> {
        let kind = self.files.clients.as_ref()?.name;
        let names = Names::of(certificate)?;
        let found = match kind {
            CertificateName::CommonName => names.common,
            CertificateName::DnsName => names.dns,
        };
        <[String; 1]>::try_from(found).ok().map(|[name]| name)
    }
}

fn load(files: &BrokerTls, clock: &SharedClock) -> Result<Loaded, TlsFileError> {
    // The provider is named here: nothing depends on a process-wide default that another library may have set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates::chain(&files.certificate)?;
    let expires = certificates::expires(&chain);
    let verifier = match &files.clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates::chain(&clients.authority)? {
                roots.add(authority)?;
            }
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            let builder = if clients.required {
                builder
            } else {
                builder.allow_unauthenticated()
            };
            builder
                .build()
                .map_err(|why| TlsFileError::Authority(why.to_string()))?
        }
    };
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(GatewayTime(Arc::clone(clock))))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, certificates::key(&files.key)?)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Loaded {
        config: Arc::new(config),
        expires,
    })
}

/// The gateway's clock as rustls asks for it.
struct GatewayTime(SharedClock);

impl TimeProvider for GatewayTime {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now().wall.as_millis()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

impl fmt::Debug for GatewayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayTime")
    }
}
