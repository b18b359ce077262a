//! The log of one commit: every entry of the batch in the order the engine saw it, as one compact blob.
//!
//! ```text
//! format(1) · entry … · crc32(4)
//! entry   = flags(1) · fields          flags: kind(2 bits) and what follows
//! now     = Δwall · Δmonotonic · [boot(8)]
//! reading = Δpoint · Δobserved · [lag] · [quality(1)] · value
//! value   = nothing | number(8) | (mantissa·4 + decimals) | text | a bit of the flags
//! input   = length · bytes
//! ```
//! Differences (Δ) are to the entry before, so a typical reading takes 5 to 7 bytes. The checksum starts from the
//! commit id. No row per reading exists; this is what makes a commit of thousands of readings cheap.

use super::bytes::{Cursor, put_bytes, put_signed, put_varint, unzigzag, zigzag};
use super::crc::checksum;
use crate::batch::Entry;
use crate::error::Damage;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};

const FORMAT: u8 = 1;
const NOW: u8 = 0;
const INPUT: u8 = 1;
const READING: u8 = 2;
const KIND: u8 = 0b11;
const TRUSTED: u8 = 1 << 2;
const NEW_BOOT: u8 = 1 << 3;
const VALUE_SHIFT: u8 = 2;
const EVALUATED: u8 = 1 << 4;
const QUALITY: u8 = 1 << 5;
const LAG: u8 = 1 << 6;
/// On a state: it is true. On a number: it is written as a short decimal.
const BIT: u8 = 1 << 7;

const MISSING: u8 = 0;
const NUMBER: u8 = 1;
const STATE: u8 = 2;
const TEXT: u8 = 3;

/// What the fields of an entry are written relative to.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    wall: i64,
    monotonic: u64,
    boot: u64,
    point: u32,
    observed: i64,
}

