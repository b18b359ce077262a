//! `linli simulate`: plays an estate, writes it down, judges it.

use crate::cli::args::Simulate;
use crate::cli::context::Context;
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output, partly, problem};
use crate::config::render;
use crate::ops::{check, proposal};
use crate::sim::{self, Finding, Simulated, Simulation, Tally, What, Wrong};
use linli_decode::Catalogue;
use linli_domain::estate::EstateDoc;
use linli_domain::text::Language;
use linli_sim::{FaultKind, Plan, Play, Size};
use std::path::Path;

/// Plays, writes and judges.
pub(super) fn simulate(context: &Context, arguments: &Simulate) -> Outcome {
    let catalogue = catalogue(context, arguments.profiles.as_deref())?;
    let faults = faults(context, &arguments.faults)?;
    if let Some(folder) = &arguments.output {
        let mut play = play(context, arguments, &faults)?;
        let count = sim::write_files(&mut play, &catalogue, folder).map_err(|error| failed(&error))?;
        let values = [
            ("path", &*folder.display().to_string()),
            ("count", &count.to_string()),
        ];
        output::note(&text::fill(context.language, Key::SimulateWritten, &values));
    }
    if !arguments.judge {
        return Ok(());
    }
    let play = play(context, arguments, &faults)?;
    let played = play.plan().devices.len() as u64;
    let document = document(context, &play, arguments.rules.as_deref())?;
    let simulation = Simulation {
        play,
        catalogue,
        document,
    };
    let mut bar = output::bar();
    let outcome = sim::simulate(simulation, &mut bar).map_err(|error| failed(&error))?;
    let value = serde_json::to_value(&outcome).map_err(|error| Failure::Problem(error.to_string()))?;
    output::result(context, &value, |_| report(&outcome, context.language))?;
    if !outcome.verdict.holds() {
        return Err(problem(context.language, Key::SimulateFailed, &[]));
    }
    let silent = outcome.verdict.not_simulated.len() as u64;
    partly(context.language, Key::SimulatePartly, silent, silent + played)?;
    // All faults are all that the estate can have; whoever names one wants to see it.
    if arguments.faults == "all" {
        return Ok(());
    }
    let impossible = outcome.verdict.impossible.len() as u64;
    let asked = faults.len() as u64;
    partly(context.language, Key::SimulateFaultsPartly, impossible, asked)
}

pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Problem(crate::chain::chain(error))
}

fn play(context: &Context, arguments: &Simulate, faults: &[FaultKind]) -> Result<Play, Failure> {
    let plan = match Size::from_name(&arguments.estate) {
        Some(size) => Plan::of_size(size, arguments.seed),
        None => {
            let file = Path::new(&arguments.estate);
            // Its problems are shown as those of any estate file.
            estate(context, file)?;
            let text = std::fs::read_to_string(file).map_err(|error| unreadable(context, file, &error))?;
            Plan::from_file(&text).map_err(|error| failed(&error))?
        }
    };
    Play::new(plan, faults, arguments.seed, arguments.duration)
        .map_err(|error| Failure::Usage(error.to_string()))
}

pub(super) fn unreadable(context: &Context, file: &Path, error: &std::io::Error) -> Failure {
    let values = [
        ("path", &*file.display().to_string()),
        ("error", &error.to_string()),
    ];
    problem(context.language, Key::CannotRead, &values)
}

fn faults(context: &Context, list: &str) -> Result<Vec<FaultKind>, Failure> {
    match list {
        "all" => return Ok(FaultKind::ALL.to_vec()),
        "none" => return Ok(Vec::new()),
        _ => {}
    }
    let one = |name: &str| {
        FaultKind::from_name(name).ok_or_else(|| {
            let known = FaultKind::ALL.map(FaultKind::name).join(", ");
            Failure::Usage(text::fill(
                context.language,
                Key::UnknownFault,
                &[("name", name), ("known", &known)],
            ))
        })
    };
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(one)
        .collect()
}

/// The estate of a play, under its own rules or proposed ones.
fn document(context: &Context, play: &Play, rules: Option<&Path>) -> Result<EstateDoc, Failure> {
    let document = toml::from_str(&play.plan().to_toml()).map_err(|error| failed(&error))?;
    match rules {
        Some(file) => proposed(context, file, &document),
        None => Ok(document),
    }
}

/// What a file of rules, or an estate file, makes of an estate.
pub(super) fn proposed(context: &Context, file: &Path, base: &EstateDoc) -> Result<EstateDoc, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(context, file, &error))?;
    proposal::read(&text, base).map_err(|error| Failure::Problem(format!("{}: {error}", file.display())))
}

