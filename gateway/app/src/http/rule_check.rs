//! A rule looked at before it is kept: whether it would be refused, what may not be meant, what it would look after, and
//! what the estate with it would have done in the last days. Nothing is changed.

use super::Http;
use super::estate::{json, newest};
use super::estate_diff;
use super::extract::{Body, Unkeyed};
use super::problem::{Code, Problem, ProblemPart};
use super::rule_edits::{explained, within};
use super::rules::wire;
use super::wire::estate::DocumentProblem;
use super::wire::rule::{RuleCheck, RuleChecked};
use crate::ops::advice;
use crate::ops::backtest::{self, BacktestError, Test};
use axum::Json;
use axum::extract::State;
use linli_domain::estate::doc::RuleDoc;
use linli_domain::estate::{Estate, EstateDoc};
use linli_ledger::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Assets of a check that are named.
const MAX_ASSETS: usize = 100;
/// Longest back-test of a check, in days; `linli backtest` has no such limit.
const MAX_DAYS: u32 = 31;

/// What a rule would do, without keeping it
///
/// Whether it would be refused, what may not be meant, what it would look after, and with `days` what the estate with it
/// would have done, beside what really happened.
#[utoipa::path(post, path = "/rules/check", tag = "rules", request_body = RuleCheck,
    responses((status = 200, body = RuleChecked)))]
pub async fn check(
    State(http): State<Arc<Http>>,
    _: Unkeyed,
    body: Body<RuleCheck>,
) -> Result<Json<RuleChecked>, Problem> {
    let RuleCheck { rule, days } = body.value;
    let rule: RuleDoc = serde_json::from_value(rule)
        .map_err(|error| Problem::new(Code::InvalidBody, format!("the rule cannot be read: {error}")))?;
    if days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        let detail = format!("days is 1 to {MAX_DAYS}; linli backtest goes further back");
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    let row = newest(&http).await?;
    let before = json(&row)?;
    let mut document: EstateDoc = serde_json::from_value(before.clone())
        .map_err(|_| Problem::new(Code::StoreFailed, "the estate document cannot be read"))?;
    let present = Arc::clone(&http.progress.borrow().estate);
    let mut checked = RuleChecked {
        problems: explained(&rule)
            .err()
            .map(|problem| problem.errors)
            .unwrap_or_default()
            .into_iter()
            .map(lacking)
            .collect(),
        advice: Vec::new(),
        replaces: replaces(&present, &rule),
        changes: Vec::new(),
        assets: Vec::new(),
        assets_total: 0,
        backtest: None,
    };
    let id = rule.id.clone();
    match document.rules.iter_mut().find(|there| there.id == id) {
        Some(there) => *there = rule,
        None => document.rules.push(rule),
    }
    let after = serde_json::to_value(&document).unwrap_or_default();
    let changes = estate_diff::compare(&before, &after);
    checked.changes = changes
        .into_iter()
        .filter(|change| change.section == "rules" && change.id.as_deref() == Some(id.as_str()))
        .flat_map(|change| change.fields)
        .collect();
    let document = Arc::new(document);
    let estate = match Estate::resolve(Arc::clone(&document)) {
        Ok(estate) => estate,
        Err(problems) => {
            for problem in problems {
                let path = within(&document, &id, &problem.path);
                // What it lacks was said already.
                if checked.problems.iter().all(|known| known.path != path) {
                    checked.problems.push(DocumentProblem {
                        path: path.to_owned(),
                        message: problem.message,
                        hint: problem.hint,
                    });
                }
            }
            return Ok(Json(checked));
        }
    };
    let catalogue = http.profiles.catalogue();
    let advice = advice::of(&estate, &catalogue);
    checked.advice = wire(advice.iter().filter(|advice| advice.rule == id));
    if let Some(rule) = estate.rule(&id) {
        let assets: Vec<String> = estate
            .assets()
            .iter()
            .filter(|asset| rule.on(&asset.id, asset.kind).is_some())
            .map(|asset| asset.id.to_string())
            .collect();
        checked.assets_total = u32::try_from(assets.len()).unwrap_or(u32::MAX);
        checked.assets = assets.into_iter().take(MAX_ASSETS).collect();
    }
    if let Some(days) = days {
        let to = http.clock.now().wall;
        let test = Test {
            estate: document,
            catalogue,
            planner: http.planner.clone(),
            from: to.minus(Duration::from_secs(86_400) * days),
            to,
        };
        let outcome =
            http.readers.query(
                move |reader| match backtest::backtest(&test, reader, &mut |_| {}) {
                    Err(BacktestError::Store(error)) => Err::<_, StoreError>(error),
                    other => Ok(other),
                },
            );
        checked.backtest = outcome.await?.ok();
    }
    Ok(Json(checked))
}

fn lacking(part: ProblemPart) -> DocumentProblem {
    DocumentProblem {
        path: part.pointer,
        message: "is missing".to_owned(),
        hint: Some(part.detail),
    }
}

/// The rules whose place a rule would take: the one with its id, and shipped ones of its class and measure on
/// assets both look after.
fn replaces(estate: &Estate, rule: &RuleDoc) -> Vec<String> {
    let covers = |id: &linli_domain::id::AssetId, kind| {
        rule.applies_to.kind == Some(kind)
            || rule
                .applies_to
                .assets
                .as_ref()
                .is_some_and(|assets| assets.contains(id))
    };
    let taken = estate.rules().iter().filter(|known| {
        known.id == rule.id
            || (known.shipped
                && (&known.class, known.measure) == (&rule.class, rule.measure)
                && estate.assets().iter().any(|asset| {
                    known.applies_to.covers(&asset.id, asset.kind) && covers(&asset.id, asset.kind)
                }))
    });
    taken.map(|known| known.id.to_string()).collect()
}
