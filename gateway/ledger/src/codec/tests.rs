//! Logs and chunks come back as they went in, and no bytes make a decoder panic.

use super::columns::{Columns, StoredSample};
use super::crc::checksum;
use super::{chunk, log, seen};
use crate::batch::Entry;
use crate::stretch::{Edge, Stretch};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Reason, Value};
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

/// What a chunk may keep as decimals: of numbers nothing else.
fn decimal() -> impl Strategy<Value = Option<Value>> {
    value().prop_map(|value| match value {
        Some(Value::Number(number)) => Some(Value::Number(f64::from(number as i16) / 100.0)),
        other => other,
    })
}

fn reading_with(value: impl Strategy<Value = Option<Value>>) -> impl Strategy<Value = Reading> {
    (any::<u32>(), any::<i64>(), any::<i64>(), value).prop_map(|(point, observed, received, value)| Reading {
        point: PointKey(point),
        observed: Timestamp::from_millis(observed),
        received: Timestamp::from_millis(received),
        value,
        quality: Quality::Good,
    })
}

fn reading() -> impl Strategy<Value = Reading> {
    reading_with(value())
}

/// The readings of a chunk of either form.
fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let of_decimals = prop::collection::vec(reading_with(decimal()), 1..200);
    prop_oneof![prop::collection::vec(reading(), 1..200), of_decimals]
}

prop_compose! {
    fn now()(wall: i64, monotonic: u64, boot: u64, trusted: bool) -> Now {
        Now { wall: Timestamp::from_millis(wall), monotonic: Monotonic(monotonic), boot: BootId(boot), trusted }
    }
}

