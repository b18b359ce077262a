//! Sealing: what is due, what may be deleted, and that nobody notices.

use crate::estate::{Estate, number, wet};
use linli_domain::id::CommitId;
use linli_ledger::Snapshot;

fn busy_hour(estate: &mut Estate) {
    for n in 0..60 {
        estate.clock = n * 60_000;
        estate.hear(&[number(1, n * 60_000, 20.5), wet(2, n * 60_000, n % 2 == 0)]);
    }
}

#[test]
fn a_full_point_is_sealed_and_reads_the_same() {
    let mut estate = Estate::small();
    busy_hour(&mut estate);
    let (before, last) = (estate.all_samples(1), estate.ledger().last_commit());
    let sealed = estate.seal_all(last, last);
    assert_eq!((sealed.points, sealed.samples, sealed.rows), (2, 120, 60));
    assert_eq!(estate.all_samples(1), before);
    assert_eq!(estate.seal_all(last, last).samples, 0, "nothing is sealed twice");
}

#[test]
fn the_log_stays_as_long_as_the_engine_needs_it_for_replay() {
    let mut estate = Estate::small();
    busy_hour(&mut estate);
    let last = estate.ledger().last_commit();
    assert_eq!(estate.seal_all(CommitId(0), last).rows, 0);
    assert_eq!(estate.reader().oldest_logged().unwrap(), Some(CommitId(1)));
    assert_eq!(estate.seal_all(CommitId(20), last).rows, 20);
    assert_eq!(estate.reader().oldest_logged().unwrap(), Some(CommitId(21)));
    assert_eq!(
        estate.ledger().load_snapshot().unwrap().unwrap().commit,
        CommitId(20)
    );
}

#[test]
fn the_log_stays_as_long_as_a_forwarder_needs_it() {
    let mut estate = Estate::small();
    busy_hour(&mut estate);
    let last = estate.ledger().last_commit();
    assert_eq!(estate.seal_all(last, CommitId(5)).rows, 5);
    assert_eq!(estate.seal_all(last, CommitId(6)).rows, 1);
}

#[test]
fn a_forwarder_left_behind_for_a_week_is_not_waited_for() {
    let mut estate = Estate::small();
    busy_hour(&mut estate);
    let last = estate.ledger().last_commit();
    assert_eq!(estate.seal_all(last, CommitId(0)).rows, 0);
    estate.clock = 7 * 86_400_000 + 30 * 60_000 + 1;
    assert_eq!(estate.seal_all(last, CommitId(0)).rows, 31);
}

#[test]
fn a_forwarder_left_behind_by_the_size_limit_is_not_waited_for() {
    let mut estate = Estate::small();
    busy_hour(&mut estate);
    estate.options.stage_limit = 400;
    estate.restart();
    let last = estate.ledger().last_commit();
    let gone = estate.seal_all(last, CommitId(0)).rows;
    assert!((30..60).contains(&gone), "{gone}");
}

