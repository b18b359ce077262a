//! Reading a request: body, query, path and headers, each refused with a problem that says what to write.
//!
//! The body is read here and nowhere else, so its limit, its content type and the hash that an idempotency key
//! is bound to are the same everywhere. Nothing here knows what the values mean.

use super::problem::{Code, Problem, ProblemPart};
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// Largest accepted body in bytes.
pub const MAX_BODY: usize = 1 << 20;
/// Longest idempotency key.
pub const MAX_KEY: usize = 128;
/// The header that names a request, so that a repeat is answered and not done again.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Largest accepted estate document in bytes.
pub const MAX_ESTATE: usize = 8 << 20;

/// A JSON body of at most `LIMIT` bytes.
#[derive(Debug, Clone)]
pub struct Body<T, const LIMIT: usize = MAX_BODY> {
    /// What it says.
    pub value: T,
    /// SHA-256 over method, address and body: what an idempotency key is bound to.
    pub hash: [u8; 32],
}

impl<T: DeserializeOwned, S: Send + Sync, const LIMIT: usize> FromRequest<S> for Body<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let announced = parts
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > LIMIT) {
            return Err(too_large(LIMIT));
        }
        let bytes = to_bytes(body, LIMIT).await.map_err(|e| {
            let mut source: Option<&dyn std::error::Error> = Some(&e);
            while let Some(error) = source {
                if error.to_string() == "length limit exceeded" {
                    return too_large(LIMIT);
                }
                source = error.source();
            }
            Problem::new(Code::BadRequest, "the body broke off; send it again")
        })?;
        let mut hash = Sha256::new();
        for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(&bytes);
        // A verb without words needs neither a body nor a content type.
        let text: &[u8] = if bytes.is_empty() && !parts.headers.contains_key(CONTENT_TYPE) {
            b"{}"
        } else if is_json(&parts.headers) {
            &bytes
        } else {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "send the body as Content-Type: application/json",
            ));
        };
        // A sequence would be read as the fields in their order, which nobody means.
        if !text.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice::<serde::de::IgnoredAny>(text).map_err(|e| from_json(&e))?;
            return Err(Problem::new(Code::InvalidBody, "the body must be a JSON object"));
        }
        Ok(Self {
            value: serde_json::from_slice(text).map_err(|e| from_json(&e))?,
            hash: hash.finalize().into(),
        })
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("this body may have {limit} bytes"))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Not JSON is one thing; JSON that does not fit is another.
fn from_json(error: &serde_json::Error) -> Problem {
    let detail = error.to_string();
    if error.classify() != serde_json::error::Category::Data {
        return Problem::new(Code::BadJson, detail);
    }
    let mut problem = Problem::new(Code::InvalidBody, detail.clone());
    problem.errors.push(ProblemPart {
        pointer: String::new(),
        detail,
    });
    problem
}

/// The query of a request, with every unknown parameter refused by the type it is read into.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|e| Problem::new(Code::BadQuery, e.body_text()))
    }
}

/// The one id in the address. What cannot be an id does not exist.
#[derive(Debug, Clone)]
pub struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Code::NotFound, "the id in the address cannot be read"))?;
        text.parse()
            .map(Self)
            .map_err(|_| Problem::not_found("resource with the id", &text))
    }
}

/// The version a change is decided on, from `If-Match: "7"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub u32);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut headers = parts.headers.get_all(IF_MATCH).iter();
        let Some(header) = headers.next() else {
            return Err(Problem::new(
                Code::PreconditionRequired,
                "send If-Match with the ETag of the version this was decided on, such as If-Match: \"7\"",
            ));
        };
        let wrong = || {
            Problem::new(
                Code::BadPrecondition,
                "If-Match takes exactly one version in quotes, such as \"7\"",
            )
        };
        if headers.next().is_some() {
            return Err(wrong());
        }
        let version = header.to_str().ok().and_then(read_tag);
        version.map(Self).ok_or_else(wrong)
    }
}

fn read_tag(text: &str) -> Option<u32> {
    text.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The ETag of a version.
pub fn etag(version: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// Whether the client already has this version.
pub fn has_version(headers: &HeaderMap, version: u32) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| read_tag(tag.trim().trim_start_matches("W/")) == Some(version))
}

/// The client's name for this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(header) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(None));
        };
        header
            .to_str()
            .ok()
            .filter(|key| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
            .map(|key| Self(Some(key.to_owned())))
            .ok_or_else(|| {
                Problem::new(
                    Code::BadIdempotencyKey,
                    format!(
                        "an idempotency key has 1 to {MAX_KEY} visible ASCII characters; a UUID is a good one"
                    ),
                )
            })
    }
}

/// A request that cannot be answered twice from memory: a key would promise what is not kept.
#[derive(Debug, Clone, Copy)]
pub struct Unkeyed;

impl<S: Send + Sync> FromRequestParts<S> for Unkeyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(IDEMPOTENCY_KEY) {
            let detail = "this request takes no idempotency key: its answer is not kept; send it without";
            return Err(Problem::new(Code::BadIdempotencyKey, detail));
        }
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_number_in_quotes() {
        assert_eq!(read_tag("\"7\""), Some(7));
        for bad in ["7", "W/\"7\"", "*", "\"7\", \"8\"", "\"\"", "\"-1\""] {
            assert_eq!(read_tag(bad), None, "{bad}");
        }
        assert_eq!(etag(12), "\"12\"");
    }

    #[test]
    fn a_client_that_has_the_version_is_recognised() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"3\", W/\"7\""));
        assert!(has_version(&headers, 7) && !has_version(&headers, 8));
    }
}
