//! Bytes that rot are named, never believed and never fatal to the program.

use crate::estate::{Estate, at, number};
use linli_domain::id::{CommitId, PointKey};
use linli_ledger::{Batch, Damage, Ledger, OpenError, StoreError};
use std::ops::ControlFlow;

fn rot(estate: &Estate, sql: &str) {
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn damage<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Damage {
    match result.unwrap_err() {
        StoreError::Damaged { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rotten_log_is_named_by_its_commit() {
    let mut estate = Estate::new();
    for n in 0..3 {
        estate.hear(&[number(1, n, 1.0)]);
    }
    rot(
        &estate,
        "UPDATE stage SET data = (SELECT data FROM stage WHERE id = 3) WHERE id = 2",
    );
    let mut seen = 0;
    let replayed = estate.ledger().replay(CommitId(0), &mut |_, _| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert!(matches!(
        damage(replayed),
        Damage::Stage {
            commit: CommitId(2),
            ..
        }
    ));
    assert_eq!(seen, 1, "what stands before the damage is given");
    let asked = estate.reader().samples(PointKey(1), at(0), at(10), 10, None);
    assert!(matches!(
        damage(asked),
        Damage::Stage {
            commit: CommitId(2),
            ..
        }
    ));
    estate.hear(&[number(1, 9, 1.0)]);
    estate.close();
    let refused = Ledger::open(&estate.dir(), &estate.options).unwrap_err();
    assert!(matches!(
        refused,
        OpenError::Damaged {
            source: Damage::Stage {
                commit: CommitId(2),
                ..
            },
            ..
        }
    ));
}

#[test]
fn a_rotten_chunk_is_named_by_its_point_and_the_others_stay_readable() {
    let mut estate = Estate::small();
    for n in 0..30 {
        estate.hear(&[number(1, n, n as f64), number(2, n, 0.5)]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    for sql in [
        "zeroblob(length(data))",
        "x''",
        "x'01'",
        "substr(data, 1, length(data) - 5)",
    ] {
        rot(&estate, &format!("UPDATE chunk SET data = {sql} WHERE point = 1"));
        let reader = estate.reader();
        let asked = reader.samples(PointKey(1), at(0), at(99), 100, None);
        assert!(matches!(
            damage(asked),
            Damage::Chunk {
                point: PointKey(1),
                ..
            }
        ));
        let asked = estate.ledger().find(PointKey(1), at(3));
        assert!(
            matches!(asked, Ok(Some(_)))
                || matches!(
                    damage(asked),
                    Damage::Chunk {
                        point: PointKey(1),
                        ..
                    }
                )
        );
        assert_eq!(
            reader
                .samples(PointKey(2), at(0), at(99), 100, None)
                .unwrap()
                .samples
                .len(),
            30
        );
    }
}

#[test]
fn a_rotten_snapshot_is_an_error_and_not_an_absence() {
    let mut estate = Estate::new();
    let last = estate.hear(&[number(1, 0, 0.0)]);
    estate.seal_all(last, last);
    rot(&estate, "UPDATE snapshot SET data = x'FF'");
    assert_eq!(
        damage(estate.ledger().load_snapshot()),
        Damage::Snapshot { commit: last }
    );
}

#[test]
fn the_audit_tells_which_row_was_changed_or_removed() {
    let mut estate = Estate::new();
    let row = |n: i64| linli_ledger::AuditRow {
        at: at(n),
        actor: "wang".into(),
        action: "order.close".into(),
        subject: format!("WO-{n}"),
        detail: "{}".into(),
    };
    for n in 1..=5 {
        let audit = [row(n)];
        let now = estate.now();
        estate
            .ledger()
            .commit(&Batch {
                audit: &audit,
                ..Batch::at(now)
            })
            .unwrap();
        estate.restart();
    }
    let end = estate.reader().verify_audit().unwrap();
    assert_eq!(end.rows, 5);
    assert_eq!(
        estate.reader().audit(linli_ledger::Page::newest(2)).unwrap()[0].row,
        row(5)
    );
    rot(&estate, "UPDATE audit SET actor = 'li' WHERE id = 3");
    assert_eq!(damage(estate.reader().verify_audit()), Damage::Audit { row: 3 });
    rot(&estate, "UPDATE audit SET actor = 'wang' WHERE id = 3");
    assert_eq!(estate.reader().verify_audit().unwrap(), end);
    rot(&estate, "DELETE FROM audit WHERE id = 2");
    assert_eq!(damage(estate.reader().verify_audit()), Damage::Audit { row: 3 });
}
