//! What the engine remembers: everything that decides what it does next, and nothing that can be derived.

use super::PointDef;
use super::late_run::LateRun;
use crate::alarm::{Alarm, OutOfService, Sample, Serviced, Watch};
use crate::estate::Estate;
use crate::health::availability::Availability;
use crate::health::clock::DeviceClock;
use crate::health::rhythm::Rhythm;
use crate::health::vital::{Rest, Run, Steady};
use crate::health::{Flag, FlagKind, Flags};
use crate::id::{AlarmId, AssetId, Class, DeviceId, Fault, OrderId, OrderProfileId, PointKey, RuleId};
use crate::order::{Order, OrderRole};
use crate::reading::Reading;
use crate::rule::Trace;
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known about a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PointState {
    /// The last reading that was evaluated.
    pub(super) latest: Option<Reading>,
    /// Its place in time: a reading before it is late.
    pub(super) evaluated: Timestamp,
    /// When the point counts as silent; the end of time when it already does.
    pub(super) silent_at: Deadline,
}

/// What is known about the health of a point's values.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Vital {
    pub(super) rest: Rest,
    pub(super) steady: Steady,
    pub(super) run: Run,
    /// The flags that are raised about this point.
    pub(super) flags: Flags,
}

/// When a device was heard. It is written with every message.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Heard {
    /// By the gateway's clock; of no meaning before the first time.
    pub(super) at: Timestamp,
    pub(super) rhythm: Rhythm,
    /// Whether its next message is news in itself: it was never heard, is stale, silent or not reachable.
    pub(super) away: bool,
    pub(super) ever: bool,
}

impl Heard {
    /// A device that has just become known.
    pub(super) fn new(age: u64) -> Self {
        Self {
            at: Timestamp::default(),
            rhythm: Rhythm::new(age),
            away: true,
            ever: false,
        }
    }
}

/// What else is known about a device.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct DeviceState {
    pub(super) availability: Availability,
    /// Since when.
    pub(super) available_since: Option<Timestamp>,
    /// The flags that are raised about it or one of its points.
    pub(super) flags: Flags,
    /// How often it joined its network: frame counters start over each time.
    pub(super) joins: u32,
}

/// What is known about a bridge that devices speak through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bridge {
    pub(super) up: bool,
    pub(super) since: Timestamp,
    /// Until this age of the engine its devices' messages may be what it remembers, not what it hears.
    pub(super) settles: u64,
}

/// What else is kept of one rule looking at one point; nothing for most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    /// What the rule remembers, if it looks at more than one value.
    pub(super) trace: Trace,
    /// When it wants to be looked at without a reading: a window moves, an hour strikes.
    pub(super) look: Deadline,
    /// What has been wrong since it was right last.
    pub(super) evidence: Vec<Sample>,
    /// What late readings say, in their own time.
    pub(super) late: Option<Box<LateRun>>,
    /// When it was in alarm, if others must agree.
    pub(super) said: Said,
}

/// When one sensor of several that must agree was in alarm, in the time of its readings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Said {
    /// Begin and end of each time, late ones as they were told.
    pub(super) over: Vec<(Timestamp, Timestamp)>,
    /// Since when it is.
    pub(super) since: Option<Timestamp>,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            trace: Trace::Empty,
            look: NEVER,
            evidence: Vec::new(),
            late: None,
            said: Said::default(),
        }
    }
}

/// What is known about an alarm key that was raised lately: whether its sensor flaps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Flap {
    /// The ages of the engine at which it was raised or raised anew, oldest first, at most
    /// [`super::flapping::OFTEN`] of them.
    pub(super) recent: Vec<u64>,
    /// Whether it flaps.
    pub(super) flapping: bool,
    /// The age at which people were told last although it flaps.
    pub(super) told: u64,
    /// When to look at it again.
    pub(super) look: Deadline,
}

/// Alarms of one class that people have not been told of yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Group {
    /// They are told together when this comes.
    pub(super) due: Deadline,
    /// Oldest first, at most [`super::crowd::MAX_WAITING`].
    pub(super) waiting: Vec<AlarmId>,
    /// Those told before: they are named again with the next ones, as many.
    pub(super) told: Vec<AlarmId>,
    /// Whether nobody has joined for a while: then those told before are told of again when it is due.
    pub(super) rests: bool,
}

