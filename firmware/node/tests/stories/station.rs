//! The whole of a node: what a power cut leaves of its settings, how it cannot be lost on its bus, and how new
//! firmware reaches it through its registers.

use linli_modbus_slave::rtu::{self, checksum};
use linli_node::{
    Baseline, Identity, Kept, Line, Opened, ResetCause, SAMPLE_PERIOD_MS, Samples, Settings, Start, Station,
    Store,
};
use linli_registers::meaning::{fault, update};
use linli_registers::{BLOCK_BYTES, Kind, address};
use linli_update::{Area, Firmware, TEST_PUBLIC_KEY};
use proptest::prelude::*;

use crate::ramflash::RamFlash;

type Flash = RamFlash<512, 8>;

pub(crate) fn start(kind: Kind) -> Start {
    Start {
        kind,
        identity: Identity::THIS,
        cause: ResetCause::PowerOn,
        rescue: false,
        silence_ms: 5,
        settings_at: 0,
        firmware: Firmware {
            kind: kind as u8,
            version: Identity::THIS.version,
            board: *b"testbrd\0",
            key: TEST_PUBLIC_KEY,
        },
        update: Some(Area {
            journal: 1_024,
            slot: 2_048..4_096,
        }),
    }
}

/// A node on its bus. Everything it does takes a millisecond.
struct Bus {
    station: Station<Flash>,
    now_ms: u32,
    start: Start,
}

impl Bus {
    fn new(kind: Kind) -> Bus {
        Bus::with(Flash::new(4_096), start(kind))
    }

    fn with(flash: Flash, start: Start) -> Bus {
        Bus {
            station: Station::start(flash, &start),
            now_ms: u32::MAX - 500,
            start,
        }
    }

    /// The power goes and comes back; the flash keeps what was written.
    fn restart(self) -> Bus {
        Bus::with(self.station.release().restart(), self.start)
    }

    fn pass(&mut self, ms: u32) {
        for _ in 0..ms / SAMPLE_PERIOD_MS {
            self.now_ms = self.now_ms.wrapping_add(SAMPLE_PERIOD_MS);
            self.station.sample(self.now_ms, &Samples::NONE);
            let mut out = [0; rtu::MAX_FRAME];
            assert_eq!(self.station.idle(self.now_ms, &mut out), None);
            self.station.work(self.now_ms);
        }
    }

    /// Sends a request and lets the node finish its work; the answer without its checksum.
    fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let mut frame = request.to_vec();
        frame.extend(checksum(request).to_le_bytes());
        let (mut out, mut answer) = ([0; rtu::MAX_FRAME], vec![]);
        for byte in frame {
            answer.extend_from_slice(self.station.byte(self.now_ms, byte, &mut out).unwrap_or(&[]));
        }
        self.now_ms = self.now_ms.wrapping_add(self.start.silence_ms);
        answer.extend_from_slice(self.station.idle(self.now_ms, &mut out).unwrap_or(&[]));
        if !answer.is_empty() {
            assert_eq!(checksum(&answer), 0);
            self.station.sent(self.now_ms);
            answer.truncate(answer.len() - 2);
        }
        self.now_ms = self.now_ms.wrapping_add(1);
        self.station.work(self.now_ms);
        answer
    }

    fn write(&mut self, unit: u8, register: u16, value: u16) -> Vec<u8> {
        let [r1, r0] = register.to_be_bytes();
        let [v1, v0] = value.to_be_bytes();
        self.ask(&[unit, 6, r1, r0, v1, v0])
    }

    /// An input register, if the node answers at this address.
    fn input(&mut self, unit: u8, register: u16) -> Option<u16> {
        let [r1, r0] = register.to_be_bytes();
        match *self.ask(&[unit, 4, r1, r0, 0, 1]) {
            [_, 4, 2, v1, v0] => Some(u16::from_be_bytes([v1, v0])),
            _ => None,
        }
    }

    fn setting(&mut self, unit: u8, register: u16) -> Option<u16> {
        let [r1, r0] = register.to_be_bytes();
        match *self.ask(&[unit, 3, r1, r0, 0, 1]) {
            [_, 3, 2, v1, v0] => Some(u16::from_be_bytes([v1, v0])),
            _ => None,
        }
    }
}

#[test]
fn settings_outlive_a_restart() {
    let mut bus = Bus::new(Kind::Leak);
    assert_eq!(
        bus.input(17, address::FAULTS),
        Some(0),
        "a blank flash has lost nothing"
    );
    assert_eq!(bus.write(17, address::DEBOUNCE_MS, 900), [17, 6, 0, 2, 3, 132]);
    assert_eq!(bus.input(17, address::FAULTS), Some(0), "kept");
    let mut bus = bus.restart();
    assert_eq!(bus.setting(17, address::DEBOUNCE_MS), Some(900));
    assert_eq!(bus.input(17, address::FAULTS), Some(0));
}

