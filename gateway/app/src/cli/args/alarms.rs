//! The words of `linli alarms`.

use super::List;
use clap::{Args, Subcommand};

/// `linli alarms`.
#[derive(Debug, Subcommand)]
pub enum Alarms {
    /// List alarms, newest first
    List(ListAlarms),
    /// Show whether people can work with the alarms they get: rates, chatter, standing alarms, beside their targets
    Quality(Quality),
    /// Show one alarm: its state, the readings that raised it, and its whole life
    Show {
        /// Alarm number, such as AL-7
        id: String,
    },
    /// Say that somebody has seen alarms
    Ack {
        /// Alarm numbers, such as AL-7
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Mute alarms for a time; they go on being recorded
    Shelve {
        /// Alarm numbers, such as AL-7
        #[arg(required = true)]
        ids: Vec<String>,
        /// For how long, such as 30m or 2h; staff up to 8h, a manager up to 72h
        #[arg(long = "for", value_name = "DURATION")]
        lasts: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// A P1 alarm opens no order either; a manager's decision
        #[arg(long)]
        no_order: bool,
    },
    /// End a shelving before its time
    Unshelve {
        /// Alarm numbers, such as AL-7
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Say which alarm explains others: people hear of that one alone, as long as it goes on
    Suppress {
        /// Alarm numbers, such as AL-8
        #[arg(required = true)]
        ids: Vec<String>,
        /// The alarm that explains them, such as AL-7; it goes on and people hear of it
        #[arg(long, value_name = "ALARM")]
        cause: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take back a cause that a person has named
    Unsuppress {
        /// Alarm numbers, such as AL-8
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Let go of the latches of alarms whose condition is normal; a manager's decision
    Reset {
        /// Alarm numbers, such as AL-7
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// List what is out of service, or take a device or an asset out of service
    Out {
        /// What; everything that is out of service is listed when nothing is named
        #[command(flatten)]
        what: Serviced,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", requires = "serviced")]
        reason: Option<String>,
        /// For how long, such as 2h; then it is back by itself. What lives depend on needs an end: 8h at most, by a manager 72h
        #[arg(long = "for", value_name = "DURATION", requires = "serviced")]
        lasts: Option<String>,
    },
    /// Bring a device or an asset back into service
    Back {
        /// What
        #[command(flatten)]
        what: Serviced,
    },
}

/// Which alarms are wanted.
#[derive(Debug, Args)]
pub struct ListAlarms {
    /// How much.
    #[command(flatten)]
    pub list: List,
    /// Only in these states, with commas between them, such as active_unack,shelved
    #[arg(long, value_name = "STATES")]
    pub state: Option<String>,
    /// Only of this asset
    #[arg(long, value_name = "ASSET")]
    pub asset: Option<String>,
    /// Only of this class
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Only those at least this urgent
    #[arg(long, value_name = "PRIORITY", value_parser = ["P1", "P2", "P3", "P4"])]
    pub priority: Option<String>,
    /// Only those this alarm explains or explained, such as AL-7; those that are over as well
    #[arg(long, value_name = "ID")]
    pub cause: Option<String>,
    /// Only what late readings say would have been in alarm; it called nobody
    #[arg(long)]
    pub late: bool,
}

/// A device or an asset.
#[derive(Debug, Args)]
#[group(id = "serviced", multiple = false)]
pub struct Serviced {
    /// The asset; a manager's decision
    #[arg(long, value_name = "ASSET")]
    pub asset: Option<String>,
    /// The device
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
}

/// `linli alarms quality`.
#[derive(Debug, Args)]
pub struct Quality {
    /// Over so many of the last days, 1 to 366
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    /// People on duty at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub operators: u32,
}
