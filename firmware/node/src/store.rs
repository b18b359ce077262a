//! Settings and the learned field, kept in two banks of flash so that a power cut at any byte loses at most the
//! change that was being made.
//!
//! A bank is one erase page with one record; the older bank is erased and written, the newer one is never touched.
//! Not responsible for: when to save; see `station`.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | `LNS1` |
//! | 4–7 | sequence number; the higher one is newer, wrapping |
//! | 8 | node kind |
//! | 9 | 1 when a field was learned |
//! | 10–29 | settings, ten words |
//! | 30–41 | field as learned and as followed, three words each |
//! | 42–59 | zero |
//! | 60–63 | CRC-32 of the bytes before |

use embedded_storage::nor_flash::NorFlash;
use linli_registers::{HOLDING_COUNT, Kind};
use linli_update::crc32;

use crate::{Baseline, Field, Settings};

const MAGIC: [u8; 4] = *b"LNS1";
/// Every flash of the boards writes in units that divide this.
const RECORD_BYTES: usize = 64;

/// What outlives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The settings, on a line that has proved itself.
    pub settings: Settings,
    /// The field of the empty bay, if it was learned.
    pub baseline: Option<Baseline>,
}

/// The record could not be written, or reads back otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreError;

/// Two banks at the start of a region of flash.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    offset: u32,
    /// The bank that holds the newest record, and its sequence number.
    newest: Option<(u32, u32)>,
}

/// What was found in the two banks.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The banks.
    pub store: Store,
    /// The newest good record.
    pub kept: Option<Kept>,
    /// Nothing was ever written there.
    pub is_blank: bool,
}

impl Store {
    /// Looks for the newest record of this kind of node in the two pages at `offset`.
    pub fn open<F: NorFlash>(flash: &mut F, offset: u32, kind: Kind) -> Opened {
        let mut found: Option<(u32, u32, Kept)> = None;
        let mut is_blank = true;
        for bank in 0..2 {
            let mut record = [0; RECORD_BYTES];
            if flash.read(bank_offset::<F>(offset, bank), &mut record).is_err() {
                is_blank = false;
                continue;
            }
            is_blank &= record.iter().all(|byte| *byte == 0xFF);
            let Some((sequence, kept)) = decode(&record, kind) else {
                continue;
            };
            let is_newer = found.is_none_or(|(_, other, _)| (sequence.wrapping_sub(other) as i32) > 0);
            if is_newer {
                found = Some((bank, sequence, kept));
            }
        }
        Opened {
            store: Store {
                offset,
                newest: found.map(|(bank, sequence, _)| (bank, sequence)),
            },
            kept: found.map(|(_, _, kept)| kept),
            is_blank,
        }
    }

    /// Writes a record into the older bank and reads it back. On an error the newest record is still the one before.
    pub fn save<F: NorFlash>(&mut self, flash: &mut F, kept: &Kept) -> Result<(), StoreError> {
        const { assert!(RECORD_BYTES.is_multiple_of(F::WRITE_SIZE) && RECORD_BYTES.is_multiple_of(F::READ_SIZE)) }
        let (bank, sequence) = match self.newest {
            Some((bank, sequence)) => (1 - bank, sequence.wrapping_add(1)),
            None => (0, 0),
        };
        let at = bank_offset::<F>(self.offset, bank);
        let record = encode(sequence, kept);
        let mut written = [0; RECORD_BYTES];
        flash
            .erase(at, at + F::ERASE_SIZE as u32)
            .and_then(|()| flash.write(at, &record))
            .and_then(|()| flash.read(at, &mut written))
            .map_err(|_| StoreError)?;
        if written != record {
            return Err(StoreError);
        }
        self.newest = Some((bank, sequence));
        Ok(())
    }
}

fn bank_offset<F: NorFlash>(offset: u32, bank: u32) -> u32 {
    offset + bank * F::ERASE_SIZE as u32
}

fn encode(sequence: u32, kept: &Kept) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let mut put = Cursor {
        bytes: &mut record,
        at: 0,
    };
    put.slice(&MAGIC);
    put.slice(&sequence.to_be_bytes());
    put.slice(&[kept.settings.kind() as u8, u8::from(kept.baseline.is_some())]);
    for word in kept.settings.as_words() {
        put.slice(&word.to_be_bytes());
    }
    let zero = [0; 3];
    let (learned, followed) = kept
        .baseline
        .map_or((zero, zero), |b| (b.as_learned(), b.field()));
    for axis in learned.into_iter().chain(followed) {
        // No magnetometer of ours measures beyond this.
        let axis = axis.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        put.slice(&axis.to_be_bytes());
    }
    if let Some((checked, slot)) = record.split_last_chunk_mut::<4>() {
        *slot = crc32(0, checked).to_be_bytes();
    }
    record
}

/// A record of this kind of node whose every value the table allows.
fn decode(record: &[u8; RECORD_BYTES], kind: Kind) -> Option<(u32, Kept)> {
    let (checked, crc) = record.split_last_chunk::<4>()?;
    if crc32(0, checked) != u32::from_be_bytes(*crc) {
        return None;
    }
    let (magic, rest) = checked.split_first_chunk::<4>()?;
    let (sequence, rest) = rest.split_first_chunk::<4>()?;
    let (&[its_kind, learned], rest) = rest.split_first_chunk::<2>()?;
    if *magic != MAGIC || u16::from(its_kind) != kind as u16 {
        return None;
    }
    let mut values = rest.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair));
    let mut words = [0; HOLDING_COUNT];
    for word in &mut words {
        *word = values.next()?;
    }
    let mut field = || -> Option<Field> {
        let mut axis = || values.next().map(|value| i32::from(value as i16));
        Some([axis()?, axis()?, axis()?])
    };
    let (as_learned, followed) = (field()?, field()?);
    let kept = Kept {
        settings: Settings::restore(kind, words)?,
        baseline: (learned == 1).then(|| Baseline::restored(as_learned, followed)),
    };
    Some((u32::from_be_bytes(*sequence), kept))
}

/// Fills a record from its start; what does not fit is unreachable, since the table above adds up.
struct Cursor<'a> {
    bytes: &'a mut [u8; RECORD_BYTES],
    at: usize,
}

impl Cursor<'_> {
    fn slice(&mut self, bytes: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(self.at).zip(bytes) {
            *slot = *byte;
        }
        self.at += bytes.len();
    }
}
