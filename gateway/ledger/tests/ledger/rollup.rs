//! Sums per minute, hour and day are what the samples say, whenever they come and whatever was let go since.

use crate::estate::{Estate, NEW_YEAR, at, leak_alarm, number, wet};
use linli_domain::id::{AlarmId, PointKey};
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::time::Timestamp;
use linli_ledger::{Batch, Budget, DAY, Edge, HOUR, Keep, MINUTE, Options, Span, Stretch};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn rolling() -> Estate {
    Estate::with(Options {
        head_samples: 16,
        seal_samples: 30,
        stage_target: 3_000,
        ..Options::default()
    })
}

fn seal(estate: &mut Estate) {
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
}

fn spans(estate: &mut Estate, point: u32, from: i64, to: i64, width: i64) -> Vec<Span> {
    let reader = estate.reader();
    let width = Duration::from_millis(width as u64);
    reader
        .spans(PointKey(point), at(from), at(to), width)
        .unwrap()
        .spans
}

/// What a plain walk over the samples says: per bucket count, least, greatest, time true, changes.
type Plain = BTreeMap<i64, (u64, Option<f64>, Option<f64>, u64, u64)>;

fn plain(samples: &[(i64, Option<Value>)], from: i64, to: i64, width: i64) -> Plain {
    let mut buckets: BTreeMap<i64, Vec<&(i64, Option<Value>)>> = BTreeMap::new();
    for sample in samples.iter().filter(|(at, _)| (from..to).contains(at)) {
        buckets
            .entry(from + (sample.0 - from).div_euclid(width) * width)
            .or_default()
            .push(sample);
    }
    let state = |value: &Option<Value>| value.as_ref().and_then(Value::as_state);
    let figures = |inside: &Vec<&(i64, Option<Value>)>| {
        let numbers = inside.iter().filter_map(|(_, value)| match value {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::State(state)) => Some(f64::from(u8::from(*state))),
            _ => None,
        });
        let (mut on, mut changes) = (0, 0);
        for pair in inside.windows(2) {
            if state(&pair[0].1) == Some(true) {
                on += (pair[1].0 - pair[0].0) as u64;
            }
            changes +=
                u64::from(matches!((state(&pair[0].1), state(&pair[1].1)), (Some(a), Some(b)) if a != b));
        }
        (
            inside.len() as u64,
            numbers.clone().reduce(f64::min),
            numbers.reduce(f64::max),
            on,
            changes,
        )
    };
    buckets
        .iter()
        .map(|(start, inside)| (*start, figures(inside)))
        .collect()
}

fn told(spans: &[Span]) -> Plain {
    let figures = |stretch: &Stretch| {
        let summary = &stretch.summary;
        (
            summary.samples,
            summary.min,
            summary.max,
            stretch.true_ms,
            stretch.changes,
        )
    };
    spans
        .iter()
        .map(|span| (span.start.as_millis() - NEW_YEAR, figures(&span.stretch)))
        .collect()
}

#[derive(Debug, Clone)]
enum Step {
    Hear(Vec<(i64, Option<Value>)>),
    Seal,
    Restart,
}

