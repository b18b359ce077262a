//! "Has this been stored already?", asked wherever the answer may lie.

use crate::estate::{Estate, at, number};
use linli_domain::id::PointKey;
use linli_domain::reading::Value;
use linli_ledger::{Batch, Identity, PacketMark};
use std::time::Duration;

#[test]
fn a_sample_is_found_in_memory_in_the_log_and_in_chunks() {
    let mut estate = Estate::small();
    for n in 0..90 {
        estate.hear(&[number(1, n * 10, n as f64), number(2, n * 10, -1.0)]);
        if n == 30 {
            let last = estate.ledger().last_commit();
            estate.seal_all(last, last);
        }
    }
    for restarted in [false, true] {
        for n in 0..90 {
            let found = estate.ledger().find(PointKey(1), at(n * 10)).unwrap().unwrap();
            assert_eq!(
                (found.observed, found.value),
                (at(n * 10), Some(Value::Number(n as f64))),
                "{restarted}"
            );
            assert_eq!(estate.ledger().find(PointKey(1), at(n * 10 + 5)).unwrap(), None);
        }
        assert_eq!(estate.ledger().find(PointKey(1), at(10_000)).unwrap(), None);
        assert_eq!(estate.ledger().find(PointKey(9), at(0)).unwrap(), None);
        assert_eq!(estate.ledger().last_observed(PointKey(2)), Some(at(890)));
        estate.restart();
    }
}

#[test]
fn history_sent_late_is_found_again_although_newer_samples_came_first() {
    let mut estate = Estate::small();
    for n in 0..40 {
        estate.hear(&[number(1, 100_000 + n, 0.0)]);
    }
    for n in 0..40 {
        assert_eq!(estate.ledger().find(PointKey(1), at(n)).unwrap(), None);
        estate.hear(&[number(1, n, 1.0)]);
    }
    let last = estate.ledger().last_commit();
    for sealed in [false, true] {
        for n in 0..40 {
            assert!(
                estate.ledger().find(PointKey(1), at(n)).unwrap().is_some(),
                "{n} {sealed}"
            );
        }
        estate.seal_all(last, last);
    }
    assert_eq!(estate.ledger().last_observed(PointKey(1)), Some(at(100_039)));
}

#[test]
fn identities_of_a_day_survive_a_restart_and_no_longer() {
    let mut estate = Estate::new();
    let day = Duration::from_secs(86_400);
    let identity = |hash, millis| Identity {
        hash,
        expires: at(millis).plus(day),
    };
    for millis in [0, 3_600_000] {
        let identities = [
            identity(u128::MAX - millis as u128, millis),
            identity(millis as u128, millis),
        ];
        let now = crate::estate::now(millis);
        estate
            .ledger()
            .commit(&Batch {
                identities: &identities,
                ..Batch::at(now)
            })
            .unwrap();
    }
    estate.restart();
    assert_eq!(estate.ledger().load_identities(at(0)).unwrap().len(), 4);
    let second_hour = at(1).plus(day);
    let left = estate.ledger().load_identities(second_hour).unwrap();
    assert!(left.contains(&identity(u128::MAX - 3_600_000, 3_600_000)));
    assert_eq!(left.len(), 2);
    estate.clock = 1 + 86_400_000;
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(
        estate.ledger().load_identities(at(0)).unwrap().len(),
        2,
        "expired ones are deleted"
    );
}

#[test]
fn the_last_message_under_a_packet_id_is_remembered() {
    let mut estate = Estate::new();
    let mark = |session, packet, hash| PacketMark {
        session,
        packet,
        hash,
    };
    let now = estate.now();
    let first = [mark(1, 7, 111), mark(2, 7, 222)];
    estate
        .ledger()
        .commit(&Batch {
            packet_marks: &first,
            ..Batch::at(now)
        })
        .unwrap();
    let again = [mark(1, 7, 333)];
    let last = estate
        .ledger()
        .commit(&Batch {
            packet_marks: &again,
            ..Batch::at(now)
        })
        .unwrap();
    estate.restart();
    let mut marks = estate.ledger().load_packet_marks().unwrap();
    marks.sort_by_key(|(_, mark)| mark.session);
    assert_eq!(marks.len(), 2);
    assert_eq!(marks[0], (last, mark(1, 7, 333)));
    assert_eq!(marks[1].1, mark(2, 7, 222));
}
