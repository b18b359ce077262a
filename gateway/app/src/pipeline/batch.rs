//! The open batch: everything that will become true together, and everything owed once it has.
//!
//! Frames stay whole until the commit, so that a failed batch can be done again, in halves if need be.

use super::door::{Failed, LIVE_READINGS, Live};
use super::refused::Refused;
use super::tap::Told;
use crate::field::{Done, Frame, Origin};
use linli_domain::id::{CommitId, DeviceId};
use linli_domain::reading::Reading;
use linli_domain::time::{Now, Timestamp};
use linli_ledger as store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Longest text of a refused frame that is kept, in characters; the rest is cut. A LoRaWAN payload in hexadecimal fits.
const MAX_REJECT_TEXT: usize = 512;

/// One step of the log, owned until the commit.
#[derive(Debug)]
pub enum Logged {
    /// The time of what follows.
    Now(Now),
    /// A reading, and whether the engine evaluated it.
    Reading(Reading, bool),
    /// Another input of the engine, encoded.
    Input(Vec<u8>),
}

/// Called with the commit that holds a request, or with why there is none.
pub(super) type Answer = Box<dyn FnOnce(Result<CommitId, Failed>) + Send>;

/// Rows and debts of the batch under construction.
#[derive(Default)]
pub struct OpenBatch {
    /// The log, in the order the engine saw it.
    pub log: Vec<Logged>,
    /// The time of the newest [`Logged::Now`].
    pub logged_now: Option<Now>,
    /// Frames this batch was made of, kept for acknowledgement and for doing it again.
    pub frames: Vec<Frame>,
    /// Inbox space of those frames; freed with the batch.
    pub permits: Vec<OwnedSemaphorePermit>,
    /// Readings among the log.
    pub readings: usize,
    /// Messages a broker waits to have acknowledged.
    pub unacknowledged: usize,
    /// Somebody waits for this very commit, or an alarm was raised.
    pub urgent: bool,
    /// Who gets an answer.
    pub answers: Vec<Answer>,
    /// What the live feed is told.
    pub live: Vec<Live>,
    /// Devices whose health changed.
    pub devices: BTreeSet<DeviceId>,
    /// What those who watch are told.
    pub told: Told,
    /// New points.
    pub points: Vec<store::PointRow>,
    /// Alarms as they are now.
    pub alarms: Vec<store::AlarmRow>,
    /// Orders as they are now.
    pub orders: Vec<store::OrderRow>,
    /// Their history.
    pub transitions: Vec<store::TransitionRow>,
    /// Messages to send.
    pub deliveries: Vec<store::NewDelivery>,
    /// Ids of the events they speak of: two of the same kind within one millisecond are told apart.
    pub events: BTreeSet<String>,
    /// Results of attempts.
    pub delivery_updates: Vec<store::DeliveryUpdate>,
    /// Audit rows.
    pub audit: Vec<store::AuditRow>,
    /// Lines refused by a forwarder's target.
    pub parked: Vec<store::ParkedRow>,
    /// Retained messages of the embedded broker.
    pub retained: Vec<store::RetainedRow>,
    /// What was refused.
    pub rejects: Vec<store::RejectRow>,
    /// What decoding would like to ask of the field, by connection; asked after the commit.
    pub requests: Vec<(Arc<str>, linli_decode::Request)>,
    /// Estate versions.
    pub documents: Vec<store::DocumentRow>,
    /// Tokens.
    pub tokens: Vec<store::TokenRow>,
    /// The estate after an edit.
    pub estate: Option<Arc<linli_domain::estate::Estate>>,
    /// Answers to repeatable requests.
    pub kept_answers: Vec<store::IdempotentAnswer>,
}

