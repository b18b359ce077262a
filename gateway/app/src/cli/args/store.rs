//! The commands that work on the ledger's file.

use clap::{Args, Subcommand, ValueEnum};
use linli_domain::time::Timestamp;
use std::path::PathBuf;

/// `linli backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// File to write, or a folder that gets a file named by the time; otherwise the folder backups beside the data
    #[arg(value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Keep so many backups in the folder and remove older ones
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub keep: Option<u32>,
}

/// `linli restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// Backup to restore
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `linli doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Mend what can be mended without losing anything but damaged bytes; the gateway must be stopped
    #[arg(long)]
    pub mend: bool,
    /// Look at the file alone, at nothing on the network
    #[arg(long)]
    pub offline: bool,
}

/// `linli series`.
#[derive(Debug, Subcommand)]
pub enum Series {
    /// List the points with how many readings are kept of them, since when, and what they take
    List,
    /// Show how long and how often a state was true: occupied, wet, open
    States(States),
}

/// `linli series states`.
#[derive(Debug, Args)]
pub struct States {
    /// The point, by id or key
    #[arg(value_name = "POINT")]
    pub point: String,
    /// From when on; a day before the end when not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Until when; now when not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// Width of a line
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub width: String,
}

/// `linli export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Observed at or after, such as 2026-01-31T00:00:00Z; everything when not given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Observed before
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// Only these points, by id or key; may be given several times
    #[arg(long = "point", value_name = "POINT")]
    pub points: Vec<String>,
    /// Only points of this device
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// Only points of this measure
    #[arg(long, value_name = "MEASURE")]
    pub measure: Option<String>,
    /// Read this backup instead of the ledger
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
    /// Where to write; standard output when not given
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Forms of exported readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values with a head line
    Csv,
    /// One JSON object a line
    Ndjson,
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        format!("{text:?} is not a time such as 2026-01-31T19:02:11Z or 2026-01-31T19:02:11+08:00")
    })
}
