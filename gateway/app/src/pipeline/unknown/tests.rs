//! The inbox argues with what the ledger would hold, and a flood does not move it.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn hear(all: &mut UnknownDevices, key: &str, seconds: i64, bytes: usize) -> Outcome {
    let payload = vec![b'x'; bytes];
    let heard = Heard {
        topic: key,
        payload: &payload,
        retained: false,
        at: at(seconds),
    };
    all.hear(&Arc::from("main"), "json", key, heard)
}

fn id_of(all: &UnknownDevices, key: &str) -> Option<i64> {
    all.shelf.find("main", key).map(|device| device.row.id)
}

/// Every device with its messages, as the API would show them.
type Shown = BTreeMap<i64, (UnknownRow, Vec<UnknownPayload>)>;

fn shown(all: &UnknownDevices) -> Shown {
    let show = |device: &Device| {
        let kept = device
            .kept
            .iter()
            .map(|kept| UnknownPayload::clone(kept))
            .collect();
        (device.row.id, (device.row.clone(), kept))
    };
    all.shelf.all().map(show).collect()
}

/// What the ledger holds after these changes.
fn store(ledger: &mut Shown, changes: &[UnknownChange]) {
    for change in changes {
        let Some(row) = &change.row else {
            assert!(ledger.remove(&change.id).is_some(), "removes what is there");
            continue;
        };
        let entry = ledger.entry(change.id).or_insert((row.clone(), Vec::new()));
        entry.0 = row.clone();
        for number in &change.dropped {
            let there = entry.1.iter().position(|kept| kept.number == *number);
            entry.1.remove(there.expect("drops what is there"));
        }
        for added in &change.added {
            entry.1.retain(|kept| kept.number != added.number);
            entry.1.push(added.clone());
        }
        entry.1.sort_by_key(|kept| kept.number);
    }
}

/// Counts of ignored devices may be behind in the ledger.
fn without_ignored_counts(mut shown: Shown) -> Shown {
    for (row, _) in shown
        .values_mut()
        .filter(|(row, _)| row.state == UnknownState::Ignored)
    {
        (row.heard, row.last_seen) = (0, at(0));
    }
    shown
}

#[derive(Debug, Clone)]
enum Act {
    Hear(u8, i64, usize),
    Ignore(u8),
    Forget(u8),
    Listed(u8),
    Commit,
    Fail,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..6_u8, 0..300_i64, 0..9_000_usize).prop_map(|(k, t, b)| Act::Hear(k, t, b)),
        1 => (0..6_u8).prop_map(Act::Ignore),
        1 => (0..6_u8).prop_map(Act::Forget),
        1 => (0..6_u8).prop_map(Act::Listed),
        3 => Just(Act::Commit),
        1 => Just(Act::Fail),
    ]
}

proptest! {
    #[test]
    fn the_ledger_holds_what_is_in_memory_and_a_failed_batch_never_happened(acts in prop::collection::vec(act(), 1..120)) {
        let mut all = UnknownDevices::default();
        let (mut ledger, mut committed) = (Shown::new(), Shown::new());
        let mut clock = 0;
        for act in acts {
            match act {
                Act::Hear(key, pause, bytes) => {
                    clock += pause;
                    hear(&mut all, &format!("d{key}"), clock, bytes);
                }
                Act::Ignore(key) => drop(id_of(&all, &format!("d{key}")).and_then(|id| all.ignore(id))),
                Act::Forget(key) => drop(id_of(&all, &format!("d{key}")).and_then(|id| all.take(id))),
                Act::Listed(key) => list(&mut all, &format!("d{key}"), clock, "M1"),
                Act::Commit => {
                    let changes = all.changes();
                    prop_assert!(changes.len() <= 2 * 6, "one change for each device");
                    store(&mut ledger, &changes);
                    all.commit();
                    committed = shown(&all);
                    prop_assert_eq!(without_ignored_counts(ledger.clone()), without_ignored_counts(committed.clone()));
                }
                Act::Fail => {
                    all.rollback();
                    prop_assert_eq!(shown(&all), committed.clone());
                }
            }
            let (new, ignored, bytes) = all.sizes();
            prop_assert_eq!(new + ignored, shown(&all).len());
            let sum: usize = shown(&all).values().flat_map(|(_, kept)| kept).map(|k| k.payload.len()).sum();
            prop_assert_eq!(bytes, sum);
        }
    }
}

