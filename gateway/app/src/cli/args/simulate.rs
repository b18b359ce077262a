//! `linli simulate`.

use super::duration;
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::time::Duration;

/// What is played, and what is done with it.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("outcome").required(true).multiple(true).args(["judge", "output"])))]
pub struct Simulate {
    /// Seed of the play; the same seed plays the same
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// How large an estate: small (50 assets), medium (500), large (5000), or an estate file
    #[arg(long, value_name = "SIZE|FILE", default_value = "small")]
    pub estate: String,
    /// Faults, separated by commas: leak, fire, bin-surge, blocked-lane, dead-slave, dead-device, flapping, stuck-sensor, clock-jump, broker-loss; or all, or none
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub faults: String,
    /// Length of the play in virtual time, at least 11h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "24h")]
    pub duration: Duration,
    /// Send the play through decoding, engine and ledger in virtual time, and compare alarms and orders with what happened; fails when one is missed or doubled
    #[arg(long)]
    pub judge: bool,
    /// Write the play into this folder: estate.toml, linli.toml, frames.ndjson (for linli replay) and truth.json; nothing is sent to a broker
    #[arg(long, short, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Take the rules and order profiles of this estate file instead of those of the estate
    #[arg(long, value_name = "FILE", requires = "judge")]
    pub rules: Option<PathBuf>,
    /// Folder of further profiles beside the built-in ones
    #[arg(long, value_name = "FOLDER")]
    pub profiles: Option<PathBuf>,
}
