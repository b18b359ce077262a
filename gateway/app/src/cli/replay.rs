//! `linli replay`: a recording through the pipeline, and what came of it.

use crate::cli::args::Replay;
use crate::cli::context::Context;
use crate::cli::simulate::{catalogue, failed, unreadable};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output, partly, problem};
use crate::config::{self, secrets};
use crate::messages;
use crate::ops::check;
use crate::ops::replay::{self, Happened, ReplayError, Replayed};
use crate::sim;
use linli_domain::estate::EstateDoc;
use linli_domain::text::Language;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Replays and reports.
pub(super) fn replay(context: &Context, arguments: &Replay) -> Outcome {
    let recording: Box<dyn BufRead> = if arguments.file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file =
            File::open(&arguments.file).map_err(|error| unreadable(context, &arguments.file, &error))?;
        Box::new(BufReader::new(file))
    };
    let estate = estate(context, arguments.estate.as_deref())?;
    let temporary = tempfile::tempdir().map_err(|error| failed(&error))?;
    let folder = match &arguments.data {
        Some(folder) => empty(context, folder)?,
        None => temporary.path(),
    };
    // Without a configuration the connections of the estate are taken for those of a simulation.
    let config = config::inspect(&context.config, &secrets::process_environment).config;
    let subscriptions = match &config {
        Some(config) => config.subscriptions().collect(),
        None => sim::subscriptions(&estate),
    };
    let setup = replay::Replay {
        folder,
        estate: Arc::new(estate),
        catalogue: catalogue(context, context.outline.profiles.as_deref())?,
        subscriptions,
        then: arguments.then,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let mut pace = |wait: Duration| {
        if let Some(speed) = arguments.speed {
            runtime.block_on(tokio::time::sleep(wait.div_f64(speed)));
        }
    };
    let outcome = replay::replay(setup, recording, &mut pace).map_err(|error| match error {
        ReplayError::Empty => problem(context.language, Key::ReplayEmpty, &[]),
        error => failed(&error),
    })?;
    let value = serde_json::to_value(&outcome).map_err(|error| Failure::Problem(error.to_string()))?;
    output::result(context, &value, |_| {
        report(&outcome, arguments.limit, context.language)
    })?;
    let Replayed {
        not_played, lines, ..
    } = outcome;
    partly(context.language, Key::ReplayNotPlayed, not_played, lines)
}

fn estate(context: &Context, named: Option<&Path>) -> Result<EstateDoc, Failure> {
    let file = named.or(context.outline.estate_seed.as_deref());
    let file = file.ok_or_else(|| problem(context.language, Key::NoEstate, &[]))?;
    let (document, problems) = check::check_estate(file, None);
    if !problems.is_empty() {
        output::note(config::render::render(&problems, context.language, context.colour).trim_end());
    }
    document
        .filter(|_| !config::problem::has_errors(&problems))
        .ok_or(Failure::Said)
}

/// A folder nothing lies in; made when it is not there.
fn empty<'a>(context: &Context, folder: &'a Path) -> Result<&'a Path, Failure> {
    let failed = |error: std::io::Error| {
        let values = [
            ("path", &*folder.display().to_string()),
            ("error", &error.to_string()),
        ];
        problem(context.language, Key::CannotWrite, &values)
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        let path = folder.display().to_string();
        return Err(problem(
            context.language,
            Key::ReplayNeedsEmpty,
            &[("path", &path)],
        ));
    }
    Ok(folder)
}

fn report(outcome: &Replayed, limit: usize, language: Language) -> String {
    let values = [
        ("from", outcome.from.to_string()),
        ("to", outcome.to.to_string()),
        ("frames", outcome.through.frames.to_string()),
        ("readings", outcome.through.readings.to_string()),
        ("rejected", outcome.through.rejected.to_string()),
        ("repeated", outcome.through.repeated.to_string()),
        ("alarms", outcome.alarms.to_string()),
        ("orders", outcome.orders.to_string()),
    ];
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut out = text::fill(language, Key::ReplayOver, &values) + "\n";
    for named in &outcome.named {
        let facts: Vec<(&str, &str)> = named
            .facts
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let why = messages::find(language, "not_played", named.code)
            .map_or_else(|| named.why.clone(), |text| messages::fill(text, &facts));
        let values = [("line", &*named.line.to_string()), ("why", &why)];
        out += &text::fill(language, Key::ReplayLine, &values);
        out.push('\n');
    }
    if !outcome.refused.is_empty() {
        let head = [
            text::get(language, Key::HeadReason),
            text::get(language, Key::HeadTimes),
        ];
        let rows: Vec<_> = outcome
            .refused
            .iter()
            .map(|(reason, count)| vec![reason.clone(), count.to_string()])
            .collect();
        out.push('\n');
        out += &output::table(&head, &rows);
    }
    if !outcome.history.is_empty() && limit > 0 {
        let keys = [
            Key::HeadWhen,
            Key::HeadId,
            Key::HeadState,
            Key::HeadClassOf,
            Key::HeadAsset,
        ];
        let rows: Vec<_> = outcome.history.iter().take(limit).map(row).collect();
        out.push('\n');
        out += &output::table(&keys.map(|key| text::get(language, key)), &rows);
        let more = outcome.history.len().saturating_sub(limit);
        if more > 0 {
            out += &text::fill(language, Key::MoreNotShown, &[("count", &more.to_string())]);
            out.push('\n');
        }
    }
    out
}

fn row(happened: &Happened) -> Vec<String> {
    vec![
        happened.at.to_string(),
        happened.subject.clone(),
        format!("{} → {}", happened.from, happened.to),
        happened.key.clone(),
        happened.asset.clone(),
    ]
}
