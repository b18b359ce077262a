//! A million frames on the line of every kind of node: what a master sends, what a bad cable makes of it, and noise.
//!
//! Not responsible for: what is right; see `harness`.

use linli_modbus_slave::rtu::checksum;
use linli_registers::{BLOCK_BYTES, HOLDING_COUNT, Kind, address, settings};
use linli_update::Header;

use crate::harness::Heard;

const FRAMES: u32 = 1_000_000;

/// SplitMix64: the same frames in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}

/// A value the table takes at this address, mostly.
fn value(dice: &mut Dice, kind: Kind, at: usize) -> u16 {
    match settings(kind).get(at) {
        Some(setting) if !dice.one_in(8) => {
            setting.min + dice.below(usize::from(setting.max - setting.min) + 1) as u16
        }
        _ => dice.next() as u16,
    }
}

/// A request a master might send, without unit and checksum.
fn request(dice: &mut Dice, kind: Kind) -> Vec<u8> {
    let at = dice.below(HOLDING_COUNT + 2) as u16;
    let [a1, a0] = at.to_be_bytes();
    match dice.below(12) {
        function @ 1..=4 => vec![function as u8, 0, a0 * 4, 0, dice.below(50) as u8],
        5 => vec![5, 0, dice.below(2) as u8, [0, 0xFF, 0x55][dice.below(3)], 0],
        6 | 7 => {
            let [v1, v0] = value(dice, kind, at.into()).to_be_bytes();
            vec![6, a1, a0, v1, v0]
        }
        8 => vec![15, 0, 0, 0, 1, 1, dice.byte() & 1],
        9 => {
            let count = 1 + dice.below(4);
            let mut pdu = vec![16, a1, a0, 0, count as u8, 2 * count as u8];
            pdu.extend((0..count).flat_map(|i| value(dice, kind, usize::from(at) + i).to_be_bytes()));
            pdu
        }
        10 => block(dice, kind),
        _ => {
            let [c1, c0] = address::UPDATE_CONTROL.to_be_bytes();
            vec![6, c1, c0, 0, dice.below(5) as u8]
        }
    }
}

/// A block of a field update; now and then the first one, with a header this node takes.
fn block(dice: &mut Dice, kind: Kind) -> Vec<u8> {
    let mut pdu = vec![16];
    pdu.extend(address::UPDATE_BLOCK.to_be_bytes());
    pdu.extend([0, 65, 130, 0]);
    if dice.one_in(4) {
        let header = Header {
            kind: kind as u8,
            version: 0x7000 + dice.below(16) as u16,
            length: 1 + dice.below(700) as u32,
            crc32: dice.next() as u32,
            board: *b"testbrd\0",
        };
        pdu.push(0);
        pdu.extend(header.to_bytes());
        pdu.extend(dice.bytes(64));
    } else {
        pdu.push(dice.below(8) as u8);
        pdu.extend(dice.bytes(BLOCK_BYTES));
    }
    pdu
}

fn frame(dice: &mut Dice, kind: Kind, unit: u8) -> Vec<u8> {
    let whom = match dice.below(8) {
        0 => 0,
        1 => dice.byte(),
        _ => unit,
    };
    let mut frame = vec![whom];
    frame.extend(request(dice, kind));
    frame.extend(checksum(&frame).to_le_bytes());
    frame
}

/// What a bad cable, a collision or a bad master makes of a frame.
fn mutated(dice: &mut Dice, mut frame: Vec<u8>) -> Vec<u8> {
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(frame.len());
        match dice.below(6) {
            0 => frame[at] ^= 1 << dice.below(8),
            1 => frame.truncate(at.max(1)),
            2 => frame.insert(at, dice.byte()),
            3 => frame.extend_from_within(at..),
            4 => drop(frame.remove(at)),
            _ => frame[at] = dice.byte(),
        }
        if frame.is_empty() {
            return vec![dice.byte()];
        }
    }
    // Half of them with a checksum that is right again: the damage was done before it was made.
    if dice.one_in(2) {
        frame.extend(checksum(&frame).to_le_bytes());
    }
    frame
}

#[test]
fn a_million_random_and_mutated_frames_write_nothing_that_was_not_asked_for() {
    for kind in Kind::ALL {
        let (mut node, mut dice) = (Heard::new(kind), Dice(kind as u64));
        let frames = FRAMES.div_ceil(Kind::ALL.len() as u32);
        for _ in 0..frames {
            let unit = node.unit();
            let stretch = match dice.below(8) {
                0..=2 => frame(&mut dice, kind, unit),
                3 | 4 => {
                    let whole = frame(&mut dice, kind, unit);
                    mutated(&mut dice, whole)
                }
                5 => [frame(&mut dice, kind, unit), frame(&mut dice, kind, unit)].concat(),
                6 => {
                    let length = 1 + dice.below(300);
                    dice.bytes(length)
                }
                _ => {
                    let length = 1 + dice.below(12);
                    let mut short = dice.bytes(length);
                    short[0] = unit;
                    short.extend(checksum(&short).to_le_bytes());
                    short
                }
            };
            node.hear(&stretch);
        }
        let share = |count: u64| count * 100 / u64::from(frames);
        println!(
            "{}: {frames} frames, {} % answered, {} % wrote something",
            kind.name(),
            share(node.answers),
            share(node.writes)
        );
        // Frames that all bounced off would prove nothing.
        assert!(node.answers > 100_000 && node.writes > 10_000);
    }
}
