//! The readings as Prometheus would serve them, for Grafana's built-in data source, promtool and curl: `/prom/api/v1`.
//!
//! Numbers are the metric `linli_value`, states `linli_state` with 0 and 1, labelled by estate, place, asset, device,
//! point, measure, instance, unit and quality; without a word about quality a selector means good readings. Read-only;
//! what the subset does not know is refused by name. Answers and refusals have Prometheus' own shape.

mod answer;
mod ask;
mod source;

use super::Http;
use answer::{Answer, Trouble};
use ask::Ask;
use axum::extract::{Path, State};
use axum::response::Response;
use linli_ledger::StoreError;
use linli_promql::{Error, Limits, Matcher, instant, range};
use serde_json::json;
use source::Points;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Label sets listed in one answer at most.
const MAX_LISTED: usize = 20_000;

/// A query at one time, as Prometheus answers it
#[utoipa::path(method(get, post), path = "/query", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn query(State(http): State<Arc<Http>>, ask: Ask) -> Response {
    answer::respond(async {
        let query = ask.query()?;
        let now = http.clock.now().wall.as_millis();
        let time = ask.time("time", now)?;
        let outcome = evaluate(&http, move |source| {
            instant(source, &query, time, Limits::default())
        })
        .await?;
        Answer::outcome(&outcome, time)
    })
    .await
}

/// A query at every step of a range, as Prometheus answers it
#[utoipa::path(method(get, post), path = "/query_range", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn query_range(State(http): State<Arc<Http>>, ask: Ask) -> Response {
    answer::respond(async {
        let query = ask.query()?;
        let (start, end, step) = (ask.needed_time("start")?, ask.needed_time("end")?, ask.step()?);
        let series = evaluate(&http, move |source| {
            range(source, &query, (start, end), step, Limits::default())
        })
        .await?;
        Answer::matrix(&series)
    })
    .await
}

/// Label sets of the series that match, as Prometheus answers it
#[utoipa::path(method(get, post), path = "/series", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn series(State(http): State<Arc<Http>>, ask: Ask) -> Response {
    answer::respond(async {
        let selectors = ask.matches()?;
        if selectors.is_empty() {
            return Err(Trouble::bad("no match[] parameter provided"));
        }
        let sets = listed(&http, &selectors);
        let left_out = sets.len().saturating_sub(MAX_LISTED);
        let answer = Answer::data(&sets.into_iter().take(MAX_LISTED).collect::<Vec<_>>())?;
        Ok(match left_out {
            0 => answer,
            more => answer.warn(format!("{more} more series match; narrow the selector")),
        })
    })
    .await
}

/// Names of labels, as Prometheus answers it
#[utoipa::path(method(get, post), path = "/labels", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn labels(State(http): State<Arc<Http>>, ask: Ask) -> Response {
    answer::respond(async {
        let names: BTreeSet<String> = listed(&http, &ask.matches()?)
            .into_iter()
            .flat_map(BTreeMap::into_keys)
            .collect();
        Answer::data(&names)
    })
    .await
}

/// Values of a label, as Prometheus answers it
#[utoipa::path(get, path = "/label/{name}/values", tag = "prometheus",
    params(("name" = String, Path, description = "The label, such as `device` or `__name__`")),
    responses((status = 200, body = Object)))]
pub async fn label_values(State(http): State<Arc<Http>>, Path(name): Path<String>, ask: Ask) -> Response {
    answer::respond(async {
        let selectors = ask.matches()?;
        let mut values: BTreeSet<String> = listed(&http, &selectors)
            .into_iter()
            .filter_map(|mut labels| labels.remove(&name))
            .collect();
        // Who asks for all of them picks one: nobody has said good yet.
        if name == source::QUALITY && selectors.is_empty() && !values.is_empty() {
            values.extend(source::QUALITIES.map(str::to_owned));
        }
        Answer::data(&values)
    })
    .await
}

/// What the metrics are, as Prometheus answers it
#[utoipa::path(get, path = "/metadata", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn metadata() -> Response {
    let gauge = |help: &str| json!([{ "type": "gauge", "help": help, "unit": "" }]);
    answer::respond(async {
        Answer::data(&json!({
            source::VALUE: gauge("Readings that are numbers, in the unit of their label."),
            source::STATE: gauge("Readings that are states: 0 or 1."),
        }))
    })
    .await
}

/// The program, as Prometheus answers it
#[utoipa::path(get, path = "/status/buildinfo", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn buildinfo() -> Response {
    answer::respond(async {
        Answer::data(&json!({
            "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "", "buildUser": "", "buildDate": "",
            "goVersion": "", "application": "linli",
        }))
    })
    .await
}

/// Rules: none, they are the gateway's own
#[utoipa::path(get, path = "/rules", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn rules() -> Response {
    answer::respond(async { Answer::data(&json!({ "groups": [] })) }).await
}

/// Exemplars: none
#[utoipa::path(method(get, post), path = "/query_exemplars", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn exemplars() -> Response {
    answer::respond(async { Answer::data(&json!([])) }).await
}

/// Label sets of every point that passes one of the selectors; all without any.
fn listed(http: &Http, selectors: &[Vec<Matcher>]) -> BTreeSet<BTreeMap<String, String>> {
    let points = Points::new(&http.names());
    if selectors.is_empty() {
        return points.label_sets(&[]).collect();
    }
    selectors
        .iter()
        .flat_map(|matchers| points.label_sets(matchers))
        .collect()
}

/// Evaluates beside the asynchronous threads, on a reader of the pool.
async fn evaluate<T: Send + 'static>(
    http: &Http,
    work: impl FnOnce(&source::Samples<'_>) -> Result<T, Error<source::Stop>> + Send + 'static,
) -> Result<T, Trouble> {
    let points = Points::new(&http.names());
    let outcome = http
        .readers
        .query(move |reader| match work(&points.with(reader)) {
            Err(Error::Source(source::Stop::Store(error))) => Err::<_, StoreError>(error),
            other => Ok(other),
        })
        .await
        .map_err(|problem| Trouble::internal(problem.detail))?;
    outcome.map_err(Trouble::from)
}
