//! A node that hears anything at all, and a judge beside it that believes nothing: after every stretch of bytes between
//! two silences it looks for the valid requests in them and says what they, and only they, may have changed.
//!
//! For the million frames of `frames` and, by path, for the fuzz target of the same name. The judge reads the register
//! table, not the node's code. Not responsible for: which bytes; the two make them up.

use linli_modbus_slave::rtu::{self, checksum};
use linli_modbus_slave::{BROADCAST, Bank};
use linli_node::{Identity, ResetCause, Start, Station};
use linli_registers::{HOLDING_COUNT, Kind, address, settings};
use linli_update::{Area, Firmware, TEST_PUBLIC_KEY};

use crate::ramflash::RamFlash;

/// Longer than any stretch of a fuzzer; what is beyond is another stretch.
const MAX_STRETCH: usize = 400;
const SILENCE_MS: u32 = 5;

/// What a master can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Image {
    words: [u16; HOLDING_COUNT],
    learning: Option<bool>,
}

/// A node on its line.
pub(crate) struct Heard {
    kind: Kind,
    station: Station<RamFlash<512, 8>>,
    now_ms: u32,
    /// Answers given so far.
    pub(crate) answers: u64,
    /// Stretches after which something had been written.
    pub(crate) writes: u64,
}

impl Heard {
    /// As from the factory.
    pub(crate) fn new(kind: Kind) -> Heard {
        let start = Start {
            kind,
            identity: Identity::THIS,
            cause: ResetCause::PowerOn,
            rescue: false,
            silence_ms: SILENCE_MS,
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
        };
        Heard {
            kind,
            station: Station::start(RamFlash::new(4_096), &start),
            now_ms: 0,
            answers: 0,
            writes: 0,
        }
    }

    /// Its address at the moment.
    pub(crate) fn unit(&self) -> u8 {
        self.station.line().unit
    }

    /// These bytes came without a pause, then silence.
    ///
    /// # Panics
    /// When the node did what no valid request among them asked for.
    pub(crate) fn hear(&mut self, stretch: &[u8]) {
        let before = self.image();
        let mut own = vec![self.unit()];
        let mut out = [0; rtu::MAX_FRAME];
        let mut answers = vec![];
        for byte in stretch {
            if let Some(answer) = self.station.byte(self.now_ms, *byte, &mut out) {
                answers.push(answer.to_vec());
                self.station.sent(self.now_ms);
            }
        }
        self.now_ms = self.now_ms.wrapping_add(SILENCE_MS);
        if let Some(answer) = self.station.idle(self.now_ms, &mut out) {
            answers.push(answer.to_vec());
            self.station.sent(self.now_ms);
        }

        let after = self.image();
        let reachable = self.reachable(before, stretch, &mut own);
        assert!(
            reachable.contains(&after),
            "{stretch:02x?} turned {before:?} into {after:?}"
        );
        self.writes += u64::from(after != before);
        for answer in &answers {
            assert_eq!(checksum(answer), 0, "{answer:02x?}");
            let meant = own.contains(&answer[0]) && is_asked(stretch, answer[0]);
            assert!(meant, "{stretch:02x?} was answered {answer:02x?}");
        }
        self.answers += answers.len() as u64;

        // What is put off may take a line back that nobody used, and nothing else.
        self.station.work(self.now_ms);
        let mut taken_back = after;
        let line = self.station.line();
        taken_back.words[usize::from(address::UNIT_ID)] = u16::from(line.unit);
        taken_back.words[usize::from(address::BAUD_CODE)] = u16::from(line.baud_code);
        taken_back.words[usize::from(address::PARITY)] = u16::from(line.parity_code);
        let now = self.image();
        assert!(now == after || now == taken_back, "{now:?} after {after:?}");
        assert!(!self.station.wants_restart(), "nobody signed anything");
    }

    fn image(&self) -> Image {
        let node = self.station.node();
        Image {
            words: *node.settings().as_words(),
            learning: node.coil(address::LEARN_BASELINE).ok(),
        }
    }

