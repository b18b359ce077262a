//! The gateway by a clock that the stories move: the same program as `linli`, built by `make test` and nobody else.

use linli::clock::hand::HandClock;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    match HandClock::of_this_process() {
        Ok(clock) => linli::cli::main(Arc::new(clock)),
        Err(error) => {
            eprintln!("linli-test-clock: {error}");
            ExitCode::from(2)
        }
    }
}