/// Writes the log of `commit` into `out`, which is cleared first.
pub(crate) fn encode(out: &mut Vec<u8>, commit: CommitId, entries: &[Entry<'_>]) {
    out.clear();
    out.push(FORMAT);
    let mut before = Before::default();
    for entry in entries {
        match entry {
            Entry::Now(now) => put_now(out, &mut before, now),
            Entry::Input(bytes) => {
                out.push(INPUT);
                put_bytes(out, bytes);
            }
            Entry::Reading { reading, evaluated } => put_reading(out, &mut before, reading, *evaluated),
        }
    }
    let crc = checksum(commit.0, out);
    out.extend_from_slice(&crc.to_le_bytes());
}

fn put_now(out: &mut Vec<u8>, before: &mut Before, now: &Now) {
    let new_boot = now.boot.0 != before.boot;
    out.push(NOW | if now.trusted { TRUSTED } else { 0 } | if new_boot { NEW_BOOT } else { 0 });
    put_signed(out, now.wall.as_millis().wrapping_sub(before.wall));
    put_signed(out, now.monotonic.0.wrapping_sub(before.monotonic) as i64);
    if new_boot {
        out.extend_from_slice(&now.boot.0.to_le_bytes());
    }
    before.wall = now.wall.as_millis();
    before.monotonic = now.monotonic.0;
    before.boot = now.boot.0;
    if before.observed == 0 {
        before.observed = before.wall;
    }
}

fn put_reading(out: &mut Vec<u8>, before: &mut Before, reading: &Reading, evaluated: bool) {
    let observed = reading.observed.as_millis();
    let lag = reading.received.as_millis().wrapping_sub(observed);
    let quality = reading.quality.to_code();
    let (kind, bit, decimal) = match &reading.value {
        None => (MISSING, false, None),
        Some(Value::State(state)) => (STATE, *state, None),
        Some(Value::Text(_)) => (TEXT, false, None),
        Some(Value::Number(number)) => {
            let decimal = short_decimal(*number);
            (NUMBER, decimal.is_some(), decimal)
        }
    };
    let mut flags = READING | kind << VALUE_SHIFT;
    for (set, flag) in [
        (evaluated, EVALUATED),
        (quality != 0, QUALITY),
        (lag != 0, LAG),
        (bit, BIT),
    ] {
        if set {
            flags |= flag;
        }
    }
    out.push(flags);
    put_signed(out, i64::from(reading.point.0) - i64::from(before.point));
    put_signed(out, observed.wrapping_sub(before.observed));
    if lag != 0 {
        put_signed(out, lag);
    }
    if quality != 0 {
        out.push(quality);
    }
    match (&reading.value, decimal) {
        (Some(Value::Number(_)), Some(decimal)) => put_varint(out, decimal),
        (Some(Value::Number(number)), None) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
        (Some(Value::Text(text)), _) => put_bytes(out, text.as_bytes()),
        _ => {}
    }
    before.point = reading.point.0;
    before.observed = observed;
}

const POWERS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// A number that is exactly a short decimal, as zigzag mantissa and number of decimals; exact or not at all.
fn short_decimal(number: f64) -> Option<u64> {
    for (decimals, power) in POWERS.iter().enumerate() {
        let mantissa = (number * power).round();
        if mantissa.abs() >= 1e9 {
            return None;
        }
        // By way of the integer, as the decoder does: -0.0 and not-a-number do not pass.
        if (mantissa as i64 as f64 / power).to_bits() == number.to_bits() {
            return Some(zigzag(mantissa as i64) << 2 | decimals as u64);
        }
    }
    None
}

/// One decoded entry; only a text value owns memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decoded<'a> {
    Now(Now),
    Input(&'a [u8]),
    Reading { reading: Reading, evaluated: bool },
}

/// Reads a log back, entry by entry. The checksum is verified before the first.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    commit: CommitId,
    cursor: Cursor<'a>,
    before: Before,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(commit: CommitId, log: &'a [u8]) -> Result<Self, Damage> {
        let damaged = |what| Damage::Stage { commit, what };
        let (body, crc) = log.split_last_chunk::<4>().ok_or(damaged("it is too short"))?;
        if checksum(commit.0, body) != u32::from_le_bytes(*crc) {
            return Err(damaged("its checksum differs"));
        }
        let mut cursor = Cursor::new(body);
        if cursor.byte() != Some(FORMAT) {
            return Err(damaged("its format is unknown"));
        }
        Ok(Self {
            commit,
            cursor,
            before: Before::default(),
        })
    }

    /// The next entry, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Decoded<'a>>, Damage> {
        if self.cursor.is_empty() {
            return Ok(None);
        }
        match self.entry() {
            Some(entry) => Ok(Some(entry)),
            None => Err(Damage::Stage {
                commit: self.commit,
                what: "an entry makes no sense",
            }),
        }
    }

    fn entry(&mut self) -> Option<Decoded<'a>> {
        let flags = self.cursor.byte()?;
        match flags & KIND {
            NOW => self.now(flags).map(Decoded::Now),
            INPUT => self.cursor.bytes().map(Decoded::Input),
            READING => {
                let reading = self.reading(flags)?;
                Some(Decoded::Reading {
                    reading,
                    evaluated: flags & EVALUATED != 0,
                })
            }
            _ => None,
        }
    }

    fn now(&mut self, flags: u8) -> Option<Now> {
        let before = &mut self.before;
        before.wall = before.wall.wrapping_add(self.cursor.signed()?);
        before.monotonic = before.monotonic.wrapping_add(self.cursor.signed()? as u64);
        if flags & NEW_BOOT != 0 {
            before.boot = u64::from_le_bytes(self.cursor.array()?);
        }
        if before.observed == 0 {
            before.observed = before.wall;
        }
        Some(Now {
            wall: Timestamp::from_millis(before.wall),
            monotonic: Monotonic(before.monotonic),
            boot: BootId(before.boot),
            trusted: flags & TRUSTED != 0,
        })
    }

    #[inline]
    fn reading(&mut self, flags: u8) -> Option<Reading> {
        let cursor = &mut self.cursor;
        let point = i64::from(self.before.point).checked_add(cursor.signed()?)?;
        self.before.point = u32::try_from(point).ok()?;
        let observed = self.before.observed.wrapping_add(cursor.signed()?);
        self.before.observed = observed;
        let lag = if flags & LAG != 0 { cursor.signed()? } else { 0 };
        let quality = if flags & QUALITY != 0 {
            Quality::from_code(cursor.byte()?)?
        } else {
            Quality::Good
        };
        let value = match flags >> VALUE_SHIFT & KIND {
            NUMBER if flags & BIT != 0 => {
                let packed = cursor.varint()?;
                Some(Value::Number(
                    unzigzag(packed >> 2) as f64 / POWERS[(packed & 3) as usize],
                ))
            }
            NUMBER => Some(Value::Number(f64::from_bits(u64::from_le_bytes(cursor.array()?)))),
            STATE => Some(Value::State(flags & BIT != 0)),
            TEXT => Some(Value::Text(std::str::from_utf8(cursor.bytes()?).ok()?.into())),
            _ => None,
        };
        Some(Reading {
            point: PointKey(self.before.point),
            observed: Timestamp::from_millis(observed),
            received: Timestamp::from_millis(observed.wrapping_add(lag)),
            value,
            quality,
        })
    }
}