    /// Every state that some of the valid writes in `stretch`, in their order, can have made; and who may have been meant.
    fn reachable(&self, before: Image, stretch: &[u8], own: &mut Vec<u8>) -> Vec<Image> {
        let mut reachable = vec![before];
        for start in 0..stretch.len() {
            let rest = &stretch[start..];
            let Some(request) = write_request(rest) else {
                continue;
            };
            if request[0] != BROADCAST && !own.contains(&request[0]) {
                continue;
            }
            for from in reachable.clone() {
                let to = written(self.kind, from, &request[1..]);
                if !reachable.contains(&to) {
                    own.push(to.words[usize::from(address::UNIT_ID)] as u8);
                    reachable.push(to);
                }
            }
        }
        reachable
    }
}

/// The write request at the beginning of these bytes, without its checksum, if one is there and whole.
fn write_request(bytes: &[u8]) -> Option<&[u8]> {
    let length = match *bytes.get(1)? {
        5 | 6 => 6,
        15 | 16 => 7 + usize::from(*bytes.get(6)?),
        _ => return None,
    };
    (checksum(bytes.get(..length + 2)?) == 0).then(|| &bytes[..length])
}

/// What a write makes of the registers of this kind of node: all of it, or nothing.
fn written(kind: Kind, before: Image, pdu: &[u8]) -> Image {
    let word = |at: usize| u16::from_be_bytes([pdu[at], pdu[at + 1]]);
    let (start, mut after) = (usize::from(word(1)), before);
    match pdu[0] {
        6 => return settings_written(kind, before, start, &[word(3)]),
        16 => {
            let count = usize::from(word(3));
            if !(1..=123).contains(&count) || usize::from(pdu[5]) != 2 * count {
                return before;
            }
            let values: Vec<u16> = (0..count).map(|index| word(6 + 2 * index)).collect();
            return settings_written(kind, before, start, &values);
        }
        5 if start == 0 && matches!(word(3), 0 | 0xFF00) => {
            after.learning = before.learning.map(|_| word(3) == 0xFF00);
        }
        15 if start == 0 && word(3) == 1 && pdu[5] == 1 => {
            after.learning = before.learning.map(|_| pdu[6] & 1 == 1);
        }
        _ => {}
    }
    after
}

fn settings_written(kind: Kind, before: Image, start: usize, values: &[u16]) -> Image {
    let mut after = before;
    for (at, value) in (start..).zip(values) {
        match after.words.get_mut(at) {
            Some(slot) => *slot = *value,
            None => return before,
        }
    }
    let at = |address: u16| after.words[usize::from(address)];
    let in_range = settings(kind)
        .iter()
        .zip(after.words)
        .all(|(setting, value)| (setting.min..=setting.max).contains(&value));
    let in_order = match kind {
        Kind::Parking => at(address::FIELD_OFF_MG) < at(address::FIELD_ON_MG),
        Kind::Bin => {
            at(address::FULL_MM) < at(address::ROOM_MM) && at(address::BLIND_MM) < at(address::FULL_MM)
        }
        Kind::Leak => at(address::WET_OFF) < at(address::WET_ON),
    };
    if !in_range || !in_order || at(address::HOT_OFF) >= at(address::HOT_ON) {
        return before;
    }
    after.words[usize::from(address::ACKNOWLEDGE)] = 0;
    after
}

/// A good frame for this unit is somewhere in these bytes.
fn is_asked(stretch: &[u8], unit: u8) -> bool {
    (0..stretch.len())
        .filter(|start| stretch[*start] == unit)
        .any(|start| (start + 4..=stretch.len()).any(|end| checksum(&stretch[start..end]) == 0))
}

/// Stretches of bytes as a fuzzer writes them: a length, its highest bit for "with a good checksum", and the bytes.
/// Without that bit no fuzzer comes past the checksum.
#[allow(dead_code, reason = "the fuzz target's")]
pub(crate) fn stretches(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut stretches = vec![];
    while let Some((head, rest)) = data.split_first() {
        let length = usize::from(head & 0x7F) * 2;
        let (bytes, rest) = rest.split_at(length.min(rest.len()).min(MAX_STRETCH));
        let mut stretch = bytes.to_vec();
        if head & 0x80 != 0 {
            stretch.extend(checksum(bytes).to_le_bytes());
        }
        stretches.push(stretch);
        data = rest;
    }
    stretches
}
