//! Questions unpack what lies in their time and no more, however much there is before, after and beside it.
//!
//! What was unpacked is counted, not how long it took: that is the same on every machine.

use crate::estate::{Estate, at, number, wet};
use linli_domain::id::PointKey;
use linli_ledger::{DAY, Edge, Effort, HOUR, MINUTE, Options, Reader, Spans};
use std::time::Duration;

const THERMOMETER: u32 = 1;
const BAY: u32 = 2;
const ROPE: u32 = 3;
const DAYS: i64 = 40;

/// Forty days of a thermometer each five minutes, a bay that changes each two hours and a rope each ten minutes, sealed
/// each day. The first message of each came from a clock that was a year ahead.
fn forty_days() -> Estate {
    let mut estate = Estate::with(Options {
        seal_samples: 200,
        ..Options::default()
    });
    let ahead = 365 * DAY;
    estate.hear(&[
        number(THERMOMETER, ahead, 0.0),
        wet(BAY, ahead, true),
        wet(ROPE, ahead, false),
    ]);
    for day in 0..DAYS {
        let mut heard = Vec::new();
        for n in 0..288 {
            let time = day * DAY + n * 5 * MINUTE + n * 7 % 400;
            heard.push(number(THERMOMETER, time, (n % 40) as f64));
            if n % 24 == 0 {
                heard.push(wet(BAY, time, n % 48 == 0));
            }
            if n % 2 == 0 {
                heard.push(wet(ROPE, time, false));
            }
        }
        estate.hear(&heard);
        estate.clock = (day + 1) * DAY;
        let last = estate.ledger().last_commit();
        estate.seal_all(last, last);
    }
    estate.clock += 8 * DAY;
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    estate
}

/// What a question unpacked.
fn effort<T>(reader: &Reader, ask: impl FnOnce(&Reader) -> T) -> (T, Effort) {
    let before = reader.effort();
    let answer = ask(reader);
    let after = reader.effort();
    let spent = Effort {
        chunks: after.chunks - before.chunks,
        samples: after.samples - before.samples,
        singly: after.singly - before.singly,
        sums: after.sums - before.sums,
    };
    (answer, spent)
}

fn spans(reader: &Reader, point: u32, from: i64, to: i64, width: i64) -> (Spans, Effort) {
    let width = Duration::from_millis(width.unsigned_abs());
    effort(reader, |reader| {
        reader.spans(PointKey(point), at(from), at(to), width).unwrap()
    })
}

fn samples(spans: &Spans) -> u64 {
    spans.spans.iter().map(|span| span.stretch.summary.samples).sum()
}

#[test]
fn a_day_in_quarters_of_an_hour_unpacks_the_chunks_of_that_day() {
    let mut estate = forty_days();
    let reader = estate.reader();
    for (point, expected) in [(THERMOMETER, 288), (BAY, 12), (ROPE, 144)] {
        let kept = reader.kept().unwrap();
        let kept = kept.iter().find(|kept| kept.point == PointKey(point)).unwrap();
        let (day, spent) = spans(&reader, point, 30 * DAY, 31 * DAY, 15 * MINUTE);
        assert_eq!(samples(&day), expected);
        assert!(day.goes_on);
        // The day's own, at most two of which reach into it, once more for the state before, and the one that the clock ahead spoiled.
        assert!(spent.chunks <= 5, "point {point}: {spent:?} of {kept:?}");
        assert_eq!(spent.sums, 0, "no sums fit: {spent:?}");
    }
}

#[test]
fn the_state_before_is_found_without_unpacking_what_lies_between() {
    let mut estate = forty_days();
    let reader = estate.reader();
    let (last, spent) = effort(&reader, |reader| {
        reader.last_before(PointKey(BAY), at(35 * DAY + 1))
    });
    assert_eq!(last.unwrap().unwrap().observed, at(35 * DAY));
    assert!(spent.chunks <= 3, "{spent:?}");
    let (empty, spent) = spans(&reader, ROPE, 60 * DAY, 60 * DAY + HOUR, MINUTE);
    let newest = (DAYS - 1) * DAY + 286 * 5 * MINUTE + 286 * 7 % 400;
    assert_eq!(empty.before, Some((Edge::Off, at(newest))));
    assert_eq!((empty.spans.len(), empty.goes_on), (0, true));
    assert!(spent.chunks <= 2, "{spent:?}");
}

#[test]
fn whole_hours_and_days_come_from_sums_and_only_what_is_not_sealed_from_samples() {
    let mut estate = forty_days();
    // A record from before comes in late and is not sealed yet: only its hour is read sample by sample.
    estate.hear(&[number(THERMOMETER, 20 * DAY + 30 * MINUTE + 1, 99.0)]);
    let reader = estate.reader();
    let (days, spent) = spans(&reader, THERMOMETER, 0, DAYS * DAY, DAY);
    assert_eq!(samples(&days), 288 * DAYS as u64 + 1);
    assert_eq!(days.spans[20].stretch.summary.max, Some(99.0));
    assert!(spent.chunks <= 8 && spent.sums <= 4, "{spent:?}");
    let (before, spent) = spans(&reader, THERMOMETER, 0, 20 * DAY, DAY);
    assert_eq!(samples(&before), 288 * 20);
    assert!(
        spent.chunks <= 2,
        "only the state before was looked for: {spent:?}"
    );
}

#[test]
fn samples_that_nothing_lies_between_are_not_put_in_order_one_by_one() {
    let mut estate = forty_days();
    // No sums fit. The clock that was ahead left one sample far behind all others, which disturbs none of them.
    let width = 7 * HOUR + 1;
    let question = |estate: &mut Estate, point| spans(&estate.reader(), point, 0, DAYS * DAY, width);
    for (point, expected) in [(THERMOMETER, 288), (BAY, 12), (ROPE, 144)] {
        let (buckets, spent) = question(&mut estate, point);
        assert_eq!(samples(&buckets), expected * DAYS as u64);
        assert!(spent.samples >= samples(&buckets), "{spent:?}");
        assert_eq!(spent.singly, 0, "point {point}: {spent:?}");
    }
    // One that comes late and is not sealed lies in the middle of a chunk: what is behind it there has to be put in order.
    estate.hear(&[number(THERMOMETER, 20 * DAY + 30 * MINUTE + 1, 99.0)]);
    let (_, late) = question(&mut estate, THERMOMETER);
    assert!((1..=2_000).contains(&late.singly), "{late:?}");
}

#[test]
fn a_page_of_samples_unpacks_the_chunks_it_is_filled_from() {
    let mut estate = forty_days();
    let reader = estate.reader();
    let (page, spent) = effort(&reader, |reader| {
        let (from, to) = (at(10 * DAY), at(40 * DAY));
        reader
            .samples(PointKey(THERMOMETER), from, to, 100, None)
            .unwrap()
    });
    assert_eq!(page.samples.len(), 100);
    assert!(spent.chunks <= 4, "{spent:?}");
}
