//! What a client is told when something was not done: RFC 9457 `application/problem+json`.
//!
//! Every answer that is not a success ends here, the router's own refusals and panics included. The codes are
//! stable and stand in one table. This module does not decide when something is refused.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! codes {
    ($($name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Why a request was not done. The text of a code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
            /// The status it is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
            /// The same sentence for every problem of this code.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be understood";
    BadJson = "bad_json", BAD_REQUEST, "The body is not JSON";
    BadQuery = "bad_query", BAD_REQUEST, "A query parameter is unknown or wrong";
    CursorMismatch = "cursor_mismatch", BAD_REQUEST, "The cursor belongs to another listing";
    BadIdempotencyKey = "bad_idempotency_key", BAD_REQUEST, "The idempotency key cannot be used here";
    BadPrecondition = "bad_precondition", BAD_REQUEST, "The If-Match header is not a version";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A token is needed";
    Forbidden = "forbidden", FORBIDDEN, "The token's role may not do this";
    NotFound = "not_found", NOT_FOUND, "There is no such thing";
    UnknownRoute = "unknown_route", NOT_FOUND, "There is no such address";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The address does not take this method";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long";
    InvalidTransition = "invalid_transition", CONFLICT, "The state does not allow this now";
    RequestInFlight = "request_in_flight", CONFLICT, "The same request is being done";
    VersionConflict = "version_conflict", PRECONDITION_FAILED, "Somebody changed it in the meantime";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be application/json";
    Misdirected = "misdirected", MISDIRECTED_REQUEST, "The Host header names another machine";
    InvalidBody = "invalid_body", UNPROCESSABLE_ENTITY, "The body does not fit";
    InvalidEstate = "invalid_estate", UNPROCESSABLE_ENTITY, "The estate does not make sense";
    Refused = "refused", UNPROCESSABLE_ENTITY, "The rules of the workflow do not allow this";
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request";
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "The request must say which version it changes";
    TooManyListeners = "too_many_listeners", TOO_MANY_REQUESTS, "There are too many listeners of the live feed";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The gateway made a mistake";
    StoreFailed = "store_failed", SERVICE_UNAVAILABLE, "The ledger cannot be read or written";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The gateway has too much to do";
    Stopping = "stopping", SERVICE_UNAVAILABLE, "The gateway is shutting down";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The gateway is not ready";
}

/// Seconds after which a client may try again, for the codes that pass by themselves.
fn retry_after(code: Code) -> Option<HeaderValue> {
    match code {
        Code::RequestInFlight | Code::Overloaded | Code::Stopping | Code::Unavailable => Some("1"),
        Code::TooManyListeners | Code::StoreFailed => Some("10"),
        _ => None,
    }
    .map(HeaderValue::from_static)
}

/// One thing in the body that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemPart {
    /// Where, as a path into the document; empty for the whole.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The version a client should have named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CurrentVersion {
    /// The version now.
    pub version: u32,
    /// Who made the last change.
    pub changed_by: String,
}

/// The body of every answer that is not a success (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:linli:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same sentence for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and what to do.
    pub detail: String,
    /// The stable word a program looks at.
    pub code: String,
    /// The request, as it stands in the log and in `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Every part of the body that does not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemPart>,
    /// With `version_conflict`: what the client should have named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentVersion>,
}

/// A request that was not done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The family it belongs to: status and title.
    pub code: Code,
    /// The stable word: the family's own, or a closer one of the workflow.
    pub word: &'static str,
    /// What went wrong this time.
    pub detail: String,
    /// Every part of the body that does not fit.
    pub errors: Vec<ProblemPart>,
    /// What the client should have named.
    pub current: Option<Box<CurrentVersion>>,
}

impl Problem {
    /// A problem with its sentence for this occasion.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            word: code.as_str(),
            detail: detail.into(),
            errors: Vec::new(),
            current: None,
        }
    }

    /// There is no such thing.
    pub fn not_found(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(96).collect();
        Self::new(Code::NotFound, format!("there is no {what} {id:?}"))
    }

    /// The problem a bare refusal of the router stands for.
    pub fn from_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::UnknownRoute,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidBody,
            StatusCode::SERVICE_UNAVAILABLE => Code::Overloaded,
            s if s.is_client_error() => Code::BadRequest,
            _ => Code::Internal,
        };
        Self::new(code, code.title())
    }

    /// The body, naming the request it belongs to.
    pub fn body(&self, instance: Option<&str>) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:linli:problem:{}", self.word),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.word.to_owned(),
            instance: instance.map(str::to_owned),
            errors: self.errors.clone(),
            current: self.current.as_deref().cloned(),
        }
    }

    /// The whole answer, naming the request it belongs to.
    pub fn respond(&self, instance: Option<&str>) -> Response {
        let body = serde_json::to_vec(&self.body(instance)).unwrap_or_default();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(wait) = retry_after(self.code) {
            headers.insert(header::RETRY_AFTER, wait);
        }
        if self.code == Code::Unauthenticated {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"linli\""),
            );
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Answers without the request's name and leaves the problem beside it, so that the outermost layer,
    /// which knows the name, can say it again.
    fn into_response(self) -> Response {
        let mut response = self.respond(None);
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_of_refusals() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn a_problem_names_its_request_only_when_it_is_known() {
        let problem = Problem::not_found("order", "WO-9");
        assert_eq!(problem.body(None).instance, None);
        assert_eq!(problem.body(Some("r-1")).instance.as_deref(), Some("r-1"));
        assert_eq!(problem.body(None).kind, "urn:linli:problem:not_found");
    }
}
