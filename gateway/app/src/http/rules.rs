//! Rules as they are in use, with what may not be meant by them, and their history. How one is added, changed and removed is
//! in `rule_edits`, looking at one before it is kept in `rule_check`.

use super::Http;
use super::extract::{Id, Query, etag, has_version};
use super::page::{Ask, Page};
use super::problem::Problem;
use super::wire::estate::ChangeKind;
use super::wire::rule::{Rule, RuleAdvice, RuleEdit};
use crate::ops::advice;
use crate::pipeline::ESTATE;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linli_domain::estate::advice::Advice;
use linli_domain::estate::builtin::packs;
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::id::RuleId;
use linli_domain::rule::Rule as DomainRule;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::IntoParams;

/// Versions of the estate that are looked through for the history of a rule, newest first.
const MAX_VERSIONS: u32 = 200;

/// Which rules.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RulesQuery {
    /// `true`: those that came with the program; `false`: those of the estate; both when not given.
    pub shipped: Option<bool>,
    /// Of this class.
    pub class: Option<String>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The estate with its rules, and how many points each looks at.
pub(super) struct Known {
    pub(super) estate: Arc<Estate>,
    instances: FxHashMap<RuleId, u32>,
    advice: Vec<Advice>,
}

/// As the engine has them after the last commit.
pub(super) async fn known(http: &Http) -> Result<Known, Problem> {
    let looked = http.door.look(|engine, _| {
        let mut instances: FxHashMap<RuleId, u32> = FxHashMap::default();
        for watch in engine.watches() {
            *instances.entry(watch.rule.id.clone()).or_default() += 1;
        }
        (Arc::clone(engine.estate()), instances)
    });
    let (estate, instances) = looked.await.map_err(|e| super::command::failed(&e))?;
    let advice = advice::of(&estate, &http.profiles.catalogue());
    Ok(Known {
        estate,
        instances,
        advice,
    })
}

impl Known {
    fn show(&self, rule: &DomainRule) -> Rule {
        let covered = self.estate.assets().iter().filter(|asset| {
            let covers = rule.applies_to.covers(&asset.id, asset.kind);
            covers && !self.estate.is_replaced(rule, asset)
        });
        Rule {
            id: rule.id.to_string(),
            version: rule.version,
            shipped: rule.shipped,
            name: rule.name.as_ref().unwrap_or(&rule.response).into(),
            class: rule.class.to_string(),
            fault: rule.fault.to_string(),
            measure: rule.measure.name().to_owned(),
            priority: rule.priority.into(),
            assets: u32::try_from(covered.count()).unwrap_or(u32::MAX),
            instances: self.instances.get(&rule.id).copied().unwrap_or(0),
            document: document(self.estate.doc(), &rule.id).unwrap_or_default(),
            advice: wire(self.advice.iter().filter(|advice| advice.rule == rule.id)),
        }
    }
}

pub(super) fn wire<'a>(advice: impl Iterator<Item = &'a Advice>) -> Vec<RuleAdvice> {
    advice
        .map(|advice| {
            let said = advice::said(advice);
            RuleAdvice {
                code: said.code.to_owned(),
                pointer: advice
                    .path
                    .split_once("].")
                    .map_or("", |(_, part)| part)
                    .to_owned(),
                text: (&said.message).into(),
                hint: said.hint.as_ref().map(Into::into),
            }
        })
        .collect()
}

/// A rule as the estate file, or the file it was shipped in, writes it.
fn document(estate: &EstateDoc, id: &RuleId) -> Option<Value> {
    let own = estate.rules.iter().find(|rule| rule.id == *id);
    let shipped = || {
        packs()
            .iter()
            .flat_map(|pack| &pack.rules)
            .find(|rule| rule.id == *id)
    };
    serde_json::to_value(own.or_else(shipped)?).ok()
}