/// Many alarms at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Crowd {
    /// The ages of the engine at which alarms were raised last, at most [`super::crowd::STORM`].
    pub(super) recent: Vec<u64>,
    /// During a storm: when people get the next digest.
    pub(super) digest_at: Option<Deadline>,
    /// Alarms beyond those that wait by name.
    pub(super) more: u32,
    pub(super) groups: BTreeMap<Class, Group>,
}

impl Crowd {
    /// When to look at it again.
    pub(super) fn look(&self) -> Option<Deadline> {
        let due = || self.groups.values().map(|group| group.due).min();
        self.digest_at.or_else(due)
    }
}

/// What alarms have in common that share an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct BatchKey {
    pub(super) class: Class,
    pub(super) fault: Fault,
    pub(super) role: OrderRole,
    pub(super) profile: OrderProfileId,
}

/// Alarms that wait for the order they will share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gathering {
    /// It opens when this comes.
    pub(super) due: Deadline,
    /// Oldest first, at most [`crate::order::MAX_TASKS_PER_ORDER`].
    pub(super) alarms: Vec<AlarmId>,
}

/// The key of an alarm.
pub(super) type AlarmKey = (AssetId, Class);

/// What a flag is about: which device, what is wrong, and with which point.
pub(super) type FlagKey = (DeviceId, FlagKind, Option<PointKey>);

/// The end of time: a deadline that is never due.
pub(super) const NEVER: Deadline = Deadline {
    at: Monotonic(u64::MAX),
};

/// When a point is silent that never is: the gateway hears itself.
pub(super) const NOT_AT_ALL: Deadline = Deadline {
    at: Monotonic(u64::MAX - 1),
};

/// The small numbers, saved whole at the start of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) next_alarm: u64,
    pub(super) next_order: u64,
    /// The time of the last step.
    pub(super) clock: Option<Now>,
    /// When to look out; nothing is silent and no flag is over before.
    pub(super) watchdog: Deadline,
    /// Milliseconds the engine has lived: monotonic time without the gaps between boots. Health counts in it.
    pub(super) age: u64,
    /// The age at which the first flag about a moment is over.
    pub(super) flags_until: u64,
}

/// Everything that decides what the engine does next.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) estate: Arc<Estate>,
    /// The highest version every rule has had, rules that are gone included.
    pub(super) rule_versions: BTreeMap<RuleId, u32>,
    pub(super) defs: Vec<Arc<PointDef>>,
    pub(super) points: Vec<PointState>,
    /// One for each point.
    pub(super) vitals: Vec<Vital>,
    /// One for each device of the estate, in its order; so is the next.
    pub(super) heard: Vec<Heard>,
    pub(super) devices: Vec<DeviceState>,
    pub(super) flags: BTreeMap<FlagKey, Flag>,
    /// Of devices that tell the time.
    pub(super) clocks: BTreeMap<DeviceId, DeviceClock>,
    /// The bridge each device speaks through, where there is one.
    pub(super) through: BTreeMap<DeviceId, Arc<str>>,
    pub(super) bridges: BTreeMap<Arc<str>, Bridge>,
    pub(super) watches: Vec<Watch>,
    /// By the place of their watch; most have none.
    pub(super) tracks: BTreeMap<usize, Arc<Track>>,
    /// Alarm keys that were raised lately.
    pub(super) flaps: BTreeMap<AlarmKey, Flap>,
    pub(super) crowd: Arc<Crowd>,
    /// What is under repair, and no reason to call anybody.
    pub(super) out_of_service: BTreeMap<Serviced, Arc<OutOfService>>,
    pub(super) alarms: BTreeMap<AlarmId, Arc<Alarm>>,
    pub(super) orders: BTreeMap<OrderId, Arc<Order>>,
    /// Alarms whose order has not opened yet.
    pub(super) gatherings: BTreeMap<BatchKey, Gathering>,
    pub(super) counters: Counters,
}
