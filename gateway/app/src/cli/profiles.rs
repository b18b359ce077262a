//! `linli device profiles` and `linli device reload`: the device catalogue of a running gateway.

use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome};
use linli_domain::text::Language;
use serde_json::{Value, json};

/// Lists the profiles in use; the files that are refused are a problem.
pub(super) fn list(context: &Context) -> Outcome {
    let catalogue = Client::new(context)?.get("/api/v1/profiles")?;
    output::result(context, &catalogue, |catalogue| {
        let row = |profile: &Value| {
            let source = match field(profile, "source").as_str() {
                "built_in" => text::get(context.language, Key::BuiltIn).to_owned(),
                _ => field(profile, "file"),
            };
            ["id", "title", "version", "tests", "devices"]
                .iter()
                .map(|name| field(profile, name))
                .chain([source])
                .collect()
        };
        let rows: Vec<Vec<String>> = catalogue["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        let head = [
            Key::HeadId,
            Key::HeadName,
            Key::HeadVersion,
            Key::HeadTests,
            Key::HeadDevices,
            Key::HeadSource,
        ];
        output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })?;
    refused(context, &catalogue)
}

/// Has the folder read again and says what changed.
pub(super) fn reload(context: &Context) -> Outcome {
    let done = Client::new(context)?.post("/api/v1/profiles/reload", &json!({}))?;
    output::result(context, &done, |done| {
        let names = |list: &str| {
            let names = done[list]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            names.collect::<Vec<_>>().join(", ")
        };
        let (changed, removed) = (names("changed"), names("removed"));
        let values = [("profiles", field(done, "profiles"))];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut said = text::fill(context.language, Key::Reloaded, &values) + "\n";
        for (key, names) in [(Key::ReloadChanged, changed), (Key::ReloadRemoved, removed)] {
            if !names.is_empty() {
                said.push_str(&(text::fill(context.language, key, &[("profiles", &names)]) + "\n"));
            }
        }
        said
    })?;
    refused(context, &done)
}

/// Says which files are refused, as `file:line:column`, and what stays in use.
fn refused(context: &Context, answer: &Value) -> Outcome {
    let files = answer["refused"].as_array().map_or(&[][..], Vec::as_slice);
    for file in files {
        for problem in file["problems"].as_array().into_iter().flatten() {
            output::error(context, &line(file, problem));
        }
        output::note(&stays(file, context.language));
    }
    if files.is_empty() {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

fn line(file: &Value, problem: &Value) -> String {
    let hint = match field(problem, "hint") {
        hint if hint.is_empty() => hint,
        hint => format!("; {hint}"),
    };
    format!(
        "{}:{}:{}: {}{hint}",
        field(file, "file"),
        field(problem, "line"),
        field(problem, "column"),
        field(problem, "message")
    )
}

fn stays(file: &Value, language: Language) -> String {
    let (name, id) = (field(file, "file"), field(file, "in_use"));
    if id.is_empty() {
        return text::fill(language, Key::NothingStays, &[("file", &name)]);
    }
    let version = field(file, "in_use_version");
    let values = [("file", name.as_str()), ("id", &id), ("version", &version)];
    text::fill(language, Key::StaysInUse, &values)
}
