//! A row of rollups: the stretches of some buckets of one width, column by column.
//!
//! ```text
//! format(1) · n · column … · crc32(4)
//! column = 0 · one value(8) | 1 · pco
//! ```
//! Times of the ends are not kept of numbers, which have no durations. The checksum starts from the point key.

use super::bytes::{Cursor, put_bytes, put_varint};
use super::crc::checksum;
use crate::stretch::{Edge, Stretch};
use crate::summary::Summary;
use linli_domain::id::PointKey;
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

const FORMAT: u8 = 1;
/// Most buckets of a row that a decoder believes in.
const MAX_BUCKETS: usize = 4_096;

/// Encodes buckets, given by their starts in order.
pub(crate) fn encode(point: PointKey, buckets: &[(i64, Stretch)]) -> Result<Vec<u8>, pco::errors::PcoError> {
    let mut out = vec![FORMAT];
    put_varint(&mut out, buckets.len() as u64);
    // Numbers have no durations; anything else needs to know where its stretches begin and end.
    let numbers_only = buckets.iter().any(|(_, stretch)| stretch.summary.numeric > 0)
        && !buckets.iter().any(|(_, stretch)| stretch.knows_a_state());
    let timed = |start: i64, at: i64| if numbers_only { 0 } else { at - start };
    let whole = |make: &dyn Fn(&(i64, Stretch)) -> i64| buckets.iter().map(make).collect::<Vec<i64>>();
    let columns = [
        whole(&|(start, _)| *start),
        whole(&|(start, stretch)| timed(*start, stretch.first_at)),
        whole(&|(start, stretch)| timed(*start, stretch.last_at)),
        whole(&|(_, stretch)| stretch.summary.samples as i64),
        whole(&|(_, stretch)| (stretch.summary.samples - stretch.summary.numeric) as i64),
        whole(&|(_, stretch)| i64::from(stretch.starts.code() * 4 + stretch.ends.code())),
        whole(&|(_, stretch)| stretch.true_ms as i64),
        whole(&|(_, stretch)| (stretch.known_ms - stretch.true_ms) as i64),
        whole(&|(_, stretch)| stretch.changes as i64),
    ];
    for column in &columns {
        put_integers(&mut out, column)?;
    }
    let numbers = |make: &dyn Fn(&Summary) -> Option<f64>| {
        buckets
            .iter()
            .map(|(_, stretch)| make(&stretch.summary).unwrap_or(f64::NAN))
            .collect::<Vec<f64>>()
    };
    for column in [
        numbers(&|summary| summary.min),
        numbers(&|summary| summary.max),
        numbers(&|summary| Some(summary.sum)),
        numbers(&|summary| summary.first),
        numbers(&|summary| summary.last),
    ] {
        put_numbers(&mut out, &column)?;
    }
    let crc = checksum(u64::from(point.0), &out);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(out)
}

fn put_integers(out: &mut Vec<u8>, values: &[i64]) -> Result<(), pco::errors::PcoError> {
    let first = values.first().copied().unwrap_or(0);
    if values.iter().all(|value| *value == first) {
        out.push(0);
        out.extend_from_slice(&first.to_le_bytes());
    } else {
        out.push(1);
        put_bytes(out, &simple_compress(values, &ChunkConfig::default())?);
    }
    Ok(())
}

fn put_numbers(out: &mut Vec<u8>, values: &[f64]) -> Result<(), pco::errors::PcoError> {
    let first = values.first().copied().unwrap_or(0.0);
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        out.push(0);
        out.extend_from_slice(&first.to_le_bytes());
    } else {
        out.push(1);
        put_bytes(out, &simple_compress(values, &ChunkConfig::default())?);
    }
    Ok(())
}

/// Decodes a row of rollups; the error says what does not hold.
pub(crate) fn decode(point: PointKey, row: &[u8]) -> Result<Vec<(i64, Stretch)>, &'static str> {
    let (body, crc) = row.split_last_chunk::<4>().ok_or("it is too short")?;
    if checksum(u64::from(point.0), body) != u32::from_le_bytes(*crc) {
        return Err("its checksum differs");
    }
    let mut cursor = Cursor::new(body);
    if cursor.byte() != Some(FORMAT) {
        return Err("its format is unknown");
    }
    let n = cursor
        .count()
        .filter(|n| *n <= MAX_BUCKETS)
        .ok_or("its length makes no sense")?;
    let mut integers = || integers(&mut cursor, n).ok_or("a column makes no sense");
    let starts = integers()?;
    let (first, last) = (integers()?, integers()?);
    let (samples, missing, edges) = (integers()?, integers()?, integers()?);
    let (on, off, changes) = (integers()?, integers()?, integers()?);
    let mut numbers = || numbers(&mut cursor, n).ok_or("a column makes no sense");
    let (min, max, sum) = (numbers()?, numbers()?, numbers()?);
    let (first_value, last_value) = (numbers()?, numbers()?);
    let some = |number: f64| Some(number).filter(|number| !number.is_nan());
    Ok((0..n)
        .map(|n| {
            let summary = Summary {
                samples: samples[n] as u64,
                numeric: samples[n].saturating_sub(missing[n]) as u64,
                min: some(min[n]),
                max: some(max[n]),
                sum: sum[n],
                first: some(first_value[n]),
                last: some(last_value[n]),
            };
            let stretch = Stretch {
                summary,
                first_at: starts[n].wrapping_add(first[n]),
                last_at: starts[n].wrapping_add(last[n]),
                starts: Edge::from_code((edges[n] / 4) as u8),
                ends: Edge::from_code((edges[n] % 4) as u8),
                true_ms: on[n] as u64,
                known_ms: (on[n] as u64).wrapping_add(off[n] as u64),
                changes: changes[n] as u64,
            };
            (starts[n], stretch)
        })
        .collect())
}

fn integers(cursor: &mut Cursor<'_>, n: usize) -> Option<Vec<i64>> {
    match cursor.byte()? {
        0 => Some(vec![i64::from_le_bytes(cursor.array()?); n]),
        _ => simple_decompress::<i64>(cursor.bytes()?)
            .ok()
            .filter(|values| values.len() == n),
    }
}

fn numbers(cursor: &mut Cursor<'_>, n: usize) -> Option<Vec<f64>> {
    match cursor.byte()? {
        0 => Some(vec![f64::from_le_bytes(cursor.array()?); n]),
        _ => simple_decompress::<f64>(cursor.bytes()?)
            .ok()
            .filter(|values| values.len() == n),
    }
}
