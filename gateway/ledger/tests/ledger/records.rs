//! Rows of state: one live alarm and one open order per key, deliveries, documents, tokens, answers.

use crate::estate::{Estate, at, leak_alarm, leak_order, now};
use linli_domain::id::{AlarmId, AssetId, DeviceId, OrderId, PointId, PointKey};
use linli_ledger::*;

fn commit(estate: &mut Estate, batch: &Batch<'_>) -> Result<linli_domain::id::CommitId, CommitError> {
    estate.ledger().commit(batch)
}

#[test]
fn one_asset_has_one_open_order_per_fault() {
    let mut estate = Estate::new();
    let batch = Batch::at(now(0));
    commit(
        &mut estate,
        &Batch {
            orders: &[leak_order(1, "b3", true)],
            ..batch
        },
    )
    .unwrap();
    let second = commit(
        &mut estate,
        &Batch {
            orders: &[leak_order(2, "b3", true)],
            ..batch
        },
    );
    assert!(matches!(second, Err(CommitError::Rejected { .. })));
    assert_eq!(
        estate.reader().order(OrderId(2)).unwrap(),
        None,
        "nothing of a rejected batch is stored"
    );
    commit(
        &mut estate,
        &Batch {
            orders: &[leak_order(2, "b4", true)],
            ..batch
        },
    )
    .unwrap();
    let next_life = [leak_order(3, "b3", true), leak_order(1, "b3", false)];
    commit(
        &mut estate,
        &Batch {
            orders: &next_life,
            ..batch
        },
    )
    .unwrap();
    let open = OrderFilter {
        open: Some(true),
        ..OrderFilter::default()
    };
    let ids = |orders: Vec<OrderRow>| orders.iter().map(|order| order.id.0).collect::<Vec<_>>();
    assert_eq!(
        ids(estate.reader().orders(&open, Page::newest(10)).unwrap()),
        [3, 2]
    );
    let older = Page {
        before: Some(OrderId(3)),
        limit: 10,
    };
    assert_eq!(
        ids(estate.reader().orders(&OrderFilter::default(), older).unwrap()),
        [2, 1]
    );
}

#[test]
fn the_task_of_an_asset_is_its_open_order() {
    let mut estate = Estate::new();
    let batch = Batch::at(now(0));
    let assets = |names: &[&str]| names.iter().map(|n| AssetId::new(n).unwrap()).collect::<Vec<_>>();
    let with = |id, tasks: &[&str], open| OrderRow {
        tasks: assets(tasks),
        ..leak_order(id, tasks[0], open)
    };
    let store = |estate: &mut Estate, rows: &[OrderRow]| {
        let orders = rows;
        commit(estate, &Batch { orders, ..batch }).is_ok()
    };
    assert!(store(&mut estate, &[with(1, &["bin-1", "bin-2"], true)]));
    // A third one joins; nobody else may have it, as a task or alone.
    assert!(store(&mut estate, &[with(1, &["bin-1", "bin-2", "bin-3"], true)]));
    assert!(!store(&mut estate, &[leak_order(2, "bin-3", true)]));
    assert!(!store(&mut estate, &[with(2, &["bin-4", "bin-2"], true)]));
    let about = |asset: &str| OrderFilter {
        asset: Some(AssetId::new(asset).unwrap()),
        ..OrderFilter::default()
    };
    let found = |estate: &mut Estate, asset: &str| {
        let rows = estate.reader().orders(&about(asset), Page::newest(10)).unwrap();
        rows.iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut estate, "bin-3"), [1]);
    assert!(found(&mut estate, "bin-4").is_empty());
    let next = [
        with(1, &["bin-1", "bin-2", "bin-3"], false),
        leak_order(2, "bin-3", true),
    ];
    assert!(
        store(&mut estate, &next),
        "the batch is closed in the same commit"
    );
    assert_eq!(found(&mut estate, "bin-3"), [2, 1]);
}

#[test]
fn one_asset_has_one_live_alarm_per_class() {
    let mut estate = Estate::new();
    let batch = Batch::at(now(0));
    commit(
        &mut estate,
        &Batch {
            alarms: &[leak_alarm(1, "b3", true)],
            ..batch
        },
    )
    .unwrap();
    let second = commit(
        &mut estate,
        &Batch {
            alarms: &[leak_alarm(2, "b3", true)],
            ..batch
        },
    );
    assert!(matches!(second, Err(CommitError::Rejected { .. })));
    let next_life = [leak_alarm(2, "b3", true), leak_alarm(1, "b3", false)];
    commit(
        &mut estate,
        &Batch {
            alarms: &next_life,
            ..batch
        },
    )
    .unwrap();
    let about_b3 = AlarmFilter {
        asset: Some(AssetId::new("b3").unwrap()),
        live: Some(true),
        priority: Some(2),
        ..AlarmFilter::default()
    };
    assert_eq!(
        estate.reader().alarms(&about_b3, Page::newest(9)).unwrap(),
        [leak_alarm(2, "b3", true)]
    );
    assert!(!estate.reader().alarm(AlarmId(1)).unwrap().unwrap().live);
}

