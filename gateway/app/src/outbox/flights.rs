//! Attempts under way: which are started, and what is booked when they end.

use super::Outcome;
use super::outlived::OUTLIVED;
use super::policy::{Lane, Schedule};
use super::queue::{Parcel, lane_of, next_parcel, next_summary, one_by_one};
use super::settle::settle;
use super::worker::{Flight, Worker};
use linli_domain::time::Now;
use linli_ledger::{Delivery, DeliveryState, DeliveryUpdate};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};

/// How long an endpoint that said it is gone is not asked.
pub(super) const GONE_WAIT: Duration = Duration::from_secs(600);
/// How long attempts under way may take to end when the program stops.
const LAST_CALL: Duration = Duration::from_secs(2);
/// What stands as the error of a delivery whose channel is not configured or cannot be used.
pub(super) const NO_CHANNEL: &str = "no_channel";

/// What is due on one channel.
#[derive(Default)]
struct Queue {
    /// Sorted by lane, then by age.
    waiting: Vec<(Lane, Delivery)>,
    /// What nobody needs any more.
    outlived: Vec<Delivery>,
}

impl Queue {
    fn next_lane(&self) -> Option<Lane> {
        let waiting = self.waiting.first().map(|(lane, _)| *lane);
        waiting.or((!self.outlived.is_empty()).then_some(Lane::Rest))
    }

    fn all(&self) -> impl Iterator<Item = &Delivery> {
        let waiting = self.waiting.iter().map(|(_, delivery)| delivery);
        waiting.chain(&self.outlived)
    }
}

impl Worker {
    /// Starts as many attempts as the channels allow. Returns whether something due has to wait.
    pub(super) fn start(&mut self, due: Vec<Delivery>, outlived: &HashSet<i64>, now: &Now) -> bool {
        let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
        for delivery in due {
            if !self.taken.contains(&delivery.id) {
                let queue = queues.entry(delivery.message.channel.clone()).or_default();
                if outlived.contains(&delivery.id) {
                    queue.outlived.push(delivery);
                } else {
                    queue.waiting.push((lane_of(&delivery), delivery));
                }
            }
        }
        let mut held_up = !self.taken.is_empty();
        for (channel, mut queue) in queues {
            queue.waiting.sort_by_key(|(lane, _)| *lane);
            match self.outlets.iter().position(|outlet| outlet.name == channel) {
                Some(outlet) => held_up |= self.start_channel(outlet, queue, now),
                None => queue
                    .all()
                    .for_each(|delivery| self.give_up(delivery, NO_CHANNEL)),
            }
        }
        held_up
    }

    fn start_channel(&mut self, index: usize, mut queue: Queue, now: &Now) -> bool {
        let mono = Duration::from_millis(now.monotonic.0);
        let outlet = &mut self.outlets[index];
        if let Some((until, code)) = outlet.gone.clone() {
            if mono < until {
                queue.all().for_each(|delivery| self.give_up(delivery, &code));
                return false;
            }
            outlet.gone = None;
        }
        if self.outlets[index].schedule == Schedule::Webhook {
            let flying = self.flying.values().filter(|flight| flight.outlet == index);
            let parcels = flying.flat_map(|flight| &flight.parcel.deliveries);
            let under_way = parcels.map(|delivery| &*delivery.message.subject).collect();
            one_by_one(&mut queue.waiting, &under_way);
        }
        // What still waits for somebody comes first.
        while let Some(lane) = queue.next_lane() {
            let outlet = &mut self.outlets[index];
            if outlet.flying >= outlet.parallel || outlet.allowance.take(lane, mono).is_err() {
                return true;
            }
            let parcel = if queue.waiting.is_empty() {
                next_summary(&mut queue.outlived)
            } else {
                next_parcel(&mut queue.waiting, outlet.schedule)
            };
            let Some(parcel) = parcel else {
                return true;
            };
            self.launch(index, parcel, *now);
        }
        false
    }

    fn launch(&mut self, index: usize, parcel: Parcel, now: Now) {
        self.taken
            .extend(parcel.deliveries.iter().map(|delivery| delivery.id));
        let outlet = &mut self.outlets[index];
        outlet.flying += 1;
        let (parcel, sender) = (Arc::new(parcel), Arc::clone(&outlet.sender));
        let carried = Arc::clone(&parcel);
        let flight = self.flights.spawn(async move {
            match carried.message() {
                Some(message) => sender.send(message, now).await,
                None => Outcome::permanent("bad_payload"),
            }
        });
        self.flying.insert(
            flight.id(),
            Flight {
                outlet: index,
                parcel,
            },
        );
    }

    /// Books the result of an attempt.
    pub(super) fn land(&mut self, id: Id, outcome: &Outcome) {
        let Some(Flight { outlet, parcel }) = self.flying.remove(&id) else {
            return;
        };
        let outlet = &mut self.outlets[outlet];
        let now = self.clock.now();
        let mono = Duration::from_millis(now.monotonic.0);
        outlet.flying -= 1;
        match outcome {
            Outcome::Permanent { code, gone: true } => outlet.gone = Some((mono + GONE_WAIT, code.clone())),
            Outcome::Retry {
                after: Some(after),
                whole_channel: true,
                ..
            } => outlet.allowance.pause(mono, *after),
            _ => {}
        }
        self.metrics
            .deliveries
            .with_label_values(&[outlet.kind, outcome.label()])
            .inc();
        for delivery in &parcel.deliveries {
            let mut update = settle(delivery, outcome, outlet.schedule, parcel.lane, now, chance());
            if parcel.outlived && update.state == DeliveryState::Delivered {
                update.last_error = Some(OUTLIVED.into());
            }
            if update.state == DeliveryState::Dead {
                let code = update.last_error.as_deref().unwrap_or_default();
                let subject = &delivery.message.subject;
                tracing::warn!(channel = outlet.name, delivery = delivery.id, %subject, code, "a delivery was given up");
            }
            self.results.push(update);
        }
    }

    /// A delivery that is dead without an attempt.
    fn give_up(&mut self, delivery: &Delivery, code: &str) {
        tracing::warn!(
            channel = delivery.message.channel,
            delivery = delivery.id,
            code,
            "a delivery was given up"
        );
        self.taken.insert(delivery.id);
        self.results.push(DeliveryUpdate {
            id: delivery.id,
            state: DeliveryState::Dead,
            attempts: delivery.attempts,
            next_at: delivery.next_at,
            last_error: Some(code.to_owned()),
            delivered_at: None,
        });
    }

    /// Lets attempts under way end and stores their results; the others are made again after the next start.
    pub(super) async fn last_call(&mut self) {
        let landing = async {
            while let Some(joined) = self.flights.join_next_with_id().await {
                let (id, outcome) = landed(joined);
                self.land(id, &outcome);
            }
        };
        let in_time = tokio::time::timeout(LAST_CALL, landing).await.is_ok();
        if !in_time {
            tracing::info!(
                attempts = self.flights.len(),
                "attempts under way are made again after the next start"
            );
        }
        if self.report().await.is_err() {
            tracing::info!(
                "the last results were not stored; their messages are sent again after the next start"
            );
        }
    }
}

/// A flight that panicked or was aborted says nothing about its message.
pub(super) fn landed(joined: Result<(Id, Outcome), JoinError>) -> (Id, Outcome) {
    joined.unwrap_or_else(|error| {
        let code = "aborted".into();
        (error.id(), Outcome::Unknown { code })
    })
}

/// One random byte; without a source of chance retries are merely not spread.
fn chance() -> u8 {
    let mut byte = [0u8; 1];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}