/// An estate file; its problems are shown with their lines.
fn estate(context: &Context, file: &Path) -> Result<EstateDoc, Failure> {
    let (document, problems) = check::check_estate(file, None);
    if !problems.is_empty() {
        output::note(render::render(&problems, context.language, context.colour).trim_end());
    }
    document
        .filter(|_| !crate::config::problem::has_errors(&problems))
        .ok_or(Failure::Said)
}

/// The built-in profiles and those of a folder; a refused one is shown.
pub(super) fn catalogue(context: &Context, folder: Option<&Path>) -> Result<Catalogue, Failure> {
    let mut problems = Vec::new();
    let catalogue = check::catalogue(folder, &mut problems);
    if problems.is_empty() {
        return Ok(catalogue);
    }
    output::note(render::render(&problems, context.language, context.colour).trim_end());
    Err(Failure::Said)
}

fn report(outcome: &Simulated, language: Language) -> String {
    let verdict = &outcome.verdict;
    let count = |number: u64| number.to_string();
    let through = outcome.through;
    let values = [
        ("seed", count(verdict.seed)),
        ("hours", count(outcome.seconds / 3_600)),
        ("frames", count(through.frames)),
        ("readings", count(through.readings)),
        ("rejected", count(through.rejected)),
        ("repeated", count(through.repeated)),
        ("closed", count(outcome.orders_closed)),
        ("open", count(outcome.orders_open)),
    ];
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut out = text::fill(language, Key::SimulateThrough, &values) + "\n\n";
    let head = [
        "",
        text::get(language, Key::HeadExpected),
        text::get(language, Key::HeadRaised),
        text::get(language, Key::HeadMissed),
        text::get(language, Key::HeadFalse),
        text::get(language, Key::HeadLate),
        text::get(language, Key::HeadDoubled),
    ];
    let rows = [
        tally(text::get(language, Key::WordAlarms), &verdict.alarms),
        tally(text::get(language, Key::WordOrders), &verdict.orders),
    ];
    out += &output::table(&head, &rows);
    if !verdict.findings.is_empty() {
        let keys = [
            Key::HeadWrong,
            Key::HeadKey,
            Key::HeadAsset,
            Key::HeadWhen,
            Key::HeadCause,
        ];
        let rows: Vec<_> = verdict
            .findings
            .iter()
            .map(|finding| row(finding, language))
            .collect();
        out += "\n";
        out += &output::table(&keys.map(|key| text::get(language, key)), &rows);
    }
    for (key, names) in [
        (Key::SimulateImpossible, verdict.impossible.join(", ")),
        (Key::SimulateNotPlayed, verdict.not_simulated.join(", ")),
    ] {
        if !names.is_empty() {
            out += &text::fill(language, key, &[("names", &names)]);
            out += "\n";
        }
    }
    out
}

fn tally(name: &str, tally: &Tally) -> Vec<String> {
    let counts = [
        tally.expected,
        tally.raised,
        tally.missed,
        tally.false_ones,
        tally.late,
        tally.doubled,
    ];
    std::iter::once(name.to_owned())
        .chain(counts.iter().map(u64::to_string))
        .collect()
}

fn row(finding: &Finding, language: Language) -> Vec<String> {
    let what = match finding.what {
        What::Alarm => Key::WordAlarm,
        What::Order => Key::WordOrder,
    };
    let wrong = match finding.wrong {
        Wrong::Missed => Key::WrongMissed,
        Wrong::False => Key::WrongFalse,
        Wrong::Late => Key::WrongLate,
        Wrong::Doubled => Key::WrongDoubled,
    };
    let cause = match finding.cause {
        "nothing_happened" => Key::CauseNothing,
        "too_short" => Key::CauseShort,
        "clock_wrong" => Key::CauseClock,
        "broker_lost" => Key::CauseBroker,
        "no_rule" => Key::CauseNoRule,
        "rule_silent" => Key::CauseSilent,
        "raised_twice" => Key::CauseTwice,
        _ => Key::CauseSlow,
    };
    let seconds = finding.at_seconds;
    let late = finding
        .late_seconds
        .map(|late| format!(" (+{late:.0} s)"))
        .unwrap_or_default();
    vec![
        format!("{} {}", text::get(language, what), text::get(language, wrong)),
        finding.key.clone(),
        finding.asset.clone(),
        format!(
            "{:02}:{:02}:{:02}{late}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        ),
        text::get(language, cause).to_owned(),
    ]
}
