//! Messages to people that have waited until nobody needs them any more.
//!
//! A box without the time, without a network, or switched off keeps what it wants to say. When it may speak again, half of
//! it calls people to what was seen, repaired or over long ago. A group is called only to what still waits for somebody; of
//! everything else it reads one message with a line for each alarm or order, and the outbox says of each row that it was
//! told that way ([`OUTLIVED`]). Systems are told every event, whatever became of it: their channels are not looked at.
//!
//! What cannot be found or read is said as it is: a message too many does less harm than one too few.

use super::wecom::Card;
use linli_domain::alarm::{Ack, AlarmState, Annunciation, Condition, Latch};
use linli_domain::engine::{Notice, NoticeKind};
use linli_domain::id::{AlarmId, OrderId};
use linli_domain::order::OrderState;
use linli_domain::time::Timestamp;
use linli_ledger::{Delivery, Reader, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::Duration;

/// A message that has waited for less is sent as it is.
const WAITED: Duration = Duration::from_secs(120);
/// What stands beside a delivery that was told in a line of another message because nobody needed it any more.
pub(super) const OUTLIVED: &str = "outlived";

/// What a message calls somebody to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// To look at an alarm: until somebody has, or it is over.
    Alarm(AlarmId),
    /// To look at an alarm whose sensor is lost: until it is heard.
    Lost(AlarmId),
    /// To take an order: until somebody has.
    Order(OrderId),
    /// To do an order's work again: until that is completed.
    Rework(OrderId),
}

/// What a notice calls people to; nothing when it only tells.
pub(super) fn calls_of(notice: &Notice) -> Vec<Call> {
    let order_or_alarm = |order: Option<OrderId>, alarm: Option<AlarmId>| {
        let order = order.map(Call::Order);
        order.or(alarm.map(Call::Alarm))
    };
    match notice.kind {
        NoticeKind::AlarmRaised | NoticeKind::AlarmStillActive => {
            notice.alarm.map(Call::Alarm).into_iter().collect()
        }
        NoticeKind::AlarmUnknown => notice.alarm.map(Call::Lost).into_iter().collect(),
        // Of those beyond the ones it names nobody knows what became.
        NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat
            if notice.count as usize > notice.members.len().max(1) =>
        {
            Vec::new()
        }
        NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat if notice.members.is_empty() => {
            order_or_alarm(notice.order, notice.alarm).into_iter().collect()
        }
        NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat => notice
            .members
            .iter()
            .filter_map(|member| order_or_alarm(member.order, Some(member.alarm)))
            .collect(),
        NoticeKind::OrderDispatched => notice.order.map(Call::Order).into_iter().collect(),
        NoticeKind::OrderReopened => notice.order.map(Call::Rework).into_iter().collect(),
        NoticeKind::AlarmCleared
        | NoticeKind::AlarmShelved
        | NoticeKind::AlarmDigest
        | NoticeKind::StormBegan
        | NoticeKind::StormEnded
        | NoticeKind::OutOfService
        | NoticeKind::BackInService
        | NoticeKind::OrderAccepted
        | NoticeKind::OrderStarted
        | NoticeKind::OrderCompleted
        | NoticeKind::OrderTaskJoined
        | NoticeKind::OrderTaskEnded
        | NoticeKind::OrderTaskReopened
        | NoticeKind::OrderClosed
        | NoticeKind::OrderCancelled => Vec::new(),
    }
}

/// Of the deliveries that are due on the channels of `people`, those nobody needs: calls that have waited and are answered
/// by now, and whatever else waits to be said about the same.
pub(super) fn outlived(
    reader: &Reader,
    due: &[Delivery],
    people: &HashSet<String>,
    now: Timestamp,
) -> Result<HashSet<i64>, StoreError> {
    let mut found = HashSet::new();
    let mut about = HashSet::new();
    let subject = |delivery: &Delivery| {
        let message = &delivery.message;
        (
            message.channel.clone(),
            message.subject_kind.clone(),
            message.subject.clone(),
        )
    };
    let due = || due.iter().filter(|row| people.contains(&row.message.channel));
    for row in due().filter(|row| now.since(row.message.created) >= WAITED) {
        let calls = calls_in(row);
        if !calls.is_empty() && !any_waits(reader, &calls)? {
            found.insert(row.id);
            about.insert(subject(row));
        }
    }
    if !about.is_empty() {
        let tells = |row: &&Delivery| about.contains(&subject(row)) && calls_in(row).is_empty();
        found.extend(due().filter(tells).map(|row| row.id));
    }
    Ok(found)
}

fn calls_in(delivery: &Delivery) -> Vec<Call> {
    let card = serde_json::from_slice::<Card>(&delivery.message.payload);
    card.map(|card| card.calls).unwrap_or_default()
}

fn any_waits(reader: &Reader, calls: &[Call]) -> Result<bool, StoreError> {
    for call in calls {
        if waits(reader, *call)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether what a message calls to still waits for somebody.
fn waits(reader: &Reader, call: Call) -> Result<bool, StoreError> {
    Ok(match call {
        Call::Alarm(id) => alarm_waits(reader, id, |state| {
            let goes_on = state.condition != Condition::Normal || state.latch == Latch::Held;
            state.ack == Ack::Unack && goes_on
        })?,
        Call::Lost(id) => alarm_waits(reader, id, |state| state.condition == Condition::Unknown)?,
        Call::Order(id) => order_waits(reader, id, OrderState::Dispatched)?,
        Call::Rework(id) => order_waits(reader, id, OrderState::InProgress)?,
    })
}

fn alarm_waits(
    reader: &Reader,
    id: AlarmId,
    waits: impl Fn(&AlarmState) -> bool,
) -> Result<bool, StoreError> {
    #[derive(Deserialize)]
    struct Document {
        state: AlarmState,
    }
    let Some(row) = reader.alarm(id)? else {
        return Ok(true);
    };
    let state = serde_json::from_slice::<Document>(&row.document).map(|document| document.state);
    let is_heard = |state: &AlarmState| state.annunciation == Annunciation::On;
    Ok(row.live && state.map_or(true, |state| is_heard(&state) && waits(&state)))
}

fn order_waits(reader: &Reader, id: OrderId, state: OrderState) -> Result<bool, StoreError> {
    let row = reader.order(id)?;
    Ok(row.is_none_or(|row| row.state == state.name()))
}

#[cfg(test)]
#[path = "outlived_tests.rs"]
mod tests;
