//! Rules: listed with what may not be meant, added, changed and removed one by one. Looking at one before it is kept is in
//! `rule_check`.
//!
//! A rule lives in the document of the estate; changing one is an edit of the estate with a version of its own beside it.
//! What is written here must say why it happens, what follows and what to do, in both languages.

use super::Http;
use super::auth::Principal;
use super::estate::{adopt, sensible};
use super::extract::{Body, Id, IfMatch, Query, Unkeyed, etag, has_version};
use super::page::{Ask, Page};
use super::problem::{Code, CurrentVersion, Problem, ProblemPart};
use super::wire::Changed;
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
use linli_domain::estate::doc::RuleDoc;
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::id::RuleId;
use linli_domain::rule::Rule as DomainRule;
use linli_domain::text::Text;
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
struct Known {
    estate: Arc<Estate>,
    instances: FxHashMap<RuleId, u32>,
    advice: Vec<Advice>,
}

/// As the engine has them after the last commit.
async fn known(http: &Http) -> Result<Known, Problem> {
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

fn missing(id: &RuleId) -> Problem {
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

/// Add a rule to the estate
///
/// A rule with the id of a shipped one takes its place everywhere, one with its class on the assets it looks after.
#[utoipa::path(post, path = "/rules", tag = "rules", request_body = Object, responses((status = 201, body = Changed)))]
pub async fn add(
    State(http): State<Arc<Http>>,
    principal: Principal,
    _: Unkeyed,
    body: Body<RuleDoc>,
) -> Result<Response, Problem> {
    let rule = body.value;
    let id = rule.id.clone();
    let place = move |estate: &mut EstateDoc, _: &Estate| {
        if estate.rules.iter().any(|known| known.id == rule.id) {
            let detail = format!("there is a rule {} already; change it with PUT", rule.id);
            return Err(super::writes::refused("rule_exists", detail));
        }
        explained(&rule)?;
        estate.rules.push(rule);
        Ok(())
    };
    let version = edit(&http, &principal, &id, place).await?;
    Ok((StatusCode::CREATED, changed(&id, version)).into_response())
}

/// Change a rule of the estate
///
/// Its delays start again where it says something else; living alarms keep the version that raised them. A shipped rule is
/// changed by a rule of the estate in its place.
#[utoipa::path(put, path = "/rules/{id}", tag = "rules", request_body = Object,
    params(("id" = String, Path, description = "The rule's id"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`")),
    responses((status = 200, body = Changed)))]
pub async fn change(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<RuleId>,
    IfMatch(version): IfMatch,
    body: Body<RuleDoc>,
) -> Result<Response, Problem> {
    let (rule, known) = (body.value, id.clone());
    if rule.id != id {
        let detail = format!("the body is about rule {}, the address about {id}", rule.id);
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    let place = move |estate: &mut EstateDoc, now: &Estate| {
        matches(now, &known, version)?;
        explained(&rule)?;
        match estate.rules.iter_mut().find(|there| there.id == known) {
            Some(there) => *there = rule,
            None => estate.rules.push(rule),
        }
        Ok(())
    };
    let version = edit(&http, &principal, &id, place).await?;
    Ok(changed(&id, version).into_response())
}

/// Remove a rule from the estate
///
/// Its living alarms become unknown and their orders stay. A shipped rule comes back where it had taken its place.
#[utoipa::path(delete, path = "/rules/{id}", tag = "rules",
    params(("id" = String, Path, description = "The rule's id"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`")),
    responses((status = 200, body = Changed)))]
pub async fn remove(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<RuleId>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let known = id.clone();
    let place = move |estate: &mut EstateDoc, now: &Estate| {
        matches(now, &known, version)?;
        let before = estate.rules.len();
        estate.rules.retain(|rule| rule.id != known);
        if estate.rules.len() == before {
            let detail = "a shipped rule is not removed: put a rule with its id in its place, or set shipped_rules = false";
            return Err(super::writes::refused("rule_shipped", detail));
        }
        Ok(())
    };
    let version = edit(&http, &principal, &id, place).await?;
    Ok(changed(&id, version).into_response())
}

/// Whether the rule is at the version it was decided on.
fn matches(estate: &Estate, id: &RuleId, version: u32) -> Result<(), Problem> {
    let rule = estate.rule(id).ok_or_else(|| missing(id))?;
    if rule.version == version {
        return Ok(());
    }
    let detail = format!("rule {id} is at version {}; look at it again", rule.version);
    let mut problem = Problem::new(Code::VersionConflict, detail);
    problem.current = Some(Box::new(CurrentVersion {
        version: rule.version,
        changed_by: String::new(),
    }));
    Err(problem)
}

/// Whether a rule says why it happens, what follows and what to do, in both languages.
pub(super) fn explained(rule: &RuleDoc) -> Result<(), Problem> {
    let lacks = |text: Option<&Text>| text.is_none_or(Text::is_incomplete);
    let parts = [
        (
            "cause",
            lacks(rule.cause.as_ref()),
            "say why it happens, in zh and en",
        ),
        (
            "consequence",
            lacks(rule.consequence.as_ref()),
            "say what follows when nobody acts, in zh and en",
        ),
        (
            "response",
            lacks(Some(&rule.response)),
            "say what to do, in zh and en",
        ),
    ];
    let errors: Vec<ProblemPart> = parts
        .into_iter()
        .filter(|(_, lacks, _)| *lacks)
        .map(|(pointer, _, detail)| ProblemPart {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(
        Code::InvalidEstate,
        "a rule says why, what follows and what to do",
    );
    problem.errors = errors;
    Err(problem)
}

/// Edits the document of the estate; the version of the rule afterwards, 0 when it is gone.
async fn edit(
    http: &Http,
    principal: &Principal,
    id: &RuleId,
    place: impl FnOnce(&mut EstateDoc, &Estate) -> Result<(), Problem>,
) -> Result<u32, Problem> {
    let _one_at_a_time = http.editing.lock().await;
    let estate = known(http).await?.estate;
    let mut document = estate.doc().as_ref().clone();
    place(&mut document, &estate)?;
    let document = Arc::new(document);
    sensible(&document)?;
    adopt(http, principal, document).await?;
    let id = id.clone();
    let version = http
        .door
        .look(move |engine, _| engine.estate().rule(&id).map_or(0, |rule| rule.version));
    version.await.map_err(|e| super::command::failed(&e))
}

fn changed(id: &RuleId, version: u32) -> impl IntoResponse + use<> {
    let changed = Changed {
        id: id.to_string(),
        version,
    };
    ([(header::ETAG, etag(version))], Json(changed))
}
