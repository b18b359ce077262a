//! `linli rules`: the rules of a running gateway, one by one.

use crate::cli::args::{RuleFile, Rules};
use crate::cli::client::{Client, escaped, query};
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::simulate::{failed, unreadable};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, problem};
use crate::config::render;
use crate::messages;
use crate::ops::check;
use linli_domain::estate::doc::RuleDoc;
use linli_domain::text::{Language, Text};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: Rules) -> Outcome {
    match command {
        Rules::List { own, limit } => list(context, own, limit),
        Rules::Show { id } => show(context, &id),
        Rules::History { id } => history(context, &id),
        Rules::Add(RuleFile { file, dry_run: false }) => keep(context, &file, true),
        Rules::Set(RuleFile { file, dry_run: false }) => keep(context, &file, false),
        Rules::Add(RuleFile { file, .. }) | Rules::Set(RuleFile { file, .. }) => {
            try_out(context, &file, None)
        }
        Rules::Check { file, days } => try_out(context, &file, days),
        Rules::Remove { id } => remove(context, &id),
    }
}

fn address(id: &str) -> String {
    format!("/api/v1/rules/{}", escaped(id))
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().map_or(&[][..], Vec::as_slice)
}

fn list(context: &Context, own: bool, limit: u32) -> Outcome {
    let shipped = own.then_some("false");
    let path = query(
        "/api/v1/rules",
        &[("shipped", shipped), ("limit", Some(&limit.to_string()))],
    );
    let page = Client::new(context)?.get(&path)?;
    let language = context.language;
    output::result(context, &page, |page| {
        let keys = [
            Key::HeadId,
            Key::HeadPriority,
            Key::HeadClassOf,
            Key::HeadVersion,
            Key::HeadAssets,
            Key::HeadPoints,
            Key::HeadOrigin,
            Key::HeadAdvice,
        ];
        let rows: Vec<_> = items(page).iter().map(|rule| row(rule, language)).collect();
        output::table(&keys.map(|key| text::get(language, key)), &rows)
    })?;
    for rule in items(&page).iter().filter(|_| !context.json) {
        for advice in advices(rule) {
            output::note(&advised(&field(rule, "id"), advice, language));
        }
    }
    if page["next_cursor"].is_string() {
        output::note(text::get(language, Key::MoreExist));
    }
    Ok(())
}

fn advices(of: &Value) -> &[Value] {
    of["advice"].as_array().map_or(&[][..], Vec::as_slice)
}

fn advised(id: &str, advice: &Value, language: Language) -> String {
    let said = (
        output::name(advice, "text", language),
        output::name(advice, "hint", language),
    );
    text::fill(
        language,
        Key::RuleAdvised,
        &[("id", id), ("text", &said.0), ("hint", &said.1)],
    )
}

fn row(rule: &Value, language: Language) -> Vec<String> {
    let origin = if rule["shipped"] == true {
        Key::WordShipped
    } else {
        Key::WordOwn
    };
    let codes: Vec<String> = advices(rule).iter().map(|advice| field(advice, "code")).collect();
    vec![
        field(rule, "id"),
        field(rule, "priority"),
        field(rule, "class"),
        field(rule, "version"),
        field(rule, "assets"),
        field(rule, "instances"),
        text::get(language, origin).to_owned(),
        codes.join(", "),
    ]
}

fn show(context: &Context, id: &str) -> Outcome {
    let rule = Client::new(context)?.get(&address(id))?;
    let written = as_toml(&rule["document"]).map_err(Failure::Problem)?;
    output::result(context, &rule, |_| written)?;
    for advice in advices(&rule).iter().filter(|_| !context.json) {
        output::note(&advised(id, advice, context.language));
    }
    Ok(())
}

/// A rule as a file of rules writes it.
fn as_toml(document: &Value) -> Result<String, String> {
    #[derive(serde::Serialize)]
    struct File {
        rules: [RuleDoc; 1],
    }
    let rule: RuleDoc = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
    toml::to_string_pretty(&File { rules: [rule] }).map_err(|error| error.to_string())
}

fn history(context: &Context, id: &str) -> Outcome {
    let page = Client::new(context)?.get(&format!("{}/history", address(id)))?;
    let language = context.language;
    output::result(context, &page, |page| {
        let keys = [
            Key::HeadWhen,
            Key::HeadChange,
            Key::HeadAuthor,
            Key::HeadEstateVersion,
        ];
        let rows: Vec<_> = items(page)
            .iter()
            .map(|edit| {
                let change = match field(edit, "change").as_str() {
                    "added" => text::get(language, Key::Added),
                    "removed" => text::get(language, Key::Removed),
                    _ => text::get(language, Key::Changed),
                };
                vec![
                    field(edit, "at"),
                    change.to_owned(),
                    field(edit, "author"),
                    field(edit, "estate_version"),
                ]
            })
            .collect();
        output::table(&keys.map(|key| text::get(language, key)), &rows)
    })
}

