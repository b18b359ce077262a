//! `linli estate`: the estate as a file.

use crate::cli::args::Estate;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, problem};
use crate::config::problem::has_errors;
use crate::config::render;
use crate::ops::check;
use linli_domain::estate::EstateDoc;
use reqwest::Method;
use serde_json::Value;
use std::path::Path;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: Estate) -> Outcome {
    match command {
        Estate::Import { file } => import(context, &file),
        Estate::Export { output } => export(context, output.as_deref()),
        Estate::Diff { file } => diff(context, &file),
    }
}

fn import(context: &Context, file: &Path) -> Outcome {
    let document = read(context, file)?;
    let client = Client::new(context)?;
    let done = client.change(Method::PUT, "/api/v1/estate", "/api/v1/estate", &document)?;
    output::result(context, &done, |done| {
        text::fill(
            context.language,
            Key::EstateImported,
            &[("version", &field(done, "version"))],
        ) + "\n"
    })
}

fn export(context: &Context, to: Option<&Path>) -> Outcome {
    let document = Client::new(context)?.get("/api/v1/estate/document")?;
    let written = if context.json {
        Ok(format!("{document:#}\n"))
    } else {
        as_toml(&document)
    };
    let written = written
        .map_err(|error| problem(context.language, Key::EstateUnserializable, &[("error", &error)]))?;
    let Some(path) = to else {
        return output::text(&written);
    };
    std::fs::write(path, written).map_err(|error| {
        let values = [
            ("path", &*path.display().to_string()),
            ("error", &error.to_string()),
        ];
        problem(context.language, Key::CannotWrite, &values)
    })?;
    output::note(&text::fill(
        context.language,
        Key::EstateWritten,
        &[("path", &path.display().to_string())],
    ));
    Ok(())
}

fn as_toml(document: &Value) -> Result<String, String> {
    let document: EstateDoc = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
    toml::to_string_pretty(&document).map_err(|error| error.to_string())
}

fn diff(context: &Context, file: &Path) -> Outcome {
    let document = read(context, file)?;
    let found = Client::new(context)?.post("/api/v1/estate/diff", &document)?;
    output::result(context, &found, |found| {
        let changes = found["changes"].as_array().map_or(&[][..], Vec::as_slice);
        if changes.is_empty() {
            return text::fill(
                context.language,
                Key::EstateSame,
                &[("version", &field(found, "version"))],
            ) + "\n";
        }
        let rows: Vec<Vec<String>> = changes.iter().map(|change| row(context, change)).collect();
        let head = [Key::HeadChange, Key::HeadSection, Key::HeadId, Key::HeadFields];
        output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })?;
    let problems = found["problems"].as_array().map_or(&[][..], Vec::as_slice);
    for problem in problems {
        output::error(
            context,
            &format!("{}: {}", field(problem, "path"), field(problem, "message")),
        );
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

fn row(context: &Context, change: &Value) -> Vec<String> {
    let kind = match field(change, "change").as_str() {
        "added" => text::get(context.language, Key::Added).to_owned(),
        "removed" => text::get(context.language, Key::Removed).to_owned(),
        "changed" => text::get(context.language, Key::Changed).to_owned(),
        other => other.to_owned(),
    };
    let fields = change["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    vec![
        kind,
        field(change, "section"),
        field(change, "id"),
        fields.collect::<Vec<_>>().join(", "),
    ]
}

/// Reads an estate file; its problems are shown with their lines before anything is sent.
fn read(context: &Context, file: &Path) -> Result<Value, Failure> {
    let (document, problems) = check::check_estate(file, None);
    if !problems.is_empty() {
        output::note(render::render(&problems, context.language, context.colour).trim_end());
    }
    match document.filter(|_| !has_errors(&problems)) {
        Some(document) => serde_json::to_value(document).map_err(|error| Failure::Problem(error.to_string())),
        None => Err(Failure::Said),
    }
}
