//! `linli backtest`, `linli record` and `linli replay`.

use super::duration;
use super::store::time;
use clap::Args;
use linli_domain::time::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// What is tested.
#[derive(Debug, Args)]
pub struct Backtest {
    /// Received at or after, such as 2026-01-31T00:00:00Z; --days before the end when not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Received before; now when not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// How many days before the end, when --from is not given
    #[arg(long, value_name = "NUMBER", default_value_t = 7, conflicts_with = "from", value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    /// Proposed rules: an estate file, or a file with rules and order profiles alone; otherwise the rules in the ledger
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Read this backup instead of the ledger
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
    /// Most alarms shown one by one
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub limit: usize,
}

/// What is recorded, and where to.
#[derive(Debug, Args)]
pub struct Record {
    /// File to write, one frame a line; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How long, at most 7d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub lasts: Duration,
    /// End after so many frames
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
}

/// What is replayed.
#[derive(Debug, Args)]
pub struct Replay {
    /// Recorded frames, one JSON value a line, as linli record, linli device watch --json and linli simulate --output write them; - reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// So many times as fast as they came, such as 1 or 60; as fast as possible when not given
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    pub speed: Option<f64>,
    /// Estate file; otherwise the seed of the configuration
    #[arg(long, value_name = "FILE")]
    pub estate: Option<PathBuf>,
    /// Let time go on so long after the last frame, so that delays end
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub then: Duration,
    /// Keep the ledger in this empty folder; a temporary one when not given
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Most transitions shown one by one
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub limit: usize,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err(format!("{text:?} is not a number above zero")),
    }
}
