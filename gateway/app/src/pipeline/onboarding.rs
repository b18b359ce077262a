//! Unknown devices in the pipeline: heard, decided about, and replayed once they are in the estate.
//!
//! Accepting a device is an edit of the estate and the replay of its waiting messages, in one transaction. The messages
//! are decoded as if they came now, in their order and with their own times of receipt; a message that came before is
//! recognised as ever. What they say becomes history, except for the newest value of each point: it is the present
//! state of the device as far as anybody knows, so it alone is evaluated, now. A leak that was wet and is dry again
//! calls nobody; one that is still wet does, after its on-delay, and opens its order. A newest value that is older than
//! the silence allowed to the device is no present state any more and stays history.
//!
//! The same happens to waiting messages when an imported estate brings their device.

use super::core::Core;
use super::door::{Failed, Idempotency};
use super::understand::{Seen, Stranger, Understood};
use super::unknown::{Heard, Outcome};
use crate::field::{Done, Frame, MqttFrame};
use linli_decode::Role;
use linli_domain::command::Actor;
use linli_domain::estate::doc::{AddressDoc, DeviceDoc, PointDoc};
use linli_domain::estate::{DeviceIndex, Estate, EstateDoc};
use linli_domain::id::{AssetId, DeviceId, ProfileId};
use linli_domain::measure::{Measure, nearest};
use linli_domain::text::Text;
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{self as store, UnknownPayload, UnknownRow};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest id made out of a device's key.
const MAX_MADE_ID: usize = 80;
/// Most devices whose keys lead to the same id; the next one needs an id of its own.
const MAX_MADE_IDS: u32 = 10_000;

/// What a person decides about an unknown device.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is ours: this is what it is.
    Accept(Box<NewDevice>),
    /// It is not ours: count its messages and keep none, for good.
    Ignore,
    /// Forget what was heard and decided; it appears again when it speaks.
    Forget,
}

impl Decision {
    /// A name for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept(_) => "device.accept",
            Self::Ignore => "device.ignore",
            Self::Forget => "device.forget",
        }
    }
}

/// A device of the estate, without its address.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDevice {
    /// How it speaks.
    pub profile: ProfileId,
    /// Its id; made out of its key when not given.
    pub id: Option<DeviceId>,
    /// Its name.
    pub name: Text,
    /// The asset its points watch.
    pub asset: Option<AssetId>,
    /// What it is used as.
    pub role: Option<String>,
    /// Points that watch another asset.
    pub points: Vec<PointDoc>,
    /// How often it reports when all is well.
    pub expected_interval: Option<Duration>,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Number of the unknown device.
    pub id: i64,
    /// Its version; that of the last state when it is gone.
    pub version: u32,
    /// The device of the estate it has become.
    pub device: Option<DeviceId>,
    /// The version of the estate that has it.
    pub estate_version: Option<u32>,
    /// What became of its waiting messages.
    pub replayed: Replayed,
}

/// What became of waiting messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Messages that waited.
    pub messages: usize,
    /// Readings stored of them.
    pub readings: usize,
    /// Messages that could not be used; they are among the rejects.
    pub refused: usize,
    /// Newest values that were too old to be evaluated.
    pub stale: usize,
}

/// Why nothing was decided. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// There is no such device.
    #[error("there is no unknown device {id}; it may have been accepted or displaced, list them again")]
    Gone {
        /// Its number.
        id: i64,
    },
    /// Somebody else decided in the meantime.
    #[error("the unknown device {id} is at version {current}; look again, then decide")]
    Version {
        /// Its number.
        id: i64,
        /// Its version now.
        current: u32,
    },
    /// Too many are ignored.
    #[error("{limit} devices are ignored already; forget one first, or subscribe to fewer topics")]
    TooManyIgnored {
        /// The limit.
        limit: usize,
    },
    /// The catalogue has no such profile.
    #[error("the catalogue has no profile {profile:?}{}", near.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    UnknownProfile {
        /// What was asked for.
        profile: String,
        /// The nearest there is.
        near: Option<String>,
    },
    /// The profile is not for this use.
    #[error("the profile does not know the role {role:?}; it has {known}")]
    Role {
        /// What was asked for.
        role: String,
        /// What there is.
        known: String,
    },
    /// No id could be made out of its key.
    #[error("no free id could be made out of its key; give it one")]
    NeedsId,
}

