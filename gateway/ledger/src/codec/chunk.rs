//! A sealed chunk: up to a few thousand samples of one point, compressed column by column.
//!
//! ```text
//! format(1) · n · times(pco) · lag · quality(runs) · kind(runs) · [numbers(pco)] · [states(runs)] · [texts] · crc32(4)
//! lag = 0 · one exact value | 1 · whole seconds (pco)
//! format = 1 · numbers are floats | 2 · numbers are decimals: digits behind the point(1), whole numbers(pco)
//! ```
//! Times are the bigger half of a chunk, so the time of receipt is kept to the second when it varies. States are
//! run lengths, texts a dictionary. The checksum starts from the point key. A format that is not known is
//! refused, and a program that does not know it refuses the file (`schema`).

use super::bytes::{Cursor, put_bytes, put_signed, put_varint};
use super::columns::{Columns, Kind};
use super::crc::checksum;
use super::decimals::{self, Decimals};
use linli_domain::id::PointKey;
use linli_domain::reading::Quality;
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};
use std::sync::Arc;

/// Longest chunk a decoder believes in.
pub(super) const MAX_SAMPLES: usize = 1 << 20;

/// How a chunk keeps its numbers; the codes are its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Numbers {
    /// As they are; also of a chunk without any.
    Floats = 1,
    /// All of them as decimals.
    Decimals = 2,
}

/// Encodes `columns`. The error is one of the compressor and says that nothing was written.
pub(crate) fn encode(point: PointKey, columns: &Columns) -> Result<Vec<u8>, pco::errors::PcoError> {
    let config = ChunkConfig::default();
    let decimals = Decimals::of(&columns.numbers);
    let form = decimals.as_ref().map_or(Numbers::Floats, |_| Numbers::Decimals);
    let mut out = vec![form as u8];
    put_varint(&mut out, columns.len() as u64);
    put_bytes(&mut out, &simple_compress(&columns.observed, &config)?);
    let lag = columns.lag.first().copied().unwrap_or(0);
    if columns.lag.iter().all(|other| *other == lag) {
        out.push(0);
        put_signed(&mut out, lag);
    } else {
        let seconds: Vec<i64> = columns.lag.iter().map(|lag| lag.div_euclid(1000)).collect();
        out.push(1);
        put_bytes(&mut out, &simple_compress(&seconds, &config)?);
    }
    put_runs(&mut out, &columns.quality);
    put_runs(&mut out, &columns.kind);
    if let Some(decimals) = decimals {
        let mut column = vec![decimals.digits];
        column.extend(simple_compress(&decimals.wholes, &config)?);
        put_bytes(&mut out, &column);
    } else if !columns.numbers.is_empty() {
        put_bytes(&mut out, &simple_compress(&columns.numbers, &config)?);
    }
    if !columns.states.is_empty() {
        let states: Vec<u8> = columns.states.iter().map(|state| u8::from(*state)).collect();
        put_runs(&mut out, &states);
    }
    put_texts(&mut out, &columns.texts);
    let crc = checksum(u64::from(point.0), &out);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(out)
}

fn put_runs(out: &mut Vec<u8>, values: &[u8]) {
    for run in values.chunk_by(|a, b| a == b) {
        out.push(run[0]);
        put_varint(out, run.len() as u64);
    }
}

fn put_texts(out: &mut Vec<u8>, texts: &[Arc<str>]) {
    if texts.is_empty() {
        return;
    }
    let mut words: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    words.sort_unstable();
    words.dedup();
    put_varint(out, words.len() as u64);
    words.iter().for_each(|word| put_bytes(out, word.as_bytes()));
    for text in texts {
        let index = words.binary_search(&text.as_ref()).unwrap_or(0);
        put_varint(out, index as u64);
    }
}

/// Decodes a chunk; the error says what does not hold.
pub(crate) fn decode(point: PointKey, chunk: &[u8]) -> Result<Columns, &'static str> {
    let (mut cursor, form) = verified(point, chunk)?;
    let n = cursor
        .count()
        .filter(|n| *n <= MAX_SAMPLES)
        .ok_or("its length makes no sense")?;
    let mut columns = Columns {
        observed: numbers(&mut cursor, n)?,
        ..Columns::default()
    };
    columns.lag = match cursor.byte() {
        Some(0) => vec![cursor.signed().ok_or("its times of receipt are cut short")?; n],
        Some(1) => numbers::<i64>(&mut cursor, n)?
            .iter()
            .map(|seconds| seconds.wrapping_mul(1000))
            .collect(),
        _ => return Err("its times of receipt make no sense"),
    };
    columns.quality = runs(&mut cursor, n)?;
    if columns
        .quality
        .chunk_by(|a, b| a == b)
        .any(|run| Quality::from_code(run[0]).is_none())
    {
        return Err("a quality makes no sense");
    }
    columns.kind = runs(&mut cursor, n)?;
    let mut counts = [0usize; 4];
    for run in columns.kind.chunk_by(|a, b| a == b) {
        let kind = Kind::from_code(run[0]).ok_or("a kind of value makes no sense")?;
        counts[kind as usize] += run.len();
    }
    if counts[Kind::Number as usize] > 0 {
        let count = counts[Kind::Number as usize];
        values_into(&mut cursor, form, count, &mut columns.numbers)?;
    }
    columns.states = runs(&mut cursor, counts[Kind::State as usize])?
        .iter()
        .map(|state| *state != 0)
        .collect();
    if counts[Kind::Text as usize] > 0 {
        columns.texts = texts(&mut cursor, counts[Kind::Text as usize]).ok_or("its texts make no sense")?;
    }
    Ok(columns)
}