/// Samples of a point that has states, or of one that has numbers; either may be missing now and then.
///
/// Within `reach` times seven seconds: within half a day there is enough for its hours to be kept, over three days not.
fn step(states: bool, reach: i64) -> impl Strategy<Value = Step> {
    let value = if states {
        any::<bool>().prop_map(Value::State).boxed()
    } else {
        (-40i32..40)
            .prop_map(|number| Value::Number(f64::from(number)))
            .boxed()
    };
    let value = prop::option::weighted(0.8, value);
    // Times over three days in steps of seven seconds, in any order: late data is the rule here.
    let sample = (0..reach, value).prop_map(|(at, value)| (at * 7_000, value));
    prop_oneof![
        4 => prop::collection::vec(sample, 1..90).prop_map(Step::Hear),
        3 => Just(Step::Seal),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_samples_under_late_data(
        steps in (any::<bool>(), prop::sample::select(vec![37_000i64, 6_000]))
            .prop_flat_map(|(states, reach)| prop::collection::vec(step(states, reach), 1..18))
    ) {
        let mut estate = rolling();
        let mut samples: Vec<(i64, Option<Value>)> = Vec::new();
        for step in steps {
            match step {
                Step::Hear(new) => {
                    let readings: Vec<Reading> = new
                        .iter()
                        .filter(|(time, _)| samples.iter().all(|(known, _)| known != time))
                        .map(|(time, value)| Reading {
                            point: PointKey(1),
                            observed: at(*time),
                            received: at(*time),
                            value: value.clone(),
                            quality: if value.is_some() { Quality::Good } else { Quality::Bad(Reason::CommTimeout) },
                        })
                        .collect();
                    let mut seen = std::collections::BTreeSet::new();
                    let readings: Vec<Reading> =
                        readings.into_iter().filter(|reading| seen.insert(reading.observed)).collect();
                    samples.extend(readings.iter().map(|r| (r.observed.as_millis() - NEW_YEAR, r.value.clone())));
                    estate.hear(&readings);
                    samples.sort_by_key(|(time, _)| *time);
                }
                Step::Seal => seal(&mut estate),
                Step::Restart => estate.restart(),
            }
        }
        for width in [MINUTE, 7 * MINUTE, HOUR, 5 * HOUR, DAY, 61_234] {
            let expected = plain(&samples, 0, 3 * DAY, width);
            let found = told(&spans(&mut estate, 1, 0, 3 * DAY, width));
            prop_assert_eq!(&found, &expected, "width {}", width);
        }
        let odd = spans(&mut estate, 1, 12_345, 2 * DAY + 777, HOUR);
        prop_assert_eq!(told(&odd), plain(&samples, 12_345, 2 * DAY + 777, HOUR));
    }
}

/// What happens while somebody sets the gateway's clock.
#[derive(Debug, Clone)]
enum Moment {
    /// So many readings, ten seconds apart by the clock as it is.
    Hear(u8),
    /// The clock is set by so many minutes.
    Step(i64),
    /// Some slices of sealing without time: a pass stays open over what follows.
    Slices(u8),
    Restart,
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        5 => (1u8..40).prop_map(Moment::Hear),
        3 => prop::sample::select(vec![-120i64, 120, -61, 59]).prop_map(Moment::Step),
        4 => (1u8..20).prop_map(Moment::Slices),
        1 => Just(Moment::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_set_by_two_hours_while_it_seals_loses_and_doubles_nothing(
        moments in prop::collection::vec(moment(), 1..40)
    ) {
        let mut estate = rolling();
        estate.clock = DAY;
        let mut heard: Vec<(i64, Option<Value>)> = Vec::new();
        for moment in moments {
            match moment {
                Moment::Hear(count) => for _ in 0..count {
                    estate.clock += 10_000;
                    let wet = heard.len().is_multiple_of(3);
                    heard.push((estate.clock, Some(Value::State(wet))));
                    let reading = Reading::new(
                        PointKey(1), at(estate.clock), at(estate.clock), Value::State(wet), Quality::Good,
                    );
                    estate.hear(&[reading]);
                },
                Moment::Step(minutes) => estate.clock += minutes * MINUTE,
                Moment::Slices(count) => for _ in 0..count {
                    let last = estate.ledger().last_commit();
                    let snapshot = linli_ledger::Snapshot { commit: last, format: 1, bytes: Vec::new() };
                    let budget = linli_ledger::Budget { now: estate.now().wall, slice: Duration::ZERO };
                    estate.ledger().seal(budget, last, Some(&snapshot)).unwrap();
                },
                Moment::Restart => estate.restart(),
            }
        }
        // By time, and of equal times the one that came first.
        heard.sort_by_key(|(time, _)| *time);
        for sealed in [false, true] {
            if sealed {
                estate.clock = 20 * DAY;
                seal(&mut estate);
            }
            let stored: Vec<_> = estate
                .all_samples(1)
                .into_iter()
                .map(|sample| (sample.observed.as_millis() - NEW_YEAR, sample.value))
                .collect();
            prop_assert_eq!(&stored, &heard);
            for width in [MINUTE, HOUR, DAY] {
                let found = told(&spans(&mut estate, 1, 0, 9 * DAY, width));
                prop_assert_eq!(&found, &plain(&heard, 0, 9 * DAY, width), "width {}", width);
            }
        }
    }
}

#[test]
fn what_was_true_before_the_range_is_known() {
    let mut estate = rolling();
    for n in 0..40 {
        let state = n % 2 == 0;
        estate.hear(&[Reading::new(
            PointKey(1),
            at(n * HOUR),
            at(n * HOUR),
            Value::State(state),
            Quality::Good,
        )]);
    }
    seal(&mut estate);
    let reader = estate.reader();
    let spans = reader
        .spans(
            PointKey(1),
            at(20 * HOUR + 1),
            at(21 * HOUR),
            Duration::from_secs(3600),
        )
        .unwrap();
    assert_eq!(spans.before, Some((Edge::On, at(20 * HOUR))));
    assert_eq!(spans.spans.len(), 0, "a gap is a bucket that is not there");
}

#[test]
fn samples_go_after_their_time_and_their_hours_stay() {
    let keep = Keep {
        measure: "*".into(),
        raw: Some(Duration::from_secs(10 * 86_400)),
        minute: Some(Duration::from_secs(20 * 86_400)),
        hour: None,
        day: None,
    };
    let mut estate = Estate::with(Options {
        seal_samples: 50,
        keep: vec![keep],
        ..Options::default()
    });
    let point = linli_ledger::PointRow {
        key: PointKey(1),
        id: "bin-7/bin.fill".parse().unwrap(),
        device: "bin-7".parse().unwrap(),
        measure: "bin.fill".into(),
        instance: None,
    };
    let now = estate.now();
    estate
        .ledger()
        .commit(&Batch {
            points: &[point],
            ..Batch::at(now)
        })
        .unwrap();
    for day in 0..30 {
        estate.clock = day * DAY;
        for n in 0..24 {
            estate.hear(&[number(1, day * DAY + n * HOUR, (day * 24 + n) as f64)]);
        }
        seal(&mut estate);
    }
    let before = spans(&mut estate, 1, 0, 30 * DAY, DAY);
    estate.clock = 30 * DAY;
    let mut gone = 0;
    loop {
        let now = estate.now().wall;
        let went = estate.ledger().retain(now, Duration::from_millis(50)).unwrap();
        gone += went.samples;
        if !went.more {
            break;
        }
    }
    assert!((400..=480).contains(&gone), "{gone}");
    assert_eq!(estate.all_samples(1).len() as u64, 720 - gone);
    assert_eq!(
        spans(&mut estate, 1, 0, 30 * DAY, DAY),
        before,
        "days are what they were"
    );
    let hours = spans(&mut estate, 1, 0, 30 * DAY, HOUR);
    assert_eq!(hours.len(), 720);
    // A width that fits no rollup still answers, from the hours.
    let odd = spans(&mut estate, 1, 0, 30 * DAY, 7 * HOUR + 1);
    assert_eq!(
        odd.iter().map(|span| span.stretch.summary.samples).sum::<u64>(),
        720
    );
    // A record from before, sent late, is counted and changes nothing else.
    estate.hear(&[number(1, 2 * DAY + 30 * MINUTE, 9_999.0)]);
    estate.clock = 38 * DAY;
    seal(&mut estate);
    let late = spans(&mut estate, 1, 0, 30 * DAY, DAY);
    assert_eq!(
        late[2].stretch.summary.samples,
        before[2].stretch.summary.samples + 1
    );
    assert_eq!(late[2].stretch.summary.max, Some(9_999.0));
    assert_eq!(late[1], before[1]);
}

/// A day goes on after its morning was let go: what is sealed later joins its sums, and nothing is counted twice.
#[test]
fn a_day_of_which_a_part_was_let_go_counts_every_sample_once() {
    let mut estate = Estate::with(Options {
        seal_samples: 30,
        stage_target: 3_000,
        keep: vec![Keep {
            measure: "*".into(),
            raw: Some(Duration::from_secs(3_600)),
            minute: None,
            hour: None,
            day: None,
        }],
        ..Options::default()
    });
    known(&mut estate, 1, "bin-7/bin.fill");
    known(&mut estate, 2, "rope-7/leak.wet");
    let mut together = rolling();
    let hear = |estate: &mut Estate, n: i64| {
        estate.hear(&[number(1, n * MINUTE, n as f64), wet(2, n * MINUTE, n % 3 == 0)]);
    };
    let mut gone = 0;
    for n in 0..300 {
        hear(&mut estate, n);
        hear(&mut together, n);
        if n % 35 == 34 {
            seal(&mut estate);
        }
        if n % 100 == 99 {
            // All but the last hour and the chunk it begins in.
            seal(&mut estate);
            let now = at(n * MINUTE);
            estate.clock = n * MINUTE;
            while {
                let went = estate.ledger().retain(now, Duration::from_millis(50)).unwrap();
                gone += went.samples;
                went.more
            } {}
            estate.restart();
        }
    }
    seal(&mut estate);
    assert!(gone > 200, "{gone}");
    seal(&mut together);
    for point in [1, 2] {
        for width in [HOUR, DAY] {
            let all = |estate: &mut Estate| -> Vec<_> {
                let spans = spans(estate, point, 0, DAY, width).into_iter();
                let figures = spans.map(|span| {
                    (
                        span.start,
                        span.stretch.summary,
                        span.stretch.true_ms,
                        span.stretch.changes,
                    )
                });
                figures.collect()
            };
            assert_eq!(
                all(&mut estate),
                all(&mut together),
                "point {point} per {width} ms"
            );
        }
    }
    // One that comes late is counted once and changes nothing but count, extremes and sum.
    let before = spans(&mut estate, 1, 0, DAY, DAY)[0].stretch.summary;
    estate.hear(&[number(1, 30_500, 7.0)]);
    for n in 300..330 {
        hear(&mut estate, n);
    }
    seal(&mut estate);
    let after = spans(&mut estate, 1, 0, DAY, DAY)[0].stretch.summary;
    let later: f64 = (300..330).map(f64::from).sum();
    assert_eq!(
        (after.samples, after.sum),
        (before.samples + 31, before.sum + 7.0 + later)
    );
}

/// A point of the file, so that retention knows its measure.
fn known(estate: &mut Estate, key: u32, id: &str) {
    let (device, measure) = id.split_once('/').unwrap();
    let point = linli_ledger::PointRow {
        key: PointKey(key),
        id: id.parse().unwrap(),
        device: device.parse().unwrap(),
        measure: measure.into(),
        instance: None,
    };
    let now = estate.now();
    let batch = Batch {
        points: &[point],
        ..Batch::at(now)
    };
    estate.ledger().commit(&batch).unwrap();
}

#[test]
fn the_hour_in_which_the_samples_begin_is_counted_once_and_its_state_is_still_known() {
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let mut estate = Estate::with(Options {
        seal_samples: 50,
        keep: vec![Keep {
            measure: "*".into(),
            raw: days(10),
            minute: days(10),
            hour: None,
            day: None,
        }],
        ..Options::default()
    });
    known(&mut estate, 1, "bay-7/parking.occupied");
    let all = 30 * 144;
    for n in 0..all {
        estate.clock = n * 10 * MINUTE;
        let taken = Value::State(n / 7 % 2 == 1);
        estate.hear(&[Reading::new(
            PointKey(1),
            at(estate.clock),
            at(estate.clock),
            taken,
            Quality::Good,
        )]);
        if n % 144 == 0 {
            seal(&mut estate);
        }
    }
    seal(&mut estate);
    let width = 7 * HOUR + 1;
    let before = told(&spans(&mut estate, 1, 0, 30 * DAY, HOUR));
    let now = estate.now().wall;
    while estate
        .ledger()
        .retain(now, Duration::from_millis(50))
        .unwrap()
        .more
    {}
    let first = estate.all_samples(1)[0].observed.as_millis() - NEW_YEAR;
    assert!(first > 15 * DAY && first % HOUR != 0, "{first}");
    assert_eq!(told(&spans(&mut estate, 1, 0, 30 * DAY, HOUR)), before);
    let odd = spans(&mut estate, 1, 0, 30 * DAY, width);
    let counted: u64 = odd.iter().map(|span| span.stretch.summary.samples).sum();
    assert_eq!(counted, all as u64);
    // The bay was free from minute 14:00 of its turn on; the sample that said so is gone, its hour is not.
    let turn = 7 * 10 * MINUTE;
    let reader = estate.reader();
    let asked = |from: i64| {
        let spans = reader
            .spans(PointKey(1), at(from), at(from + HOUR), Duration::from_secs(3_600))
            .unwrap();
        (spans.before.map(|(edge, _)| edge), spans.goes_on)
    };
    for n in [3, 4] {
        let state = if n % 2 == 1 { Edge::On } else { Edge::Off };
        assert_eq!(asked((n + 1) * turn - 1), (Some(state), true));
    }
    assert_eq!(asked(0), (None, true));
    assert!(!asked(31 * DAY).1);
}

#[test]
fn when_room_is_short_the_oldest_samples_go_first_and_alarms_never() {
    let mut estate = rolling();
    for n in 0..400 {
        estate.hear(&[number(1, n * MINUTE, n as f64), number(2, n * MINUTE, -n as f64)]);
    }
    let now = estate.now();
    estate
        .ledger()
        .commit(&Batch {
            alarms: &[leak_alarm(1, "pump-room", true)],
            ..Batch::at(now)
        })
        .unwrap();
    seal(&mut estate);
    let hours = spans(&mut estate, 1, 0, DAY, HOUR);
    let gone = estate.ledger().make_room().unwrap();
    assert!(gone.more && gone.samples > 0);
    let left = estate.all_samples(1);
    assert!(left.first().is_none_or(|first| first.observed > at(0)));
    while estate.reader().counts().unwrap().chunks > 0 {
        estate.ledger().make_room().unwrap();
    }
    assert_eq!(
        spans(&mut estate, 1, 0, DAY, HOUR),
        hours,
        "the hours are there while the samples are gone"
    );
    while estate.ledger().make_room().unwrap().more {}
    assert_eq!(spans(&mut estate, 1, 0, DAY, DAY).len(), 1, "days stay");
    assert!(estate.reader().alarm(AlarmId(1)).unwrap().is_some());
    estate.restart();
    estate.hear(&[number(1, 500 * MINUTE, 1.0)]);
}

#[test]
fn a_ledger_from_before_there_were_rollups_gets_them_while_idle() {
    let mut estate = rolling();
    for n in 0..300 {
        estate.hear(&[number(1, n * MINUTE, n as f64)]);
    }
    seal(&mut estate);
    let before = spans(&mut estate, 1, 0, DAY, HOUR);
    estate.close();
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .execute_batch("DELETE FROM rollup; UPDATE series SET rolled = 0;")
        .unwrap();
    estate.restart();
    let from_samples = spans(&mut estate, 1, 0, DAY, HOUR);
    let figures = |spans: &[Span]| told(spans);
    assert_eq!(figures(&from_samples), figures(&before));
    seal(&mut estate);
    assert_eq!(spans(&mut estate, 1, 0, DAY, HOUR), before);
    let rows: i64 = rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM rollup", [], |row| row.get(0))
        .unwrap();
    assert!(rows >= 2, "{rows}");
}

/// A row of sums as it is stored: point, width, beginning, bytes.
type Stored = (i64, i64, i64, Vec<u8>);

/// Every row of sums, and how many days are summed up.
fn stored(estate: &Estate) -> (Vec<Stored>, i64) {
    let conn = rusqlite::Connection::open(estate.dir().join("linli.db")).unwrap();
    let mut query = conn
        .prepare("SELECT point, width, t0, data FROM rollup ORDER BY point, width, t0")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    let days = "SELECT coalesce(sum(n), 0) FROM rollup WHERE width = ?1";
    let days = conn.query_row(days, [DAY], |row| row.get(0)).unwrap();
    (rows.map(Result::unwrap).collect(), days)
}

#[test]
fn sums_of_an_old_ledger_are_made_a_portion_at_a_time_and_a_restart_on_the_way_changes_nothing() {
    let mut estate = rolling();
    for n in 0..2_000 {
        // One point speaks 200 times a day for ten days, the other as often but not for a week in between.
        let pause = if n < 1_000 { 0 } else { 7 * DAY };
        let (seven, pausing) = (n * 7 * MINUTE, n * 7 * MINUTE + pause);
        estate.hear(&[number(1, seven, n as f64), number(2, pausing, n as f64)]);
    }
    seal(&mut estate);
    let (whole, all_days) = stored(&estate);
    estate.close();
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .execute_batch("DELETE FROM rollup; UPDATE series SET rolled = 0;")
        .unwrap();
    estate.restart();
    let (mut steps, mut days) = (0, 0);
    loop {
        let last = estate.ledger().last_commit();
        let budget = Budget {
            now: at(20 * DAY),
            slice: Duration::ZERO,
        };
        let more = estate.ledger().seal(budget, last, None).unwrap().more;
        let now = stored(&estate).1;
        assert!(now - days <= 2, "{} days at once", now - days);
        (steps, days) = (steps + 1, now);
        if !more {
            break;
        }
        if steps == 4 {
            estate.restart();
        }
        // What is heard meanwhile is taken at once.
        estate.hear(&[wet(3, 20 * DAY + steps, true)]);
    }
    assert!(steps > all_days / 2, "{steps} steps for {all_days} days");
    let of_both =
        |rows: Vec<Stored>| -> Vec<_> { rows.into_iter().filter(|(point, ..)| *point < 3).collect() };
    assert_eq!(of_both(stored(&estate).0), of_both(whole), "byte by byte");
}

#[test]
fn the_sample_before_a_time_is_found_wherever_it_lies() {
    let mut estate = rolling();
    for n in 0..70 {
        estate.hear(&[number(1, n * 1_000, n as f64)]);
        if n == 50 {
            seal(&mut estate);
        }
    }
    let reader = estate.reader();
    let before = |time| {
        reader
            .last_before(PointKey(1), at(time))
            .unwrap()
            .map(|sample| sample.value)
    };
    assert_eq!(before(0), None);
    assert_eq!(before(10_001), Some(Some(Value::Number(10.0))));
    assert_eq!(before(65_000), Some(Some(Value::Number(64.0))));
    assert_eq!(before(i64::from(u32::MAX)), Some(Some(Value::Number(69.0))));
    let _ = Timestamp::from_millis(0);
}

/// Rows of sums of one width.
fn rows(estate: &Estate, width: i64) -> i64 {
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM rollup WHERE width = ?1", [width], |row| {
            row.get(0)
        })
        .unwrap()
}