/// A value of a waiting message.
struct Waiting {
    device: DeviceIndex,
    received: Timestamp,
    seen: Seen,
}

impl Core {
    /// A message of a device that is not in the estate.
    pub(super) fn stranger(&mut self, message: &MqttFrame, stranger: &Stranger, now: &Now) {
        let heard = Heard {
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
            at: message.received.wall,
        };
        let family = stranger.family.name();
        let outcome = self
            .unknown
            .hear(&message.connection, family, &stranger.key, heard);
        let counted = [outcome.label()];
        self.metrics.onboarding_messages.with_label_values(&counted).inc();
        if outcome == Outcome::First {
            self.complaints.stranger(&message.connection, &stranger.key, now);
        }
    }

    /// Does what a person decided; the answer follows the commit.
    pub(super) fn decide(
        &mut self,
        (id, version, decision): (i64, u32, Decision),
        actor: &Actor,
        idempotency: Option<Idempotency>,
        reply: oneshot::Sender<Result<Decided, Failed>>,
        now: &Now,
    ) {
        let name = decision.name();
        let decided = self.decided(id, version, decision, actor, now);
        let outcome = if decided.is_ok() { "done" } else { "refused" };
        self.metrics.commands.with_label_values(&[name, outcome]).inc();
        match decided {
            Err(failed) => drop(reply.send(Err(failed))),
            Ok(decided) => {
                let answer = serde_json::to_vec(&decided).unwrap_or_default();
                self.keep_answer(idempotency, answer, now);
                self.batch.answers.push(Box::new(move |result| {
                    let _ = reply.send(result.map(|_| decided));
                }));
            }
        }
    }

    fn decided(
        &mut self,
        id: i64,
        version: u32,
        decision: Decision,
        actor: &Actor,
        now: &Now,
    ) -> Result<Decided, Failed> {
        let row = self.unknown.get(id).cloned().ok_or(Undecided::Gone { id })?;
        if row.version != version {
            let current = row.version;
            return Err(Undecided::Version { id, current }.into());
        }
        let mut decided = Decided {
            id,
            version,
            device: None,
            estate_version: None,
            replayed: Replayed::default(),
        };
        let (action, subject, detail) = match decision {
            Decision::Ignore => {
                if !self.unknown.can_ignore() {
                    let limit = super::unknown::MAX_IGNORED;
                    return Err(Undecided::TooManyIgnored { limit }.into());
                }
                decided.version = self.unknown.ignore(id).unwrap_or(version);
                ("device.ignored", row.key.clone(), row.connection)
            }
            Decision::Forget => {
                let _ = self.unknown.take(id);
                ("device.forgotten", row.key.clone(), row.connection)
            }
            Decision::Accept(device) => {
                let profile = device.profile.clone();
                let device = self.admit(&row, *device)?;
                let id = device.id.clone();
                let mut document = EstateDoc::clone(self.engine.estate().doc());
                document.devices.push(device);
                self.adopt(Arc::new(document), &actor.name, now)?;
                decided.replayed = self.welcome(now);
                decided.estate_version = Some(self.estate_version);
                decided.device = Some(id.clone());
                let detail = format!(
                    "{} {} as {profile}; {} messages replayed",
                    row.connection, row.key, decided.replayed.messages
                );
                ("device.accepted", id.to_string(), detail)
            }
        };
        self.batch.at(*now);
        self.batch.audit.push(store::AuditRow {
            at: now.wall,
            actor: actor.name.to_string(),
            action: action.into(),
            subject,
            detail,
        });
        Ok(decided)
    }