/// Samples that are alike for a while: the time between them, the value, and how many.
fn steps(
    value: impl Strategy<Value = Option<Value>>,
) -> impl Strategy<Value = Vec<(i64, Option<Value>, usize)>> {
    prop::collection::vec((0i64..500, value, 1usize..30), 1..40)
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
    fn a_chunk_comes_back_as_it_went_in(readings in readings()) {
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
        readings in readings(), cut in any::<prop::sample::Index>()
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
        steps in prop_oneof![steps(value()), steps(decimal())], slices in prop::collection::vec(1usize..25, 1..9)
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
    fn no_bytes_make_a_decoder_panic(format in 1u8..=2, mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bytes.insert(0, format);
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

/// A chunk of before there were decimals: what [`of_a_day`] is as floats.
const AS_FLOATS: &str = "01283770636F210300050A04010427000001A60E000000000010010180000000000000004000040000B401000000000000D0\
    59A766CF8B000000012470636F210300050A04010427000010010180000000000000004000000000000000008000001E430A\
    0201000101020201000101020201000101020201030101020201030101020201030101020201030101020201030101020201\
    030101020201030101023F70636F2103000405040106130000A2999999999999FB1B0101800000000000000040010400FEFF\
    FFFFFFFFFFFF02E80000000000008088888888886DB60100010100010101000101010001010100010101000101046F70656E\
    00000000000000C11F8A52";

fn as_floats() -> Vec<u8> {
    let digits = AS_FLOATS.as_bytes().chunks(2);
    let bytes = digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
    bytes.collect()
}

fn of_a_day() -> Vec<StoredSample> {
    let value = |n: i32| match n % 4 {
        0 => Some(Value::State(n % 8 == 0)),
        1 => (n > 10).then(|| Value::Text("open".into())),
        _ => Some(Value::Number(f64::from(230 + n) / 10.0)),
    };
    (0..40)
        .map(|n| StoredSample {
            observed: Timestamp::from_millis(1_767_225_600_000 + i64::from(n) * 60_000),
            received: Timestamp::from_millis(1_767_225_600_000 + i64::from(n) * 61_000),
            value: value(n),
            quality: if n < 30 {
                Quality::Good
            } else {
                Quality::Uncertain(Reason::Stale)
            },
        })
        .collect()
}

#[test]
fn a_chunk_of_before_there_were_decimals_is_read_as_ever() {
    let (old, samples) = (as_floats(), of_a_day());
    let new = chunk::encode(PointKey(3), &samples.iter().collect()).unwrap();
    assert_eq!((old[0], new[0]), (1, 2));
    assert!(new.len() < old.len(), "{} bytes of {}", new.len(), old.len());
    // The time of receipt was kept in whole seconds then as now.
    assert_eq!(chunk::decode(PointKey(3), &old), chunk::decode(PointKey(3), &new));
    let values = |bytes: &[u8]| -> Vec<Option<Value>> {
        let columns = chunk::decode(PointKey(3), bytes).unwrap();
        columns.samples().map(|sample| sample.value).collect()
    };
    let expected: Vec<Option<Value>> = samples.iter().map(|sample| sample.value.clone()).collect();
    assert_eq!(values(&old), expected);
    let looks =
        |bytes: &[u8]| -> Vec<seen::Look> { seen::decode(PointKey(3), bytes).unwrap().looks().collect() };
    assert_eq!(looks(&old), looks(&new));
    let last = samples[39].observed.as_millis();
    for before in [last - 1, last, last + 1] {
        let edge = |bytes: &[u8]| seen::edge_before(PointKey(3), bytes, last, before).unwrap();
        assert_eq!(edge(&old), edge(&new));
    }
}

/// Every way to ask a chunk.
fn ask(bytes: &[u8]) -> [Result<(), &'static str>; 4] {
    [
        chunk::decode(PointKey(3), bytes).map(drop),
        chunk::decode_times(PointKey(3), bytes).map(drop),
        seen::decode(PointKey(3), bytes).map(drop),
        seen::edge_before(PointKey(3), bytes, 0, 1).map(drop),
    ]
}

#[test]
fn a_chunk_of_either_form_with_any_byte_changed_or_cut_is_refused() {
    let decimals = chunk::encode(PointKey(3), &of_a_day().iter().collect()).unwrap();
    for whole in [as_floats(), decimals] {
        assert!(ask(&whole).iter().all(Result::is_ok));
        for place in 0..whole.len() {
            let cut = ask(&whole[..place]);
            assert!(cut.iter().all(Result::is_err), "cut at {place}");
            for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF] {
                let mut bytes = whole.clone();
                bytes[place] ^= change;
                let changed = ask(&bytes);
                assert!(changed.iter().all(Result::is_err), "byte {place} ^ {change}");
            }
        }
    }
}

/// The bytes with a checksum that fits, so that the decoders have to cope with them.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &checksum(3, bytes).to_le_bytes()[..]].concat()
}

#[test]
fn bytes_changed_by_somebody_who_mends_the_checksum_make_no_decoder_panic() {
    let decimals = chunk::encode(PointKey(3), &of_a_day().iter().collect()).unwrap();
    for whole in [as_floats(), decimals] {
        let body = &whole[..whole.len() - 4];
        for place in 0..body.len() {
            let _ = ask(&sealed(&body[..place]));
            for change in [0x01, 0x02, 0x08, 0x40, 0x80, 0xFF] {
                let mut bytes = body.to_vec();
                bytes[place] ^= change;
                let _ = ask(&sealed(&bytes));
            }
        }
    }
}

#[test]
fn decimals_with_digits_nobody_writes_are_refused() {
    let numbers = [23.4, 0.05].map(|number| StoredSample {
        value: Some(Value::Number(number)),
        ..of_a_day()[2].clone()
    });
    let whole = chunk::encode(PointKey(3), &numbers.iter().collect()).unwrap();
    let body = &whole[..whole.len() - 4];
    // The digits stand before the packed numbers, which begin as every file of pco does.
    let packed = body.windows(4).rposition(|four| four == b"pco!").unwrap();
    assert_eq!(body[packed - 1], 2);
    for digits in [7, 8, 0x7F, 0xFF] {
        let mut bytes = body.to_vec();
        bytes[packed - 1] = digits;
        let said = "the digits of its numbers make no sense";
        assert_eq!(chunk::decode(PointKey(3), &sealed(&bytes)), Err(said));
        assert_eq!(seen::decode(PointKey(3), &sealed(&bytes)).map(drop), Err(said));
    }
    let mut floats = body.to_vec();
    floats[0] = 1;
    assert!(
        chunk::decode(PointKey(3), &sealed(&floats)).is_err(),
        "decimals are no floats"
    );
    floats[0] = 3;
    assert_eq!(
        chunk::decode(PointKey(3), &sealed(&floats)),
        Err("its format is unknown")
    );
}
