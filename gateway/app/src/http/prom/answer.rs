//! Answers and refusals in Prometheus' own shape.

use super::source::Stop;
use crate::http::layers::OwnShape;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use linli_promql::eval::{Outcome, Sample};
use linli_promql::{Error, Series};
use serde_json::{Value, json};
use std::future::Future;

/// `data` of an answer.
#[derive(Debug)]
pub(super) struct Answer(Value);

impl Answer {
    pub(super) fn data(data: Value) -> Self {
        Self(data)
    }

    pub(super) fn outcome(outcome: &Outcome, time: i64) -> Self {
        Self(match outcome {
            Outcome::Scalar(value) => json!({ "resultType": "scalar", "result": pair(time, *value) }),
            Outcome::Vector(samples) => {
                let one =
                    |sample: &Sample| json!({ "metric": sample.labels, "value": pair(time, sample.value) });
                let result: Vec<Value> = samples.iter().map(one).collect();
                json!({ "resultType": "vector", "result": result })
            }
        })
    }

    pub(super) fn matrix(series: &[Series]) -> Self {
        let one = |series: &Series| {
            let values: Vec<Value> = series
                .samples
                .iter()
                .map(|(time, value)| pair(*time, *value))
                .collect();
            json!({ "metric": series.labels, "values": values })
        };
        let result: Vec<Value> = series.iter().map(one).collect();
        Self(json!({ "resultType": "matrix", "result": result }))
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds with milliseconds fit")]
fn pair(time: i64, value: f64) -> Value {
    let text = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    };
    json!([time as f64 / 1_000.0, text])
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
        Ok(Answer(data)) => Json(json!({ "status": "success", "data": data })).into_response(),
        Err(trouble) => trouble.into_response(),
    }
}