#[test]
fn the_history_of_an_order_is_kept_in_order() {
    let mut estate = Estate::new();
    let step = |from: &str, to: &str, subject| TransitionRow {
        subject,
        at: at(0),
        from: from.into(),
        to: to.into(),
        event: "accept".into(),
        actor: "wang".into(),
        beside: String::new(),
    };
    let (order, alarm) = (Subject::Order(OrderId(1)), Subject::Alarm(AlarmId(1)));
    let steps = [
        step("new", "accepted", order),
        step("normal", "active", alarm),
        step("accepted", "done", order),
    ];
    commit(
        &mut estate,
        &Batch {
            transitions: &steps,
            ..Batch::at(now(0))
        },
    )
    .unwrap();
    let history: Vec<_> = estate
        .reader()
        .transitions(order)
        .unwrap()
        .into_iter()
        .map(|step| step.row)
        .collect();
    assert_eq!(history, [steps[0].clone(), steps[2].clone()]);
}

#[test]
fn a_delivery_is_stored_once_tried_and_done() {
    let mut estate = Estate::new();
    let message = |key: &str, millis| NewDelivery {
        channel: "wecom".into(),
        subject_kind: "order".into(),
        subject: "WO-1".into(),
        payload: b"{}".to_vec(),
        idempotency: key.into(),
        created: at(0),
        next_at: at(millis),
    };
    let messages = [
        message("a", 100),
        message("a", 100),
        message("b", 50),
        message("c", 900),
    ];
    commit(
        &mut estate,
        &Batch {
            deliveries: &messages,
            ..Batch::at(now(0))
        },
    )
    .unwrap();
    let reader = estate.reader();
    assert_eq!(reader.next_delivery_at().unwrap(), Some(at(50)));
    let due = reader.due_deliveries(at(100), 10).unwrap();
    assert_eq!(
        due.iter()
            .map(|d| d.message.idempotency.as_str())
            .collect::<Vec<_>>(),
        ["b", "a"]
    );
    let update = |id, state, next| DeliveryUpdate {
        id,
        state,
        attempts: 1,
        next_at: at(next),
        last_error: Some("HTTP 500".into()),
        delivered_at: None,
    };
    let updates = [
        update(due[0].id, DeliveryState::Pending, 200),
        update(due[1].id, DeliveryState::Dead, 0),
    ];
    commit(
        &mut estate,
        &Batch {
            delivery_updates: &updates,
            ..Batch::at(now(0))
        },
    )
    .unwrap();
    assert!(reader.due_deliveries(at(100), 10).unwrap().is_empty());
    let dead = reader.deliveries(DeliveryState::Dead, Page::newest(5)).unwrap();
    assert_eq!(
        (dead.len(), dead[0].attempts, dead[0].last_error.as_deref()),
        (1, 1, Some("HTTP 500"))
    );
    assert_eq!(reader.deliveries_about("order", "WO-1", 10).unwrap().len(), 3);
    assert_eq!(reader.delivery(due[0].id).unwrap().unwrap().next_at, at(200));
    assert_eq!(reader.counts().unwrap().pending_deliveries, 2);
}

#[test]
fn documents_keep_every_version_and_a_version_is_written_once() {
    let mut estate = Estate::new();
    let version = |name: &str, version, body: Option<&str>| DocumentRow {
        kind: "rule".into(),
        name: name.into(),
        version,
        at: at(0),
        author: "admin".into(),
        body: body.map(|body| body.as_bytes().to_vec()),
    };
    let all = [
        version("wet", 1, Some("v1")),
        version("wet", 2, Some("v2")),
        version("full", 1, Some("v1")),
    ];
    commit(
        &mut estate,
        &Batch {
            documents: &all,
            ..Batch::at(now(0))
        },
    )
    .unwrap();
    let again = commit(
        &mut estate,
        &Batch {
            documents: &all[..1],
            ..Batch::at(now(0))
        },
    );
    assert!(matches!(again, Err(CommitError::Rejected { .. })));
    commit(
        &mut estate,
        &Batch {
            documents: &[version("full", 2, None)],
            ..Batch::at(now(0))
        },
    )
    .unwrap();
    let reader = estate.reader();
    assert_eq!(
        reader.documents("rule").unwrap(),
        [version("full", 2, None), all[1].clone()]
    );
    assert_eq!(
        reader.document("rule", "wet", Some(1)).unwrap().as_ref(),
        Some(&all[0])
    );
    assert_eq!(
        reader.document("rule", "wet", None).unwrap().as_ref(),
        Some(&all[1])
    );
    assert_eq!(reader.document_versions("rule", "wet").unwrap().len(), 2);
}

