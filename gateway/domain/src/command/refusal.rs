//! Why the engine says no: a stable code for programs, and for people what to do now.

use crate::estate::Problem;
use crate::id::{AlarmId, AssetId, DeviceId, OrderId, PointKey};
use crate::order::MAX_NOTE_BYTES;
use serde::Serialize;
use std::sync::Arc;

/// Why the engine says no. The state is as before; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// There never was such an alarm.
    #[error("there is no alarm {alarm}; list the alarms and take a number from there")]
    UnknownAlarm {
        /// The number given.
        alarm: AlarmId,
    },
    /// The alarm is over.
    #[error("alarm {alarm} is over; nothing is left to do about it")]
    AlarmEnded {
        /// The number given.
        alarm: AlarmId,
    },
    /// There never was such an order.
    #[error("there is no order {order}; list the orders and take a number from there")]
    UnknownOrder {
        /// The number given.
        order: OrderId,
    },
    /// The order is closed or cancelled.
    #[error("order {order} is closed or cancelled; a new alarm opens a new order")]
    OrderEnded {
        /// The number given.
        order: OrderId,
    },
    /// Somebody was faster.
    #[error("it was changed by {by} and is at version {current}; look at it again, then decide again")]
    VersionConflict {
        /// Its version now.
        current: u32,
        /// Who changed it last.
        by: Arc<str>,
    },
    /// The order's state does not allow it.
    #[error("an order that is {state} does not allow {action}; the way is accept, start, complete")]
    WrongState {
        /// Its state.
        state: &'static str,
        /// What was asked.
        action: &'static str,
    },
    /// Somebody else has the order.
    #[error("{assignee} has accepted this order; only {assignee} or a manager can go on with it")]
    NotAssignee {
        /// Who has it.
        assignee: Arc<str>,
    },
    /// Only a manager may do that.
    #[error("only a manager may {action}; ask one")]
    ManagerOnly {
        /// What was asked.
        action: &'static str,
    },
    /// Whoever completed an order does not override its verification.
    #[error("you completed this order yourself; another manager must override")]
    OwnCompletion,
    /// The order's profile asks for a note.
    #[error("this kind of order needs a note; say what was done")]
    NoteRequired,
    /// A reason is missing.
    #[error("{action} needs a reason; say why")]
    ReasonRequired {
        /// What was asked.
        action: &'static str,
    },
    /// The text is too long to keep.
    #[error("the text is longer than {MAX_NOTE_BYTES} bytes; shorten it")]
    TextTooLong,
    /// The condition still holds.
    #[error("alarm {alarm} is still active; wait until its condition is normal")]
    AlarmStillActive {
        /// The alarm.
        alarm: AlarmId,
    },
    /// Somebody has already acknowledged it.
    #[error("{by} has already acknowledged it; nothing is left to do")]
    AlreadyAcknowledged {
        /// Who.
        by: Arc<str>,
    },
    /// There is no latch to reset.
    #[error("the alarm is not latched; nothing is left to reset")]
    NotLatched,
    /// The alarm is not shelved.
    #[error("the alarm is not shelved; nothing is left to end")]
    NotShelved,
    /// A person may not shelve it for that long.
    #[error(
        "you may shelve this alarm for {most} at most and for a minute at least; ask a manager for longer"
    )]
    ShelvingLength {
        /// The most.
        most: String,
    },
    /// What was named as the cause is none.
    #[error(
        "alarm {cause} cannot be the cause: name another alarm that still goes on and that people hear of"
    )]
    NoCause {
        /// The alarm named.
        cause: AlarmId,
    },
    /// Nothing explains an alarm lives depend on.
    #[error("lives depend on this alarm, so nothing explains it; a manager may shelve it")]
    LivesDepend,
    /// No person has named a cause.
    #[error(
        "no person has named a cause of this alarm; what the rules explain is heard once its cause is over"
    )]
    NotNamed,
    /// It is out of service, and nobody hears of it anyway.
    #[error("it is out of service, so nobody hears of it; bring it back first")]
    OutOfService,
    /// It is out of service already.
    #[error("{by} has already taken it out of service; nothing is left to do")]
    AlreadyOutOfService {
        /// Who.
        by: Arc<str>,
    },
    /// Lives depend on it, so its time out of service has an end.
    #[error(
        "lives depend on what it watches: say for how long it is out of service, a minute at least and {most} at most; a manager may for longer"
    )]
    LivesGuarded {
        /// The most.
        most: String,
    },
    /// So long a time out of service makes no sense.
    #[error(
        "it may be out of service for a minute at least and {most} at most, or until somebody brings it back"
    )]
    ServiceLength {
        /// The most.
        most: String,
    },
    /// It is in service.
    #[error("{what} is in service; nothing is left to bring back")]
    InService {
        /// What.
        what: String,
    },
    /// An asset the estate does not know.
    #[error("asset {asset} is not in the estate; take one from there")]
    UnknownAsset {
        /// The asset.
        asset: AssetId,
    },
    /// The estate document is wrong.
    #[error("the estate has {} problem(s); correct them and send it again", problems.len())]
    EstateInvalid {
        /// All of them.
        problems: Vec<Problem>,
    },
    /// A point was given a number out of turn.
    #[error("the next point is {expected}; use that number")]
    PointOutOfTurn {
        /// The number whose turn it is.
        expected: PointKey,
    },
    /// The point is already there.
    #[error("the point is already there as {point}; use it")]
    PointExists {
        /// Its number.
        point: PointKey,
    },
    /// A device the estate does not know.
    #[error("device {device} is not in the estate; add it first")]
    UnknownDevice {
        /// The device.
        device: DeviceId,
    },
    /// The device measures more than one device may.
    #[error("device {device} already has as many points as one device may; check its profile")]
    TooManyPoints {
        /// The device.
        device: DeviceId,
    },
    /// A reading of a point nobody added.
    #[error("there is no point {point}; add it first")]
    UnknownPoint {
        /// The number given.
        point: PointKey,
    },
}