#[test]
fn a_node_that_lost_its_settings_says_so_until_it_has_some() {
    let mut flash = Flash::new(4_096);
    flash.bytes[..1_024].fill(0x5A);
    let mut bus = Bus::with(flash, start(Kind::Leak));
    assert_eq!(bus.input(17, address::FAULTS), Some(fault::SETTINGS_LOST));
    bus.write(17, address::DEBOUNCE_MS, 900);
    assert_eq!(bus.input(17, address::FAULTS), Some(0));
}

#[test]
fn a_learned_bay_outlives_a_restart() {
    let mut bus = Bus::new(Kind::Parking);
    bus.ask(&[17, 5, 0, 0, 0xFF, 0]);
    for tick in 0..40 {
        bus.now_ms = bus.now_ms.wrapping_add(SAMPLE_PERIOD_MS);
        let field_mg = Ok([210 + tick % 3, -45, 430]);
        bus.station.sample(
            bus.now_ms,
            &Samples {
                field_mg,
                ..Samples::NONE
            },
        );
    }
    bus.station.work(bus.now_ms);
    let bus = bus.restart();
    let kept = bus
        .station
        .node()
        .baseline()
        .map(|baseline| baseline.as_learned());
    assert_eq!(kept, Some([210, -45, 430]));
}

#[test]
fn the_answer_leaves_on_the_old_line_and_the_new_one_is_kept_once_it_was_used() {
    let mut bus = Bus::new(Kind::Leak);
    assert_eq!(
        bus.write(17, address::UNIT_ID, 33),
        [17, 6, 0, 0, 0, 33],
        "answered as 17"
    );
    assert_eq!(bus.input(17, address::NODE_KIND), None, "17 is nobody any more");
    assert_eq!(bus.input(33, address::NODE_KIND), Some(Kind::Leak as u16));
    let mut bus = bus.restart();
    assert_eq!(bus.input(33, address::NODE_KIND), Some(Kind::Leak as u16));
}

#[test]
fn a_speed_nobody_uses_is_given_up_after_a_minute_and_never_kept() {
    let mut bus = Bus::new(Kind::Leak);
    bus.write(17, address::BAUD_CODE, 4);
    assert_eq!(bus.station.line().baud(), 115_200);
    let flash = bus.station.release();
    let mut bus = Bus::with(flash, start(Kind::Leak));
    assert_eq!(bus.station.line().baud(), 19_200, "not after a power cut either");
    bus.write(17, address::BAUD_CODE, 4);
    bus.pass(59_000);
    assert_eq!(bus.station.line().baud(), 115_200);
    bus.pass(2_000);
    assert_eq!(bus.station.line().baud(), 19_200);
    assert_eq!(
        bus.setting(17, address::BAUD_CODE),
        Some(1),
        "the settings say so too"
    );
}

#[test]
fn a_broadcast_moves_the_whole_bus_and_only_a_request_of_its_own_proves_the_move() {
    let mut bus = Bus::new(Kind::Leak);
    assert_eq!(bus.write(0, address::BAUD_CODE, 3), []);
    assert_eq!(bus.station.line().baud(), 57_600);
    bus.write(0, address::ACKNOWLEDGE, 0xFFFF);
    bus.pass(61_000);
    assert_eq!(bus.station.line().baud(), 19_200, "broadcasts prove nothing");
    bus.write(0, address::BAUD_CODE, 3);
    assert_eq!(bus.input(17, address::NODE_KIND), Some(3));
    bus.pass(61_000);
    assert_eq!(bus.station.line().baud(), 57_600);
}

#[test]
fn a_node_whose_address_nobody_knows_is_found_with_its_rescue_jumper() {
    let mut bus = Bus::new(Kind::Leak);
    bus.write(17, address::UNIT_ID, 99);
    bus.input(99, address::NODE_KIND).expect("proved");
    let flash = bus.station.release();
    let rescue = Start {
        rescue: true,
        ..start(Kind::Leak)
    };
    let mut bus = Bus::with(flash, rescue);
    assert_eq!(bus.station.line(), Line::RESCUE);
    assert_eq!(bus.setting(247, address::UNIT_ID), Some(99), "it tells");
    bus.write(247, address::UNIT_ID, 5);
    assert_eq!(
        bus.setting(247, address::UNIT_ID),
        Some(5),
        "and stays where it was found"
    );
    let mut bus = Bus::with(bus.station.release(), start(Kind::Leak));
    assert_eq!(
        bus.input(5, address::NODE_KIND),
        Some(3),
        "until it starts without the jumper"
    );
}

