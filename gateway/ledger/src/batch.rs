//! One batch: everything that must become true together, in one transaction.
//!
//! Alarm, order and document rows are opaque here: a label, a few columns to filter by, and a JSON document.
//! What they mean is decided elsewhere.

use crate::outbox_rows::{DeliveryUpdate, NewDelivery};
use crate::rows::*;
use crate::unknown_rows::UnknownChange;
use linli_domain::id::{AlarmId, OrderId};
use linli_domain::reading::Reading;
use linli_domain::time::{Now, Timestamp};

/// One step of the log, in the exact order in which the engine saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Entry<'a> {
    /// The time of the entries that follow.
    Now(Now),
    /// A reading of a point.
    Reading {
        /// The reading.
        reading: &'a Reading,
        /// Whether the engine evaluated it, which makes it the newest of its point. The engine is given all of them;
        /// one that was stored by the device, came late or is a replay without news is not evaluated.
        evaluated: bool,
    },
    /// Any other input of the engine (command, timer, edit of the estate), encoded by the caller.
    Input(&'a [u8]),
}

/// Everything that one commit makes true. Build it from [`Batch::at`] and fill what there is.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// When the batch is committed; its wall time stands beside the log of the commit.
    pub at: Now,
    /// The log: readings and inputs.
    pub entries: &'a [Entry<'a>],
    /// Points made or renamed; a point key is never reused.
    pub points: &'a [PointRow],
    /// Alarms as they are after the batch.
    pub alarms: &'a [AlarmRow],
    /// Orders as they are after the batch.
    pub orders: &'a [OrderRow],
    /// What changed state, appended to the history.
    pub transitions: &'a [TransitionRow],
    /// New messages for the outbox.
    pub deliveries: &'a [NewDelivery],
    /// What the outbox workers report.
    pub delivery_updates: &'a [DeliveryUpdate],
    /// Audit rows; their hash chain is made here.
    pub audit: &'a [AuditRow],
    /// Identities of LoRaWAN frames.
    pub identities: &'a [Identity],
    /// Packet ids of messages without an identity of their own.
    pub packet_marks: &'a [PacketMark],
    /// Retained messages of the embedded broker.
    pub retained: &'a [RetainedRow],
    /// Messages that could not be used (dead letters).
    pub rejects: &'a [RejectRow],
    /// What changes about devices that are not in the estate.
    pub unknown: &'a [UnknownChange],
    /// Lines that a forwarder's target refused for good.
    pub parked: &'a [ParkedRow],
    /// New versions of estate documents.
    pub documents: &'a [DocumentRow],
    /// API tokens, made, rotated or revoked.
    pub tokens: &'a [TokenRow],
    /// Answers given to commands that carried an idempotency key.
    pub answers: &'a [IdempotentAnswer],
    /// Small named values that commit with the batch: decoding state, cursors of forwarders.
    pub values: &'a [NamedValue<'a>],
}

impl Batch<'_> {
    /// An empty batch at `at`.
    pub fn at(at: Now) -> Self {
        Batch {
            at,
            entries: &[],
            points: &[],
            alarms: &[],
            orders: &[],
            transitions: &[],
            deliveries: &[],
            delivery_updates: &[],
            audit: &[],
            identities: &[],
            packet_marks: &[],
            retained: &[],
            rejects: &[],
            parked: &[],
            unknown: &[],
            documents: &[],
            tokens: &[],
            answers: &[],
            values: &[],
        }
    }
}

/// A small named value that commits with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedValue<'a> {
    /// Its name, such as `cursor/influx` or `decode/sparkplug`.
    pub name: &'a str,
    /// Its bytes; `None` removes it.
    pub value: Option<&'a [u8]>,
}

/// The history of one alarm or order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An alarm.
    Alarm(AlarmId),
    /// An order.
    Order(OrderId),
}

/// One change of state, as it stays in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionRow {
    /// Whose state changed.
    pub subject: Subject,
    /// When.
    pub at: Timestamp,
    /// Label of the state before.
    pub from: String,
    /// Label of the state after.
    pub to: String,
    /// What made it change.
    pub event: String,
    /// Who did it: a person, a rule, a timer.
    pub actor: String,
    /// What stands beside it, as JSON; may be empty.
    pub beside: String,
}
