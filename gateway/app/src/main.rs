//! `linli`: parses the arguments, does what they say, and ends with an exit code.

use linli::clock::SystemClock;
use std::sync::Arc;

fn main() -> std::process::ExitCode {
    linli::cli::main(Arc::new(SystemClock::new()))
}
