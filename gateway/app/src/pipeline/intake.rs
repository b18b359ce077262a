//! Frames into the open batch: understood, recognised when they came before, bound to points, seen by the engine.
//!
//! Everything is logged in the same order and with the same time as the engine was given it.

use super::batch::Logged;
use super::core::Core;
use super::door::Live;
use super::refused::Refused;
use super::silence::gives_way;
use super::understood::{Seen, Understood};
use crate::chain::chain;
use crate::field::{Frame, Origin};
use linli_domain::engine::{Arrival, DeviceNews, Input, PointDef};
use linli_domain::estate::DeviceIndex;
use linli_domain::id::{PointKey, point_id};
use linli_domain::reading::Reading;
use linli_domain::time::{Now, Timestamp};
use linli_ledger as store;
use std::sync::Arc;

impl Core {
    /// Takes a frame into the open batch.
    pub fn frame(&mut self, frame: Frame, now: &Now) {
        self.absorb(&frame, now);
        self.batch.owe(frame);
    }

    pub(super) fn absorb(&mut self, frame: &Frame, now: &Now) {
        if !self.profiles_told {
            self.tell_profiles(now);
        }
        let mut understood = std::mem::take(&mut self.understood);
        understood.clear();
        let result = self.understand(frame, &mut understood);
        if self.tap.is_open() {
            self.tell(frame, &understood, &result);
        }
        match result {
            Ok(true) => {
                if let Frame::Mqtt(message) = frame {
                    self.unheard_of(message, &mut understood, now);
                }
                self.take_in(frame, &mut understood, now);
                for fault in understood.faults.drain(..) {
                    self.refuse(frame, &fault, now);
                }
            }
            Ok(false) => self.metrics.duplicates.inc(),
            Err(refused) => self.refuse(frame, &refused, now),
        }
        // What is missing is asked for whatever became of the message.
        if let Frame::Mqtt(message) = frame {
            let connection = &message.connection;
            let asked = understood.requests.drain(..);
            self.batch
                .requests
                .extend(asked.map(|request| (Arc::clone(connection), request)));
        }
        self.understood = understood;
    }

