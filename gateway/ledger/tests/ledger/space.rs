//! The disk fills up: the batch waits, the ledger stays.

use crate::estate::{Estate, at, now, number, wet};
use linli_domain::id::{CommitId, PointKey};
use linli_ledger::{Batch, Budget, CommitError, Options, RejectFilter, RejectRow, Snapshot};
use std::time::Duration;

#[test]
fn a_full_disk_is_the_machines_fault_and_passes() {
    let mut estate = Estate::with(Options {
        max_bytes: Some(600 << 10),
        ..Options::default()
    });
    estate.hear(&[number(1, 0, 1.0)]);
    let before = estate.ledger().last_commit();
    let body = vec![0x5A; 1 << 20];
    let document = linli_ledger::DocumentRow {
        kind: "estate".into(),
        name: "main".into(),
        version: 1,
        at: at(0),
        author: "admin".into(),
        body: Some(body),
    };
    let reading = number(1, 5, 1.0);
    let batch = Batch {
        entries: &[linli_ledger::Entry::Reading {
            reading: &reading,
            evaluated: true,
        }],
        documents: &[document],
        ..Batch::at(now(1))
    };
    for _ in 0..3 {
        let error = estate.ledger().commit(&batch).unwrap_err();
        assert!(matches!(error, CommitError::Io { .. }), "{error}");
        assert_eq!(estate.ledger().last_commit(), before);
        assert_eq!(
            estate.ledger().last_observed(PointKey(1)),
            Some(at(0)),
            "memory follows the file"
        );
    }
    let smaller = Batch {
        documents: &[],
        ..batch
    };
    assert_eq!(estate.ledger().commit(&smaller).unwrap().0, before.0 + 1);
    estate.restart();
    assert_eq!(estate.all_samples(1).len(), 2);
}

#[test]
fn log_that_waits_for_a_forwarder_goes_before_any_sample_does() {
    let mut estate = Estate::small();
    for n in 0..400 {
        estate.hear(&[
            number(1, n * 1_000, n as f64 / 7.0),
            wet(2, n * 1_000, n % 9 == 0),
        ]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, CommitId(0));
    assert_eq!(estate.reader().oldest_logged().unwrap(), Some(CommitId(1)));
    let gone = estate.ledger().make_room().unwrap();
    assert!(gone.log > 300 && gone.chunks == 0 && gone.more, "{gone:?}");
    assert_eq!(
        (estate.all_samples(1).len(), estate.all_samples(2).len()),
        (400, 400)
    );
    estate.restart();
    assert_eq!(estate.ledger().last_commit(), last, "commits go on counting");
    // Nothing is left but samples.
    let gone = estate.ledger().make_room().unwrap();
    assert!(gone.chunks > 0 && gone.log == 0, "{gone:?}");
}

#[test]
fn samples_wait_for_the_sealer_while_most_of_the_file_is_log() {
    let mut estate = Estate::small();
    for n in 0..40 {
        estate.hear(&[number(1, n * 1_000, n as f64)]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    estate.hear(&[wet(3, 50_000, true)]);
    for n in 100..500 {
        estate.hear(&[number(1, n * 1_000, n as f64 / 7.0)]);
    }
    // The engine is written down; there was no time to seal yet.
    let last = estate.ledger().last_commit();
    let snapshot = Snapshot {
        commit: last,
        format: 1,
        bytes: Vec::new(),
    };
    let budget = Budget {
        now: estate.now().wall,
        slice: Duration::ZERO,
    };
    estate
        .ledger()
        .seal(budget, CommitId(0), Some(&snapshot))
        .unwrap();
    let gone = estate.ledger().make_room().unwrap();
    assert!(gone.chunks == 0 && gone.more, "{gone:?}");
    estate.seal_all(last, last);
    let gone = estate.ledger().make_room().unwrap();
    assert!(gone.chunks > 0, "{gone:?}");
}

#[test]
fn a_file_held_by_a_strange_tool_is_the_machines_fault_too() {
    let mut estate = Estate::new();
    estate.hear(&[number(1, 0, 1.0)]);
    let held = rusqlite::Connection::open(estate.dir().join("linli.db")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = estate.ledger().commit(&Batch::at(now(1))).unwrap_err();
    assert!(matches!(error, CommitError::Io { .. }), "{error}");
    held.execute_batch("ROLLBACK").unwrap();
    estate.hear(&[number(1, 1, 1.0)]);
}

#[test]
fn messages_set_aside_are_cut_and_bounded() {
    let mut estate = Estate::new();
    let reject = |n: i64| RejectRow {
        at: at(n),
        origin: "estate/b3/leak".into(),
        reason: "not_json".into(),
        payload: vec![b'x'; 5_000],
        ..RejectRow::default()
    };
    for round in 0..3 {
        let rejects: Vec<RejectRow> = (0..4_000).map(|n| reject(round * 4_000 + n)).collect();
        estate
            .ledger()
            .commit(&Batch {
                rejects: &rejects,
                ..Batch::at(now(0))
            })
            .unwrap();
    }
    let reader = estate.reader();
    assert_eq!(reader.counts().unwrap().rejects, 10_000);
    let newest = &reader
        .rejects(&RejectFilter::default(), linli_ledger::Page::newest(1))
        .unwrap()[0];
    assert_eq!((newest.row.at, newest.row.payload.len()), (at(11_999), 1_024));
}
