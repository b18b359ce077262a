//! Unknown devices in the pipeline: heard or announced, and decided about.
//!
//! A decision is made on a version of the device and checked as a whole before anything changes; accepting one is an edit
//! of the estate. What becomes of its waiting messages is in `replay`.

use super::core::Core;
use super::decision::{Decided, Decision, NewDevice, Replayed, Undecided};
use super::door::{Failed, Idempotency};
use super::understood::{Stranger, Understood};
use super::unknown::{Heard, Outcome};
use crate::field::MqttFrame;
use crate::profiles::ANNOUNCED;
use linli_decode::{Profile, Role};
use linli_domain::command::Actor;
use linli_domain::estate::doc::{AddressDoc, DeviceDoc};
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::id::{DeviceId, ProfileId};
use linli_domain::measure::nearest;
use linli_domain::time::Now;
use linli_ledger::{self as store, UnknownRow};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Longest id made out of a device's key.
const MAX_MADE_ID: usize = 80;
/// Most devices whose keys lead to the same id; the next one needs an id of its own.
const MAX_MADE_IDS: u32 = 10_000;

impl Core {
    /// What a message says of devices that are not in the estate: they spoke, or were announced.
    pub(super) fn unheard_of(&mut self, message: &MqttFrame, understood: &mut Understood, now: &Now) {
        for stranger in understood.everybody().filter_map(|said| said.stranger.as_ref()) {
            self.stranger(message, stranger, now);
        }
        let Some(listed) = understood.listed.take() else {
            return;
        };
        let (connection, family) = (&message.connection, listed.family.name());
        let estate = self.engine.estate();
        for (key, announced) in self.understanding.listed(connection, &listed) {
            if estate.device_by_mqtt(connection, key).is_none() {
                let at = message.received.wall;
                self.unknown.list(connection, family, key, at, &announced);
            }
        }
    }

    /// A message of a device that is not in the estate.
    fn stranger(&mut self, message: &MqttFrame, stranger: &Stranger, now: &Now) {
        let heard = Heard {
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
            at: message.received.wall,
        };
        let (connection, family) = (&message.connection, stranger.family.name());
        let outcome = self.unknown.hear(connection, family, &stranger.key, heard);
        let counted = [outcome.label()];
        self.metrics.onboarding_messages.with_label_values(&counted).inc();
        if outcome == Outcome::First {
            self.complaints.stranger(connection, &stranger.key, now);
            if let Some(announced) = self.understanding.announced(connection, &stranger.key) {
                self.unknown.describe(connection, &stranger.key, &announced);
            }
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

    /// The profile an accepted device will have: one of the catalogue, or what it announced itself.
    fn profile_for(&self, row: &UnknownRow, wanted: &ProfileId) -> Result<Arc<Profile>, Undecided> {
        if wanted.as_str() == ANNOUNCED {
            let announced = self.understanding.announced(&row.connection, &row.key);
            let profile = announced.and_then(|announced| announced.profile.cloned());
            return profile.ok_or_else(|| Undecided::NotAnnounced { key: row.key.clone() });
        }
        let catalogue = self.understanding.catalogue();
        catalogue.get(wanted).ok_or_else(|| {
            let names = catalogue.iter().map(|profile| profile.id().as_str());
            Undecided::UnknownProfile {
                near: nearest(wanted.as_str(), names).map(str::to_owned),
                profile: wanted.to_string(),
            }
        })
    }

    /// The document of an accepted device; whether the estate makes sense with it is found out later.
    fn admit(&self, row: &UnknownRow, new: NewDevice) -> Result<DeviceDoc, Undecided> {
        let profile = self.profile_for(row, &new.profile)?;
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
            health: None,
            fed_by: None,
        })
    }
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
