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
use serde::Serialize;
use serde_json::{Value, json};
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
        if let Some(limit) = ask.limit()?.filter(|limit| *limit <= MAX_LISTED) {
            return first(&sets, Some(limit));
        }
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
        first(&names, ask.limit()?)
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
        first(&values, ask.limit()?)
    })
    .await
}

/// What the metrics are, as Prometheus answers it
#[utoipa::path(get, path = "/metadata", tag = "prometheus", responses((status = 200, body = Object)))]
pub async fn metadata(ask: Ask) -> Response {
    let gauge = |help: &str| json!([{ "type": "gauge", "help": help, "unit": "" }]);
    answer::respond(async {
        let all = [
            (source::STATE, "Readings that are states: 0 or 1."),
            (
                source::VALUE,
                "Readings that are numbers, in the unit of their label.",
            ),
        ];
        let asked = all
            .into_iter()
            .filter(|(name, _)| ask.metric().is_none_or(|metric| metric == *name));
        let described: BTreeMap<&str, Value> = asked
            .take(ask.limit_of_metadata()?.unwrap_or(usize::MAX))
            .map(|(name, help)| (name, gauge(help)))
            .collect();
        Answer::data(&described)
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

/// The first `limit` of a list; says in Prometheus' words when there are more.
fn first<T: Serialize>(all: &BTreeSet<T>, limit: Option<usize>) -> Result<Answer, Trouble> {
    let limit = limit.unwrap_or(usize::MAX);
    let answer = Answer::data(&all.iter().take(limit).collect::<Vec<_>>())?;
    Ok(match all.len() > limit {
        true => answer.warn("results truncated due to limit".into()),
        false => answer,
    })
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
