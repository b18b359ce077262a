//! The WeCom group robot 企业微信群机器人.
//!
//! HTTP 200 means nothing: the body's `errcode` decides. A robot takes 20 messages a minute; the worker keeps to
//! that with [`super::policy::Allowance`]. Group messages carry no person's name; the texts come from
//! [`super::plan`].

use super::outbound::{Answer, Endpoint, Lost};
use super::outlived::Call;
use super::{BadChannel, Message, Outcome, Send};
use async_trait::async_trait;
use linli_domain::text::Language;
use linli_domain::time::Now;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most bytes of a markdown message; a Chinese character takes three.
pub const MAX_MARKDOWN_BYTES: usize = 4096;
/// What a message is cut to after the robot called it too long all the same.
const SHORT_MARKDOWN_BYTES: usize = 2000;
/// The wait the robot imposes after too many messages.
const RATE_PAUSE: Duration = Duration::from_secs(60);
/// The wait after too many messages at once.
const CONCURRENCY_PAUSE: Duration = Duration::from_secs(3);
/// Most repetitions while the robot says it is busy.
const MAX_BUSY_ATTEMPTS: u32 = 3;

/// Codes of the robot that mean something to us.
mod errcode {
    pub(super) const BUSY: i64 = -1;
    pub(super) const OK: i64 = 0;
    pub(super) const BAD_PARAMETER: i64 = 40058;
    pub(super) const RATE: i64 = 45009;
    pub(super) const CONCURRENCY: i64 = 45033;
    pub(super) const NO_SUCH_ROBOT: i64 = 93000;
}

/// What is stored for a group robot: the message, and the line that stands for it in a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The language it is written in; a digest continues in it.
    pub language: Language,
    /// `P1` to `P4`.
    pub priority: String,
    /// One line for digests.
    pub title: String,
    /// The whole message in markdown.
    pub text: String,
    /// What it calls somebody to; nothing when it only tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
}

/// A group robot.
#[derive(Debug)]
pub struct Wecom {
    endpoint: Endpoint,
}

impl Wecom {
    /// A robot at its webhook address. Addresses of the own network are allowed: companies put relays there.
    pub fn new(url: &SecretString, timeout: Duration) -> Result<Self, BadChannel> {
        Ok(Self {
            endpoint: Endpoint::new(url, true, timeout)?,
        })
    }
}

#[derive(Serialize)]
struct Post<'a> {
    msgtype: &'static str,
    markdown: Markdown<'a>,
}

#[derive(Serialize)]
struct Markdown<'a> {
    content: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    errcode: i64,
}

#[async_trait]
impl Send for Wecom {
    async fn send(&self, message: Message<'_>, now: Now) -> Outcome {
        let Ok(card) = serde_json::from_slice::<Card>(message.payload) else {
            return Outcome::permanent("bad_payload");
        };
        let limit = if was_too_long(&message) {
            SHORT_MARKDOWN_BYTES
        } else {
            MAX_MARKDOWN_BYTES
        };
        let content = &cut(&card.text, limit);
        let post = Post {
            msgtype: "markdown",
            markdown: Markdown { content },
        };
        let Ok(body) = serde_json::to_vec(&post) else {
            return Outcome::permanent("bad_payload");
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        match self.endpoint.post(headers, body, now.wall).await {
            Ok(answer) => judge(&answer, &message),
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

fn was_too_long(message: &Message<'_>) -> bool {
    message.last_code == Some("wecom_40058")
}

/// What the robot's answer means. An answer without `errcode` is not the robot's: a portal or proxy in between.
fn judge(answer: &Answer, message: &Message<'_>) -> Outcome {
    let Ok(Reply { errcode }) = serde_json::from_slice::<Reply>(&answer.body) else {
        return match answer.status {
            429 => pause(format!("http_{}", answer.status)),
            404 => Outcome::permanent("http_404"),
            status => Outcome::retry(format!("http_{status}_no_errcode")),
        };
    };
    let code = format!("wecom_{errcode}");
    match errcode {
        errcode::OK => Outcome::Delivered { provider_id: None },
        errcode::BUSY if message.attempts < MAX_BUSY_ATTEMPTS => Outcome::retry(code),
        errcode::RATE => pause(code),
        errcode::CONCURRENCY => Outcome::Retry {
            code,
            after: Some(CONCURRENCY_PAUSE),
            whole_channel: false,
        },
        errcode::BAD_PARAMETER if !was_too_long(message) => Outcome::Retry {
            code,
            after: Some(CONCURRENCY_PAUSE),
            whole_channel: false,
        },
        errcode::NO_SUCH_ROBOT => Outcome::Permanent { code, gone: true },
        _ => Outcome::permanent(code),
    }
}

fn pause(code: String) -> Outcome {
    Outcome::Retry {
        code,
        after: Some(RATE_PAUSE),
        whole_channel: true,
    }
}

/// Cuts a text to `limit` bytes on a character boundary, with an ellipsis where something is missing.
pub fn cut(text: &str, limit: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub(ELLIPSIS.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(errcode: i64, attempts: u32, last_code: Option<&str>) -> Outcome {
        let answer = Answer {
            status: 200,
            retry_after: None,
            body: format!("{{\"errcode\":{errcode},\"errmsg\":\"ok\"}}").into_bytes(),
        };
        let message = Message {
            id: "x",
            payload: b"",
            attempts,
            last_code,
        };
        judge(&answer, &message)
    }

    #[test]
    fn the_code_in_the_body_decides() {
        let retry = |code: &str, after: Option<u64>, whole_channel| Outcome::Retry {
            code: code.into(),
            after: after.map(Duration::from_secs),
            whole_channel,
        };
        assert_eq!(said(0, 0, None), Outcome::Delivered { provider_id: None });
        assert_eq!(said(-1, 2, None), retry("wecom_-1", None, false));
        assert_eq!(said(-1, 3, None), Outcome::permanent("wecom_-1"));
        assert_eq!(said(45009, 0, None), retry("wecom_45009", Some(60), true));
        assert_eq!(said(45033, 0, None), retry("wecom_45033", Some(3), false));
        assert_eq!(said(40058, 0, None), retry("wecom_40058", Some(3), false));
        assert_eq!(
            said(40058, 1, Some("wecom_40058")),
            Outcome::permanent("wecom_40058")
        );
        assert_eq!(said(40008, 0, None), Outcome::permanent("wecom_40008"));
        let gone = Outcome::Permanent {
            code: "wecom_93000".into(),
            gone: true,
        };
        assert_eq!(said(93000, 0, None), gone);
    }

    #[test]
    fn a_portal_that_answers_200_is_not_the_robot() {
        let message = Message {
            id: "x",
            payload: b"",
            attempts: 0,
            last_code: None,
        };
        let answer = |status, body: &str| Answer {
            status,
            retry_after: None,
            body: body.into(),
        };
        let portal = judge(&answer(200, "<html>请登录</html>"), &message);
        assert_eq!(portal, Outcome::retry("http_200_no_errcode"));
        assert_eq!(
            judge(&answer(502, ""), &message),
            Outcome::retry("http_502_no_errcode")
        );
        assert_eq!(judge(&answer(404, ""), &message), Outcome::permanent("http_404"));
    }

    proptest! {
        #[test]
        fn a_cut_text_fits_and_is_whole_characters(text in "[a泵📣]{0,60}", limit in 3usize..80) {
            let short = cut(&text, limit);
            prop_assert!(short.len() <= limit.max(text.len().min(limit)));
            prop_assert!(text.starts_with(short.trim_end_matches('…')));
        }
    }
}
