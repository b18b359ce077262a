//! The play: what devices say, when it reaches the gateway, and when that first shows what happened.
//!
//! An iterator of events in the order of their true times. What the broker kept while it could not be reached comes in
//! order when it is back, after a few messages it is not sure about, which come again.

use crate::BEGINS_MS;
use crate::plan::{Address, Plan};
use crate::says;
use crate::script::{self, FaultKind, SHORTEST_MS};
use crate::truth::{Kind, Truth};
use crate::world::{COOLING_MS, DRIP_MS, World};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// A slave is asked so often.
const POLL_MS: i64 = 30_000;
/// Messages that a broker repeats after a loss because it never saw their acknowledgement.
const UNSURE: usize = 3;
/// What was kept comes so close together.
const BURST_MS: i64 = 2;
/// A burning bin reports so often.
const HOT_MS: i64 = 30_000;

/// Why a play cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// There is no room for faults and for noticing them.
    #[error("a play takes at least {} h: some faults are only noticed after hours", SHORTEST_MS / 3_600_000)]
    TooShort,
}

/// Something that reaches the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message on a broker.
    Message {
        /// Name of the connection.
        connection: String,
        /// Topic.
        topic: String,
        /// Payload.
        payload: String,
        /// Packet id on the connection.
        packet: u16,
        /// Whether the broker says that it may have sent it before.
        duplicate: bool,
    },
    /// It is the turn of a slave.
    Poll {
        /// The device's id.
        device: String,
        /// What it answers with; none when it does not answer.
        image: Option<Image>,
    },
    /// A connection to a broker is lost, or back.
    Connection {
        /// Name of the connection.
        connection: String,
        /// Whether it is there.
        up: bool,
    },
    /// The gateway's wall clock is set to the true time plus so much.
    Clock {
        /// Milliseconds.
        offset_ms: i64,
    },
}

/// What a slave holds: its input registers from address 0x20 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The words.
    pub inputs_from_0x20: Vec<u16>,
}

impl Image {
    /// The words of a request, when the slave has all of them.
    pub fn answer(&self, function: u8, start: u16, count: u16) -> Option<Vec<u16>> {
        let first = usize::from(start.checked_sub(0x20)?);
        let words = self.inputs_from_0x20.get(first..first + usize::from(count))?;
        (function == 4).then(|| words.to_vec())
    }
}

/// An event and its true time in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    /// When.
    pub at_ms: i64,
    /// What.
    pub event: Event,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Clock(i64),
    Down,
    Up,
    Deliver(Said),
    Poll(usize),
    Speak(usize),
    Edge(usize),
}

/// A message with the moment it shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    device: usize,
    shown: i64,
    topic: String,
    payload: String,
    packet: u16,
    duplicate: bool,
}

/// The play.
#[derive(Debug)]
pub struct Play {
    plan: Plan,
    world: World,
    seed: u64,
    ends: i64,
    impossible: Vec<&'static str>,
    due: BinaryHeap<Reverse<(i64, u64, Wake)>>,
    order: u64,
    counters: Vec<u32>,
    packet: u16,
    down: bool,
    /// What the broker keeps; bounded by what an estate says in a quarter of an hour.
    kept: Vec<Said>,
    recent: VecDeque<Said>,
    /// Until then the broker is busy with what it kept.
    drained: i64,
}

