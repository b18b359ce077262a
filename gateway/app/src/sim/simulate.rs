//! `linli simulate`: a play through the real decoding and pipeline in virtual time, and what became of it.
//!
//! The play and its truth come from a crate that knows no rule; what the gateway did is read from what it committed. People
//! work here too: they take each order, and complete it once all is well where they stand.

use super::judge::{self, Verdict};
use crate::config::Subscription;
use crate::field::Frame;
use crate::ops::rig::{Rig, RigError, Setup, Through};
use linli_decode::modbus::Read;
use linli_decode::{Catalogue, Family, Profile, RegisterData};
use linli_domain::command::{Action, Actor, ActorRole, Command};
use linli_domain::estate::{Estate, EstateDoc, Problem};
use linli_domain::id::{DeviceId, OrderId};
use linli_domain::order::OrderState;
use linli_domain::reading::Reason;
use linli_domain::time::Timestamp;
use linli_ledger::Subject;
use linli_sim::{Event, Image, Play, Timed, Truth};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Families a simulated connection subscribes.
const FAMILIES: [Family; 2] = [Family::ChirpstackV4, Family::Zigbee2mqtt];

/// Why a simulation came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The estate is refused.
    #[error("use the estate: {}", list(.0))]
    Estate(Vec<Problem>),
    /// It is not an estate file.
    #[error("read the estate")]
    Unreadable(#[from] toml::de::Error),
    /// The bench.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// A file or folder.
    #[error("write {what}")]
    Write {
        /// What was written.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is simulated.
pub struct Simulation {
    /// The play; its plan is the estate.
    pub play: Play,
    /// The profiles.
    pub catalogue: Catalogue,
    /// The estate as the gateway has it: that of the plan, under its own rules or others.
    pub document: EstateDoc,
}

/// What became of a play.
#[derive(Debug, Clone, Serialize)]
pub struct Simulated {
    /// What went through.
    pub through: Through,
    /// Virtual seconds.
    pub seconds: u64,
    /// Orders that were closed on the evidence of their sensors.
    pub orders_closed: u64,
    /// Orders still open at the end.
    pub orders_open: u64,
    /// What happened.
    #[serde(skip)]
    pub truth: Truth,
    /// What the gateway did, compared with it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Plays and judges, with a ledger in a temporary folder. `progress` is told how much of the play is over, 0 to 1.
pub fn simulate(simulation: Simulation, progress: &mut dyn FnMut(f64)) -> Result<Simulated, SimulateError> {
    let folder = tempfile::tempdir().map_err(|source| SimulateError::Write {
        what: "a temporary folder".into(),
        source,
    })?;
    simulate_in(folder.path(), simulation, progress)
}

/// The same, with the ledger in `folder`, where it stays.
pub fn simulate_in(
    folder: &Path,
    simulation: Simulation,
    progress: &mut dyn FnMut(f64),
) -> Result<Simulated, SimulateError> {
    let document = Arc::new(simulation.document);
    Estate::resolve(Arc::clone(&document)).map_err(SimulateError::Estate)?;
    let mut play = simulation.play;
    let slaves = slaves(&document, &simulation.catalogue);
    let mut rig = Rig::new(Setup {
        folder,
        subscriptions: subscriptions(&document),
        estate: document,
        catalogue: simulation.catalogue,
        begins: Timestamp::from_millis(linli_sim::BEGINS_MS),
        known: Vec::new(),
    })?;
    let mut staff = Staff::default();
    let span = since_beginning(play.ends_ms());
    let mut shown = Duration::ZERO;
    while let Some(timed) = play.next() {
        let at = since_beginning(timed.at_ms);
        staff.work(&mut rig, &play, at)?;
        rig.advance(at)?;
        happens(&mut rig, &slaves, timed)?;
        if at >= shown {
            progress(at.as_secs_f64() / span.as_secs_f64());
            shown = at + span / 50;
        }
    }
    staff.work(&mut rig, &play, span)?;
    rig.advance(span)?;
    rig.commit()?;
    progress(1.0);
    let truth = play.truth();
    let verdict = judge::judge(&truth, rig.core.engine.estate(), &rig.history);
    let closed =
        |told: &&crate::ops::rig::Told| matches!(told.subject, Subject::Order(_)) && told.to == "closed";
    let open = rig
        .core
        .engine
        .orders()
        .filter(|order| !order.state.is_terminal())
        .count();
    Ok(Simulated {
        through: rig.through,
        seconds: span.as_secs(),
        orders_closed: rig.history.iter().filter(closed).count() as u64,
        orders_open: open as u64,
        truth,
        verdict,
    })
}

fn since_beginning(at_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms - linli_sim::BEGINS_MS).unwrap_or(0))
}

/// What the connections of an estate subscribe in a simulation.
pub fn subscriptions(document: &EstateDoc) -> Vec<(Arc<str>, Vec<Subscription>)> {
    let mut all: BTreeMap<Arc<str>, Vec<Subscription>> = BTreeMap::new();
    let named = document
        .devices
        .iter()
        .filter_map(|device| device.address.as_ref()?.mqtt.as_deref());
    for connection in named {
        all.entry(connection.into()).or_insert_with(|| {
            let families = FAMILIES.into_iter();
            families
                .filter_map(|family| Some(Subscription::new(family, family.default_pattern()?.parse().ok()?)))
                .collect()
        });
    }
    all.into_iter().collect()
}

/// The slaves of an estate with their profiles, by device id.
pub(super) type Slaves = BTreeMap<String, (DeviceId, Arc<Profile>)>;

pub(super) fn slaves(document: &EstateDoc, catalogue: &Catalogue) -> Slaves {
    let wired = document
        .devices
        .iter()
        .filter(|device| device.address.as_ref().is_some_and(|a| a.bus.is_some()));
    wired
        .filter_map(|device| {
            Some((
                device.id.to_string(),
                (device.id.clone(), catalogue.get(&device.profile)?),
            ))
        })
        .collect()
}

/// What a slave is asked each time. The settings of a node are read once an hour and are no readings.
pub(super) fn reads(profile: &Profile) -> Vec<Read> {
    let Some(map) = profile.modbus() else {
        return Vec::new();
    };
    map.plan()
        .reads
        .iter()
        .filter(|read| map.period(read).is_none())
        .cloned()
        .collect()
}

pub(super) fn words(image: &Image, read: &Read) -> Option<Vec<u16>> {
    image.answer(read.request.function, read.request.start, read.request.count)
}

fn happens(rig: &mut Rig, slaves: &Slaves, timed: Timed) -> Result<(), RigError> {
    match timed.event {
        Event::Clock { offset_ms } => rig.set_wall(offset_ms),
        Event::Connection { connection, up } => rig.connection(&connection, up)?,
        Event::Message {
            connection,
            topic,
            payload,
            packet,
            duplicate,
        } => {
            let mut message = rig.message(&connection, &topic, payload.as_bytes());
            message.packet = Some(packet);
            message.duplicate = duplicate;
            rig.take(Frame::Mqtt(message))?;
        }
        Event::Poll { device, image } => {
            let Some((device, profile)) = slaves.get(device.as_str()).cloned() else {
                return Ok(());
            };
            for read in reads(&profile) {
                let answer = match &image {
                    None => Err(Reason::CommTimeout),
                    Some(image) => words(image, &read)
                        .map(RegisterData::Words)
                        .ok_or(Reason::IllegalAddress),
                };
                let frame = rig.answer(device.clone(), Arc::clone(&profile), read, answer);
                rig.take(Frame::Modbus(frame))?;
            }
        }
    }
    Ok(())
}

/// The people: whoever has an order looks at it again and again until it is closed.
#[derive(Default)]
struct Staff {
    looks: BTreeMap<(Duration, u64), OrderId>,
    seen: usize,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Staff {
    /// Does everything that is due by `until`.
    fn work(&mut self, rig: &mut Rig, play: &Play, until: Duration) -> Result<(), RigError> {
        loop {
            for told in rig.history.get(self.seen..).unwrap_or_default() {
                if let (Subject::Order(order), "none") = (told.subject, told.from.as_str()) {
                    self.looks.insert((told.at + 3 * MINUTE, order.0), order);
                }
            }
            self.seen = rig.history.len();
            let Some(entry) = self.looks.first_entry().filter(|entry| entry.key().0 <= until) else {
                return Ok(());
            };
            let ((at, _), order) = entry.remove_entry();
            // On the way there more orders may be opened, but none that is looked at before this one.
            rig.advance(at)?;
            if let Some(next) = act(rig, play, order)? {
                self.looks.insert((at + next, order.0), order);
            }
        }
    }
}

/// Does the next thing about an order; when to look again.
fn act(rig: &mut Rig, play: &Play, order: OrderId) -> Result<Option<Duration>, RigError> {
    let Some(known) = rig.core.engine.order(order).cloned() else {
        return Ok(None);
    };
    let version = known.version;
    let now_ms = linli_sim::BEGINS_MS + i64::try_from(rig.elapsed().as_millis()).unwrap_or(0);
    let (action, next) = match known.state {
        OrderState::Dispatched => (Action::Accept { order, version }, 3 * MINUTE),
        OrderState::Accepted => (Action::Start { order, version }, 5 * MINUTE),
        OrderState::InProgress if known.assets().all(|asset| play.is_well(asset.as_str(), now_ms)) => {
            let note = Some("已处理,现场已清理".to_owned());
            (Action::Complete { order, version, note }, 30 * MINUTE)
        }
        OrderState::InProgress => return Ok(Some(10 * MINUTE)),
        OrderState::PendingVerification(_) => return Ok(Some(30 * MINUTE)),
        _ => return Ok(None),
    };
    let actor = Actor {
        token: "staff".into(),
        name: "staff".into(),
        role: ActorRole::Staff,
    };
    if let Err(refusal) = rig.command(Command { actor, action })? {
        tracing::debug!(%refusal, %order, "the simulated staff was refused; it looks again");
    }
    Ok(Some(next))
}
