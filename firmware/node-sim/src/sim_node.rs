//! One simulated node: the real node, the world around it, its fault, and a flash in memory.
//!
//! Not responsible for: frames; see `session`. The speed of the line is not simulated: a node answers at any.

use std::time::Duration;

use linli_modbus_slave::{Audience, rtu};
use linli_node::{
    Baseline, Identity, Kept, Line, ResetCause, Samples, Settings, Start, State, Station, Store,
};
use linli_registers::Kind;
use linli_update::{Area, Firmware, TEST_PUBLIC_KEY};

use crate::Fault;
use crate::flash::{MemoryFlash, PAGE_BYTES};
use crate::reaction::{self, Reaction};
use crate::world::{EMPTY_BAY, World};

/// The board a simulated node says it is.
pub const BOARD: [u8; 8] = *b"node-sim";
/// Two pages of settings, one for the journal of an update, the rest for its image.
const JOURNAL: u32 = 2 * PAGE_BYTES;
const SLOT: core::ops::Range<u32> = 3 * PAGE_BYTES..35 * PAGE_BYTES;

pub(crate) struct SimNode {
    station: Station<MemoryFlash>,
    kind: Kind,
    now_ms: u32,
    pub(crate) world: World,
    pub(crate) fault: Fault,
}

impl SimNode {
    /// A node with these settings on a quiet day, installed: its empty bay is learned.
    pub(crate) fn new(settings: Settings) -> SimNode {
        let kind = settings.kind();
        let kept = Kept {
            settings,
            baseline: (kind == Kind::Parking).then(|| Baseline::learned(EMPTY_BAY)),
        };
        let mut flash = MemoryFlash::new(SLOT.end);
        let mut store = Store::open(&mut flash, 0, kind).store;
        // Memory does not fail; were it to, the node would start from the factory and say so.
        let _ = store.save(&mut flash, &kept);
        SimNode {
            station: Station::start(flash, &start(kind, Identity::THIS, ResetCause::PowerOn)),
            kind,
            now_ms: 0,
            world: World::quiet(settings.unit()),
            fault: Fault::None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn state(&self) -> State {
        self.station.node().state()
    }

    /// Where it can be reached now; a master may have moved it.
    pub(crate) fn line(&self) -> Line {
        self.station.line()
    }

    /// Takes a sample, and does what was put off. The counter wraps as a board's does.
    pub(crate) fn step(&mut self, now: Duration) {
        self.now_ms = now.as_millis() as u32;
        let samples: Samples = match self.fault {
            Fault::SensorLost => World::blind(),
            _ => self.world.sample(self.kind),
        };
        self.station.sample(self.now_ms, &samples);
        self.station.work(self.now_ms);
        if self.station.wants_restart() {
            self.restart();
        }
    }

    /// Starts the firmware that was received; the program is the same, its version is the new one.
    fn restart(&mut self) {
        let version = self.station.update_version();
        let identity = Identity {
            version,
            ..Identity::THIS
        };
        let start = start(self.kind, identity, ResetCause::Software);
        let flash = self.station.flash().clone();
        self.station = Station::start(flash, &start);
    }

    pub(crate) fn hear_noise(&mut self, noise: rtu::Noise) {
        self.station.hear_noise(noise);
    }

    pub(crate) fn ask(&mut self, request: &[u8], audience: Audience) -> Reaction {
        let fault = self.fault;
        reaction::to(fault, request, audience, || {
            let answer = self.station.ask(self.now_ms, request, audience);
            self.station.sent(self.now_ms);
            answer
        })
    }
}

fn start(kind: Kind, identity: Identity, cause: ResetCause) -> Start {
    Start {
        kind,
        identity,
        cause,
        rescue: false,
        silence_ms: 0,
        settings_at: 0,
        firmware: Firmware {
            kind: kind as u8,
            version: identity.version,
            board: BOARD,
            key: TEST_PUBLIC_KEY,
        },
        update: Some(Area {
            journal: JOURNAL,
            slot: SLOT,
        }),
    }
}
