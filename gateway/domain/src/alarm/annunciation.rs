//! Whether people hear of an alarm, and what keeps it from them. Everything here is about telling: what the sensors say
//! goes on being recorded.
//!
//! | | shelve | unshelve, time over | cause active | cause gone | taken out | brought back |
//! |---|---|---|---|---|---|---|
//! | on | shelved | refused | suppressed | on | out of service | on |
//! | shelved | shelved, anew | on | shelved | shelved | out of service | shelved |
//! | suppressed | shelved | refused | suppressed | on | out of service | suppressed |
//! | out of service | refused | refused | out of service | out of service | out of service | on |
//!
//! A person names a cause where the logic knows none; that one suppresses what is shelved too, the later word of two.
//! A person's word goes before the logic's: a cause neither suppresses what is shelved nor what is out of service. When
//! either ends, the causes are looked at anew.

use crate::command::{Actor, ActorRole};
use crate::id::{AlarmId, AssetId, DeviceId};
use crate::rule::Priority;
use crate::time::{Deadline, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a cause must be gone before what it suppressed is looked at again: what it brought down needs a moment to
/// come back.
pub const SETTLES_AFTER: Duration = Duration::from_secs(120);

const HOUR: Duration = Duration::from_secs(3_600);

/// The longest shelving a person may ask for; none at all for the most urgent alarms, unless by a manager.
pub fn shelving_limit(role: ActorRole, priority: Priority) -> Option<Duration> {
    match (role, priority) {
        (ActorRole::Manager, _) => Some(HOUR * 72),
        (ActorRole::Staff, Priority::P1) => None,
        (ActorRole::Staff, _) => Some(HOUR * 8),
    }
}

/// The shortest time out of service that makes sense.
pub const LEAST_SERVICE: Duration = Duration::from_secs(60);

/// The longest time out of service that is given an end.
pub const MOST_SERVICE: Duration = Duration::from_secs(90 * 86_400);

/// The longest what lives depend on may be out of service before somebody decides anew. It always has an end: a sensor
/// that was forgotten is the one that is missed.
pub fn lives_service_limit(role: ActorRole) -> Duration {
    match role {
        ActorRole::Manager => HOUR * 72,
        ActorRole::Staff => HOUR * 8,
    }
}

/// Whether people hear of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annunciation {
    /// They do.
    #[default]
    On,
    /// A person has muted it for a time.
    Shelved,
    /// They hear of its cause instead.
    Suppressed,
    /// The asset or the sensor is under repair.
    OutOfService,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnunciationEvent {
    /// A person mutes it for a time.
    Shelve,
    /// A person ends that, or its time is over.
    Unshelve,
    /// A cause is active.
    Suppress,
    /// The cause has been gone for [`SETTLES_AFTER`], or was none.
    Release,
    /// The asset or every sensor that speaks is taken out of service.
    TakeOut,
    /// They are brought back.
    BringBack,
}

/// Why a person cannot do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAllowed {
    /// It is not shelved.
    NotShelved,
    /// It is out of service, and nobody hears of it anyway.
    OutOfService,
}

impl Annunciation {
    /// The part after `event`.
    pub fn next(self, event: AnnunciationEvent) -> Result<Self, NotAllowed> {
        use AnnunciationEvent::{BringBack, Release, Shelve, Suppress, TakeOut, Unshelve};
        match (self, event) {
            (Self::On | Self::Shelved | Self::Suppressed, Shelve) => Ok(Self::Shelved),
            (Self::OutOfService, Shelve) => Err(NotAllowed::OutOfService),
            (Self::Shelved, Unshelve) => Ok(Self::On),
            (Self::On | Self::Suppressed | Self::OutOfService, Unshelve) => Err(NotAllowed::NotShelved),
            (Self::On | Self::Suppressed, Suppress) => Ok(Self::Suppressed),
            (Self::On | Self::Suppressed, Release) => Ok(Self::On),
            (Self::Shelved | Self::OutOfService, Suppress | Release) => Ok(self),
            (_, TakeOut) => Ok(Self::OutOfService),
            (Self::OutOfService, BringBack) => Ok(Self::On),
            (Self::On | Self::Shelved | Self::Suppressed, BringBack) => Ok(self),
        }
    }
}

/// A shelving: who muted an alarm, until when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelving {
    /// When it ends.
    pub until: Deadline,
    /// The same as the gateway's clock shows it.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: Arc<str>,
    /// Who.
    pub by: Actor,
    /// Whether a P1 alarm opens no order either.
    pub no_order: bool,
}

/// What an alarm is suppressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The alarm that is the cause.
    pub source: AlarmId,
    /// Since when.
    pub since: Timestamp,
    /// When the causes are looked at again, once this one is gone.
    pub release_at: Option<Deadline>,
    /// A person has named it: it explains the alarm while it goes on, whatever the rules say.
    #[serde(default)]
    pub named: bool,
}

/// What can be taken out of service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serviced {
    /// An asset: none of its alarms is announced.
    Asset(AssetId),
    /// A device: what it says is no reason to announce an alarm.
    Device(DeviceId),
}

impl fmt::Display for Serviced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asset(asset) => write!(f, "asset {asset}"),
            Self::Device(device) => write!(f, "device {device}"),
        }
    }
}

/// Since when something is out of service, by whom and why, and when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfService {
    /// Since when.
    pub since: Timestamp,
    /// Who took it out.
    pub by: Actor,
    /// Why.
    pub reason: Arc<str>,
    /// When it is in service again by itself; none when somebody has to say so.
    pub until: Option<Deadline>,
    /// The same as the gateway's clock shows it.
    pub ends_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annunciation_answers_every_event() {
        use Annunciation::{On, OutOfService, Shelved, Suppressed};
        use AnnunciationEvent::{BringBack, Release, Shelve, Suppress, TakeOut, Unshelve};
        let events = [Shelve, Unshelve, Suppress, Release, TakeOut, BringBack];
        let rows = [On, Shelved, Suppressed, OutOfService].map(|state| events.map(|event| state.next(event)));
        let out = Ok(OutOfService);
        let not_shelved = Err(NotAllowed::NotShelved);
        assert_eq!(
            rows,
            [
                [Ok(Shelved), not_shelved, Ok(Suppressed), Ok(On), out, Ok(On)],
                [Ok(Shelved), Ok(On), Ok(Shelved), Ok(Shelved), out, Ok(Shelved)],
                [
                    Ok(Shelved),
                    not_shelved,
                    Ok(Suppressed),
                    Ok(On),
                    out,
                    Ok(Suppressed)
                ],
                [Err(NotAllowed::OutOfService), not_shelved, out, out, out, Ok(On)],
            ]
        );
    }

    #[test]
    fn only_a_manager_shelves_what_is_urgent_and_for_days() {
        assert_eq!(shelving_limit(ActorRole::Staff, Priority::P1), None);
        assert_eq!(shelving_limit(ActorRole::Staff, Priority::P2), Some(HOUR * 8));
        assert_eq!(shelving_limit(ActorRole::Manager, Priority::P1), Some(HOUR * 72));
    }
}
