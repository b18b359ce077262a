//! The command line: what can be written, and nothing of what it does.
//!
//! The texts here are the English ones; `help` puts the Chinese ones in their place.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Linli 邻里: the gateway of a smart residential estate
#[derive(Debug, Parser)]
#[command(
    name = "linli",
    version,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub struct Common {
    /// Configuration file
    #[arg(
        long,
        global = true,
        env = "LINLI_CONFIG",
        value_name = "FILE",
        default_value = "/etc/linli/linli.toml"
    )]
    pub config: PathBuf,
    /// Print one JSON value on standard output; everything else goes to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of the output; otherwise that of the configuration, then of the environment
    #[arg(long, global = true, value_name = "LANGUAGE")]
    pub lang: Option<Lang>,
    /// Address of the gateway; otherwise that of the configuration
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// File that holds a token; otherwise $LINLI_TOKEN, then admin.token in the data folder
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Languages of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// 简体中文
    #[value(name = "zh-CN", alias = "zh")]
    Zh,
    /// English
    #[value(name = "en")]
    En,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    Run,
    /// Run a simulated estate with gateway and status page, on temporary data; nothing to install
    Demo(Demo),
    /// Say everything that is wrong with a configuration, its profiles and its estate file
    Check(Check),
    /// The estate as a file
    #[command(subcommand)]
    Estate(Estate),
    /// Devices and how they are understood
    #[command(subcommand)]
    Device(Device),
    /// Alarms
    #[command(subcommand)]
    Alarms(Alarms),
    /// Work orders
    #[command(subcommand)]
    Orders(Orders),
    /// Messages to people and systems
    #[command(subcommand)]
    Outbox(Outbox),
    /// Notices
    #[command(subcommand)]
    Notify(Notify),
    /// Tokens of the API
    #[command(subcommand)]
    Token(Token),
    /// Messages of the field that could not be used
    #[command(subcommand)]
    Rejects(Rejects),
    /// The engine's state
    #[command(subcommand)]
    Engine(Engine),
    /// Print the description of the API
    Openapi,
}

/// `linli demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// End by itself after this long, such as 60s; the demo fails when no order was closed by then
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Port of the status page; a free one when not given
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub http_port: u16,
}

/// `linli check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Fail on warnings too
    #[arg(long)]
    pub strict: bool,
    /// Check this estate file instead of the configured one
    #[arg(long, value_name = "FILE")]
    pub estate: Option<PathBuf>,
}

/// `linli estate`.
#[derive(Debug, Subcommand)]
pub enum Estate {
    /// Replace the estate in the ledger with a file
    Import {
        /// Estate file
        file: PathBuf,
    },
    /// Write the estate in the ledger as a file
    Export {
        /// Where to write; standard output when not given
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show what an import would change
    Diff {
        /// Estate file
        file: PathBuf,
    },
}

/// `linli device`.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// List the devices of the estate
    List,
    /// Decode one message and show every value and what was noticed
    Decode(Decode),
    /// Run the tests inside profile files
    Test {
        /// Profile files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// `linli device decode`.
#[derive(Debug, Args)]
pub struct Decode {
    /// Profile id
    #[arg(long, value_name = "ID")]
    pub profile: String,
    /// Folder of further profiles; otherwise that of the configuration
    #[arg(long, value_name = "FOLDER")]
    pub profiles: Option<PathBuf>,
    /// How the message is wrapped; without it the message is what the device itself said
    #[arg(long, value_name = "FAMILY")]
    pub family: Option<String>,
    /// Topic the wrapped message was published on
    #[arg(long, value_name = "TOPIC", requires = "family")]
    pub topic: Option<String>,
    /// Topic pattern of the subscription; otherwise the family's usual one
    #[arg(long, value_name = "PATTERN", requires = "family")]
    pub pattern: Option<String>,
    /// LoRaWAN port
    #[arg(long, value_name = "NUMBER")]
    pub f_port: Option<u8>,
    /// What the device is used as, such as bin or tank
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Geometry of the bin below it: distance to the floor and to a full bin, in millimetres
    #[arg(long, value_name = "EMPTY,FULL", value_delimiter = ',', num_args = 2)]
    pub bin: Option<Vec<f64>>,
    /// The message.
    #[command(flatten)]
    pub payload: Payload,
}

/// Exactly one form of the message.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Payload {
    /// Message in hexadecimal; spaces are ignored
    #[arg(long, value_name = "HEX")]
    pub hex: Option<String>,
    /// Message in base64
    #[arg(long, value_name = "BASE64")]
    pub base64: Option<String>,
    /// Message as text, such as JSON
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// File that holds the message as it came; - is standard input
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
}

/// `linli alarms`.
#[derive(Debug, Subcommand)]
pub enum Alarms {
    /// List alarms, newest first
    List(List),
    /// Say that somebody has seen an alarm
    Ack {
        /// Alarm number, such as AL-7
        id: String,
    },
}

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
        /// Most entries, 1 to 500
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
}

/// `linli engine`.
#[derive(Debug, Subcommand)]
pub enum Engine {
    /// Print the engine's whole state as text
    Dump,
}

fn duration(text: &str) -> Result<Duration, String> {
    linli_domain::time::duration_text::parse(text)
}
