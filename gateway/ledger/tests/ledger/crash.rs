//! Power goes at any time: what was committed is there, what was not is not.

use crate::estate::{Estate, leak_alarm, leak_order, now, number, wet};
use linli_domain::id::{AlarmId, OrderId};
use linli_ledger::{Batch, Entry, NewDelivery};

#[test]
fn every_committed_batch_is_there_after_a_power_cut() {
    let mut estate = Estate::small();
    for n in 0..70 {
        let commit = estate.hear(&[number(1, n, n as f64), wet(2, n, true)]);
        if n % 25 == 20 {
            estate.slice(commit, None);
        }
        let elsewhere = estate.folder.path().join(format!("copy{n}"));
        let copy = estate.after_power_cut(&elsewhere);
        assert_eq!(copy.last_commit(), commit);
        let reader = copy.reader().unwrap();
        let all = reader.samples(
            linli_domain::id::PointKey(1),
            crate::estate::at(0),
            crate::estate::at(99),
            500,
            None,
        );
        assert_eq!(all.unwrap().samples.len(), n as usize + 1);
        drop(copy);
        std::fs::remove_dir_all(elsewhere).unwrap();
    }
}

#[test]
fn a_torn_last_commit_disappears_as_a_whole() {
    let mut estate = Estate::new();
    estate.hear(&[wet(1, 0, false)]);
    let reading = wet(1, 1_000, true);
    let before = std::fs::metadata(estate.dir().join("linli.db-wal"))
        .unwrap()
        .len();
    let alarms = [leak_alarm(1, "pump-room", true)];
    let orders = [leak_order(1, "pump-room", true)];
    let entries = [
        Entry::Now(now(1_000)),
        Entry::Reading {
            reading: &reading,
            evaluated: true,
        },
    ];
    let batch = Batch {
        entries: &entries,
        alarms: &alarms,
        orders: &orders,
        ..Batch::at(now(1_000))
    };
    estate.ledger().commit(&batch).unwrap();
    let whole = std::fs::metadata(estate.dir().join("linli.db-wal"))
        .unwrap()
        .len();
    assert!(whole > before);
    for (n, length) in (before..whole)
        .step_by(1_000)
        .chain([whole - 1, whole])
        .enumerate()
    {
        let elsewhere = estate.folder.path().join(format!("torn{n}"));
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::copy(estate.dir().join("linli.db"), elsewhere.join("linli.db")).unwrap();
        let wal = std::fs::read(estate.dir().join("linli.db-wal")).unwrap();
        std::fs::write(elsewhere.join("linli.db-wal"), &wal[..length as usize]).unwrap();
        let ledger = linli_ledger::Ledger::open(&elsewhere, &estate.options).unwrap();
        let reader = ledger.reader().unwrap();
        let there = length == whole;
        assert_eq!(
            ledger.last_commit().0,
            1 + u64::from(there),
            "cut at {length} of {whole}"
        );
        assert_eq!(reader.alarm(AlarmId(1)).unwrap().is_some(), there);
        assert_eq!(reader.order(OrderId(1)).unwrap().is_some(), there);
    }
}

#[test]
fn an_alarm_its_order_its_message_and_its_reading_come_back_together() {
    let mut estate = Estate::new();
    let reading = wet(1, 0, true);
    let message = NewDelivery {
        channel: "wecom".into(),
        subject_kind: "order".into(),
        subject: "WO-1".into(),
        payload: b"pump room is wet".to_vec(),
        idempotency: "WO-1#1".into(),
        created: crate::estate::at(0),
        next_at: crate::estate::at(0),
    };
    let batch = Batch {
        entries: &[Entry::Reading {
            reading: &reading,
            evaluated: true,
        }],
        alarms: &[leak_alarm(1, "pump-room", true)],
        orders: &[leak_order(1, "pump-room", true)],
        deliveries: &[message],
        ..Batch::at(now(0))
    };
    estate.ledger().commit(&batch).unwrap();
    let copy = estate.after_power_cut(&estate.folder.path().join("copy"));
    let reader = copy.reader().unwrap();
    let counts = reader.counts().unwrap();
    assert_eq!(
        (counts.live_alarms, counts.open_orders, counts.pending_deliveries),
        (1, 1, 1)
    );
    assert_eq!(reader.latest_all().unwrap().len(), 1);
}
