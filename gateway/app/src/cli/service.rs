//! `linli run` and `linli demo`: reads the configuration, sets up logging and signals, and hands over.

use crate::cli::args::Demo;
use crate::cli::context::Context;
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output, problem};
use crate::clock::SharedClock;
use crate::config::{self, Log, render, secrets};
use crate::sim::{self, DemoOptions, Narrator};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Runs the gateway until it is told to stop.
pub(super) fn run(context: &Context, clock: SharedClock) -> Outcome {
    let loaded = config::inspect(&context.config, &secrets::process_environment);
    if !loaded.problems.is_empty() {
        output::note(render::render(&loaded.problems, context.language, context.colour).trim_end());
    }
    let Some(config) = loaded.config else {
        let path = context.config.display().to_string();
        return Err(problem(context.language, Key::RefusesToStart, &[("path", &path)]));
    };
    log(context, &config.log);
    let runtime = runtime()?;
    runtime.block_on(async {
        let stop = stop_on_signals()?;
        crate::run::run(config, clock, stop)
            .await
            .map_err(|error| Failure::Problem(format!("{error:#}")))
    })
}

/// Runs the demo; without a closed order it has failed.
pub(super) fn demo(context: &Context, arguments: &Demo) -> Outcome {
    log(
        context,
        &Log {
            filter: "error".into(),
            json: false,
        },
    );
    let options = DemoOptions {
        duration: arguments.duration,
        http_port: arguments.http_port,
    };
    let language = context.language;
    let ready = move |url: String| output::note(&text::fill(language, Key::DemoReady, &[("url", &url)]));
    let started = std::time::Instant::now();
    let narrator = Narrator::new(language, move |line| {
        output::note(&format!("{:4} s  {line}", started.elapsed().as_secs()));
    });
    let summary = runtime()?.block_on(async {
        let stop = stop_on_signals()?;
        sim::demo(options, stop, narrator, ready)
            .await
            .map_err(|error| Failure::Problem(format!("{error:#}")))
    })?;
    let value = serde_json::to_value(&summary).unwrap_or_default();
    output::result(context, &value, |_| {
        let count = |number: u64| number.to_string();
        let values = [
            ("seconds", count(summary.seconds)),
            ("readings", count(summary.readings)),
            ("rejected", count(summary.rejected)),
            ("duplicates", count(summary.duplicates)),
            ("alarms", count(summary.alarms_raised)),
            ("opened", count(summary.orders_opened)),
            ("closed", count(summary.orders_closed)),
        ];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        text::fill(language, Key::DemoSummary, &values) + "\n"
    })?;
    if summary.orders_closed == 0 {
        Err(problem(language, Key::DemoFailed, &[]))
    } else {
        Ok(())
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::Problem(error.to_string()))
}

/// Cancelled by the first SIGTERM or SIGINT.
fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let hook = |kind| signal(kind).map_err(|error| Failure::Problem(error.to_string()));
    let (mut terminate, mut interrupt) = (hook(SignalKind::terminate())?, hook(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}

/// Logs go to standard error. `RUST_LOG` has the last word.
fn log(context: &Context, log: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second subscriber in one process (tests) is refused; the first one goes on.
    let _ = if log.json {
        builder.json().try_init()
    } else {
        builder.with_ansi(context.colour).try_init()
    };
}
