//! What is asked: parameters out of the address or out of a form, as Grafana sends them.

use super::answer::Trouble;
use crate::http::extract::MAX_BODY;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use linli_domain::time::{Timestamp, duration_text};
use linli_promql::ast::Query;
use linli_promql::{Matcher, parse, parse_selector};

/// The parameters of a request, in order.
#[derive(Debug)]
pub struct Ask(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Ask {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let mut all = pairs(parts.uri.query().unwrap_or_default());
        let body = to_bytes(body, MAX_BODY)
            .await
            .map_err(|_| Trouble::bad("the body is too large or broke off").into_response())?;
        if let Ok(form) = std::str::from_utf8(&body) {
            all.extend(pairs(form));
        }
        Ok(Self(all))
    }
}

/// Decodes `a=b&c=d`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else {
        return Vec::new();
    };
    url.set_query(Some(text));
    url.query_pairs().into_owned().collect()
}

impl Ask {
    fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(key, _)| key == name);
        named
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn query(&self) -> Result<Query, Trouble> {
        let text = self
            .get("query")
            .ok_or_else(|| Trouble::bad("the parameter query is missing"))?;
        Ok(parse(text).map_err(linli_promql::Error::<super::source::Stop>::Query)?)
    }

    pub(super) fn matches(&self) -> Result<Vec<Vec<Matcher>>, Trouble> {
        let texts = self.0.iter().filter(|(key, _)| key == "match[]");
        texts
            .map(|(_, text)| {
                Ok(parse_selector(text).map_err(linli_promql::Error::<super::source::Stop>::Query)?)
            })
            .collect()
    }

    /// A time in milliseconds: seconds since 1970 or RFC 3339.
    pub(super) fn time(&self, name: &str, otherwise: i64) -> Result<i64, Trouble> {
        match self.get(name) {
            None => Ok(otherwise),
            Some(text) => read_time(text).ok_or_else(|| {
                Trouble::bad(format!(
                    "{name}: {text:?} is neither seconds nor an RFC 3339 time"
                ))
            }),
        }
    }

    pub(super) fn needed_time(&self, name: &str) -> Result<i64, Trouble> {
        self.get(name)
            .ok_or_else(|| Trouble::bad(format!("the parameter {name} is missing")))?;
        self.time(name, 0)
    }

    /// The most entries that are wanted; `None` is as many as there are, which Prometheus writes 0.
    pub(super) fn limit(&self) -> Result<Option<usize>, Trouble> {
        let text = self.get("limit").unwrap_or("0");
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(limit) => usize::try_from(limit)
                .map(Some)
                .map_err(|_| Trouble::bad(format!("limit: {limit} is less than nothing; 0 is no limit"))),
            Err(_) => Err(Trouble::bad(format!("limit: {text:?} is not a whole number"))),
        }
    }

    /// The most metrics that are described: here 0 is none, and less than nothing is no limit, as in Prometheus.
    pub(super) fn limit_of_metadata(&self) -> Result<Option<usize>, Trouble> {
        let text = self.get("limit").unwrap_or("-1");
        match text.parse::<i64>() {
            Ok(limit) => Ok(usize::try_from(limit).ok()),
            Err(_) => Err(Trouble::bad(format!("limit: {text:?} is not a whole number"))),
        }
    }

    /// The one metric that is asked about.
    pub(super) fn metric(&self) -> Option<&str> {
        self.get("metric")
    }

    /// The step in milliseconds: seconds or a duration such as 30s.
    pub(super) fn step(&self) -> Result<i64, Trouble> {
        let text = self
            .get("step")
            .ok_or_else(|| Trouble::bad("the parameter step is missing"))?;
        let millis = match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds.abs() < 1e12 => Some(to_millis(seconds)),
            Ok(_) => None,
            Err(_) => duration_text::parse(text)
                .ok()
                .and_then(|duration| i64::try_from(duration.as_millis()).ok()),
        };
        millis.ok_or_else(|| {
            Trouble::bad(format!(
                "step: {text:?} is neither seconds nor a duration such as 30s"
            ))
        })
    }
}

fn read_time(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => (seconds.is_finite() && seconds.abs() < 1e12).then(|| to_millis(seconds)),
        Err(_) => Timestamp::parse_rfc3339(text).map(Timestamp::as_millis),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "bounded by the callers")]
fn to_millis(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}
