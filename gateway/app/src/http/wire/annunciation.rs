//! What people say about who hears of an alarm: shelving, several alarms at once, out of service.

use super::Changed;
use linli_domain::alarm::{OutOfService as DomainOut, Serviced};
use linli_domain::id::{AlarmId, AssetId, DeviceId};
use linli_domain::time::{Timestamp, duration_text};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Most alarms of one request about several.
pub const MAX_BULK: usize = 100;

/// For how long and why an alarm is muted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shelve {
    /// For how long: `30m`, `2h`. Staff up to 8 hours, a manager up to 72.
    #[serde(rename = "for", with = "duration_text")]
    #[schema(value_type = String, example = "2h")]
    pub lasts: Duration,
    /// Why.
    pub reason: String,
    /// A P1 alarm opens no order either; a manager's decision.
    #[serde(default)]
    pub no_order: bool,
}

/// An alarm by its number, such as `AL-7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AlarmNumber(pub AlarmId);

impl TryFrom<String> for AlarmNumber {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let id = text.parse().map(Self);
        id.map_err(|_| format!("{text:?} is not the number of an alarm, such as AL-7"))
    }
}

/// Which alarm explains this one, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppress {
    /// The cause: an alarm that goes on and that people hear of.
    #[schema(value_type = String, example = "AL-7")]
    pub cause: AlarmNumber,
    /// Why.
    pub reason: String,
}

/// What is done to several alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// "I have seen them."
    Ack,
    /// Mute them for a time.
    Shelve,
    /// End that.
    Unshelve,
    /// Say which alarm explains them.
    Suppress,
    /// Take that back.
    Unsuppress,
    /// A manager lets go of their latches.
    Reset,
}

/// One of several alarms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkAlarm {
    /// Its number, such as `AL-7`.
    pub id: String,
    /// The version it was decided on.
    pub version: u32,
}

/// The same done to several alarms, each on the version somebody has seen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// What.
    pub action: BulkAction,
    /// To which, 1 to 100.
    pub alarms: Vec<BulkAlarm>,
    /// For how long, when they are shelved.
    #[serde(default, rename = "for", with = "duration_text::option")]
    #[schema(value_type = Option<String>, example = "2h")]
    pub lasts: Option<Duration>,
    /// Which alarm explains them, when they are suppressed.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "AL-7")]
    pub cause: Option<AlarmNumber>,
    /// Why, when they are shelved or suppressed.
    #[serde(default)]
    pub reason: String,
    /// Whether P1 alarms that are shelved open no order either.
    #[serde(default)]
    pub no_order: bool,
}

/// What became of one of several alarms: a version when it was done, else a code and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkItem {
    /// Its number.
    pub id: String,
    /// Whether it was done.
    pub done: bool,
    /// Its version after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The stable word of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<Changed> for BulkItem {
    fn from(changed: Changed) -> Self {
        Self {
            id: changed.id,
            done: true,
            version: Some(changed.version),
            code: None,
            detail: None,
        }
    }
}

/// What became of all of them, in the order in which they were named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkDone {
    /// One for each alarm.
    pub items: Vec<BulkItem>,
}

/// A device or an asset: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeOut {
    /// The asset; a manager's decision.
    #[schema(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// The device.
    #[schema(value_type = Option<String>)]
    pub device: Option<DeviceId>,
    /// Why.
    pub reason: String,
    /// For how long: `2h`; until somebody brings it back when none is said. What lives depend on always has an end: staff up to
    /// 8 hours, a manager up to 72.
    #[serde(default, rename = "for", with = "duration_text::option")]
    #[schema(value_type = Option<String>, example = "2h")]
    pub lasts: Option<Duration>,
}

/// A device or an asset: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BringBack {
    /// The asset; a manager's decision.
    #[schema(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// The device.
    #[schema(value_type = Option<String>)]
    pub device: Option<DeviceId>,
}

/// Something that is out of service, or was until now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutOfService {
    /// The asset.
    pub asset: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Who took it out.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it is in service again by itself; none when somebody has to say so.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Whether lives depend on what it watches.
    pub life_safety: bool,
}

impl OutOfService {
    /// The wire form.
    pub fn new(what: &Serviced, out: &DomainOut, life_safety: bool) -> Self {
        let (asset, device) = match what {
            Serviced::Asset(asset) => (Some(asset.to_string()), None),
            Serviced::Device(device) => (None, Some(device.to_string())),
        };
        Self {
            asset,
            device,
            since: out.since,
            by: out.by.name.to_string(),
            reason: out.reason.to_string(),
            until: out.ends_at,
            life_safety,
        }
    }
}

/// Everything that is out of service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AllOutOfService {
    /// Assets first, then devices, by id.
    pub items: Vec<OutOfService>,
}

/// Whether a device or an asset is out of service now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceState {
    /// The asset.
    pub asset: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// Whether it is out of service.
    pub out_of_service: bool,
}

impl ServiceState {
    /// The wire form.
    pub fn new(what: &Serviced, out_of_service: bool) -> Self {
        let (asset, device) = match what {
            Serviced::Asset(asset) => (Some(asset.to_string()), None),
            Serviced::Device(device) => (None, Some(device.to_string())),
        };
        Self {
            asset,
            device,
            out_of_service,
        }
    }
}
