//! The commands that work on a running gateway.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// How much of a listing is wanted.
#[derive(Debug, Args)]
pub struct List {
    /// Those that are over as well
    #[arg(long)]
    pub all: bool,
    /// Most entries, 1 to 500
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

/// `linli orders`.
#[derive(Debug, Subcommand)]
pub enum Orders {
    /// List work orders, newest first
    List(List),
    /// Show one order: its tasks and its whole life
    Show {
        /// Order number, such as WO-42
        id: String,
    },
    /// Take an order
    Accept {
        /// Order number, such as WO-42
        id: String,
    },
    /// Begin the work
    Start {
        /// Order number, such as WO-42
        id: String,
    },
    /// Say that the work is done; the order closes when its sensors agree
    Complete {
        /// Order number, such as WO-42
        id: String,
        /// What was found and done
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Close an order its sensors do not confirm; a manager's decision
    Override {
        /// Order number, such as WO-42
        id: String,
        /// Why: sensor_faulty, drying_residue, valve_isolated, agreed_temporary or test
        #[arg(long, value_name = "REASON")]
        reason: String,
        /// Explanation for the record
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Cancel an order; a manager's decision
    Cancel {
        /// Order number, such as WO-42
        id: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// `linli outbox`.
#[derive(Debug, Subcommand)]
pub enum Outbox {
    /// List deliveries in a state, newest first
    List {
        /// State of the deliveries
        #[arg(long, value_name = "STATE", value_parser = ["pending", "delivered", "dead"], default_value = "dead")]
        state: String,
        /// Most entries, 1 to 500
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Send a delivery again
    Retry {
        /// Number of the delivery
        id: i64,
    },
}

/// `linli forwarders`.
#[derive(Debug, Subcommand)]
pub enum Forwarders {
    /// List the forwarders: how far each has come, what waits for it, and what ails it
    List,
    /// List the lines a store refused for good and why, newest first
    Parked {
        /// Name of the forwarder
        name: String,
        /// Most entries, 1 to 500
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
}

/// `linli notify`.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// Send a test message
    Test {
        /// Channel; every configured one when not given
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
    },
}

/// `linli token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// List tokens, without their secrets
    List,
    /// Make a token for a person or a program
    Add {
        /// Name, as it will stand in the history
        name: String,
        /// What it may do
        #[arg(long, value_name = "ROLE", value_parser = ["staff", "manager"], default_value = "staff")]
        role: String,
        /// File for the secret (mode 0600); the terminal when not given
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Give a token a new secret; the old one ends at once
    Rotate {
        /// Id of the token
        id: String,
        /// File for the secret (mode 0600); the terminal when not given
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// End a token
    Revoke {
        /// Id of the token
        id: String,
    },
}

/// `linli rejects`.
#[derive(Debug, Subcommand)]
pub enum Rejects {
    /// List the last refused messages and why
    List {
        /// Only those refused for this reason, such as truncated
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        /// Only those of this connection
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
        /// Only those of this device: its id, or the key of an unknown one
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        /// Most entries, 1 to 500
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Show one refused message: what is wrong with it, what to do, and its bytes
    Show {
        /// Number of the message
        id: i64,
    },
    /// Count refused messages by reason
    Count {
        /// Only those of this connection
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
        /// Only those of this device: its id, or the key of an unknown one
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
}

/// `linli clock`.
#[derive(Debug, Subcommand)]
pub enum Clock {
    /// Say that the machine's clock is right although it shows less than the gateway has seen; a manager's decision
    Believe,
}

/// `linli engine`.
#[derive(Debug, Subcommand)]
pub enum Engine {
    /// Print the engine's whole state as text
    Dump,
}