#[test]
fn a_bay_that_seldom_changes_has_no_hours_until_its_changes_go() {
    let mut estate = Estate::with(Options {
        seal_samples: 50,
        keep: vec![Keep {
            measure: "*".into(),
            raw: Some(Duration::from_secs(10 * 86_400)),
            minute: None,
            hour: None,
            day: None,
        }],
        ..Options::default()
    });
    known(&mut estate, 1, "bay-7/parking.occupied");
    let mut changes: Vec<(i64, Option<Value>)> = Vec::new();
    for n in 0..30 * 15 {
        let time = n * 96 * MINUTE + n * 7_919 % 400;
        estate.clock = time;
        changes.push((time, Some(Value::State(n % 2 == 0))));
        estate.hear(&[wet(1, time, n % 2 == 0)]);
        if n % 15 == 14 {
            seal(&mut estate);
        }
    }
    estate.clock = 30 * DAY;
    seal(&mut estate);
    assert!(rows(&estate, HOUR) == 0 && rows(&estate, DAY) > 0);
    let expected = |width| plain(&changes, 0, 30 * DAY, width);
    for width in [HOUR, 5 * HOUR, DAY, 7 * HOUR + 1] {
        assert_eq!(told(&spans(&mut estate, 1, 0, 30 * DAY, width)), expected(width));
    }
    let mut gone = 0;
    while {
        let now = estate.now().wall;
        let went = estate.ledger().retain(now, Duration::from_millis(50)).unwrap();
        gone += went.samples;
        went.more
    } {}
    assert!(gone >= 200, "{gone}");
    assert!(rows(&estate, HOUR) > 0);
    for width in [HOUR, 5 * HOUR, DAY] {
        assert_eq!(told(&spans(&mut estate, 1, 0, 30 * DAY, width)), expected(width));
    }
    // The day in which the samples begin now, from its middle on: hours before, samples behind.
    let first = estate.all_samples(1)[0].observed.as_millis() - NEW_YEAR;
    let day = first.div_euclid(DAY) * DAY;
    let from = day + 3 * HOUR;
    assert_eq!(
        told(&spans(&mut estate, 1, from, day + DAY, HOUR)),
        plain(&changes, from, day + DAY, HOUR)
    );
    // What comes in late is counted where it belongs, whether its samples are there or not.
    for (day, minute) in [(2, 7), (25, 7)] {
        estate.hear(&[wet(1, day * DAY + minute * MINUTE + 1, true)]);
    }
    estate.clock = 38 * DAY;
    seal(&mut estate);
    let counted: u64 = spans(&mut estate, 1, 0, 30 * DAY, HOUR)
        .iter()
        .map(|span| span.stretch.summary.samples)
        .sum();
    assert_eq!(counted, changes.len() as u64 + 2);
    // Room is made the same way.
    while estate.reader().counts().unwrap().chunks > 0 {
        estate.ledger().make_room().unwrap();
    }
    let counted: u64 = spans(&mut estate, 1, 0, 30 * DAY, HOUR)
        .iter()
        .map(|span| span.stretch.summary.samples)
        .sum();
    assert_eq!(counted, changes.len() as u64 + 2);
}
