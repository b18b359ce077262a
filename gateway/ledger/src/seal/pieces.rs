//! Where the samples of a point are cut into chunks: so that each fills the pages it lies on.
//!
//! SQLite gives a row that is longer than a page whole pages of its own and keeps the rest, up to a page, among other
//! rows. A chunk is as long as it may be and still end where a page does; what is left over is the point's last chunk,
//! which grows with the next samples.

use crate::codec::chunk;
use crate::codec::columns::{Columns, Place};
use linli_domain::id::PointKey;
use pco::errors::PcoError;

/// Bytes of a row that a page of 4,096 takes whole, less the columns that stand beside the data.
const FIRST_PAGE: usize = 4_061 - 88;
/// Bytes of a row on each further page.
const FURTHER_PAGE: usize = 4_092;
/// How many bytes of its last page may stay empty.
const SLACK: usize = 160;
/// How often a cut is tried; the last one is taken as it comes.
const CUTS: usize = 3;

/// A chunk: its samples, and their bytes.
pub(super) type Piece = (Columns, Vec<u8>);

/// Pages of a chunk that is long enough: what stands beside each chunk is spread over more samples.
const PAGES: usize = 2;

/// Whether a chunk of so many samples and bytes is as long as it should be.
pub(super) fn is_full(samples: usize, bytes: usize, longest: usize) -> bool {
    samples >= longest || fills(bytes) && bytes > FIRST_PAGE + (PAGES - 2) * FURTHER_PAGE
}

/// Whether hardly anything of the last page stays empty.
fn fills(bytes: usize) -> bool {
    let next = match bytes.checked_sub(FIRST_PAGE) {
        None => FIRST_PAGE,
        Some(more) => FIRST_PAGE + more.div_ceil(FURTHER_PAGE) * FURTHER_PAGE,
    };
    next - bytes <= SLACK
}

/// The most bytes up to `bytes` that fill their pages.
fn full(bytes: usize) -> Option<usize> {
    let more = bytes.checked_sub(FIRST_PAGE)?;
    Some(FIRST_PAGE + more / FURTHER_PAGE * FURTHER_PAGE)
}

/// Cuts sorted samples into chunks of at most `longest`. All but the last are full.
pub(super) fn cut(point: PointKey, columns: &Columns, longest: usize) -> Result<Vec<Piece>, PcoError> {
    let mut pieces = Vec::new();
    let mut place = Place::default();
    while place.samples < columns.len() {
        let (piece, next) = first(point, columns, place, longest)?;
        pieces.push(piece);
        place = next;
    }
    Ok(pieces)
}

/// Cuts one chunk out from a place on; returns it and where the next begins.
fn first(
    point: PointKey,
    columns: &Columns,
    place: Place,
    longest: usize,
) -> Result<(Piece, Place), PcoError> {
    let (mut head, mut next) = columns.part(place, longest.max(1));
    let mut data = chunk::encode(point, &head)?;
    // What is left over grows; it is cut when it is long enough.
    let short = data.len() < FIRST_PAGE + (PAGES - 1) * FURTHER_PAGE - SLACK;
    if next.samples == columns.len() && head.len() < longest && short {
        return Ok(((head, data), next));
    }
    for _ in 0..CUTS {
        let Some(room) = full(data.len()).filter(|_| !fills(data.len())) else {
            break;
        };
        // Samples of a point take about the same room each.
        let fitting = (head.len() * room / data.len()).saturating_sub(2);
        if fitting == 0 {
            break;
        }
        (head, next) = columns.part(place, fitting);
        data = chunk::encode(point, &head)?;
    }
    Ok(((head, data), next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::reading::{Quality, Value};
    use linli_domain::time::Timestamp;

    fn samples(count: i64, noise: i64) -> Columns {
        let mut columns = Columns::default();
        let mut dice = 1u64;
        for n in 0..count {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let roll = i64::try_from(dice >> 33).unwrap() % noise;
            let at = Timestamp::from_millis(n * 60_000 + roll);
            let value = Value::Number(roll as f64 / 10.0);
            columns.push(at, at, Some(&value), Quality::Good);
        }
        columns
    }

    #[test]
    fn every_chunk_but_the_last_fills_its_pages_and_no_sample_is_lost() {
        for noise in [1, 2, 30, 400, 1 << 30] {
            let columns = samples(20_000, noise);
            let expected = columns.observed.clone();
            let pieces = cut(PointKey(1), &columns, 4_000).unwrap();
            let observed: Vec<i64> = pieces
                .iter()
                .flat_map(|(piece, _)| piece.observed.clone())
                .collect();
            assert_eq!(observed, expected);
            for (piece, data) in &pieces[..pieces.len() - 1] {
                assert!(piece.len() <= 4_000);
                assert!(
                    piece.len() == 4_000 || fills(data.len()),
                    "noise {noise}: {} samples in {} bytes",
                    piece.len(),
                    data.len()
                );
                assert_eq!(chunk::decode(PointKey(1), data).unwrap(), *piece);
            }
        }
    }

    #[test]
    fn a_few_samples_are_one_chunk_that_may_grow() {
        let pieces = cut(PointKey(1), &samples(50, 400), 4_000).unwrap();
        assert_eq!(pieces.len(), 1);
        assert!(!is_full(50, pieces[0].1.len(), 4_000));
        assert!(cut(PointKey(1), &Columns::default(), 4_000).unwrap().is_empty());
    }
}
