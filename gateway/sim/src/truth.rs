//! The truth: what happened, in physical terms, and when the gateway could first have known.
//!
//! It says nothing of rules, alarms or orders. `heard` and `heard_over` are facts of the field as well: the moments at
//! which the first message that shows it, and the first that shows it gone, were handed to the gateway.

use crate::rfc3339;
use serde::{Serialize, Serializer};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Water stood in a zone.
    Water,
    /// Water dripped: it came and went.
    Drip,
    /// A bin was 60 °C or hotter, from `certain` on.
    Heat,
    /// A bin was filled to 90 % or more, from `certain` on.
    Waste,
    /// A vehicle stood in a lane or bay.
    Vehicle,
    /// A device was without power.
    Dead,
    /// A device said the same whatever it looked at.
    Frozen,
    /// The gateway's own clock was set wrong.
    Clock,
    /// The broker could not be reached by the gateway; it kept what devices said.
    Broker,
}

/// One thing that happened. Times are true times in milliseconds since 1970; written down they are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happening {
    /// What.
    pub kind: Kind,
    /// To which asset; none for the gateway and its broker.
    pub asset: Option<String>,
    /// Which device saw it or was ill.
    pub device: Option<String>,
    /// From when.
    #[serde(serialize_with = "time")]
    pub from: i64,
    /// From when it is beyond doubt: as hot, as full as its kind says.
    #[serde(serialize_with = "time")]
    pub certain: i64,
    /// Until when.
    #[serde(serialize_with = "time")]
    pub to: i64,
    /// When the gateway was first told; for a dead device when it was last told anything.
    #[serde(serialize_with = "maybe")]
    pub heard: Option<i64>,
    /// When the gateway was first told that it is over.
    #[serde(serialize_with = "maybe")]
    pub heard_over: Option<i64>,
    /// By how much the gateway's clock was wrong, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<i64>,
}

/// Everything that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// The seed it was made with.
    pub seed: u64,
    /// The estate's id.
    pub estate: String,
    /// When the play began.
    #[serde(serialize_with = "time")]
    pub from: i64,
    /// When it ended.
    #[serde(serialize_with = "time")]
    pub to: i64,
    /// What happened, by its beginning.
    pub happenings: Vec<Happening>,
    /// Faults that were asked for and found nothing they could happen to.
    pub impossible: Vec<&'static str>,
    /// Devices of the estate that were not simulated, and silent all the time.
    pub not_simulated: Vec<String>,
}

fn time<S: Serializer>(at_ms: &i64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&rfc3339(*at_ms))
}

#[allow(clippy::ref_option, reason = "the form serde calls")]
fn maybe<S: Serializer>(at_ms: &Option<i64>, s: S) -> Result<S::Ok, S::Error> {
    match at_ms {
        Some(at_ms) => time(at_ms, s),
        None => s.serialize_none(),
    }
}
