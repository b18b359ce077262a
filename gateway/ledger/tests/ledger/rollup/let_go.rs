//! Samples go, after their time or for want of room, and their sums stay.

use super::*;

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
