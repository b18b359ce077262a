//! `linli rules`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The rules of the estate.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List the rules in use, with what may not be meant
    List {
        /// Only those of the estate, not those that came with the program
        #[arg(long)]
        own: bool,
        /// Most entries, 1 to 500
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Show a rule as the estate file writes it
    Show {
        /// Rule id
        id: String,
    },
    /// Show the edits of a rule, newest first
    History {
        /// Rule id
        id: String,
    },
    /// Add the rules of a file to the estate
    Add(RuleFile),
    /// Put the rules of a file in the place of those with their ids
    Set(RuleFile),
    /// Say what the rules of a file would do, without keeping them
    Check {
        /// File with [[rules]]
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Back-test each over so many of the last days, 1 to 31
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=31))]
        days: Option<u32>,
    },
    /// Remove a rule from the estate; a shipped one comes back where it had taken its place
    Remove {
        /// Rule id
        id: String,
    },
}

/// A file of rules.
#[derive(Debug, Args)]
pub struct RuleFile {
    /// File with [[rules]]
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Say what they would do, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
