//! Answers and refusals in Prometheus' own shape.

use super::source::Stop;
use crate::http::layers::OwnShape;
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use linli_promql::eval::Outcome;
use linli_promql::{Error, Labels, Series};
use serde::{Serialize, Serializer};
use serde_json::json;
use std::future::Future;

/// `data` of an answer, written down already: no tree of values is kept beside it.
#[derive(Debug)]
pub(super) struct Answer {
    data: Vec<u8>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Of<'a, T: ?Sized> {
    #[serde(rename = "resultType")]
    kind: &'static str,
    result: &'a T,
}

#[derive(Serialize)]
struct One<'a> {
    metric: &'a Labels,
    value: Pair,
}

#[derive(Serialize)]
struct Line<'a> {
    metric: &'a Labels,
    values: Vec<Pair>,
}

/// Seconds, and the value as text.
struct Pair(i64, f64);

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[allow(clippy::cast_precision_loss, reason = "seconds with milliseconds fit")]
        (self.0 as f64 / 1_000.0, Number(self.1)).serialize(serializer)
    }
}

struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("+Inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-Inf"),
            value => serializer.collect_str(&value),
        }
    }
}

impl Answer {
    pub(super) fn data(data: &impl Serialize) -> Result<Self, Trouble> {
        let data = serde_json::to_vec(data).map_err(|error| Trouble::internal(error.to_string()))?;
        Ok(Self {
            data,
            warnings: Vec::new(),
        })
    }

    /// Says that something is missing in it.
    pub(super) fn warn(mut self, said: String) -> Self {
        self.warnings.push(said);
        self
    }

    pub(super) fn outcome(outcome: &Outcome, time: i64) -> Result<Self, Trouble> {
        match outcome {
            Outcome::Scalar(value) => Self::data(&Of {
                kind: "scalar",
                result: &Pair(time, *value),
            }),
            Outcome::Vector(samples) => {
                let one = samples.iter().map(|sample| One {
                    metric: &sample.labels,
                    value: Pair(time, sample.value),
                });
                let result: Vec<One<'_>> = one.collect();
                Self::data(&Of {
                    kind: "vector",
                    result: &result,
                })
            }
            Outcome::Matrix(series) => Self::matrix(series),
        }
    }

    pub(super) fn matrix(series: &[Series]) -> Result<Self, Trouble> {
        let one = series.iter().map(|series| Line {
            metric: &series.labels,
            values: series
                .samples
                .iter()
                .map(|(at, value)| Pair(*at, *value))
                .collect(),
        });
        let result: Vec<Line<'_>> = one.collect();
        Self::data(&Of {
            kind: "matrix",
            result: &result,
        })
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    kind: &'static str,
    said: String,
}

impl Trouble {
    pub(super) fn bad(said: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "bad_data",
            said: said.into(),
        }
    }

    pub(super) fn internal(said: String) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "internal",
            said,
        }
    }
}

impl From<Error<Stop>> for Trouble {
    fn from(error: Error<Stop>) -> Self {
        match error {
            Error::Query(linli_promql::Refused::Unsupported(_)) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                kind: "bad_data",
                said: error.to_string(),
            },
            Error::Query(refused) => Self::bad(refused.to_string()),
            Error::Execution(said) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                kind: "execution",
                said,
            },
            Error::Source(Stop::TooMuch(most)) => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                kind: "execution",
                said: format!(
                    "the query reads more than {most} samples; shorten the range or narrow the selector"
                ),
            },
            Error::Source(Stop::TooLong) => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "timeout",
                said: "the query takes longer than 5 seconds; shorten the range, make step larger or narrow the \
                       selector"
                    .into(),
            },
            Error::Source(Stop::Store(error)) => Self::internal(error.to_string()),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.said });
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(OwnShape);
        response
    }
}

/// The answer of a handler.
pub(super) async fn respond(work: impl Future<Output = Result<Answer, Trouble>>) -> Response {
    match work.await {
        Ok(Answer { data, warnings }) => {
            let mut body = b"{\"status\":\"success\",\"data\":".to_vec();
            body.extend_from_slice(&data);
            if !warnings.is_empty() {
                let said = json!(warnings).to_string();
                body.extend_from_slice(format!(",\"warnings\":{said}").as_bytes());
            }
            body.push(b'}');
            ([(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(trouble) => trouble.into_response(),
    }
}
