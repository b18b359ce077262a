//! Rules of the estate, added, changed and removed one by one.
//!
//! A rule lives in the document of the estate; changing one is an edit of the estate with a version of its own beside it.
//! What is written here must say why it happens, what follows and what to do, in both languages.

use super::Http;
use super::auth::Principal;
use super::estate::{adopt, sensible};
use super::extract::{Body, Id, IfMatch, Unkeyed, etag};
use super::problem::{Code, CurrentVersion, Problem, ProblemPart};
use super::rules::{known, missing};
use super::wire::Changed;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use linli_domain::estate::doc::RuleDoc;
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::id::RuleId;
use linli_domain::text::Text;
use std::sync::Arc;

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
            let detail = format!(
                "there is a rule {} already; change it with linli rules set, or PUT /api/v1/rules/{}",
                rule.id, rule.id
            );
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

/// Where in a rule a path of the estate leads: whoever writes a rule does not know at which place of the estate it will
/// stand. Any other path stays as it is.
pub(super) fn within<'p>(document: &EstateDoc, id: &RuleId, path: &'p str) -> &'p str {
    let place = document.rules.iter().position(|rule| rule.id == *id);
    place
        .and_then(|n| path.strip_prefix(&format!("rules[{n}].")))
        .unwrap_or(path)
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
    sensible(&document).map_err(|mut problem| {
        for part in &mut problem.errors {
            part.pointer = within(&document, id, &part.pointer).to_owned();
        }
        problem
    })?;
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
