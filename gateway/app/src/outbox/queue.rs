//! One channel's share of the queue: which of the due deliveries go next, alone or summed up. Pure but for the
//! catalogue of texts.

use super::Message;
use super::policy::{Lane, Schedule};
use super::wecom::{Card, MAX_MARKDOWN_BYTES};
use crate::messages::{self, Key};
use linli_ledger::Delivery;
use serde::Deserialize;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

/// With more waiting than this, a robot's messages are summed up.
pub(super) const DIGEST_ABOVE: usize = 5;
/// Most messages in one digest; the others go into the next.
pub(super) const DIGEST_MOST: usize = 50;
/// Bytes kept free in a digest for the line that counts what did not fit.
const MORE_LINE_BYTES: usize = 160;

/// What goes out in one attempt.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The deliveries it carries; more than one in a digest.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) lane: Lane,
    /// The text of a digest; a single delivery says its own.
    pub(super) digest: Option<Vec<u8>>,
    /// Whether nobody needs them any more: they are told in a line each.
    pub(super) outlived: bool,
}

impl Parcel {
    /// The message, as the channel is asked to send it.
    pub(super) fn message(&self) -> Option<Message<'_>> {
        let first = self.deliveries.first()?;
        let name = first.message.channel.len() + 1;
        Some(Message {
            id: first.message.idempotency.get(name..).unwrap_or_default(),
            payload: self.digest.as_deref().unwrap_or(&first.message.payload),
            attempts: first.attempts,
            last_code: first.last_error.as_deref(),
        })
    }
}

/// The part of a payload that decides about its lane, in either form.
#[derive(Deserialize)]
struct Peek {
    priority: Option<String>,
    data: Option<PeekData>,
}

#[derive(Deserialize)]
struct PeekData {
    priority: Option<String>,
}

/// The lane of a delivery; what cannot be read takes the last one.
pub(super) fn lane_of(delivery: &Delivery) -> Lane {
    let peek = serde_json::from_slice::<Peek>(&delivery.message.payload).ok();
    let priority = peek.and_then(|p| p.priority.or_else(|| p.data?.priority));
    match priority.as_deref() {
        Some("P1") => Lane::Critical,
        Some("P2") => Lane::Urgent,
        _ => Lane::Rest,
    }
}

/// Takes the next parcel out of `waiting`, which is sorted by lane and then by age.
pub(super) fn next_parcel(waiting: &mut Vec<(Lane, Delivery)>, schedule: Schedule) -> Option<Parcel> {
    let (lane, _) = waiting.first()?;
    let lane = *lane;
    let sum_up = schedule == Schedule::Robot && lane != Lane::Critical && waiting.len() > DIGEST_ABOVE;
    let count = if sum_up { waiting.len().min(DIGEST_MOST) } else { 1 };
    let drained = waiting.drain(..count);
    let deliveries: Vec<Delivery> = drained.map(|(_, delivery)| delivery).collect();
    let digest = sum_up.then(|| digest(&deliveries)).flatten();
    Some(Parcel {
        deliveries,
        lane,
        digest,
        outlived: false,
    })
}

/// Leaves only the oldest about each alarm or order, and none about one of which a message is `under_way`: what happened
/// to it is told one thing after the other. The oldest goes as urgently as the most urgent behind it.
///
/// What had to be tried again is overtaken by what came later, for it may wait for hours.
pub(super) fn one_by_one(waiting: &mut Vec<(Lane, Delivery)>, under_way: &HashSet<&str>) {
    waiting.retain(|(_, delivery)| !under_way.contains(&*delivery.message.subject));
    waiting.sort_by_key(|(_, delivery)| delivery.id);
    let mut oldest: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<(Lane, Delivery)> = Vec::new();
    for (lane, delivery) in waiting.drain(..) {
        match oldest.entry(delivery.message.subject.clone()) {
            Entry::Occupied(first) => {
                let first = &mut kept[*first.get()].0;
                *first = lane.min(*first);
            }
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push((lane, delivery));
            }
        }
    }
    kept.sort_by_key(|(lane, _)| *lane);
    *waiting = kept;
}

/// Takes the next parcel out of what nobody needs any more: whatever waits about one alarm or order is one line, the last
/// thing there is to say of it.
pub(super) fn next_summary(outlived: &mut Vec<Delivery>) -> Option<Parcel> {
    let count = outlived.len().min(DIGEST_MOST);
    let deliveries: Vec<Delivery> = outlived.drain(..count).collect();
    let mut last: BTreeMap<&str, &Delivery> = BTreeMap::new();
    for delivery in &deliveries {
        let said = last.entry(&delivery.message.subject).or_insert(delivery);
        if delivery.id > said.id {
            *said = delivery;
        }
    }
    let mut told: Vec<&Delivery> = last.into_values().collect();
    told.sort_by_key(|delivery| delivery.id);
    let digest = sum_up(&told, Key::DigestOutlived);
    Some(Parcel {
        digest,
        lane: Lane::Rest,
        outlived: true,
        deliveries,
    })
    .filter(|parcel| !parcel.deliveries.is_empty())
}

/// One message that says what all of them say, a line each.
fn digest(deliveries: &[Delivery]) -> Option<Vec<u8>> {
    sum_up(&deliveries.iter().collect::<Vec<_>>(), Key::DigestTitle)
}

