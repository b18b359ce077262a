//! `linli backtest`: reads the ledger beside a running gateway, and shows what other rules would have done.

use crate::cli::args::Backtest;
use crate::cli::context::Context;
use crate::cli::simulate::{catalogue, failed, proposed};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output, problem};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, secrets};
use crate::ops::backtest::{self, Called, Outcome as Tested, Test, WouldBe};
use crate::outbox::plan::Planner;
use crate::pipeline::ESTATE;
use linli_domain::estate::EstateDoc;
use linli_domain::text::Language;
use linli_domain::time::Timestamp;
use linli_ledger::Reader;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Tests and reports.
pub(super) fn backtest(context: &Context, arguments: &Backtest) -> Outcome {
    let opened = match (&arguments.backup, &context.outline.data) {
        (Some(file), _) => Reader::open_file(file),
        (None, Some(data)) => Reader::open(data),
        (None, None) => {
            let config = context.config.display().to_string();
            return Err(problem(
                context.language,
                Key::NoDataFolder,
                &[("config", &config)],
            ));
        }
    };
    let mut reader = opened.map_err(|error| failed(&error))?;
    let newest = reader
        .document(ESTATE, ESTATE, None)
        .map_err(|error| failed(&error))?;
    let body = newest.and_then(|row| row.body).unwrap_or_default();
    let base: EstateDoc = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
    let estate = match &arguments.rules {
        Some(file) => proposed(context, file, &base)?,
        None => base,
    };
    let to = arguments.to.unwrap_or_else(|| SystemClock::new().now().wall);
    let from = arguments.from.unwrap_or_else(|| to.minus(DAY * arguments.days));
    let test = Test {
        estate: Arc::new(estate),
        catalogue: catalogue(context, context.outline.profiles.as_deref())?,
        planner: planner(context),
        from,
        to,
    };
    let outcome =
        backtest::backtest(&test, &mut reader, &mut output::bar()).map_err(|error| failed(&error))?;
    let value = serde_json::to_value(&outcome).map_err(|error| Failure::Problem(error.to_string()))?;
    output::result(context, &value, |_| {
        report(&outcome, arguments.limit, context.language)
    })
}

/// Routes and channels of the configuration, as far as it can be read here; secrets may belong to another user.
fn planner(context: &Context) -> Planner {
    let config = config::inspect(&context.config, &secrets::process_environment).config;
    let (routes, channels) = config
        .map(|config| (config.routes, config.channels))
        .unwrap_or_default();
    Planner::new(routes, channels, context.language)
}

fn report(outcome: &Tested, limit: usize, language: Language) -> String {
    let mut out = String::new();
    let mut say = |key: Key, values: &[(&str, String)]| {
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        out.push_str(&text::fill(language, key, &values));
        out.push('\n');
    };
    say(
        Key::BacktestOver,
        &[
            ("from", outcome.from.to_string()),
            ("to", outcome.to.to_string()),
            ("readings", outcome.readings.to_string()),
            ("points", outcome.points.to_string()),
        ],
    );
    if outcome.points_left_out > 0 {
        say(
            Key::BacktestLeftOut,
            &[("count", outcome.points_left_out.to_string())],
        );
    }
    say(
        Key::BacktestPages,
        &[
            ("total", outcome.pages.total.to_string()),
            ("night", outcome.pages.night.to_string()),
            ("busiest", outcome.pages.busiest_hour.to_string()),
            ("over", outcome.pages.hours_over_six.to_string()),
        ],
    );
    say(Key::BacktestCrew, &[]);
    let heads = |keys: &[Key]| {
        keys.iter()
            .map(|key| text::get(language, *key))
            .collect::<Vec<_>>()
    };
    let total = |name: Key, would: u64, real: u64, both: String| {
        vec![
            text::get(language, name).to_owned(),
            would.to_string(),
            real.to_string(),
            both,
        ]
    };
    let mut rows: Vec<Vec<String>> = outcome
        .by_class
        .iter()
        .map(|class| {
            vec![
                class.class.clone(),
                class.would_be.to_string(),
                class.real.to_string(),
                class.both.to_string(),
            ]
        })
        .collect();
    let both: u64 = outcome.by_class.iter().map(|class| class.both).sum();
    rows.push(total(
        Key::WordAlarms,
        outcome.alarms,
        outcome.alarms_real,
        both.to_string(),
    ));
    rows.push(total(
        Key::WordOrders,
        outcome.orders,
        outcome.orders_real,
        String::new(),
    ));
    out.push('\n');
    out.push_str(&output::table(
        &heads(&[Key::HeadClassOf, Key::HeadWouldBe, Key::HeadReal, Key::HeadBoth]),
        &rows,
    ));
    if !outcome.called.is_empty() {
        let rows: Vec<_> = outcome.called.iter().map(|who| called(who, language)).collect();
        out.push('\n');
        out.push_str(&output::table(
            &heads(&[Key::HeadCalled, Key::HeadTimes, Key::HeadNight]),
            &rows,
        ));
    }
    if !outcome.would_be.is_empty() && limit > 0 {
        let rows: Vec<_> = outcome
            .would_be
            .iter()
            .take(limit)
            .map(|alarm| row(alarm, language))
            .collect();
        let keys = [
            Key::HeadWhen,
            Key::HeadCleared,
            Key::HeadPriority,
            Key::HeadClassOf,
            Key::HeadAsset,
            Key::HeadRule,
            Key::HeadReal,
        ];
        out.push('\n');
        out.push_str(&output::table(&heads(&keys), &rows));
        let more = outcome.would_be.len().saturating_sub(limit);
        if more > 0 {
            out.push_str(&text::fill(
                language,
                Key::MoreNotShown,
                &[("count", &more.to_string())],
            ));
            out.push('\n');
        }
    }
    out
}

fn called(who: &Called, language: Language) -> Vec<String> {
    let kind = match who.kind {
        "role" => Key::WordRole,
        _ => Key::WordChannel,
    };
    vec![
        format!("{} {}", text::get(language, kind), who.name),
        who.times.to_string(),
        who.night.to_string(),
    ]
}

fn row(alarm: &WouldBe, language: Language) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let real = if alarm.real {
        text::get(language, Key::WordYes)
    } else {
        ""
    };
    vec![
        time(Some(alarm.raised_at)),
        time(alarm.cleared_at),
        alarm.priority.clone(),
        alarm.class.clone(),
        alarm.asset.clone(),
        alarm.rule.clone(),
        real.to_owned(),
    ]
}