    /// `Ok(false)`: the message came before.
    pub(super) fn understand(&mut self, frame: &Frame, out: &mut Understood) -> Result<bool, Refused> {
        let estate = self.engine.estate();
        match frame {
            Frame::Mqtt(message) => {
                if let Some(packet) = message.packet {
                    let key = (message.session, packet);
                    if self
                        .once
                        .packet_seen(key, message.duplicate, &message.topic, &message.payload)
                    {
                        return Ok(false);
                    }
                }
                self.understanding.mqtt(message, estate, out)?;
                if let Some((identity, bytes)) = &out.identity {
                    let at = message.received.wall;
                    let joins = out.said.device.map_or(0, |device| self.engine.joins(device));
                    if self.once.lorawan_seen(identity, joins, bytes, at) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Frame::Modbus(answer) => self.understanding.modbus(answer, estate, out).map(|()| true),
            Frame::Fact(fact) => {
                self.understanding.fact(fact, out);
                Ok(true)
            }
        }
    }

    pub(super) fn refuse(&mut self, frame: &Frame, refused: &Refused, now: &Now) {
        self.metrics
            .messages_rejected
            .with_label_values(&[refused.reason])
            .inc();
        let origin = frame.origin();
        self.complaints.refused(refused, &origin, now);
        let estate = self.engine.estate();
        let device = match frame {
            Frame::Mqtt(message) => self.understanding.speaker(message, estate),
            Frame::Modbus(answer) => Some(answer.device.to_string()),
            Frame::Fact(_) => None,
        };
        self.batch.reject(now.wall, &origin, device, refused);
    }

    /// Binds a value to its point, drops it when it came before, and lets the engine see it; whether it did.
    pub(super) fn seen(&mut self, device: DeviceIndex, seen: Seen, received: Timestamp, now: &Now) -> bool {
        let point = match self
            .engine
            .point_of(device, seen.measure, seen.instance.as_deref())
        {
            Some(point) => point,
            None => match self.new_point(device, &seen, now) {
                Some(point) => point,
                None => return false,
            },
        };
        if seen.own_time && self.came_before(device, point, &seen, received, now) {
            return false;
        }
        let mut reading = Reading {
            point,
            observed: seen.observed,
            received,
            value: seen.value,
            quality: seen.quality,
        };
        self.batch.at(*now);
        if seen.own_time {
            let place = self.batch.log.len();
            self.fresh.entry((point, seen.observed)).or_insert(place);
        }
        let arrival = if seen.historical {
            Arrival::Stored
        } else {
            Arrival::Live
        };
        let spare = self.could_spare(point, seen.measure, &reading);
        let mut changes = std::mem::take(&mut self.changes);
        let taken = self.engine.step_reading(now, &reading, arrival, &mut changes);
        let changed = !changes.is_empty();
        if changed {
            self.project(std::mem::take(&mut changes), now);
        }
        self.changes = changes;
        let evaluated = taken.is_ok_and(|taken| {
            reading.quality = taken.quality;
            taken.evaluated
        });
        if spare && !changed && evaluated {
            // Evaluated, acknowledged, and not stored. What is late may have begun a stretch that only the log repeats.
            self.fresh.remove(&(point, reading.observed));
            self.metrics.dropped.with_label_values(&["disk"]).inc();
            return true;
        }
        if seen.historical {
            self.metrics.readings_historical.inc();
        } else if !evaluated {
            self.metrics.readings_late.inc();
        }
        let commit = self.next_commit();
        self.batch.stores(commit, reading, evaluated);
        true
    }

    /// Whether the point already has a reading of this own time. The first committed one stays.
    pub(super) fn came_before(
        &mut self,
        device: DeviceIndex,
        point: PointKey,
        seen: &Seen,
        received: Timestamp,
        now: &Now,
    ) -> bool {
        let first = match self.fresh.get(&(point, seen.observed)) {
            Some(index) => match self.batch.log.get(*index) {
                Some(Logged::Reading(reading, _)) => Some((reading.value.clone(), reading.quality)),
                _ => None,
            },
            None if self
                .ledger
                .last_observed(point)
                .is_none_or(|last| seen.observed > last) =>
            {
                None
            }
            None => match self.ledger.find(point, seen.observed) {
                Ok(found) => found.map(|sample| (sample.value, sample.quality)),
                Err(error) => {
                    tracing::error!(error = %chain(&error), %point, "could not look up an earlier reading; it is stored again");
                    if let Some(piece) = error.damaged_piece() {
                        self.heal(piece);
                    }
                    None
                }
            },
        };
        let said = seen.value.as_ref();
        let first = first.filter(|(value, quality)| !gives_way(value.as_ref(), *quality, said));
        let Some((value, _)) = first else { return false };
        if value == seen.value {
            self.metrics.duplicates.inc();
            let newest = self.engine.latest(point);
            let is_newest = newest.is_some_and(|newest| newest.observed == seen.observed);
            if is_newest && seen.quality.is_good() && !seen.historical {
                self.news(device, received, DeviceNews::Repeats { point }, now);
            }
        } else {
            self.metrics.conflicts.inc();
            let value = seen.value.clone();
            self.news(device, received, DeviceNews::Conflict { point, value }, now);
        }
        true
    }

    pub(super) fn new_point(&mut self, device: DeviceIndex, seen: &Seen, now: &Now) -> Option<PointKey> {
        let key = self.engine.next_point_key();
        let id = self.engine.estate().device(device)?.id.clone();
        let name = point_id(&id, seen.measure.name(), seen.instance.as_deref()).ok()?;
        let definition = PointDef {
            key,
            device: id.clone(),
            measure: seen.measure,
            instance: seen.instance.clone(),
        };
        let input = Input::Point(definition);
        if let Err(refusal) = self.input(now, &input) {
            // The message is acknowledged and this value of it is not stored, so somebody has to be told.
            let facts = vec![("point", name.to_string())];
            let refused = Refused::new(refusal.code(), refusal.to_string(), facts);
            self.metrics
                .messages_rejected
                .with_label_values(&[refused.reason])
                .inc();
            let origin = Origin {
                connection: "gateway",
                from: name.as_str().into(),
                payload: &[],
                bytes: 0,
            };
            self.complaints.refused(&refused, &origin, now);
            return None;
        }
        self.batch.points.push(store::PointRow {
            key,
            id: name,
            device: id,
            measure: seen.measure.name().to_owned(),
            instance: seen.instance.as_deref().map(str::to_owned),
        });
        self.batch.live.push(Live::Point(self.next_commit(), key));
        self.engine
            .point_of(device, seen.measure, seen.instance.as_deref())
    }
}