#[test]
fn a_flash_that_cannot_be_written_is_told_and_tried_again() {
    let mut flash = Flash::new(4_096);
    flash.bytes[..1_024].fill(0x5A);
    flash.worn = true;
    let mut bus = Bus::with(flash, start(Kind::Leak));
    bus.write(17, address::DEBOUNCE_MS, 900);
    let both = fault::STORE_FAILED | fault::SETTINGS_LOST;
    assert_eq!(bus.input(17, address::FAULTS).map(|bits| bits & both), Some(both));
    bus.station.flash().worn = false;
    bus.pass(61_000);
    assert_eq!(bus.input(17, address::FAULTS).map(|bits| bits & both), Some(0));
    assert_eq!(bus.restart().setting(17, address::DEBOUNCE_MS), Some(900));
}

#[test]
fn an_update_is_written_whole_or_not_at_all() {
    let mut bus = Bus::new(Kind::Leak);
    assert_eq!(bus.input(17, address::UPDATE_STATE), Some(update::IDLE));
    assert_eq!(
        bus.write(17, address::UPDATE_CONTROL, 1),
        [17, 0x86, 3],
        "nothing to check"
    );
    assert_eq!(
        bus.write(17, address::UPDATE_BLOCK, 0),
        [17, 0x86, 2],
        "a number without a block"
    );
    let mut half = vec![17, 16, 1, 1, 0, 2, 4];
    half.extend([0, 0, 0x4C, 0x4E]);
    assert_eq!(bus.ask(&half), [17, 0x90, 2], "half a block");
    let mut block = vec![17, 16, 1, 1, 0, 65, 130, 0, 0];
    block.extend([0; BLOCK_BYTES]);
    assert_eq!(bus.ask(&block), [17, 0x90, 3], "no header");
    assert_eq!(bus.input(17, address::UPDATE_STATE), Some(update::REFUSED));
    assert_eq!(bus.setting(17, address::UPDATE_DATA), Some(0), "reads as 0");
}

/// Settings and field that differ with the number.
fn kept(number: u16) -> Kept {
    let line = Line {
        unit: (number % 247 + 1) as u8,
        ..Line::RESCUE
    };
    let field = [i32::from(number), -5, 7];
    Kept {
        settings: Settings::factory(Kind::Parking)
            .with_line(line)
            .expect("in range"),
        baseline: (!number.is_multiple_of(3)).then(|| Baseline::restored([1, 2, 3], field)),
    }
}

proptest! {
    /// Whatever was saved before, a cut at any byte leaves the last good record or the new one, and saving works again.
    #[test]
    fn settings_survive_a_power_cut_at_any_byte(saves in 1u16..7, cut in 0usize..600, garbage in any::<Option<u8>>()) {
        let mut flash = Flash::new(1_024);
        if let Some(byte) = garbage {
            flash.bytes.fill(byte);
        }
        let opened = Store::open(&mut flash, 0, Kind::Parking);
        prop_assert_eq!((opened.kept, opened.is_blank), (None, matches!(garbage, None | Some(0xFF))));
        let mut store = opened.store;
        for number in 0..saves {
            store.save(&mut flash, &kept(number)).expect("power is on");
        }
        flash.cut_after(cut);
        let saved = store.save(&mut flash, &kept(saves));
        let mut flash = flash.restart();
        let Opened { mut store, kept: found, .. } = Store::open(&mut flash, 0, Kind::Parking);
        let whole = [Some(kept(saves - 1)), Some(kept(saves))];
        prop_assert!(whole.contains(&found), "{:?}", found);
        prop_assert!(saved.is_err() || found == Some(kept(saves)));
        store.save(&mut flash, &kept(saves + 1)).expect("power is on");
        prop_assert_eq!(Store::open(&mut flash, 0, Kind::Parking).kept, Some(kept(saves + 1)));
        prop_assert_eq!(Store::open(&mut flash, 0, Kind::Leak).kept, None, "another kind's settings are none");
    }

    #[test]
    fn a_flipped_bit_in_the_newest_record_brings_the_one_before_back(at in 0usize..64, bit in 0u8..8) {
        let mut flash = Flash::new(1_024);
        let mut store = Store::open(&mut flash, 0, Kind::Parking).store;
        for number in 0..2 {
            store.save(&mut flash, &kept(number)).expect("power is on");
        }
        flash.bytes[512 + at] ^= 1 << bit;
        prop_assert_eq!(Store::open(&mut flash, 0, Kind::Parking).kept, Some(kept(0)));
    }
}