impl Play {
    /// A play of `span` with these faults. The same arguments give the same play.
    pub fn new(plan: Plan, faults: &[FaultKind], seed: u64, span: Duration) -> Result<Self, PlayError> {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4);
        if span < SHORTEST_MS {
            return Err(PlayError::TooShort);
        }
        let ends = BEGINS_MS.saturating_add(span);
        let (happenings, impossible) = script::write(&plan, faults, seed, BEGINS_MS, ends);
        let world = World::new(&plan, happenings, seed);
        let mut play = Self {
            counters: vec![0; plan.devices.len()],
            plan,
            world,
            seed,
            ends,
            impossible,
            due: BinaryHeap::new(),
            order: 0,
            packet: 0,
            down: false,
            kept: Vec::new(),
            recent: VecDeque::new(),
            drained: 0,
        };
        play.begin();
        Ok(play)
    }

    /// The estate that is played.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When the play ends, in milliseconds since 1970.
    pub fn ends_ms(&self) -> i64 {
        self.ends
    }

    /// The truth so far; whole once the play is over.
    pub fn truth(&self) -> Truth {
        Truth {
            seed: self.seed,
            estate: self.plan.id.clone(),
            from: BEGINS_MS,
            to: self.ends,
            happenings: self.world.happenings.clone(),
            impossible: self.impossible.clone(),
            not_simulated: self.plan.not_simulated.clone(),
        }
    }

    /// Whether all is well at an asset, for somebody who stands there: no water, no fire, no waste, no vehicle, and its
    /// devices work.
    pub fn is_well(&self, asset: &str, at: i64) -> bool {
        !self
            .world
            .happenings
            .iter()
            .any(|h| h.asset.as_deref() == Some(asset) && (h.from..h.to).contains(&at))
    }

    fn at(&mut self, at: i64, wake: Wake) {
        self.order += 1;
        if at < self.ends {
            self.due.push(Reverse((at, self.order, wake)));
        }
    }

    fn begin(&mut self) {
        for n in 0..self.plan.devices.len() {
            let Some(device) = self.plan.devices.get(n) else {
                continue;
            };
            let wired = matches!(device.address, Address::Bus { .. });
            let (interval, asset) = (device.interval_ms, device.asset);
            let spread = i64::try_from(n).unwrap_or(0).wrapping_mul(7_919);
            // Everybody has spoken within the first ten minutes, then each at its own pace.
            let first = BEGINS_MS + 1_000 + spread.rem_euclid(interval.min(600_000));
            if wired {
                self.at(BEGINS_MS + spread.rem_euclid(POLL_MS), Wake::Poll(n));
                continue;
            }
            self.at(first, Wake::Speak(n));
            let about: Vec<_> = self
                .world
                .about_asset(asset)
                .filter_map(|n| self.world.happenings.get(n).map(|h| (h.kind, h.from, h.to)))
                .collect();
            for (kind, from, to) in about {
                for edge in self.edges(n, kind, from, to) {
                    self.at(edge, Wake::Edge(n));
                }
            }
        }
        let around: Vec<_> = self
            .world
            .happenings
            .iter()
            .map(|h| (h.kind, h.from, h.to, h.offset_ms))
            .collect();
        for (kind, from, to, offset_ms) in around {
            match kind {
                Kind::Clock => {
                    self.at(from, Wake::Clock(offset_ms.unwrap_or(0)));
                    self.at(to, Wake::Clock(0));
                }
                Kind::Broker => {
                    self.at(from, Wake::Down);
                    self.at(to, Wake::Up);
                }
                _ => {}
            }
        }
    }

    /// When a device speaks because of what happens.
    fn edges(&self, n: usize, kind: Kind, from: i64, to: i64) -> Vec<i64> {
        let hot = self
            .plan
            .devices
            .get(n)
            .is_some_and(|device| device.make.feels_heat());
        let step =
            |from: i64, to: i64, by: i64| (0..).map(move |k| from + k * by).take_while(move |at| *at < to);
        match kind {
            Kind::Water | Kind::Vehicle => vec![from, to],
            Kind::Drip => step(from, to, DRIP_MS.1)
                .flat_map(|wet| [wet, wet + DRIP_MS.0])
                .chain([to])
                .collect(),
            Kind::Heat if hot => step(from, to + COOLING_MS, HOT_MS).collect(),
            _ => Vec::new(),
        }
    }

    /// A message goes out to the broker, which passes it on, now or later.
    fn publish(&mut self, n: usize, at: i64) -> Option<Timed> {
        if self.world.is_dead(n, at) {
            return None;
        }
        let shown = self.world.shown(n, at);
        let counter = self.counters.get_mut(n)?;
        *counter += 1;
        let (topic, payload) = says::message(&self.plan, &self.world, n, *counter, shown, at)?;
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        let said = Said {
            device: n,
            shown,
            topic,
            payload,
            packet: self.packet,
            duplicate: false,
        };
        if self.down {
            self.kept.push(said);
            return None;
        }
        if at < self.drained {
            let then = self.drained;
            self.drained += BURST_MS;
            self.at(then, Wake::Deliver(said));
            return None;
        }
        Some(self.deliver(said, at))
    }

    fn deliver(&mut self, said: Said, at: i64) -> Timed {
        if !said.duplicate {
            self.hear(said.device, said.shown, at);
            self.recent.push_back(said.clone());
            if self.recent.len() > UNSURE {
                self.recent.pop_front();
            }
        }
        let connection = match self.plan.devices.get(said.device).map(|device| &device.address) {
            Some(Address::Mqtt { connection, .. }) => connection.clone(),
            _ => String::new(),
        };
        let Said {
            topic,
            payload,
            packet,
            duplicate,
            ..
        } = said;
        Timed {
            at_ms: at,
            event: Event::Message {
                connection,
                topic,
                payload,
                packet,
                duplicate,
            },
        }
    }

    fn is_back(&mut self, at: i64) {
        self.down = false;
        let again: Vec<Said> = self
            .recent
            .drain(..)
            .map(|said| Said {
                duplicate: true,
                ..said
            })
            .collect();
        let kept = std::mem::take(&mut self.kept);
        let mut then = at + BURST_MS;
        for said in again.into_iter().chain(kept) {
            self.at(then, Wake::Deliver(said));
            then += BURST_MS;
        }
        self.drained = then;
    }

    /// Notes what a message that shows the moment `shown` tells, as of when it is told.
    fn hear(&mut self, n: usize, shown: i64, at: i64) {
        let Some(device) = self.plan.devices.get(n) else {
            return;
        };
        let (make, asset) = (device.make, device.asset);
        let wet = self.world.is_wet(asset, shown);
        for index in self.world.about_asset(asset).collect::<Vec<_>>() {
            let Some(h) = self.world.happenings.get_mut(index) else {
                continue;
            };
            let during = (h.certain..h.to).contains(&shown);
            let shows = match h.kind {
                Kind::Drip => during && wet,
                Kind::Heat => during && make.feels_heat(),
                Kind::Water | Kind::Vehicle | Kind::Waste => during,
                _ => false,
            };
            if shows {
                h.heard.get_or_insert(at);
            } else if shown >= h.to && h.heard.is_some() {
                h.heard_over.get_or_insert(at);
            }
        }
        for index in self.world.about_device(n).collect::<Vec<_>>() {
            let Some(h) = self.world.happenings.get_mut(index) else {
                continue;
            };
            match h.kind {
                Kind::Dead if at < h.from => h.heard = Some(at),
                Kind::Frozen if (h.from..h.to).contains(&at) => drop(h.heard.get_or_insert(at)),
                _ if at >= h.to => drop(h.heard_over.get_or_insert(at)),
                _ => {}
            }
        }
    }

    fn poll(&mut self, n: usize, at: i64) -> Option<Timed> {
        self.at(at + POLL_MS, Wake::Poll(n));
        let shown = self.world.shown(n, at);
        let image = (!self.world.is_dead(n, at))
            .then(|| says::registers(&self.plan, &self.world, n, shown))
            .flatten();
        if image.is_some() {
            self.hear(n, shown, at);
        }
        let device = self.plan.devices.get(n)?.id.clone();
        Some(Timed {
            at_ms: at,
            event: Event::Poll { device, image },
        })
    }

    fn connection(&self, up: bool) -> Event {
        let connection = self.plan.devices.iter().find_map(|device| match &device.address {
            Address::Mqtt { connection, .. } => Some(connection.clone()),
            Address::Bus { .. } => None,
        });
        Event::Connection {
            connection: connection.unwrap_or_default(),
            up,
        }
    }
}

impl Iterator for Play {
    type Item = Timed;

    fn next(&mut self) -> Option<Timed> {
        loop {
            let Reverse((at, _, wake)) = self.due.pop()?;
            let happens = match wake {
                Wake::Clock(offset_ms) => Some(Timed {
                    at_ms: at,
                    event: Event::Clock { offset_ms },
                }),
                Wake::Down => {
                    self.down = true;
                    Some(Timed {
                        at_ms: at,
                        event: self.connection(false),
                    })
                }
                Wake::Up => {
                    self.is_back(at);
                    Some(Timed {
                        at_ms: at,
                        event: self.connection(true),
                    })
                }
                Wake::Deliver(said) => Some(self.deliver(said, at)),
                Wake::Poll(n) => self.poll(n, at),
                Wake::Edge(n) => self.publish(n, at),
                Wake::Speak(n) => {
                    let interval = self
                        .plan
                        .devices
                        .get(n)
                        .map_or(i64::MAX / 4, |device| device.interval_ms);
                    self.at(at + interval, Wake::Speak(n));
                    self.publish(n, at)
                }
            };
            if happens.is_some() {
                return happens;
            }
        }
    }
}
