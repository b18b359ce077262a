//! Logs and chunks come back as they went in, and no bytes make a decoder panic.

use super::columns::{Columns, StoredSample};
use super::crc::checksum;
use super::{chunk, log, seen};
use crate::batch::Entry;
use crate::stretch::{Edge, Stretch};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        any::<f64>().prop_map(|n| Some(Value::Number(n))),
        (-99_999i64..99_999, 0u8..4).prop_map(|(m, d)| Some(Value::Number(m as f64 / 10f64.powi(d.into())))),
        any::<bool>().prop_map(|s| Some(Value::State(s))),
        ".{0,5}".prop_map(|t| Some(Value::Text(t.into()))),
    ]
}

prop_compose! {
    fn reading()(point: u32, observed: i64, received: i64, value in value()) -> Reading {
        let (observed, received) = (Timestamp::from_millis(observed), Timestamp::from_millis(received));
        Reading { point: PointKey(point), observed, received, value, quality: Quality::Good }
    }
}

prop_compose! {
    fn now()(wall: i64, monotonic: u64, boot: u64, trusted: bool) -> Now {
        Now { wall: Timestamp::from_millis(wall), monotonic: Monotonic(monotonic), boot: BootId(boot), trusted }
    }
}

/// The same value, told apart by its bits: not-a-number is stored as it was.
fn bits(value: &Option<Value>) -> String {
    match value {
        Some(Value::Number(number)) => format!("{:x}", number.to_bits()),
        other => format!("{other:?}"),
    }
}

fn walk(log: &[u8]) -> Result<usize, crate::Damage> {
    let mut decoder = log::Decoder::new(CommitId(1), log)?;
    let mut entries = 0;
    while decoder.next()?.is_some() {
        entries += 1;
    }
    Ok(entries)
}

proptest! {
    #[test]
    fn a_log_comes_back_as_it_went_in(nows in prop::collection::vec(now(), 0..4), readings in prop::collection::vec(reading(), 0..40)) {
        let mut entries: Vec<Entry<'_>> = nows.iter().map(|now| Entry::Now(*now)).collect();
        entries.extend(readings.iter().map(|reading| Entry::Reading { reading, evaluated: reading.point.0 % 2 == 0 }));
        entries.push(Entry::Input(b"edit"));
        let mut bytes = Vec::new();
        log::encode(&mut bytes, CommitId(1), &entries);
        let mut decoder = log::Decoder::new(CommitId(1), &bytes).unwrap();
        for entry in &entries {
            match (decoder.next().unwrap().unwrap(), entry) {
                (log::Decoded::Now(got), Entry::Now(put)) => prop_assert_eq!(got, *put),
                (log::Decoded::Input(got), Entry::Input(put)) => prop_assert_eq!(got, *put),
                (log::Decoded::Reading { reading, evaluated }, Entry::Reading { reading: put, evaluated: was }) => {
                    prop_assert_eq!(evaluated, *was);
                    prop_assert_eq!(bits(&reading.value), bits(&put.value));
                    prop_assert_eq!((reading.observed, reading.received), (put.observed, put.received));
                    prop_assert_eq!(reading.point, put.point);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(decoder.next().unwrap(), None);
    }

    #[test]
    fn a_chunk_comes_back_as_it_went_in(readings in prop::collection::vec(reading(), 1..200)) {
        let samples: Vec<StoredSample> = readings.iter().map(StoredSample::from).collect();
        let columns: Columns = samples.iter().collect();
        let bytes = chunk::encode(PointKey(3), &columns).unwrap();
        let back = chunk::decode(PointKey(3), &bytes).unwrap();
        prop_assert_eq!(back.len(), samples.len());
        for (got, put) in back.samples().zip(&samples) {
            prop_assert_eq!(got.observed, put.observed);
            prop_assert_eq!(bits(&got.value), bits(&put.value));
        }
        prop_assert!(chunk::decode(PointKey(4), &bytes).is_err(), "a chunk of another point is refused");
    }

    #[test]
    fn what_sums_see_of_a_chunk_is_what_is_in_it(
        readings in prop::collection::vec(reading(), 1..200), cut in any::<prop::sample::Index>()
    ) {
        let mut columns: Columns = readings.iter().map(StoredSample::from).collect::<Vec<_>>().iter().collect();
        columns.sort();
        let bytes = chunk::encode(PointKey(3), &columns).unwrap();
        let looks: Vec<seen::Look> = seen::decode(PointKey(3), &bytes).unwrap().looks().collect();
        let ones = looks.iter().map(|look| look.stretch());
        let samples: Vec<StoredSample> = columns.samples().collect();
        let expected = samples.iter().map(|one| seen::Look::of(one.observed.as_millis(), one.value.as_ref()).stretch());
        prop_assert_eq!(ones.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        // The one before any of them, and the last of all.
        let last = samples[samples.len() - 1].observed.as_millis();
        let before = samples[cut.index(samples.len())].observed.as_millis();
        for before in [before, last.saturating_add(1)] {
            let earlier = samples.iter().rfind(|one| one.observed.as_millis() < before);
            let expected = earlier.map(|one| (one.observed.as_millis(), Edge::of(one.value.as_ref())));
            prop_assert_eq!(seen::edge_before(PointKey(3), &bytes, last, before).unwrap(), expected);
        }
    }

    #[test]
    fn samples_taken_in_slices_make_what_each_alone_makes(
        steps in prop::collection::vec((0i64..500, value(), 1usize..30), 1..40), slices in prop::collection::vec(1usize..25, 1..9)
    ) {
        let (mut at, mut columns) = (0, Columns::default());
        for (step, value, times) in steps {
            for _ in 0..times {
                at += step;
                let time = Timestamp::from_millis(at);
                columns.push(time, time, value.as_ref(), Quality::Good);
            }
        }
        let bytes = chunk::encode(PointKey(3), &columns).unwrap();
        let seen = seen::decode(PointKey(3), &bytes).unwrap();
        let mut alone = Stretch::default();
        seen.looks().for_each(|look| alone.join(&look.stretch()));
        let (mut walk, mut together, mut most) = (seen.walk(), Stretch::default(), slices.iter().cycle());
        while let Some((times, alike)) = walk.next(*most.next().unwrap()) {
            together.extend(times, alike);
        }
        // As text: it tells zeros apart, and takes a sum that is no number for itself.
        prop_assert_eq!(format!("{:?}", together), format!("{:?}", alone));
        prop_assert_eq!(together.summary.samples, columns.len() as u64);
    }

    #[test]
    fn one_changed_byte_is_found(readings in prop::collection::vec(reading(), 1..20), place: prop::sample::Index, change in 1u8..) {
        let entries: Vec<Entry<'_>> = readings.iter().map(|reading| Entry::Reading { reading, evaluated: true }).collect();
        let mut bytes = Vec::new();
        log::encode(&mut bytes, CommitId(1), &entries);
        *place.get_mut(&mut bytes) ^= change;
        prop_assert!(walk(&bytes).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bytes.insert(0, 1);
        let crc = checksum(1, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        // The checksum fits, so the decoders have to cope with the bytes themselves.
        let _ = walk(&bytes);
        let _ = chunk::decode(PointKey(1), &bytes);
        let _ = chunk::decode_times(PointKey(1), &bytes);
        let _ = seen::decode(PointKey(1), &bytes).map(drop);
        let _ = seen::edge_before(PointKey(1), &bytes, 0, 0);
        let _ = seen::edge_before(PointKey(1), &bytes, 0, 1);
    }
}
