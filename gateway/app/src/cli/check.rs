//! `linli check`: shows what the check of `ops` found.

use crate::cli::args::Check;
use crate::cli::context::Context;
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output};
use crate::clock::{Clock, SystemClock};
use crate::config::{render, secrets};
use crate::ops::check::{Report, check as run};

/// Checks and reports.
pub(super) fn check(context: &Context, arguments: &Check) -> Outcome {
    let report = run(
        &context.config,
        arguments.estate.as_deref(),
        &secrets::process_environment,
        &SystemClock::new().now(),
    );
    let failed = report.fails(arguments.strict);
    if context.json {
        let problems: Vec<_> = report
            .problems
            .iter()
            .map(|problem| problem.to_json(context.language))
            .collect();
        let notes: Vec<&str> = report
            .notes
            .iter()
            .map(|note| note.get(context.language))
            .collect();
        let value = serde_json::json!({
            "ok": !failed, "problems": problems, "looked_at": report.looked_at, "notes": notes
        });
        output::result(context, &value, |_| String::new())?;
    } else {
        output::note(render::render(&report.problems, context.language, context.colour).trim_end());
        output::note(&closing(context, &report));
        for note in &report.notes {
            output::note(note.get(context.language));
        }
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

fn closing(context: &Context, report: &Report) -> String {
    let seen = report.looked_at;
    let counts = [
        ("profiles", seen.profiles.to_string()),
        ("assets", seen.assets.to_string()),
        ("devices", seen.devices.to_string()),
        ("rules", seen.rules.to_string()),
    ];
    let counts: Vec<(&str, &str)> = counts
        .iter()
        .map(|(name, count)| (*name, count.as_str()))
        .collect();
    if report.problems.is_empty() {
        return text::fill(context.language, Key::CheckFine, &counts);
    }
    let summary = render::summary(&report.problems, context.language);
    format!(
        "{summary}; {}",
        text::fill(context.language, Key::CheckSeen, &counts)
    )
}
