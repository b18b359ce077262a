//! What a step yields: changes to keep, notices to say, audit events to write. Plain data, in the order in which
//! it happened; who is told over which channel is decided elsewhere.

use super::beside::Beside;
use crate::alarm::{Alarm, AlarmState};
use crate::command::Actor;
use crate::health::FlagKind;
use crate::health::availability::Availability;
use crate::id::{AlarmId, AssetId, DeviceId, OrderId, PointKey};
use crate::order::{Order, OrderEvent, OrderRole, OrderState};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// Everything a step changed. Empty ones have never allocated.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Alarms, each as it is after the change.
    pub alarms: Vec<AlarmChange>,
    /// Orders, each as it is after the change.
    pub orders: Vec<OrderChange>,
    /// What happened to the health of devices.
    pub devices: Vec<DeviceChange>,
    /// Points whose state is not known any more, because they or their device fell silent.
    pub silent: Vec<PointKey>,
    /// Points whose state is known again because it was said again, without a new reading.
    pub resumed: Vec<PointKey>,
    /// What people should hear about.
    pub notices: Vec<Notice>,
    /// What the audit keeps besides.
    pub audit: Vec<AuditEvent>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.alarms.is_empty()
            && self.orders.is_empty()
            && self.devices.is_empty()
            && self.silent.is_empty()
            && self.resumed.is_empty()
            && self.notices.is_empty()
            && self.audit.is_empty()
    }
    /// Puts `later` behind these.
    pub fn append(&mut self, mut later: Self) {
        self.alarms.append(&mut later.alarms);
        self.orders.append(&mut later.orders);
        self.devices.append(&mut later.devices);
        self.silent.append(&mut later.silent);
        self.resumed.append(&mut later.resumed);
        self.notices.append(&mut later.notices);
        self.audit.append(&mut later.audit);
    }
    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        self.alarms.clear();
        self.orders.clear();
        self.devices.clear();
        self.silent.clear();
        self.resumed.clear();
        self.notices.clear();
        self.audit.clear();
    }
}

/// What happened to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmEvent {
    /// It began.
    Raised,
    /// It was raised again while it still lived.
    RaisedAgain,
    /// Another of its sensors says the same: it is counted, nobody is called again.
    Joined,
    /// It became more urgent.
    Worsened,
    /// It has gone on for too long since somebody saw it: people are asked again.
    ReAlarmed,
    /// Its condition was on its way back and became wrong again.
    Relapsed,
    /// Its condition changed otherwise: clearing, normal, unknown, known again.
    Condition,
    /// It was linked to an order.
    Linked,
    /// A person has seen it.
    Acknowledged,
    /// Its latch was let go.
    Released,
    /// A person muted it for a time.
    Shelved,
    /// That is over.
    Unshelved,
    /// A cause is active: people hear of that one.
    Suppressed,
    /// Its cause is gone.
    Unsuppressed,
    /// Its asset or its sensors were taken out of service.
    OutOfService,
    /// They are back.
    BackInService,
    /// Its sensor comes and goes too often to be told each time.
    Flapping,
    /// It has not done so for an hour.
    Stable,
    /// Late readings say that it would have been in alarm; it was over before anybody knew.
    Late,
    /// Points of it left the estate, or came back.
    Points,
    /// A clock nobody had set has dated it; now that the time is known its times are put right.
    Dated,
    /// It is over; the engine forgets it.
    Ended,
}

/// One change of one alarm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmChange {
    /// The alarm after the change.
    pub alarm: Arc<Alarm>,
    /// What happened.
    pub event: AlarmEvent,
    /// Its parts before; none when it began.
    pub from: Option<AlarmState>,
    /// Its parts after.
    pub to: AlarmState,
    /// When.
    pub at: Timestamp,
    /// Who; none for the gateway.
    pub actor: Option<Actor>,
    /// What stands beside it.
    pub beside: Beside,
}

/// One change of one order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderChange {
    /// The order after the change.
    pub order: Arc<Order>,
    /// What happened.
    pub event: OrderEvent,
    /// The asset whose task it happened to, when it is one of several.
    pub task: Option<AssetId>,
    /// Its state before; none when it was opened.
    pub from: Option<OrderState>,
    /// Its state after.
    pub to: OrderState,
    /// When.
    pub at: Timestamp,
    /// Who; none for the gateway.
    pub actor: Option<Actor>,
    /// What stands beside it.
    pub beside: Beside,
}

/// What happened to the health of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEvent {
    /// A flag was raised.
    Raised(FlagKind),
    /// A flag was taken down.
    Cleared(FlagKind),
    /// It became reachable, or not.
    Availability(Availability),
}

