//! The signed webhook: a CloudEvents body with Standard Webhooks headers.
//!
//! Success is 2xx and nothing else; redirects are not followed. The id and the body are the same on every attempt,
//! only the timestamp and with it the signature change. What the event says is decided by [`super::plan`].

use super::outbound::{Answer, Endpoint, Lost};
use super::signature::{MAX_KEYS, SigningKey, sign};
use super::{BadChannel, Message, Outcome, Send};
use async_trait::async_trait;
use linli_domain::time::Now;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// A webhook endpoint.
#[derive(Debug)]
pub struct Webhook {
    endpoint: Endpoint,
    keys: Vec<SigningKey>,
}

impl Webhook {
    /// An endpoint with its signing keys, newest first.
    pub fn new(
        url: &SecretString,
        keys: &[SecretString],
        allow_private: bool,
        timeout: Duration,
    ) -> Result<Self, BadChannel> {
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(BadChannel::Keys);
        }
        let keys = keys.iter().map(|key| SigningKey::parse(key.expose_secret()));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
            endpoint: Endpoint::new(url, allow_private, timeout)?,
        })
    }

    fn headers(&self, message: &Message<'_>, now: Now) -> Option<HeaderMap> {
        let timestamp = now.wall.as_millis().div_euclid(1000);
        let signature = sign(&self.keys, message.id, timestamp, message.payload);
        let mut headers = HeaderMap::new();
        let media = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
        headers.insert(CONTENT_TYPE, media);
        for (name, value) in [
            ("webhook-id", message.id),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signature),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
        }
        Some(headers)
    }
}

#[async_trait]
impl Send for Webhook {
    async fn send(&self, message: Message<'_>, now: Now) -> Outcome {
        let Some(headers) = self.headers(&message, now) else {
            return Outcome::permanent("bad_id");
        };
        match self
            .endpoint
            .post(headers, message.payload.to_vec(), now.wall)
            .await
        {
            Ok(answer) => judge(&answer),
            Err(Lost::Internal) => Outcome::permanent("internal_address"),
            Err(Lost::NotSent) => Outcome::retry("not_sent"),
            Err(Lost::TimedOut) => Outcome::Unknown {
                code: "timed_out".into(),
            },
            Err(Lost::Broken) => Outcome::Unknown {
                code: "broken".into(),
            },
        }
    }
}

/// What an answer means. Everything but 2xx, 410 and redirects may be different the next time: receivers answer
/// 4xx for reasons that are mended there, and the schedule ends by itself.
fn judge(answer: &Answer) -> Outcome {
    let code = format!("http_{}", answer.status);
    match answer.status {
        200..=299 => Outcome::Delivered { provider_id: None },
        300..=399 => Outcome::permanent(code),
        410 => Outcome::Permanent { code, gone: true },
        429 | 502 | 503 | 504 => Outcome::Retry {
            code,
            after: answer.retry_after,
            whole_channel: answer.retry_after.is_some(),
        },
        _ => Outcome::retry(code),
    }
}