fn sum_up(deliveries: &[&Delivery], title: Key) -> Option<Vec<u8>> {
    let cards: Vec<Card> = deliveries
        .iter()
        .filter_map(|d| serde_json::from_slice(&d.message.payload).ok())
        .collect();
    let language = cards.first()?.language;
    let count = cards.len().to_string();
    let title = messages::format(language, title, &[("count", &count)]);
    let mut text = messages::format(language, Key::CardBold, &[("title", &title)]);
    for (index, card) in cards.iter().enumerate() {
        let line = messages::format(language, Key::DigestLine, &[("title", &card.title)]);
        if text.len() + line.len() + MORE_LINE_BYTES > MAX_MARKDOWN_BYTES {
            let left = (cards.len() - index).to_string();
            text.push('\n');
            text.push_str(&messages::format(language, Key::DigestMore, &[("count", &left)]));
            break;
        }
        text.push('\n');
        text.push_str(&line);
    }
    let priority = cards.iter().map(|card| card.priority.clone()).min()?;
    serde_json::to_vec(&Card {
        language,
        priority,
        title,
        text,
        calls: Vec::new(),
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::text::Language;
    use linli_domain::time::Timestamp;
    use linli_ledger::{DeliveryState, NewDelivery};

    fn waiting(count: usize, priority: &str) -> Vec<(Lane, Delivery)> {
        let at = Timestamp::from_millis(0);
        let delivery = |n: usize| Delivery {
            id: n as i64,
            message: NewDelivery {
                channel: "group".into(),
                subject_kind: "order".into(),
                subject: format!("WO-{n}"),
                payload: serde_json::to_vec(&Card {
                    language: Language::Zh,
                    priority: priority.into(),
                    title: format!("一般 垃圾桶满溢 {n} 号桶 {}", "。".repeat(40)),
                    text: "全文".into(),
                    calls: Vec::new(),
                })
                .unwrap(),
                idempotency: format!("group/e1_WO-{n}"),
                created: at,
                next_at: at,
            },
            state: DeliveryState::Pending,
            attempts: 0,
            next_at: at,
            last_error: None,
            delivered_at: None,
        };
        (1..=count).map(delivery).map(|d| (lane_of(&d), d)).collect()
    }

    #[test]
    fn up_to_five_go_one_by_one() {
        let mut queue = waiting(5, "P3");
        let parcel = next_parcel(&mut queue, Schedule::Robot).unwrap();
        assert_eq!((parcel.deliveries.len(), queue.len()), (1, 4));
        assert_eq!(parcel.message().unwrap().id, "e1_WO-1");
    }

    #[test]
    fn more_become_one_digest_that_fits_and_counts_what_does_not() {
        let mut queue = waiting(60, "P3");
        let parcel = next_parcel(&mut queue, Schedule::Robot).unwrap();
        assert_eq!((parcel.deliveries.len(), queue.len()), (50, 10));
        let card: Card = serde_json::from_slice(parcel.message().unwrap().payload).unwrap();
        assert!(card.text.len() <= MAX_MARKDOWN_BYTES);
        assert!(card.text.contains("50"), "{}", card.text);
        assert!(
            card.text.lines().last().unwrap().contains("另有"),
            "{}",
            card.text
        );
    }

    #[test]
    fn critical_messages_and_webhooks_are_never_summed_up() {
        for (priority, schedule) in [("P1", Schedule::Robot), ("P3", Schedule::Webhook)] {
            let mut queue = waiting(30, priority);
            let parcel = next_parcel(&mut queue, schedule).unwrap();
            assert_eq!(parcel.deliveries.len(), 1);
            assert!(parcel.digest.is_none());
        }
    }

    #[test]
    fn what_happened_to_one_order_is_told_one_thing_after_the_other() {
        let mut queue = waiting(5, "P3");
        for (index, (lane, delivery)) in queue.iter_mut().enumerate() {
            delivery.message.subject = ["WO-1", "WO-2", "WO-1", "WO-3", "WO-2"][index].into();
            *lane = [Lane::Rest, Lane::Rest, Lane::Critical, Lane::Urgent, Lane::Rest][index];
        }
        queue.sort_by_key(|(lane, _)| *lane);
        one_by_one(&mut queue, &HashSet::from(["WO-2"]));
        let left: Vec<(Lane, i64)> = queue
            .iter()
            .map(|(lane, delivery)| (*lane, delivery.id))
            .collect();
        assert_eq!(left, [(Lane::Critical, 1), (Lane::Urgent, 4)]);
    }

    #[test]
    fn what_nobody_needs_is_one_line_for_each_alarm_or_order_the_last_thing_said_of_it() {
        let mut past: Vec<Delivery> = waiting(3, "P1")
            .into_iter()
            .map(|(_, delivery)| delivery)
            .collect();
        past[2].message.subject = past[0].message.subject.clone();
        let parcel = next_summary(&mut past).unwrap();
        assert_eq!((parcel.deliveries.len(), parcel.lane), (3, Lane::Rest));
        let card: Card = serde_json::from_slice(parcel.message().unwrap().payload).unwrap();
        let lines: Vec<&str> = card.text.lines().skip(1).collect();
        assert_eq!(lines.len(), 2, "{}", card.text);
        assert!(
            lines[0].contains("2 号桶") && lines[1].contains("3 号桶"),
            "{lines:?}"
        );
        assert!(next_summary(&mut past).is_none());
    }

    #[test]
    fn the_lane_is_read_from_either_form_of_payload() {
        let mut delivery = waiting(1, "P2").remove(0).1;
        assert_eq!(lane_of(&delivery), Lane::Urgent);
        delivery.message.payload = br#"{"specversion":"1.0","data":{"priority":"P1"}}"#.to_vec();
        assert_eq!(lane_of(&delivery), Lane::Critical);
        delivery.message.payload = b"not json".to_vec();
        assert_eq!(lane_of(&delivery), Lane::Rest);
    }
}
