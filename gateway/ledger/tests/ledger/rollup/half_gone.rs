//! A day or an hour of which a part was let go counts each sample once.

use super::*;

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