#[test]
fn tokens_answers_points_values_and_retained_messages_are_found_again() {
    let mut estate = Estate::new();
    let mut token = TokenRow {
        id: "t1".into(),
        name: "grafana".into(),
        role: "viewer".into(),
        hash: [9; 32],
        created: at(0),
        rotated: None,
        revoked: None,
    };
    let answer = IdempotentAnswer {
        key: "k1".into(),
        principal: "wang".into(),
        body_hash: [1; 32],
        answer: b"200".to_vec(),
        expires: at(1_000),
    };
    let point = PointRow {
        key: PointKey(1),
        id: PointId::new("leak-1/leak.wet").unwrap(),
        device: DeviceId::new("leak-1").unwrap(),
        measure: "leak.wet".into(),
        instance: None,
    };
    let retained = |payload: Option<&str>| RetainedRow {
        topic: "a/b".into(),
        payload: payload.map(Into::into),
        qos: 1,
        at: at(0),
        expires: None,
    };
    let batch = Batch {
        tokens: &[token.clone()],
        answers: std::slice::from_ref(&answer),
        points: std::slice::from_ref(&point),
        retained: &[retained(Some("on"))],
        values: &[
            NamedValue {
                name: "cursor/influx",
                value: Some(b"7"),
            },
            NamedValue {
                name: "cursor/hub",
                value: Some(b"8"),
            },
        ],
        ..Batch::at(now(0))
    };
    commit(&mut estate, &batch).unwrap();
    let reader = estate.reader();
    assert_eq!(reader.points().unwrap(), [point]);
    assert_eq!(reader.retained(at(0)).unwrap(), [retained(Some("on"))]);
    assert_eq!(reader.answer("k1", "wang", at(999)).unwrap(), Some(answer));
    assert_eq!(reader.answer("k1", "wang", at(1_000)).unwrap(), None, "expired");
    assert_eq!(reader.answer("k1", "li", at(0)).unwrap(), None, "another's key");
    assert_eq!(reader.named_value("cursor/influx").unwrap(), Some(b"7".to_vec()));
    assert_eq!(reader.named_values("cursor/").unwrap().len(), 2);
    token.revoked = Some(at(5));
    let batch = Batch {
        tokens: &[token.clone()],
        retained: &[retained(None)],
        values: &[NamedValue {
            name: "cursor/hub",
            value: None,
        }],
        ..Batch::at(now(0))
    };
    commit(&mut estate, &batch).unwrap();
    assert_eq!(reader.token_by_hash(&[9; 32]).unwrap(), Some(token.clone()));
    assert_eq!(reader.tokens().unwrap(), [token]);
    assert_eq!(reader.retained(at(0)).unwrap(), []);
    assert_eq!(reader.named_values("cursor/").unwrap().len(), 1);
    assert!(reader.sizes().unwrap().database + reader.sizes().unwrap().write_ahead > 0);
}

#[test]
fn a_retained_message_is_there_until_it_expires_and_then_it_is_cleared_away() {
    let mut estate = Estate::new();
    let retained = |topic: &str, expires: Option<i64>| RetainedRow {
        topic: topic.into(),
        payload: Some(b"on".to_vec()),
        qos: 1,
        at: at(0),
        expires: expires.map(at),
    };
    let (stays, goes) = (retained("a/stays", None), retained("b/goes", Some(60_000)));
    let batch = Batch {
        retained: &[stays.clone(), goes.clone()],
        ..Batch::at(now(0))
    };
    commit(&mut estate, &batch).unwrap();
    let reader = estate.reader();
    assert_eq!(reader.retained(at(59_999)).unwrap(), [stays.clone(), goes]);
    assert_eq!(reader.retained(at(60_000)).unwrap(), std::slice::from_ref(&stays));
    let last = estate.ledger().last_commit();
    estate.clock = 120_000;
    estate.seal_all(last, last);
    assert_eq!(
        reader.retained(at(0)).unwrap(),
        [stays],
        "the sealer removed what had expired"
    );
}

#[test]
fn what_explained_an_alarm_is_kept_when_it_explains_it_no_longer() {
    let mut estate = Estate::new();
    let explained = AlarmRow {
        cause: Some(AlarmId(1)),
        ..leak_alarm(2, "b4", true)
    };
    let late = AlarmRow {
        state: "late".into(),
        ..leak_alarm(3, "b5", false)
    };
    for alarms in [
        vec![leak_alarm(1, "b3", true), explained.clone(), late],
        vec![leak_alarm(2, "b4", false)],
    ] {
        let batch = Batch {
            alarms: &alarms,
            ..Batch::at(now(0))
        };
        commit(&mut estate, &batch).unwrap();
    }
    let mut ids = |filter: AlarmFilter| -> Vec<u64> {
        let rows = estate.reader().alarms(&filter, Page::newest(9)).unwrap();
        rows.iter().map(|row| row.id.0).collect()
    };
    let of_cause = AlarmFilter {
        cause: Some(AlarmId(1)),
        ..AlarmFilter::default()
    };
    assert_eq!(ids(of_cause), [2]);
    let late = |late| AlarmFilter {
        late: Some(late),
        ..AlarmFilter::default()
    };
    assert_eq!(ids(late(true)), [3]);
    assert_eq!(ids(late(false)), [2, 1]);
}
