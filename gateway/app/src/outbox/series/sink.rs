//! One target behind one trait: lines in, a verdict out.
//!
//! InfluxDB 2 is asked through the `influxdb2` crate whether it is well and whether the bucket is there. The lines
//! themselves go by one POST of the program's own client, because the crate has no time-outs, hides `Retry-After` and
//! loses the path of an address; InfluxDB 1 and VictoriaMetrics take the same POST.

use super::pack::Packing;
use super::verdict::{TIMEOUT, UNREACHABLE, Verdict, of_status};
use crate::chain::chain;
use crate::config::{Forwarder, ForwarderKind};
use crate::outbox::outbound::{parse_retry_after, read_start, system_roots};
use async_trait::async_trait;
use bytes::Bytes;
use linli_domain::time::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer.
const WHOLE: Duration = Duration::from_secs(10);

/// Where lines go.
#[async_trait]
pub(super) trait Sink: Send + Sync {
    /// Whether the target is well and set up; words for a person when not.
    async fn look(&self) -> Result<(), String>;
    /// Sends lines.
    async fn write(&self, lines: Vec<u8>, now: Timestamp) -> Verdict;
}

/// What a target says to a write without lines: it looks at address, credentials and what is written to all the same.
/// The error says in words why it cannot be asked at all.
pub async fn try_out(target: &Forwarder, now: Timestamp) -> Result<Verdict, String> {
    let sink = Http::new(target).map_err(|error| chain(&error))?;
    Ok(sink.post(Bytes::new(), false, now).await.1)
}

/// Why a target cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadTarget {
    #[error("its address is not one")]
    Url,
    #[error("its certificate authority cannot be read")]
    Ca(#[source] std::io::Error),
    #[error("its certificate authority is not PEM")]
    CaForm(#[source] reqwest::Error),
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    #[error("its token holds characters a header cannot carry")]
    Token,
}

/// A target over HTTP.
pub(super) struct Http {
    name: String,
    client: Client,
    url: Url,
    authorization: Option<HeaderValue>,
    setup: Option<Setup>,
    packing: Packing,
}

/// What is asked through the crate.
struct Setup {
    client: influxdb2::Client,
    bucket: String,
}

impl Http {
    pub(super) fn new(target: &Forwarder) -> Result<Self, BadTarget> {
        let base = Url::parse(&target.url).map_err(|_| BadTarget::Url)?;
        let mut url = base.clone();
        let below = match &target.kind {
            ForwarderKind::Influx2 { .. } => "api/v2/write",
            ForwarderKind::Influx1 { .. } | ForwarderKind::VictoriaMetrics => "write",
        };
        // The path of the address stays: many stores live behind a proxy.
        url.path_segments_mut()
            .map_err(|()| BadTarget::Url)?
            .pop_if_empty()
            .extend(below.split('/'));
        let (mut authorization, mut setup) = (None, None);
        match &target.kind {
            ForwarderKind::Influx2 { org, bucket, token } => {
                url.query_pairs_mut()
                    .append_pair("org", org)
                    .append_pair("bucket", bucket)
                    .append_pair("precision", "ms");
                authorization = Some(header("Token ", token)?);
                // The crate cannot keep a path; a store behind one is only written to.
                if base.path() == "/" {
                    setup = Some(Setup {
                        client: influxdb2::Client::new(base.as_str(), org, token.expose_secret()),
                        bucket: bucket.clone(),
                    });
                }
            }
            ForwarderKind::Influx1 {
                database,
                credentials,
            } => {
                url.query_pairs_mut()
                    .append_pair("db", database)
                    .append_pair("precision", "ms");
                if let Some((user, password)) = credentials {
                    let both = format!("{user}:{}", password.expose_secret());
                    use base64::Engine as _;
                    let encoded = base64::engine::general_purpose::STANDARD.encode(both);
                    authorization = Some(header("Basic ", &encoded.into())?);
                }
            }
            ForwarderKind::VictoriaMetrics => {
                url.query_pairs_mut().append_pair("precision", "ms");
            }
        }
        let mut trusted = system_roots();
        if let Some(ca) = &target.ca {
            let pem = std::fs::read(ca).map_err(BadTarget::Ca)?;
            trusted.extend(reqwest::Certificate::from_pem_bundle(&pem).map_err(BadTarget::CaForm)?);
        }
        let client = Client::builder()
            .tls_certs_only(trusted)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("linli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .build()
            .map_err(|error| BadTarget::Client(error.without_url()))?;
        Ok(Self {
            name: target.name.clone(),
            client,
            url,
            authorization,
            setup,
            packing: Packing::default(),
        })
    }

    /// One POST: the status, when there was an answer, and what it means.
    async fn post(&self, body: Bytes, packed: bool, now: Timestamp) -> (Option<u16>, Verdict) {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(body);
        if packed {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        match request.send().await {
            Ok(response) => {
                let after = response
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|value| parse_retry_after(value.to_str().ok()?, now));
                let status = response.status().as_u16();
                let verdict = of_status(status, after, &read_start(response).await);
                (Some(status), verdict)
            }
            Err(error) => {
                let code = if error.is_connect() {
                    UNREACHABLE
                } else if error.is_timeout() {
                    TIMEOUT
                } else {
                    "broken"
                };
                (None, Verdict::Later { code, after: None })
            }
        }
    }
}

fn header(scheme: &str, secret: &SecretString) -> Result<HeaderValue, BadTarget> {
    let mut value = HeaderValue::from_str(&format!("{scheme}{}", secret.expose_secret().trim()))
        .map_err(|_| BadTarget::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[async_trait]
impl Sink for Http {
    async fn look(&self) -> Result<(), String> {
        let Some(setup) = &self.setup else {
            return Ok(());
        };
        let asked = async {
            setup.client.health().await.map_err(|error| error.to_string())?;
            let wish = influxdb2::api::buckets::ListBucketsRequest {
                name: Some(setup.bucket.clone()),
                ..Default::default()
            };
            let found = setup
                .client
                .list_buckets(Some(wish))
                .await
                .map_err(|error| error.to_string())?;
            match found.buckets.iter().any(|bucket| bucket.name == setup.bucket) {
                true => Ok(()),
                false => Err(format!("there is no bucket {}", setup.bucket)),
            }
        };
        tokio::time::timeout(WHOLE, asked)
            .await
            .unwrap_or_else(|_| Err("no answer in time".into()))
    }

    async fn write(&self, lines: Vec<u8>, now: Timestamp) -> Verdict {
        let lines = Bytes::from(lines);
        let Some(packed) = self.packing.pack(&lines).await else {
            return self.post(lines, false, now).await.1;
        };
        let (status, verdict) = self.post(packed, true, now).await;
        if verdict == Verdict::Taken {
            self.packing.was_taken();
        }
        let Some(status) = status.filter(|status| self.packing.may_be_why(*status)) else {
            return verdict;
        };
        // 415 says that it was the packing; after 400 the same lines tell.
        let (_, verdict) = self.post(lines, false, now).await;
        if (status == 415 || verdict == Verdict::Taken) && self.packing.give_up() {
            tracing::info!(
                forwarder = %self.name, status,
                "the target takes no packed bodies; it is written to plainly from now on"
            );
        }
        verdict
    }
}