impl OpenBatch {
    /// Whether there is nothing to commit and nobody to answer.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
            && self.frames.is_empty()
            && self.answers.is_empty()
            && self.deliveries.is_empty()
            && self.delivery_updates.is_empty()
            && self.retained.is_empty()
            && self.tokens.is_empty()
            && self.rejects.is_empty()
    }

    /// Notes the time once per change; the log needs it before every entry it applies to.
    pub fn at(&mut self, now: Now) {
        if self.logged_now != Some(now) {
            self.logged_now = Some(now);
            self.log.push(Logged::Now(now));
        }
    }

    /// Logs a reading, and tells the live feed.
    pub fn stores(&mut self, commit: CommitId, reading: Reading, evaluated: bool) {
        let told = (reading.clone(), evaluated);
        match self.live.last_mut() {
            Some(Live::Readings(of, readings)) if *of == commit && readings.len() < LIVE_READINGS => {
                Arc::make_mut(readings).push(told);
            }
            _ => self.live.push(Live::Readings(commit, Arc::new(vec![told]))),
        }
        self.readings += 1;
        self.log.push(Logged::Reading(reading, evaluated));
    }

    /// Records a refused frame: counted, visible, and part of the commit that acknowledges it.
    pub fn reject(&mut self, at: Timestamp, origin: &Origin<'_>, device: Option<String>, refused: &Refused) {
        let cut = |text: &str| text.chars().take(MAX_REJECT_TEXT).collect::<String>();
        let facts: BTreeMap<&str, String> = refused
            .facts
            .iter()
            .map(|(name, value)| (*name, cut(value)))
            .collect();
        self.rejects.push(store::RejectRow {
            at,
            connection: cut(origin.connection),
            origin: cut(&origin.from),
            device: device.map(|device| cut(&device)),
            reason: refused.reason.to_owned(),
            detail: cut(&refused.detail),
            facts: serde_json::to_string(&facts).unwrap_or_default(),
            bytes: origin.bytes as u64,
            payload: origin
                .payload
                .get(..store::MAX_REJECT_PAYLOAD)
                .unwrap_or(origin.payload)
                .to_vec(),
        });
    }

    /// Takes an alarm's newest row; an older one of the same batch is replaced.
    pub fn alarm(&mut self, row: store::AlarmRow) {
        match self.alarms.iter_mut().find(|known| known.id == row.id) {
            Some(known) => {
                // What explained it is kept when it does no longer, as the ledger keeps it.
                let cause = row.cause.or(known.cause);
                *known = store::AlarmRow { cause, ..row };
            }
            None => self.alarms.push(row),
        }
    }

    /// Takes an order's newest row.
    pub fn order(&mut self, row: store::OrderRow) {
        match self.orders.iter_mut().find(|known| known.id == row.id) {
            Some(known) => *known = row,
            None => self.orders.push(row),
        }
    }

    /// Counts a frame among the debts of this batch. What it leaves retained is part of it, whether or not the frame
    /// itself could be used.
    pub fn owe(&mut self, frame: Frame) {
        if let Frame::Mqtt(message) = &frame {
            if let Some(keep) = message.keep {
                self.retained.push(store::RetainedRow {
                    topic: message.topic.to_string(),
                    payload: Some(message.payload.to_vec()).filter(|payload| !payload.is_empty()),
                    qos: keep.qos,
                    at: message.received.wall,
                    expires: keep.expires,
                });
            }
            match &message.done {
                Done::Ack(_) => self.unacknowledged += 1,
                Done::Waiting(_) => self.urgent = true,
                Done::Nothing => {}
            }
        }
        self.frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::id::PointKey;
    use linli_domain::reading::{Quality, Value};

    #[test]
    fn every_reading_of_a_large_commit_is_told_in_its_order() {
        let mut batch = OpenBatch::default();
        let reading = |n: u32| {
            let at = Timestamp::from_millis(n.into());
            Reading::new(PointKey(n), at, at, Value::Number(1.0), Quality::Good)
        };
        for n in 0..9_000 {
            batch.stores(CommitId(7), reading(n), true);
            if n == 4 {
                batch.live.push(Live::Point(CommitId(7), PointKey(n)));
            }
        }
        let lengths: Vec<usize> = batch
            .live
            .iter()
            .map(|live| match live {
                Live::Readings(_, readings) => readings.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(lengths[..3], [5, 0, LIVE_READINGS]);
        let told = batch.live.iter().flat_map(|live| match live {
            Live::Readings(_, readings) => readings.as_slice(),
            _ => &[],
        });
        assert!(told.map(|(reading, _)| reading.point.0).eq(0..9_000));
    }
}