/// One change of the health of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceChange {
    /// The device.
    pub device: DeviceId,
    /// The point the flag is about; none for the device as a whole.
    pub point: Option<PointKey>,
    /// What happened.
    pub event: DeviceEvent,
    /// When.
    pub at: Timestamp,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// An alarm was raised, or raised again.
    AlarmRaised,
    /// An alarm's condition is normal again.
    AlarmCleared,
    /// A point fell silent and the condition of its alarm cannot be known any more. One bad reading says nothing.
    AlarmUnknown,
    /// An alarm has gone on for too long since somebody saw it.
    AlarmStillActive,
    /// A person muted an alarm for a time.
    AlarmShelved,
    /// A device or an asset was taken out of service: nobody is called about it.
    OutOfService,
    /// It is in service again.
    BackInService,
    /// Alarms of one class, told together.
    AlarmGroup,
    /// Alarms of one class that were told of hours ago, go on, and nobody has seen.
    AlarmRepeat,
    /// What was raised during a storm since the last digest.
    AlarmDigest,
    /// Alarms come faster than people can act: from now on digests, and what is most urgent.
    StormBegan,
    /// That is over.
    StormEnded,
    /// An order waits for somebody of its role.
    OrderDispatched,
    /// Somebody took it.
    OrderAccepted,
    /// Somebody began.
    OrderStarted,
    /// Somebody says that it is done.
    OrderCompleted,
    /// The sensor does not agree; it is back in work.
    OrderReopened,
    /// It is closed.
    OrderClosed,
    /// A manager ended it without work.
    OrderCancelled,
    /// Another asset joined a batch order.
    OrderTaskJoined,
    /// The sensors of one of its assets say that it is done.
    OrderTaskEnded,
    /// They say that it is not, after all.
    OrderTaskReopened,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::AlarmRaised,
        Self::AlarmCleared,
        Self::AlarmUnknown,
        Self::AlarmStillActive,
        Self::AlarmShelved,
        Self::OutOfService,
        Self::BackInService,
        Self::AlarmGroup,
        Self::AlarmRepeat,
        Self::AlarmDigest,
        Self::StormBegan,
        Self::StormEnded,
        Self::OrderDispatched,
        Self::OrderAccepted,
        Self::OrderStarted,
        Self::OrderCompleted,
        Self::OrderReopened,
        Self::OrderClosed,
        Self::OrderCancelled,
        Self::OrderTaskJoined,
        Self::OrderTaskEnded,
        Self::OrderTaskReopened,
    ];

    /// The kind's name in the message catalogue and in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlarmRaised => "alarm_raised",
            Self::AlarmCleared => "alarm_cleared",
            Self::AlarmUnknown => "alarm_unknown",
            Self::AlarmStillActive => "alarm_still_active",
            Self::AlarmShelved => "alarm_shelved",
            Self::OutOfService => "service_out",
            Self::BackInService => "service_back",
            Self::AlarmGroup => "alarm_group",
            Self::AlarmRepeat => "alarm_repeat",
            Self::AlarmDigest => "alarm_digest",
            Self::StormBegan => "storm_began",
            Self::StormEnded => "storm_ended",
            Self::OrderDispatched => "order_dispatched",
            Self::OrderAccepted => "order_accepted",
            Self::OrderStarted => "order_started",
            Self::OrderCompleted => "order_completed",
            Self::OrderReopened => "order_reopened",
            Self::OrderClosed => "order_closed",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderTaskJoined => "order_task_joined",
            Self::OrderTaskEnded => "order_task_ended",
            Self::OrderTaskReopened => "order_task_reopened",
        }
    }
}

/// Who is to hear of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// People and systems.
    #[default]
    Everyone,
    /// Systems only: people hear of it together with others.
    Systems,
    /// People only: systems have heard of each.
    People,
}

/// One of several things a notice is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// The alarm.
    pub alarm: AlarmId,
    /// Its asset.
    pub asset: AssetId,
    /// Its order.
    pub order: Option<OrderId>,
    /// How much it matters.
    pub priority: Priority,
    /// The asset's name.
    pub asset_name: Text,
    /// The names of the places around it.
    pub place: Text,
    /// What people call the alarm.
    pub title: Option<Text>,
}

/// Something people should hear about, with the words a message needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// When it happened.
    pub at: Timestamp,
    /// The alarm.
    pub alarm: Option<AlarmId>,
    /// The order.
    pub order: Option<OrderId>,
    /// The trade it is for.
    pub role: Option<OrderRole>,
    /// How much it matters.
    pub priority: Priority,
    /// The asset.
    pub asset: AssetId,
    /// The asset's name.
    pub asset_name: Text,
    /// The names of the places around it, from the root down.
    pub place: Text,
    /// What people call the alarm, where the rule says so.
    pub title: Option<Text>,
    /// What to do.
    pub response: Text,
    /// Name of the person who acted.
    pub actor: Option<Arc<str>>,
    /// Why a person keeps it from others.
    pub reason: Option<Arc<str>>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Who is to hear of it.
    pub audience: Audience,
    /// What it is about, when that is several alarms; the first of them.
    pub members: Vec<Member>,
    /// How many there are.
    pub count: u32,
}

/// One line for the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who; none for the gateway.
    pub actor: Option<Actor>,
    /// What: `order.accept`, `alarm.fleeting`, `clock.jump` …
    pub action: Arc<str>,
    /// On what: `WO-3`, `AL-7`, a rule, an asset.
    pub subject: String,
    /// More, for people.
    pub detail: String,
}