/// The rules of a file, each as a document.
fn rules(context: &Context, file: &Path) -> Result<Vec<(String, Value)>, Failure> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        rules: Vec<RuleDoc>,
    }
    let written = std::fs::read_to_string(file).map_err(|error| unreadable(context, file, &error))?;
    let read: File =
        toml::from_str(&written).map_err(|error| Failure::Problem(format!("{}: {error}", file.display())))?;
    if read.rules.is_empty() {
        let path = file.display().to_string();
        return Err(problem(context.language, Key::RulesNone, &[("path", &path)]));
    }
    let document = |rule: RuleDoc| {
        let id = rule.id.to_string();
        serde_json::to_value(rule)
            .map(|value| (id, value))
            .map_err(|error| failed(&error))
    };
    read.rules.into_iter().map(document).collect()
}

/// Adds or changes the rules of a file, in their order; the first that is refused ends it.
fn keep(context: &Context, file: &Path, add: bool) -> Outcome {
    let rules = rules(context, file)?;
    let client = Client::new(context)?;
    let mut done = Vec::with_capacity(rules.len());
    for (id, document) in rules {
        let changed = if add {
            client.post("/api/v1/rules", &document)?
        } else {
            client.change(Method::PUT, &address(&id), &address(&id), &document)?
        };
        let key = if add { Key::RuleAdded } else { Key::RuleSet };
        output::note(&text::fill(
            context.language,
            key,
            &[("id", &id), ("version", &field(&changed, "version"))],
        ));
        done.push(changed);
    }
    if context.json {
        output::result(context, &json!({ "items": done }), |_| String::new())?;
    }
    Ok(())
}

fn try_out(context: &Context, file: &Path, days: Option<u32>) -> Outcome {
    let client = Client::new(context)?;
    let mut found = Vec::new();
    for (id, document) in rules(context, file)? {
        let body = json!({ "rule": document, "days": days });
        let mut checked = client.post("/api/v1/rules/check", &body)?;
        checked["id"] = json!(id);
        found.push(checked);
    }
    let language = context.language;
    let keepable = |checked: &&Value| problems(checked).is_empty();
    output::result(context, &json!({ "items": found }), |_| {
        let kept = found.iter().filter(keepable);
        kept.map(|checked| would(checked, days, language)).collect()
    })?;
    if found.iter().all(|checked| keepable(&checked)) {
        return Ok(());
    }
    if !context.json {
        let written = std::fs::read_to_string(file).unwrap_or_default();
        let wrong = check::told(file, written, (0..).zip(&found).flat_map(told));
        output::note(render::render(&wrong, language, context.colour).trim_end());
    }
    Err(Failure::Said)
}

fn problems(checked: &Value) -> &[Value] {
    checked["problems"].as_array().map_or(&[][..], Vec::as_slice)
}

/// What is wrong with one rule of a file: where, what in both languages, and what to do.
fn told((n, checked): (usize, &Value)) -> impl Iterator<Item = (String, Text, Option<String>)> {
    let id = field(checked, "id");
    problems(checked).iter().map(move |problem| {
        let (path, message) = (field(problem, "path"), field(problem, "message"));
        let lacks =
            messages::find(Language::En, "rule_lacks", &path).is_some_and(|_| message == "is missing");
        let message = check::both_ways(&message);
        let said = |language: Language| {
            let lacks = messages::find(language, "rule_lacks", &path).filter(|_| lacks);
            let message = lacks.unwrap_or(message.get(language));
            let values = [("id", &*id), ("path", &*path), ("message", message)];
            text::fill(language, Key::RuleProblem, &values)
        };
        let both = Text {
            zh: said(Language::Zh),
            en: said(Language::En),
        };
        let hint = problem["hint"].as_str().filter(|_| !lacks);
        (format!("rules[{n}].{path}"), both, hint.map(str::to_owned))
    })
}

fn would(checked: &Value, days: Option<u32>, language: Language) -> String {
    let id = field(checked, "id");
    let mut lines = Vec::new();
    let replaces: Vec<&str> = checked["replaces"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let replaces = match replaces.as_slice() {
        [] => text::get(language, Key::Nothing).to_owned(),
        some => some.join(", "),
    };
    let assets = field(checked, "assets_total");
    lines.push(text::fill(
        language,
        Key::RuleWould,
        &[("id", &id), ("assets", &assets), ("replaces", &replaces)],
    ));
    lines.extend(
        advices(checked)
            .iter()
            .map(|advice| advised(&id, advice, language)),
    );
    let tested = &checked["backtest"];
    if let Some(days) = days.filter(|_| tested.is_object()) {
        let values = [
            ("days", days.to_string()),
            ("alarms", field(tested, "alarms")),
            ("real", field(tested, "alarms_real")),
            ("calls", field(&tested["pages"], "total")),
            ("night", field(&tested["pages"], "night")),
        ];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        lines.push(text::fill(language, Key::RuleWouldBe, &values));
    }
    lines.join("\n") + "\n"
}

fn remove(context: &Context, id: &str) -> Outcome {
    let client = Client::new(context)?;
    let done = client.change(Method::DELETE, &address(id), &address(id), &Value::Null)?;
    output::result(context, &done, |_| {
        text::fill(context.language, Key::RuleRemoved, &[("id", id)]) + "\n"
    })
}
