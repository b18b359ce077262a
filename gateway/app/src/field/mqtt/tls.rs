//! TLS towards a broker: rustls with the ring provider, authorities from a PEM file or the system, an optional
//! client certificate.
//!
//! Files are read anew for each connection, so a rotated certificate needs a reconnect and no restart.

use crate::certificates::{FileError, chain, key};
use crate::config::MqttTls;
use rumqttc::{TlsConfiguration, Transport};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error(transparent)]
    File(#[from] FileError),
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
        Some((certificate, its_key)) => builder.with_client_auth_cert(chain(certificate)?, key(its_key)?)?,
    };
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(
        config,
    ))))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in chain(path)? {
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
