//! What waited for a device, replayed once the estate has it.
//!
//! The messages are decoded as if they came now, in their order and with their own times of receipt; a message that came
//! before is recognised as ever. What they say becomes history, except for the newest value of each point: it is the
//! present state of the device as far as anybody knows, so it alone is evaluated, now. A leak that was wet and is dry
//! again calls nobody; one that is still wet does, after its on-delay, and opens its order. A newest value that is older
//! than the silence allowed to the device is no present state any more and stays history.
//!
//! All of it is part of the batch that edits the estate. It does not matter whether a person accepted the device or an
//! imported estate brought it.

use super::core::Core;
use super::decision::Replayed;
use super::understood::{Seen, Understood};
use crate::field::{Done, Frame, MqttFrame};
use linli_decode::Family;
use linli_domain::estate::DeviceIndex;
use linli_domain::measure::Measure;
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{UnknownPayload, UnknownRow};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// A value of a waiting message.
struct Waiting {
    received: Timestamp,
    seen: Seen,
}

impl Core {
    /// Replays what waits for devices the estate has now.
    pub(super) fn welcome(&mut self, now: &Now) -> Replayed {
        let estate = Arc::clone(self.engine.estate());
        let mut all = Replayed::default();
        let known = |connection: &str, key: &str| estate.device_by_mqtt(connection, key);
        let arrived = self
            .unknown
            .among(|connection, key| known(connection, key).is_some());
        if arrived.is_empty() {
            return all;
        }
        for id in arrived {
            if let Some((row, kept)) = self.unknown.take(id)
                && let Some(device) = known(&row.connection, &row.key)
            {
                // What waited is older than what is remembered by now: nothing is learnt of it.
                let memory = is_sparkplug(&row.family).then(|| self.understanding.memory().clone());
                self.replay(device, &row, kept, now, &mut all);
                if let Some(memory) = memory {
                    self.understanding.remember(memory);
                }
            }
        }
        self.metrics.onboarding_replayed.inc_by(all.messages as u64);
        all
    }

    fn replay(
        &mut self,
        device: DeviceIndex,
        row: &UnknownRow,
        kept: Vec<UnknownPayload>,
        now: &Now,
        all: &mut Replayed,
    ) {
        let connection: Arc<str> = row.connection.as_str().into();
        let (mut waiting, mut understood) = (Vec::new(), Understood::default());
        all.messages += kept.len();
        let kept = since_its_birth(&row.family, kept, &mut all.refused);
        for message in kept {
            let received = message.at;
            let frame = self.frame_of(&connection, message, now);
            understood.clear();
            match self.understand(&frame, &mut understood) {
                Ok(true) => {
                    let everything = std::iter::once(&mut understood.said).chain(&mut understood.others);
                    for said in everything.filter(|said| said.device == Some(device)) {
                        let values = said.seen.drain(..).map(|seen| Waiting { received, seen });
                        waiting.extend(values);
                    }
                }
                Ok(false) => self.metrics.duplicates.inc(),
                Err(refused) => {
                    all.refused += 1;
                    self.refuse(&frame, &refused, now);
                }
            }
        }
        let limit = self
            .engine
            .estate()
            .device(device)
            .map(|device| device.silence_limit);
        all.stale += only_the_newest(&mut waiting, limit, now.wall);
        let before = self.batch.readings;
        for Waiting { received, seen } in waiting {
            self.seen(device, seen, received, now);
        }
        all.readings += self.batch.readings - before;
    }

    /// The message as it came, but for what it was owed.
    fn frame_of(&self, connection: &Arc<str>, message: UnknownPayload, now: &Now) -> Frame {
        Frame::Mqtt(MqttFrame {
            subscription: self
                .understanding
                .route(connection, &message.topic)
                .unwrap_or(usize::MAX),
            connection: Arc::clone(connection),
            topic: (&*message.topic).into(),
            payload: (&*message.payload).into(),
            retained: message.retained,
            duplicate: false,
            session: 0,
            packet: None,
            unwanted: None,
            received: Now {
                wall: message.at,
                ..*now
            },
            keep: None,
            done: Done::Nothing,
        })
    }
}

/// The one family whose devices change by their messages what later ones mean.
fn is_sparkplug(family: &str) -> bool {
    Family::from_name(family) == Some(Family::SparkplugB)
}

/// Of a Sparkplug device only what came since its last birth: what came before may have had other numbers for its values.
fn since_its_birth(family: &str, mut kept: Vec<UnknownPayload>, refused: &mut usize) -> Vec<UnknownPayload> {
    let is_birth = |message: &UnknownPayload| {
        let kind = message.topic.split('/').nth(2);
        matches!(kind, Some("NBIRTH" | "DBIRTH"))
    };
    if is_sparkplug(family)
        && let Some(birth) = kept.iter().rposition(is_birth)
    {
        *refused += birth;
        kept.drain(..birth);
    }
    kept
}

/// Makes everything history but the newest value of each point; that, too, when it is older than the silence allowed to
/// its device. Returns how many were.
fn only_the_newest(waiting: &mut [Waiting], silence_limit: Option<Duration>, now: Timestamp) -> usize {
    let mut newest: FxHashMap<(Measure, Option<Arc<str>>), usize> = FxHashMap::default();
    for (n, Waiting { seen, .. }) in waiting.iter().enumerate().filter(|(_, w)| !w.seen.historical) {
        let best = newest.entry((seen.measure, seen.instance.clone())).or_insert(n);
        // Of two with the same time of their own the first is stored and the second is its repetition.
        let newer = waiting.get(*best).is_some_and(|Waiting { seen: best, .. }| {
            seen.observed > best.observed || (seen.observed == best.observed && !seen.own_time)
        });
        if newer {
            *best = n;
        }
    }
    let mut stale = 0;
    for (n, Waiting { seen, .. }) in waiting.iter_mut().enumerate() {
        if newest.get(&(seen.measure, seen.instance.clone())) != Some(&n) {
            seen.historical = true;
        } else if silence_limit.is_some_and(|limit| now.since(seen.observed) > limit) {
            seen.historical = true;
            stale += 1;
        }
    }
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_sparkplug_device_only_what_came_since_its_last_birth_is_replayed() {
        let kept = |topics: &[&str]| -> Vec<UnknownPayload> {
            let message = |(number, topic): (u64, &&str)| UnknownPayload {
                number,
                at: Timestamp::from_millis(0),
                topic: Arc::from(*topic),
                retained: false,
                payload: Arc::from(&b"x"[..]),
            };
            (0..).zip(topics).map(message).collect()
        };
        let numbers = |family: &str, topics: &[&str]| {
            let mut refused = 0;
            let left = since_its_birth(family, kept(topics), &mut refused);
            (
                left.iter().map(|message| message.number).collect::<Vec<_>>(),
                refused,
            )
        };
        let (data, birth) = ("spBv1.0/g/DDATA/n/d", "spBv1.0/g/DBIRTH/n/d");
        assert_eq!(
            numbers("sparkplug-b", &[data, birth, data, birth, data]),
            (vec![3, 4], 3)
        );
        assert_eq!(numbers("sparkplug-b", &[data, data]), (vec![0, 1], 0));
        assert_eq!(numbers("json", &[data, birth]), (vec![0, 1], 0));
    }
}
