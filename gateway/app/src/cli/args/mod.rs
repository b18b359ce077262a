//! The command line: what can be written, and nothing of what it does.
//!
//! The texts here are the English ones; `help` puts the Chinese ones in their place.

mod alarms;
mod backtest;
mod firmware;
mod onboarding;
mod rules;
mod simulate;
mod store;
mod work;

pub use alarms::{Alarms, ListAlarms, Quality, Serviced};
pub use backtest::{Backtest, Record, Replay};
pub use firmware::{NodeKind, Sign};
pub use onboarding::{Accept, DeviceList, Point, Show, Watch, Which};
pub use rules::{RuleFile, Rules};
pub use simulate::Simulate;
pub use store::{Backup, Doctor, Export, Format, Restore, Series, States};
pub use work::{Clock, Engine, Forwarders, List, Notify, Orders, Outbox, Rejects, Token};

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
    /// Play an estate with scripted faults in virtual time, and judge what the gateway makes of it
    Simulate(Simulate),
    /// Show what proposed rules would have done on recorded readings, beside what really happened; changes nothing
    Backtest(Backtest),
    /// Write down what a running gateway takes in, whole, for linli replay
    Record(Record),
    /// Send recorded frames through the whole pipeline, on a ledger of its own
    Replay(Replay),
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
    /// Rules: what is an alarm
    #[command(subcommand)]
    Rules(Rules),
    /// Work orders
    #[command(subcommand)]
    Orders(Orders),
    /// Messages to people and systems
    #[command(subcommand)]
    Outbox(Outbox),
    /// Copies of the readings in other stores
    #[command(subcommand)]
    Forwarders(Forwarders),
    /// Notices
    #[command(subcommand)]
    Notify(Notify),
    /// Tokens of the API
    #[command(subcommand)]
    Token(Token),
    /// The embedded broker
    #[command(subcommand)]
    Broker(Broker),
    /// Messages of the field that could not be used
    #[command(subcommand)]
    Rejects(Rejects),
    /// The time the gateway goes by
    #[command(subcommand)]
    Clock(Clock),
    /// The engine's state
    #[command(subcommand)]
    Engine(Engine),
    /// Copy the ledger while the gateway runs, and verify the copy
    Backup(Backup),
    /// Put a backup in the place of the ledger; what was there is kept
    Restore(Restore),
    /// Look at the ledger, the disk, the clock, the configuration and the connections, and say what to do
    Doctor(Doctor),
    /// Write readings as CSV or JSON lines
    Export(Export),
    /// What is kept of every point
    #[command(subcommand)]
    Series(Series),
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

/// `linli broker`.
#[derive(Debug, Subcommand)]
pub enum Broker {
    /// Users of the users file; a running gateway notices within seconds
    #[command(subcommand)]
    User(BrokerUser),
}

/// `linli broker user`.
#[derive(Debug, Subcommand)]
pub enum BrokerUser {
    /// List the names
    List {
        /// Users file; otherwise that of the configuration
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Add a user or give it another password: one that is made and shown once, or the one piped in
    Add {
        /// Name; topics begin with it and client ids too
        name: String,
        /// Users file; otherwise that of the configuration
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Remove a user; its clients are sent away
    Remove {
        /// Name
        name: String,
        /// Users file; otherwise that of the configuration
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// `linli device`.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// List the devices of the estate, or those that are not in it
    List(DeviceList),
    /// Show how devices are: last heard, reachable, clock, and what is wrong
    Health(Health),
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
    /// Look who answers on a bus, what it says about itself and which profile it may have; only reads
    Scan {
        /// Name of the bus
        #[arg(long, value_name = "NAME")]
        bus: String,
        /// Units, such as 1-32 or 1-8,20
        #[arg(long, value_name = "UNITS", default_value = "1-32")]
        units: String,
    },
    /// Write a register its profile allows to be written, on a bus that may be written
    Write {
        /// Device id
        id: String,
        /// Name the profile gives the register
        name: String,
        /// Number in the unit of its readings, or true and false
        #[arg(allow_negative_numbers = true)]
        value: String,
    },
    /// Make a signed package out of compiled firmware of a node; needs no gateway
    Sign(Sign),
    /// Update the firmware of a node on a bus that may be written; what broke off goes on where it was
    Update {
        /// Device id
        id: String,
        /// Package of `linli device sign`
        package: PathBuf,
    },
    /// Run case files against the catalogue, and the tests inside profile files
    Test(DeviceTest),
}

/// `linli device test`.
#[derive(Debug, Args)]
pub struct DeviceTest {
    /// Case files (.json), profile files (.toml), or folders of them
    #[arg(required = true, value_name = "CASE")]
    pub files: Vec<PathBuf>,
    /// Run the cases with the profiles of this folder alone; otherwise with the built-in catalogue and the configured folder
    #[arg(long, value_name = "FOLDER")]
    pub profiles: Option<PathBuf>,
}

/// `linli device health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Device id; every device with something wrong when not given
    pub id: Option<String>,
    /// Those without anything wrong as well
    #[arg(long, conflicts_with = "id")]
    pub all: bool,
    /// Only those with this flag
    #[arg(long, value_name = "FLAG", conflicts_with_all = ["id", "all"], value_parser = FLAGS)]
    pub flag: Option<String>,
    /// Most entries, 1 to 500
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

/// Names of the flags of a device.
const FLAGS: [&str; 8] = [
    "silent",
    "stale",
    "stuck",
    "jump",
    "low_battery",
    "poor_signal",
    "clock",
    "conflict",
];

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
    /// Topic the message was published on; without --family only the part below the device
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Topic pattern of the subscription; otherwise the family's usual one
    #[arg(long, value_name = "PATTERN", requires = "family")]
    pub pattern: Option<String>,
    /// LoRaWAN port
    #[arg(long, value_name = "NUMBER")]
    pub f_port: Option<u8>,
    /// Show what stood where in the message and what was made of it
    #[arg(long)]
    pub trace: bool,
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