/// Only the observed times, for the question whether a time is there.
pub(crate) fn decode_times(point: PointKey, chunk: &[u8]) -> Result<Vec<i64>, &'static str> {
    let (mut cursor, _) = verified(point, chunk)?;
    let n = cursor
        .count()
        .filter(|n| *n <= MAX_SAMPLES)
        .ok_or("its length makes no sense")?;
    numbers(&mut cursor, n)
}

/// What stands behind the format of a chunk whose checksum holds, and how its numbers are kept.
pub(super) fn verified(point: PointKey, chunk: &[u8]) -> Result<(Cursor<'_>, Numbers), &'static str> {
    let (body, crc) = chunk.split_last_chunk::<4>().ok_or("it is too short")?;
    if checksum(u64::from(point.0), body) != u32::from_le_bytes(*crc) {
        return Err("its checksum differs");
    }
    let mut cursor = Cursor::new(body);
    let format = cursor.byte();
    let form = [Numbers::Floats, Numbers::Decimals]
        .into_iter()
        .find(|form| Some(*form as u8) == format)
        .ok_or("its format is unknown")?;
    Ok((cursor, form))
}

/// Unpacks the numbers of a chunk, however it keeps them, into room that was there already; what was in it is gone.
pub(super) fn values_into(
    cursor: &mut Cursor<'_>,
    form: Numbers,
    n: usize,
    values: &mut Vec<f64>,
) -> Result<(), &'static str> {
    match form {
        Numbers::Floats => numbers_into(cursor, n, values),
        Numbers::Decimals => decimals::unpack_into(cursor.bytes().ok_or("a column is cut short")?, n, values),
    }
}

pub(super) fn numbers<T: pco::data_types::Number>(
    cursor: &mut Cursor<'_>,
    n: usize,
) -> Result<Vec<T>, &'static str> {
    let mut values = Vec::new();
    numbers_into(cursor, n, &mut values)?;
    Ok(values)
}

/// Unpacks a column of `n` numbers into room that was there already; what was in it is gone.
pub(super) fn numbers_into<T: pco::data_types::Number>(
    cursor: &mut Cursor<'_>,
    n: usize,
    values: &mut Vec<T>,
) -> Result<(), &'static str> {
    unpack(cursor.bytes().ok_or("a column is cut short")?, n, values)
}

pub(super) fn unpack<T: pco::data_types::Number>(
    packed: &[u8],
    n: usize,
    values: &mut Vec<T>,
) -> Result<(), &'static str> {
    values.resize(n, T::default());
    let unpacked = simple_decompress_into(packed, values).map_err(|_| "a column cannot be decompressed")?;
    if unpacked.finished && unpacked.n_processed == n {
        Ok(())
    } else {
        Err("a column has the wrong length")
    }
}

pub(super) fn runs(cursor: &mut Cursor<'_>, n: usize) -> Result<Vec<u8>, &'static str> {
    let mut values = Vec::with_capacity(n);
    each_run(cursor, n, |value, length| {
        values.resize(values.len() + length, value)
    })?;
    Ok(values)
}

/// Every run of a column of `n` values, as it is stored: the value, and how often it stands there.
pub(super) fn each_run(
    cursor: &mut Cursor<'_>,
    n: usize,
    mut take: impl FnMut(u8, usize),
) -> Result<(), &'static str> {
    let mut left = n;
    while left > 0 {
        let (value, length) = cursor.byte().zip(cursor.count()).ok_or("a column is cut short")?;
        if !(1..=left).contains(&length) {
            return Err("a run has the wrong length");
        }
        take(value, length);
        left -= length;
    }
    Ok(())
}

fn texts(cursor: &mut Cursor<'_>, n: usize) -> Option<Vec<Arc<str>>> {
    let count = cursor.count().filter(|count| *count <= n)?;
    let mut words: Vec<Arc<str>> = Vec::with_capacity(count);
    for _ in 0..count {
        words.push(std::str::from_utf8(cursor.bytes()?).ok()?.into());
    }
    (0..n).map(|_| words.get(cursor.count()?).cloned()).collect()
}