    /// The document of an accepted device; whether the estate makes sense with it is found out later.
    fn admit(&self, row: &UnknownRow, new: NewDevice) -> Result<DeviceDoc, Undecided> {
        let catalogue = self.understanding.catalogue();
        let profile = catalogue.get(&new.profile).ok_or_else(|| {
            let names = catalogue.iter().map(|profile| profile.id().as_str());
            Undecided::UnknownProfile {
                near: nearest(new.profile.as_str(), names).map(str::to_owned),
                profile: new.profile.to_string(),
            }
        })?;
        if let Some(role) = &new.role {
            let (known, all) = (Role::from_name(role), profile.roles());
            let fits = known.is_some_and(|role| all.is_empty() || all.contains(&role));
            if !fits {
                let names = Role::NAMES
                    .iter()
                    .filter(|(role, _)| all.is_empty() || all.contains(role));
                return Err(Undecided::Role {
                    role: role.clone(),
                    known: names.map(|(_, name)| *name).collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(DeviceDoc {
            id: match new.id {
                Some(id) => id,
                None => made_id(&row.key, self.engine.estate()).ok_or(Undecided::NeedsId)?,
            },
            profile: new.profile,
            name: new.name,
            address: Some(AddressDoc {
                mqtt: Some(row.connection.clone()),
                key: Some(row.key.clone()),
                ..AddressDoc::default()
            }),
            asset: new.asset,
            points: new.points,
            expected_interval: new.expected_interval,
            role: new.role,
        })
    }

    /// Replays what waits for devices the estate has now.
    pub(super) fn welcome(&mut self, now: &Now) -> Replayed {
        let estate = Arc::clone(self.engine.estate());
        let mut all = Replayed::default();
        for id in self
            .unknown
            .among(|connection, key| estate.device_by_mqtt(connection, key).is_some())
        {
            if let Some((row, kept)) = self.unknown.take(id) {
                self.replay(&row, kept, now, &mut all);
            }
        }
        self.metrics.onboarding_replayed.inc_by(all.messages as u64);
        all
    }

    fn replay(&mut self, row: &UnknownRow, kept: Vec<UnknownPayload>, now: &Now, all: &mut Replayed) {
        let connection: Arc<str> = row.connection.as_str().into();
        let (mut waiting, mut understood) = (Vec::new(), Understood::default());
        all.messages += kept.len();
        for message in kept {
            let received = message.at;
            let frame = self.frame_of(&connection, message, now);
            understood.clear();
            match self.understand(&frame, &mut understood) {
                Ok(true) => {
                    let device = understood.device;
                    waiting.extend(understood.seen.drain(..).filter_map(|seen| {
                        Some(Waiting {
                            device: device?,
                            received,
                            seen,
                        })
                    }));
                }
                Ok(false) => self.metrics.duplicates.inc(),
                Err(refused) => {
                    all.refused += 1;
                    self.refuse(&frame, &refused, now);
                }
            }
        }
        all.stale += only_the_newest(&mut waiting, self.engine.estate(), now.wall);
        let before = self.batch.readings;
        for Waiting {
            device,
            received,
            seen,
        } in waiting
        {
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
            done: Done::Nothing,
        })
    }
}

/// Makes everything history but the newest value of each point; that, too, when it is older than the silence allowed to
/// its device. Returns how many were.
fn only_the_newest(waiting: &mut [Waiting], estate: &Estate, now: Timestamp) -> usize {
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
    for (n, Waiting { device, seen, .. }) in waiting.iter_mut().enumerate() {
        if newest.get(&(seen.measure, seen.instance.clone())) != Some(&n) {
            seen.historical = true;
        } else if let Some(device) = estate.device(*device)
            && now.since(seen.observed) > device.silence_limit
        {
            seen.historical = true;
            stale += 1;
        }
    }
    stale
}

/// An id that is free in the estate, as much like the key as an id can be.
fn made_id(key: &str, estate: &Estate) -> Option<DeviceId> {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let mut text: String = key.chars().map(plain).take(MAX_MADE_ID).collect();
    text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    if text.is_empty() {
        text.push_str("device");
    }
    let numbered = (2..MAX_MADE_IDS).map(|n| format!("{text}-{n}"));
    std::iter::once(text.clone())
        .chain(numbered)
        .filter_map(|text| DeviceId::new(&text).ok())
        .find(|id| estate.device_by_id(id).is_none())
}