#[test]
fn a_flood_of_names_is_bounded_and_does_not_push_out_what_was_heard_before() {
    let mut all = UnknownDevices::default();
    assert_eq!(hear(&mut all, "sensor", 0, 40), Outcome::First);
    assert_eq!(hear(&mut all, "sensor", 1, 40), Outcome::Kept);
    all.commit();
    let (mut turned_away, mut displaced) = (0, 0);
    for n in 0..100_000_u32 {
        if hear(&mut all, &format!("flood-{n}"), 2, 200) == Outcome::TurnedAway {
            turned_away += 1;
        }
        if n % 2_000 == 1_999 {
            let changes = all.changes();
            assert!(
                changes.len() <= MAX_DEVICES + 2 * MAX_DISPLACED,
                "{}",
                changes.len()
            );
            displaced += all.commit();
        }
    }
    let (new, ignored, bytes) = all.sizes();
    assert_eq!((new, ignored), (MAX_DEVICES, 0));
    assert!(bytes <= MAX_BYTES);
    assert_eq!(
        displaced + turned_away + MAX_DEVICES,
        100_001,
        "everybody is accounted for"
    );
    assert_eq!(displaced, 50 * MAX_DISPLACED);
    assert!(id_of(&all, "sensor").is_some(), "who spoke twice stays");
    assert!(
        id_of(&all, "flood-0").is_none(),
        "the oldest of those who spoke once went first"
    );
}

#[test]
fn what_is_ignored_is_never_displaced_and_has_a_limit_of_its_own() {
    let mut all = UnknownDevices::default();
    for n in 0..MAX_IGNORED {
        hear(&mut all, &format!("neighbour-{n}"), 0, 8);
        assert!(all.can_ignore());
        assert_eq!(
            id_of(&all, &format!("neighbour-{n}")).and_then(|id| all.ignore(id)),
            Some(2)
        );
        all.commit();
    }
    assert!(!all.can_ignore());
    for n in 0..3 * MAX_DEVICES {
        hear(&mut all, &format!("flood-{n}"), 0, 8);
        all.commit();
    }
    assert_eq!(all.sizes().1, MAX_IGNORED);
    assert_eq!(hear(&mut all, "neighbour-0", 1, 8), Outcome::Ignored);
}

#[test]
fn the_bytes_of_all_devices_are_bounded_and_everybody_keeps_the_last_word() {
    let mut all = UnknownDevices::default();
    for round in 0..4 {
        for n in 0..MAX_DEVICES {
            hear(&mut all, &format!("d{n}"), round, 8 * 1024);
            assert!(all.sizes().2 <= MAX_BYTES);
        }
        all.commit();
    }
    assert!(
        shown(&all)
            .values()
            .all(|(_, kept)| kept.last().is_some_and(|kept| kept.at == at(3)))
    );
}

#[test]
fn the_count_of_an_ignored_device_is_written_once_a_minute() {
    let mut all = UnknownDevices::default();
    hear(&mut all, "neighbour", 0, 8);
    let id = id_of(&all, "neighbour").unwrap();
    all.ignore(id);
    all.commit();
    let mut written = Vec::new();
    for second in 1..150 {
        hear(&mut all, "neighbour", second, 8);
        written.extend(
            all.changes()
                .iter()
                .map(|change| change.row.as_ref().unwrap().heard),
        );
        all.commit();
    }
    assert_eq!(written, [61, 121]);
    assert_eq!(all.get(id).unwrap().heard, 150);
}

/// A bridge tells of a device.
fn list(all: &mut UnknownDevices, key: &str, seconds: i64, model: &str) {
    let announced = Announced {
        vendor: "Aqara",
        model,
        profile: None,
    };
    all.list(&Arc::from("main"), "zigbee2mqtt", key, at(seconds), &announced);
}

#[test]
fn a_bridge_names_devices_before_and_after_they_are_heard() {
    let mut all = UnknownDevices::default();
    hear(&mut all, "bath", 0, 8);
    all.commit();
    list(&mut all, "bath", 1, "SJCGQ11LM");
    list(&mut all, "kitchen", 1, "SJCGQ11LM");
    assert_eq!(all.changes().len(), 2);
    hear(&mut all, "kitchen", 2, 8);
    hear(&mut all, "other", 2, 8);
    let row = |key: &str| all.get(id_of(&all, key).unwrap()).unwrap().clone();
    assert_eq!(
        (row("bath").model.as_deref(), row("bath").heard),
        (Some("SJCGQ11LM"), 1)
    );
    assert_eq!(
        (row("kitchen").model.as_deref(), row("kitchen").heard),
        (Some("SJCGQ11LM"), 1)
    );
    assert_eq!(row("other").model, None);
    all.rollback();
    assert_eq!(all.get(id_of(&all, "bath").unwrap()).unwrap().model, None);
    assert_eq!(id_of(&all, "kitchen"), None, "the batch that listed it failed");
}

#[test]
fn a_list_that_comes_again_changes_nothing() {
    let mut all = UnknownDevices::default();
    list(&mut all, "kitchen", 1, "SJCGQ11LM");
    all.commit();
    list(&mut all, "kitchen", 99, "SJCGQ11LM");
    assert!(all.changes().is_empty());
    let first_seen = all.get(id_of(&all, "kitchen").unwrap()).unwrap().first_seen;
    assert_eq!(first_seen, at(1));
}
