//! One bounded HTTP POST: no redirects, no proxies, no more of the answer read than needed, guarded addresses.
//!
//! It reports what happened; what that means for a message is decided by the channels. The address of a request is
//! a credential and appears in no error.

use super::BadChannel;
use super::address::{GuardedResolver, Internal, is_allowed};
use linli_domain::time::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// Longest wait for a connection; the whole attempt has the channel's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// What the other side answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// The start of the body; empty when it could not be read in time.
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The name leads only to addresses that are not allowed; nothing was sent.
    Internal,
    /// No connection: nothing was sent.
    NotSent,
    /// The answer did not come in time; the request may have been taken.
    TimedOut,
    /// The connection broke after the request was on its way.
    Broken,
}

/// One endpoint and the client that reaches it.
#[derive(Clone)]
pub(super) struct Endpoint {
    client: Client,
    url: Url,
}

impl Endpoint {
    pub(super) fn new(
        url: &SecretString,
        allow_private: bool,
        timeout: Duration,
    ) -> Result<Self, BadChannel> {
        let url = Url::parse(url.expose_secret().trim()).map_err(|_| BadChannel::Url)?;
        let host = url.host_str().unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return Err(BadChannel::Url);
        }
        // A literal address is never resolved, so it is judged here.
        let literal = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        if literal.is_ok_and(|address| !is_allowed(address, allow_private)) {
            return Err(Internal.into());
        }
        // The composition root installs a provider at start; a second installation is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .tls_certs_only(system_roots())
            .dns_resolver(Arc::new(GuardedResolver { allow_private }))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("linli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .build()
            .map_err(|e| BadChannel::Client(e.without_url()))?;
        Ok(Self { client, url })
    }

    /// Posts `body` and reads the start of the answer.
    pub(super) async fn post(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Lost> {
        let request = self.client.post(self.url.clone()).headers(headers).body(body);
        let response = request.send().await.map_err(|e| classify(&e))?;
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| parse_retry_after(value.to_str().ok()?, now));
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after,
            body: read_start(response).await,
        })
    }
}

/// The machine's trusted authorities. A box without any can still post to `http://` on its own network; to
/// `https://` the connection fails and says so.
pub(super) fn system_roots() -> Vec<reqwest::Certificate> {
    let found = rustls_native_certs::load_native_certs();
    let parse = |der: &rustls::pki_types::CertificateDer<'_>| reqwest::Certificate::from_der(der).ok();
    found.certs.iter().filter_map(parse).collect()
}

fn classify(error: &reqwest::Error) -> Lost {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        if e.is::<Internal>() {
            return Lost::Internal;
        }
        cause = e.source();
    }
    if error.is_connect() || error.is_builder() {
        Lost::NotSent
    } else if error.is_timeout() {
        Lost::TimedOut
    } else {
        Lost::Broken
    }
}

/// Reads up to [`MAX_ANSWER_BYTES`]; the rest is left unread and the connection closed. A body that breaks off
/// counts as what was read of it.
pub(super) async fn read_start(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    body
}

/// Seconds, or an HTTP date as seen from `now`.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()?;
    Some(Timestamp::from_millis(date.as_millisecond()).since(now))
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoint(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse_rfc3339("2026-01-31T19:02:11Z").unwrap();
        let seconds = |text| parse_retry_after(text, now).map(|d| d.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Sat, 31 Jan 2026 19:04:11 GMT"), Some(120));
        assert_eq!(seconds("Sat, 31 Jan 2026 18:00:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-4"), None);
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_being_shown() {
        let build = |url: &str, private| Endpoint::new(&url.into(), private, Duration::from_secs(1));
        for url in ["", "hooks.example", "ftp://a/b", "file:///etc/passwd", "http://"] {
            assert!(matches!(build(url, true), Err(BadChannel::Url)), "{url}");
        }
        for url in [
            "http://127.0.0.1/x",
            "http://[::1]/x",
            "http://0x7f.1/x",
            "http://2130706433/x",
        ] {
            assert!(matches!(build(url, false), Err(BadChannel::Internal(_))), "{url}");
            assert!(build(url, true).is_ok(), "{url}");
        }
        assert!(build("http://169.254.169.254/latest", true).is_err());
        let endpoint = build("https://example.org/secret-path", false).unwrap();
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
