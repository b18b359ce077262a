//! `linli backtest`: reads the ledger beside a running gateway, and shows what other rules would have done.

use crate::cli::args::Backtest;
use crate::cli::context::Context;
use crate::cli::simulate::{catalogue, failed, proposed};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output, problem};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, secrets};
use crate::messages;
use crate::ops::backtest::{self, BacktestError, Called, Outcome as Tested, Test, WouldBe};
use crate::ops::check;
use crate::outbox::plan::Planner;
use crate::pipeline::ESTATE;
use linli_domain::estate::{EstateDoc, Problem};
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
    let outcome = backtest::backtest(&test, &mut reader, &mut output::bar())
        .map_err(|error| refused(&error, context.language))?;
    let value = serde_json::to_value(&outcome).map_err(|error| Failure::Problem(error.to_string()))?;
    output::result(context, &value, |_| {
        report(&outcome, arguments.limit, context.language)
    })
}

/// Why nothing was tested. What is wrong with a rule is said as the estate's own check says it, a line each.
fn refused(error: &BacktestError, language: Language) -> Failure {
    match error {
        BacktestError::Rules(problems) => {
            let said = |text: &str| check::both_ways(text).get(language).to_owned();
            let line = |wrong: &Problem| {
                let hint = wrong.hint.as_deref().map(|hint| format!("; {}", said(hint)));
                let message = said(&wrong.message);
                format!("\n  {}: {message}{}", wrong.path, hint.unwrap_or_default())
            };
            let problems: String = problems.iter().map(line).collect();
            problem(language, Key::BacktestRules, &[("problems", &problems)])
        }
        BacktestError::Store(error) => {
            let error = crate::chain::chain(error);
            problem(language, Key::BacktestStore, &[("error", &error)])
        }
        BacktestError::NoTime => problem(language, Key::BacktestNoTime, &[]),
    }
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
    let name = match (who.kind, &*who.name) {
        ("role", "everybody") => text::get(language, Key::BacktestEverybody).to_owned(),
        ("role", role) => format!(
            "{} {}",
            text::get(language, Key::WordRole),
            messages::word(language, "role", role)
        ),
        (_, channel) => format!("{} {channel}", text::get(language, Key::WordChannel)),
    };
    vec![name, who.times.to_string(), who.night.to_string()]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_nothing_was_tested_is_said_in_the_readers_language() {
        let no_time = refused(&BacktestError::NoTime, Language::Zh).to_string();
        assert!(
            no_time.contains("时段的终点") && no_time.contains("--from"),
            "{no_time}"
        );
        let wrong = |path: &str| Problem {
            path: path.to_owned(),
            message: "clear 95 is above the set value 90".to_owned(),
            hint: Some("an alarm above a value clears at that value or lower".to_owned()),
        };
        let rules = BacktestError::Rules(vec![wrong("rules[0].measure"), wrong("rules[1].measure")]);
        let said = refused(&rules, Language::Zh).to_string();
        assert!(said.starts_with("拟用的规则被拒绝，未作回测"), "{said}");
        assert_eq!(said.lines().count(), 3, "each with its line: {said}");
        let first = "rules[0].measure: 恢复值 95 高于触发值 90; 高于某值的告警，恢复值须等于或低于该值";
        assert!(said.contains(first), "{said}");
    }

    #[test]
    fn who_would_be_called_is_named_as_the_estate_names_them() {
        let who = |kind, name: &str| Called {
            kind,
            name: name.to_owned(),
            times: 2,
            night: 1,
        };
        let named = |who: &Called, language| called(who, language).remove(0);
        let (trade, all) = (who("role", "repair"), who("role", "everybody"));
        assert!(named(&trade, Language::Zh).ends_with("维修"));
        assert_eq!(named(&all, Language::Zh), "全体");
        assert_eq!(named(&all, Language::En), "everybody");
        assert!(named(&who("channel", "duty"), Language::Zh).ends_with("duty"));
    }
}
