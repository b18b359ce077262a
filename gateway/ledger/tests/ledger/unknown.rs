//! Devices that are not in the estate and messages set aside: kept with their batch, found again, let go.

use crate::estate::{Estate, at, now};
use linli_ledger::*;

fn stranger(id: i64, key: &str, state: UnknownState, heard: u64) -> UnknownRow {
    UnknownRow {
        id,
        connection: "main".into(),
        family: "chirpstack-v4".into(),
        key: key.into(),
        state,
        version: 1,
        first_seen: at(0),
        last_seen: at(heard as i64),
        heard,
        vendor: None,
        model: Some("EM310-UDL".into()),
    }
}

fn message(number: u64) -> UnknownPayload {
    UnknownPayload {
        number,
        at: at(number as i64),
        topic: "application/a/device/b/event/up".into(),
        retained: number == 1,
        payload: vec![number as u8; 3].into(),
    }
}

fn change(row: UnknownRow, dropped: &[u64], added: &[u64]) -> UnknownChange {
    UnknownChange {
        id: row.id,
        row: Some(row),
        dropped: dropped.to_vec(),
        added: added.iter().map(|n| message(*n)).collect(),
    }
}

fn gone(id: i64) -> UnknownChange {
    UnknownChange {
        id,
        row: None,
        dropped: Vec::new(),
        added: Vec::new(),
    }
}

fn commit(estate: &mut Estate, unknown: &[UnknownChange]) -> Result<(), CommitError> {
    let batch = Batch {
        unknown,
        ..Batch::at(now(0))
    };
    estate.ledger().commit(&batch).map(drop)
}

const ALL: Page<i64> = Page {
    before: None,
    limit: 100,
};

#[test]
fn an_unknown_device_keeps_its_newest_messages_over_a_restart() {
    let mut estate = Estate::new();
    let first = stranger(1, "a", UnknownState::New, 3);
    commit(&mut estate, &[change(first, &[], &[1, 2, 3])]).unwrap();
    let later = stranger(1, "a", UnknownState::New, 9);
    let mut newest = change(later.clone(), &[1], &[9, 3]);
    // The last word takes the place of the one before.
    newest.added[1].payload = vec![7].into();
    commit(&mut estate, &[newest.clone()]).unwrap();
    estate.restart();
    let reader = estate.reader();
    assert_eq!(reader.unknown_device(1).unwrap(), Some(later.clone()));
    assert_eq!(reader.unknown_devices_called("a").unwrap(), [later]);
    let kept = [message(2), newest.added[1].clone(), message(9)];
    assert_eq!(reader.unknown_payloads(1).unwrap(), kept);
    assert_eq!(reader.unknown_device(2).unwrap(), None);
}

#[test]
fn a_forgotten_device_takes_its_messages_along_and_leaves_its_number_unused() {
    let mut estate = Estate::new();
    let known = [
        change(stranger(1, "a", UnknownState::New, 1), &[], &[1]),
        change(stranger(2, "b", UnknownState::Ignored, 1), &[], &[]),
    ];
    commit(&mut estate, &known).unwrap();
    // One batch may forget a device and hear it again.
    let again = change(stranger(3, "b", UnknownState::New, 1), &[], &[1]);
    commit(&mut estate, &[again, gone(1), gone(2)]).unwrap();
    let reader = estate.reader();
    let ids = |state| {
        let rows = reader.unknown_devices(state, ALL).unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!((ids(None), ids(Some(UnknownState::Ignored))), (vec![3], vec![]));
    assert_eq!(reader.unknown_payloads(1).unwrap(), []);
    commit(&mut estate, &[gone(3)]).unwrap();
    estate.restart();
    assert_eq!(estate.reader().last_unknown_device().unwrap(), 3);
}

#[test]
fn two_devices_do_not_share_an_address_and_a_refused_batch_leaves_nothing() {
    let mut estate = Estate::new();
    assert_eq!(estate.reader().last_unknown_device().unwrap(), 0);
    commit(
        &mut estate,
        &[change(stranger(1, "a", UnknownState::New, 1), &[], &[1])],
    )
    .unwrap();
    let twin = [
        change(stranger(2, "c", UnknownState::New, 1), &[], &[1]),
        change(stranger(3, "a", UnknownState::New, 1), &[], &[]),
    ];
    let refused = commit(&mut estate, &twin);
    assert!(
        matches!(refused, Err(CommitError::Rejected { .. })),
        "{refused:?}"
    );
    assert_eq!(estate.reader().unknown_devices(None, ALL).unwrap().len(), 1);
}

#[test]
fn messages_set_aside_are_found_by_reason_connection_and_device() {
    let mut estate = Estate::new();
    let reject = |n: i64, reason: &str, connection: &str, device: Option<&str>| RejectRow {
        at: at(n),
        connection: connection.into(),
        origin: "site/a/up".into(),
        device: device.map(Into::into),
        reason: reason.into(),
        detail: "truncated at offset 3".into(),
        facts: "{\"offset\":\"3\"}".into(),
        bytes: 9,
        payload: vec![1, 2],
    };
    let rejects = [
        reject(1, "truncated", "main", Some("a")),
        reject(2, "not_json", "main", None),
        reject(3, "truncated", "second", Some("b")),
    ];
    estate
        .ledger()
        .commit(&Batch {
            rejects: &rejects,
            ..Batch::at(now(0))
        })
        .unwrap();
    let reader = estate.reader();
    let found = |filter: RejectFilter| {
        let rows = reader.rejects(&filter, ALL).unwrap();
        rows.into_iter().map(|reject| reject.id).collect::<Vec<_>>()
    };
    let any = RejectFilter::default;
    assert_eq!(found(any()), [3, 2, 1]);
    let truncated = RejectFilter {
        reason: Some("truncated".into()),
        ..any()
    };
    assert_eq!(found(truncated.clone()), [3, 1]);
    let here = RejectFilter {
        connection: Some("main".into()),
        ..truncated.clone()
    };
    assert_eq!(found(here), [1]);
    let of_b = RejectFilter {
        device: Some("b".into()),
        ..any()
    };
    assert_eq!(found(of_b), [3]);
    assert_eq!(reader.reject(1).unwrap().unwrap().row, rejects[0]);
    let count = |reason: &str, count, n| RejectCount {
        reason: reason.into(),
        count,
        newest: at(n),
    };
    assert_eq!(
        reader.reject_counts(&any()).unwrap(),
        [count("truncated", 2, 3), count("not_json", 1, 2)]
    );
    assert_eq!(
        reader.reject_counts(&truncated).unwrap(),
        [count("truncated", 2, 3)]
    );
}
