//! The command line: what can be written, and nothing of what it does.
//!
//! The texts here are the English ones; `help` puts the Chinese ones in their place.

mod onboarding;
mod work;

pub use onboarding::{Accept, DeviceList, Point, Show, Watch, Which};
pub use work::{Alarms, Engine, List, Notify, Orders, Outbox, Rejects, Token};

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
    /// List the devices of the estate, or those that are not in it
    List(DeviceList),
    /// Show the waiting messages of an unknown device, and what a profile makes of them
    Show(Show),
    /// Take an unknown device into the estate; its waiting messages are replayed
    Accept(Box<Accept>),
    /// Ignore an unknown device for good; its messages are counted and not kept
    Ignore(Which),
    /// Forget an unknown or ignored device; it appears again when it speaks
    Forget(Which),
    /// Show what devices say as it comes, raw beside decoded; --json prints one JSON value a line
    Watch(Watch),
    /// List the profiles in use, and the files that are refused
    Profiles,
    /// Read the folder of profiles again, without a restart
    Reload,
    /// Decode one message and show every value and what was noticed
    Decode(Box<Decode>),
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

fn duration(text: &str) -> Result<Duration, String> {
    linli_domain::time::duration_text::parse(text)
}