#[test]
fn a_quiet_point_does_not_keep_the_log_beyond_its_limit_for_a_forwarder_that_is_away() {
    let mut estate = Estate::small();
    estate.options.stage_limit = 4_000;
    estate.restart();
    estate.hear(&[wet(3, 0, true)]);
    for n in 1..2_000 {
        estate.hear(&[number(1, n * 1_000, n as f64 / 7.0)]);
        let last = estate.ledger().last_commit();
        if n % 100 == 0 {
            estate.seal_all(last, CommitId(0));
        }
    }
    let bytes: i64 = rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .query_row(
            "SELECT sum(length(data) + length(points)) FROM stage",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(bytes < 3 * 4_000, "{bytes} bytes of log");
    assert_eq!(estate.all_samples(3).len(), 1);
    assert_eq!(estate.all_samples(1).len(), 1_999);
}

#[test]
fn a_quiet_point_is_sealed_after_a_week() {
    let mut estate = Estate::small();
    estate.hear(&[wet(3, 0, true)]);
    let last = estate.ledger().last_commit();
    estate.clock = 6 * 86_400_000;
    assert_eq!(estate.seal_all(last, last).samples, 0);
    estate.clock = 7 * 86_400_000;
    assert_eq!(estate.seal_all(last, last).samples, 1);
    assert_eq!(estate.all_samples(3).len(), 1);
}

#[test]
fn a_quiet_point_in_the_way_is_sealed_early_and_its_small_chunks_grow_together() {
    let mut estate = Estate::small();
    for round in 0..6 {
        for n in 0..200 {
            let millis = round * 1_000_000 + n * 1_000;
            let busy: Vec<_> = (0..4).map(|k| number(10 + k, millis, n as f64 / 7.0)).collect();
            estate.hear(&busy);
            if n == 0 {
                estate.hear(&[wet(3, millis, true)]);
            }
        }
        let last = estate.ledger().last_commit();
        estate.seal_all(last, last);
    }
    assert!(estate.reader().counts().unwrap().logged_commits < 200);
    assert_eq!(estate.all_samples(3).len(), 6);
    let conn = rusqlite::Connection::open(estate.dir().join("linli.db")).unwrap();
    let chunks: i64 = conn
        .query_row("SELECT count(*) FROM chunk WHERE point = 3", [], |row| row.get(0))
        .unwrap();
    assert_eq!(chunks, 1);
}

#[test]
fn commits_between_slices_are_neither_lost_nor_doubled() {
    let mut estate = Estate::small();
    busy_hour(&mut estate);
    let last = estate.ledger().last_commit();
    let snapshot = Snapshot {
        commit: last,
        format: 1,
        bytes: Vec::new(),
    };
    let budget = linli_ledger::Budget {
        now: estate.now().wall,
        slice: std::time::Duration::ZERO,
    };
    let mut extra = 0;
    while estate.ledger().seal(budget, last, Some(&snapshot)).unwrap().more {
        estate.hear(&[number(1, 10_000_000 + extra, 1.0)]);
        extra += 1;
    }
    assert!(
        extra > 10,
        "slices of no time still make progress, one row at a time: {extra}"
    );
    assert_eq!(estate.all_samples(1).len(), 60 + extra as usize);
    estate.restart();
    assert_eq!(estate.all_samples(1).len(), 60 + extra as usize);
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(estate.all_samples(1).len(), 60 + extra as usize);
}

/// A thermometer each minute: chunks end where pages do, so little of the file lies empty.
#[test]
fn chunks_fill_the_pages_they_lie_on() {
    let (mut estate, mut dice) = (Estate::new(), 1u64);
    for day in 0..9 {
        let heard: Vec<_> = (0..1_440)
            .map(|n| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let jitter = (dice >> 33) as i64 % 400;
                number(
                    1,
                    (day * 1_440 + n) * 60_000 + jitter,
                    (jitter % 30) as f64 / 100.0,
                )
            })
            .collect();
        estate.hear(&heard);
        estate.clock = (day + 1) * 86_400_000;
        let last = estate.ledger().last_commit();
        estate.seal_all(last, last);
    }
    estate.clock += 8 * 86_400_000;
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(estate.all_samples(1).len(), 9 * 1_440);
    let kept = &estate.reader().kept().unwrap()[0];
    let conn = rusqlite::Connection::open(estate.dir().join("linli.db")).unwrap();
    assert_eq!(kept.samples, 9 * 1_440);
    // A row with its columns; the first page of one takes 4,061 bytes, each further one 4,092.
    let rows: Vec<u64> = conn
        .prepare("SELECT length(data) + 88 FROM chunk")
        .unwrap()
        .query_map([], |row| row.get::<_, i64>(0))
        .unwrap()
        .map(|bytes| bytes.unwrap().unsigned_abs())
        .collect();
    let needed = rows.iter().sum::<u64>().div_ceil(4_092);
    let taken: u64 = rows
        .iter()
        .map(|row| 1 + row.saturating_sub(4_061).div_ceil(4_092))
        .sum();
    assert!(
        taken * 100 <= needed * 105,
        "{taken} pages for what {needed} would hold: {rows:?}"
    );
}

/// A device that sends a burst holds up a commit for no longer than a few of its chunks take, however much there is.
#[test]
fn a_flood_of_one_point_is_sealed_in_portions_and_between_them_others_commit() {
    let mut estate = Estate::small();
    let portion = 4 * estate.options.seal_samples;
    for n in 0..100 {
        let burst: Vec<_> = (0..10).map(|k| number(1, n * 1_000 + k, k as f64)).collect();
        estate.hear(&burst);
        estate.hear(&[wet(2, n * 1_000, n % 2 == 0)]);
    }
    let mut heard = 0;
    let mut portions = Vec::new();
    loop {
        let last = estate.ledger().last_commit();
        let snapshot = Snapshot {
            commit: last,
            format: 1,
            bytes: Vec::new(),
        };
        let budget = linli_ledger::Budget {
            now: estate.now().wall,
            slice: std::time::Duration::ZERO,
        };
        let sealed = estate.ledger().seal(budget, last, Some(&snapshot)).unwrap();
        if sealed.samples > 0 {
            portions.push(sealed.samples);
            estate.hear(&[number(3, heard, 1.0)]);
            heard += 1;
            if heard % 5 == 0 {
                estate.restart();
            }
        }
        if !sealed.more && heard > 12 {
            break;
        }
    }
    assert!(
        portions.iter().all(|samples| *samples < portion + 10),
        "a row's more than {portion} at most: {portions:?}"
    );
    assert_eq!(estate.all_samples(1).len(), 1_000);
    assert_eq!(estate.all_samples(2).len(), 100);
    assert_eq!(estate.all_samples(3).len(), heard as usize);
    estate.restart();
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(estate.all_samples(1).len(), 1_000);
    let day = std::time::Duration::from_secs(86_400);
    let reader = estate.reader();
    let spans = |point| {
        let spans = reader
            .spans(
                linli_domain::id::PointKey(point),
                crate::estate::at(0),
                crate::estate::at(86_400_000),
                day,
            )
            .unwrap();
        spans
            .spans
            .iter()
            .map(|span| span.stretch.summary.samples)
            .sum::<u64>()
    };
    assert_eq!((spans(1), spans(2)), (1_000, 100), "summed up once");
}