/// The rules in use, those of the estate first
#[utoipa::path(get, path = "/rules", tag = "rules", params(RulesQuery),
    responses((status = 200, body = Page<Rule>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<RulesQuery>,
) -> Result<Json<Page<Rule>>, Problem> {
    let filter = format!("rules {:?} {:?}", query.shipped, query.class);
    let ask = Ask::new(query.limit, query.cursor.as_deref(), &filter)?;
    let known = known(&http).await?;
    let fits = |rule: &&Arc<DomainRule>| {
        query.shipped.is_none_or(|shipped| rule.shipped == shipped)
            && query
                .class
                .as_deref()
                .is_none_or(|class| rule.class.as_str() == class)
    };
    let skip = ask.after_number()?.map_or(0, |last| {
        usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1)
    });
    let rules = known.estate.rules().iter().filter(fits).enumerate().skip(skip);
    let rules: Vec<_> = rules.take(ask.limit + 1).collect();
    let page = ask.page(rules, |(n, _)| n.to_string());
    Ok(Json(Page {
        items: page.items.into_iter().map(|(_, rule)| known.show(rule)).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// One rule
#[utoipa::path(get, path = "/rules/{id}", tag = "rules", params(("id" = String, Path, description = "The rule's id")),
    responses((status = 200, body = Rule), (status = 304, description = "Not changed")))]
pub async fn show(
    State(http): State<Arc<Http>>,
    headers: HeaderMap,
    Id(id): Id<RuleId>,
) -> Result<Response, Problem> {
    let known = known(&http).await?;
    let rule = known.estate.rule(&id).ok_or_else(|| missing(&id))?;
    let tag = [(header::ETAG, etag(rule.version))];
    if has_version(&headers, rule.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(known.show(rule))).into_response())
}

pub(super) fn missing(id: &RuleId) -> Problem {
    Problem::not_found("rule", id.as_str())
}

/// The edits of a rule, newest first
///
/// The last 200 versions of the estate are looked through.
#[utoipa::path(get, path = "/rules/{id}/history", tag = "rules",
    params(("id" = String, Path, description = "The rule's id")), responses((status = 200, body = Page<RuleEdit>)))]
pub async fn history(
    State(http): State<Arc<Http>>,
    Id(id): Id<RuleId>,
) -> Result<Json<Page<RuleEdit>>, Problem> {
    let wanted = id.clone();
    let mut edits = http
        .readers
        .query(move |reader| {
            let newest = reader
                .document(ESTATE, ESTATE, None)?
                .map_or(0, |row| row.version);
            let first = newest.saturating_sub(MAX_VERSIONS).max(1);
            let mut edits: Vec<RuleEdit> = Vec::new();
            let mut before: Option<Value> = None;
            for version in first..=newest {
                let Some(row) = reader.document(ESTATE, ESTATE, Some(version))? else {
                    continue;
                };
                let body = row
                    .body
                    .as_deref()
                    .and_then(|body| serde_json::from_slice::<Value>(body).ok());
                let rules = body.as_ref().and_then(|body| body["rules"].as_array());
                let now = rules
                    .into_iter()
                    .flatten()
                    .find(|rule| rule["id"] == wanted.as_str())
                    .cloned();
                let change = match (&before, &now) {
                    (None, Some(_)) => Some(ChangeKind::Added),
                    (Some(_), None) => Some(ChangeKind::Removed),
                    (Some(old), Some(new)) if old != new => Some(ChangeKind::Changed),
                    _ => None,
                };
                if let Some(change) = change {
                    edits.push(RuleEdit {
                        estate_version: row.version,
                        at: row.at,
                        author: row.author,
                        change,
                        document: now.clone(),
                    });
                }
                before = now;
            }
            Ok(edits)
        })
        .await?;
    if edits.is_empty() && http.progress.borrow().estate.rule(&id).is_none() {
        return Err(missing(&id));
    }
    edits.reverse();
    Ok(Json(Page {
        items: edits,
        next_cursor: None,
    }))
}
