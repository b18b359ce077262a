//! The command line: parses, calls, maps to an exit code. No command holds logic of its own.
//!
//! `--json` is one value on standard output; everything else goes to standard error. Exit codes: 0 ok (warnings
//! too, unless `--strict`), 1 a problem was found, 2 wrong use, 3 done, but not all that was asked.

mod alarms;
pub mod args;
mod backtest;
mod broker;
mod check;
mod client;
mod context;
mod bus;
mod device;
mod estate;
mod firmware;
mod forwarders;
mod health;
mod input;
mod heard;
pub mod help;
mod outbox;
mod profiles;
mod unknown;
mod watch;
mod output;
mod quality;
mod rejects;
mod record;
mod replay;
mod rules;
mod service;
mod simulate;
mod states;
mod refused;
mod store;
mod stream;
pub mod text;
mod token;
mod work;

use crate::clock::SharedClock;
use args::{Cli, Command, Engine};
use clap::FromArgMatches;
use context::Context;
use linli_domain::text::Language;
use std::process::ExitCode;
use text::Key;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A problem was found or the gateway refused; exit code 1.
    #[error("{0}")]
    Problem(String),
    /// The command was used wrongly; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// What could be done is done and was told; the rest was not done. Exit code 3.
    #[error("{0}")]
    Partly(String),
    /// Everything was said already; exit code 1.
    #[error("")]
    Said,
}

/// What every command ends with.
pub type Outcome = Result<(), Failure>;

/// Parses the arguments of this process, does what they say, and maps the result to an exit code. A gateway that runs
/// goes by `clock`.
pub fn main(clock: SharedClock) -> ExitCode {
    // The HTTP client needs a provider even for plain connections; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wish = help::wished_language(std::env::args_os().skip(1));
    let language = wish.unwrap_or_else(|| context::language_of(&|name| std::env::var(name).ok()));
    let cli = match help::command(language)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let context = Context::new(&cli.common, &|name| std::env::var(name).ok());
    let (code, text) = match dispatch(cli.command, &context, clock) {
        Ok(()) => (0, String::new()),
        Err(failure @ Failure::Usage(_)) => (2, failure.to_string()),
        Err(failure @ Failure::Partly(_)) => (3, failure.to_string()),
        Err(failure) => (1, failure.to_string()),
    };
    if !text.is_empty() {
        output::error(&context, &text);
    }
    ExitCode::from(code)
}

fn dispatch(command: Command, context: &Context, clock: SharedClock) -> Outcome {
    match command {
        Command::Run => service::run(context, clock),
        Command::Demo(demo) => service::demo(context, &demo),
        Command::Simulate(arguments) => simulate::simulate(context, &arguments),
        Command::Backtest(arguments) => backtest::backtest(context, &arguments),
        Command::Record(arguments) => record::record(context, &arguments),
        Command::Replay(arguments) => replay::replay(context, &arguments),
        Command::Check(arguments) => check::check(context, &arguments),
        Command::Estate(command) => estate::dispatch(context, command),
        Command::Device(command) => device::dispatch(context, command),
        Command::Alarms(command) => alarms::alarms(context, command),
        Command::Rules(command) => rules::dispatch(context, command),
        Command::Orders(command) => work::orders(context, command),
        Command::Outbox(command) => outbox::outbox(context, command),
        Command::Forwarders(command) => forwarders::dispatch(context, &command),
        Command::Notify(args::Notify::Test { channel }) => outbox::test(context, channel.as_deref()),
        Command::Rejects(command) => rejects::dispatch(context, &command),
        Command::Token(command) => token::dispatch(context, command),
        Command::Broker(command) => broker::dispatch(context, command),
        Command::Clock(args::Clock::Believe) => {
            let client = client::Client::new(context)?;
            let done = client.post("/api/v1/clock/believe", &serde_json::json!({}))?;
            output::result(context, &done, |done| {
                let now = output::field(done, "now");
                text::fill(context.language, Key::ClockBelieved, &[("now", &now)]) + "\n"
            })
        }
        Command::Engine(Engine::Dump) => {
            let client = client::Client::new(context)?;
            let dump = client.get("/api/v1/engine/dump")?;
            output::result(context, &dump, |dump| output::field(dump, "state"))
        }
        Command::Backup(arguments) => store::backup(context, &arguments),
        Command::Restore(arguments) => store::restore(context, &arguments),
        Command::Doctor(arguments) => store::doctor(context, &arguments),
        Command::Export(arguments) => store::export(context, &arguments),
        Command::Series(command) => store::series(context, command),
        Command::Openapi => {
            let text = crate::http::openapi_json().map_err(|error| Failure::Problem(error.to_string()))?;
            output::text(&text)
        }
    }
}

/// A problem of the command line itself, in the language of the reader.
fn problem(language: Language, key: Key, values: &[(&str, &str)]) -> Failure {
    Failure::Problem(text::fill(language, key, values))
}

/// So many of so many were not done; nothing when there are none.
fn partly(language: Language, key: Key, not_done: u64, of: u64) -> Outcome {
    if not_done == 0 {
        return Ok(());
    }
    let (count, of) = (not_done.to_string(), of.to_string());
    Err(Failure::Partly(text::fill(
        language,
        key,
        &[("count", &count), ("of", &of)],
    )))
}
