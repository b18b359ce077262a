//! The Host check: a browser that was lured to a foreign name must not reach the gateway under that name.
//!
//! Accepted are loopback names and addresses, the bound address, the address the connection arrived at and the
//! hosts the operator configured (protection against DNS rebinding). It does not look at who is asking.

use axum::http::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};

/// The hosts a request may name.
#[derive(Debug, Clone)]
pub struct Hosts {
    bound: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    /// Loopback, the bound address, and `names`.
    pub fn new(bound: SocketAddr, names: &[String]) -> Self {
        Self {
            bound: bound.ip(),
            names: names.iter().map(|name| tidy(name).to_ascii_lowercase()).collect(),
        }
    }

    /// Whether the request names one of them; requests without a readable host name none.
    pub fn accepts<B>(&self, request: &Request<B>) -> bool {
        host_of(request).is_some_and(|host| self.accepts_host(&host))
    }

    fn accepts_host(&self, host: &str) -> bool {
        let host = tidy(host).to_ascii_lowercase();
        match host.parse::<IpAddr>() {
            // An address cannot be rebound to another machine, so any address of this machine is as good as
            // the bound one; which ones those are is not known when bound to "any".
            Ok(address) => {
                let address = address.to_canonical();
                address.is_loopback()
                    || address == self.bound
                    || self.bound.is_unspecified()
                    || self.names.contains(&host)
            }
            Err(_) => host == "localhost" || host.ends_with(".localhost") || self.names.contains(&host),
        }
    }
}

/// Without the brackets of an IPv6 literal and without a closing dot.
fn tidy(host: &str) -> &str {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host)
}

/// The host a request names, from its target or its one Host header.
fn host_of<B>(request: &Request<B>) -> Option<String> {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return None;
    }
    let header = header.and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
    match (request.uri().authority(), header) {
        (Some(target), Some(header)) if target.host() != header.host() => None,
        (Some(target), _) => Some(target.host().to_owned()),
        (None, header) => header.map(|header| header.host().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(bound: &str, host: &str) -> bool {
        let hosts = Hosts::new(bound.parse().unwrap(), &["Linli.example".into()]);
        hosts.accepts(&Request::builder().uri("/").header(HOST, host).body(()).unwrap())
    }

    #[test]
    fn loopback_configured_and_bound_hosts_are_accepted() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "linli.example",
            "LINLI.example.:80",
        ] {
            assert!(accepts("127.0.0.1:8080", host), "{host}");
        }
        assert!(accepts("192.168.1.5:8080", "192.168.1.5:8080"));
        assert!(accepts("0.0.0.0:8080", "10.1.2.3:8080"));
    }

    #[test]
    fn foreign_names_and_addresses_are_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.1.9",
            "",
            "a b",
        ] {
            assert!(!accepts("192.168.1.5:8080", host), "{host}");
        }
        let without = Request::builder().uri("/").body(()).unwrap();
        assert!(!Hosts::new("127.0.0.1:1".parse().unwrap(), &[]).accepts(&without));
    }

    #[test]
    fn two_hosts_are_none() {
        let request = Request::builder()
            .uri("/")
            .header(HOST, "localhost")
            .header(HOST, "evil.example")
            .body(())
            .unwrap();
        assert!(!Hosts::new("127.0.0.1:1".parse().unwrap(), &[]).accepts(&request));
    }
}