impl Refusal {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAlarm { .. } => "unknown_alarm",
            Self::AlarmEnded { .. } => "alarm_ended",
            Self::UnknownOrder { .. } => "unknown_order",
            Self::OrderEnded { .. } => "order_ended",
            Self::VersionConflict { .. } => "version_conflict",
            Self::WrongState { .. } => "wrong_state",
            Self::NotAssignee { .. } => "not_assignee",
            Self::ManagerOnly { .. } => "manager_only",
            Self::OwnCompletion => "own_completion",
            Self::NoteRequired => "note_required",
            Self::ReasonRequired { .. } => "reason_required",
            Self::TextTooLong => "text_too_long",
            Self::AlarmStillActive { .. } => "alarm_still_active",
            Self::AlreadyAcknowledged { .. } => "already_acknowledged",
            Self::NotLatched => "not_latched",
            Self::NotShelved => "not_shelved",
            Self::ShelvingLength { .. } => "shelving_length",
            Self::NoCause { .. } => "no_cause",
            Self::LivesDepend => "lives_depend",
            Self::NotNamed => "not_named",
            Self::OutOfService => "out_of_service",
            Self::AlreadyOutOfService { .. } => "already_out_of_service",
            Self::LivesGuarded { .. } => "lives_guarded",
            Self::ServiceLength { .. } => "service_length",
            Self::InService { .. } => "in_service",
            Self::UnknownAsset { .. } => "unknown_asset",
            Self::EstateInvalid { .. } => "estate_invalid",
            Self::PointOutOfTurn { .. } => "point_out_of_turn",
            Self::PointExists { .. } => "point_exists",
            Self::UnknownDevice { .. } => "unknown_device",
            Self::TooManyPoints { .. } => "too_many_points",
            Self::UnknownPoint { .. } => "unknown_point",
        }
    }
}
