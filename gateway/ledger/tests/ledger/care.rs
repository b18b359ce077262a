//! A backup is whole or not there, a restore loses nothing, and damage is told, set aside and outlived.

use crate::estate::{Estate, at, leak_order, number, wet};
use linli_domain::id::{CommitId, OrderId, PointKey};
use linli_ledger::{
    AsideKind, BackupError, Batch, DAY, Finding, Ledger, OpenError, Options, Piece, Reader, RestoreError,
    UNFINISHED,
};
use std::path::PathBuf;

fn sealed_estate() -> Estate {
    let mut estate = Estate::small();
    for n in 0..60 {
        estate.hear(&[number(1, n * 1_000, n as f64), number(2, n * 1_000, 0.5)]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    estate.hear(&[wet(3, 61_000, true)]);
    estate
}

fn rot(estate: &Estate, sql: &str) {
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn backup(estate: &mut Estate, name: &str) -> PathBuf {
    let path = estate.folder.path().join(name);
    let made = estate.reader().backup(&path, &mut |_| {}).unwrap();
    assert_eq!(made.examined.findings, []);
    assert!(made.bytes > 0);
    path
}

#[test]
fn a_backup_beside_the_writer_is_one_file_that_holds_everything() {
    let mut estate = sealed_estate();
    let path = backup(&mut estate, "monday.db");
    estate.hear(&[number(1, 99_000, 7.0)]);
    let copy = Reader::open_file(&path).unwrap();
    let seen = copy.examine(&mut |_| {}).unwrap();
    assert_eq!((seen.last_commit, seen.samples), (61, 120));
    assert!(copy.latest(PointKey(3)).unwrap().is_some());
    let beside: Vec<_> = std::fs::read_dir(estate.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("monday"))
        .collect();
    assert_eq!(beside, ["monday.db"], "no log and no half file beside it");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_backup_never_overwrites_a_file() {
    let mut estate = sealed_estate();
    let path = backup(&mut estate, "monday.db");
    let again = estate.reader().backup(&path, &mut |_| {}).unwrap_err();
    assert!(matches!(again, BackupError::Exists { .. }), "{again}");
    // Nor one that appears while it is written.
    let tuesday = path.with_file_name("tuesday.db");
    let mut appears = |_| std::fs::write(&tuesday, "somebody's").unwrap();
    let late = estate.reader().backup(&tuesday, &mut appears).unwrap_err();
    assert!(matches!(late, BackupError::Exists { .. }), "{late}");
    assert_eq!(std::fs::read(&tuesday).unwrap(), b"somebody's");
    assert!(!path.with_file_name("tuesday.db.part").exists());
}

#[test]
fn a_restored_ledger_is_the_one_of_the_backup_and_what_was_there_is_kept() {
    let mut estate = sealed_estate();
    estate
        .ledger()
        .commit(&Batch {
            orders: &[leak_order(1, "pump-room", true)],
            ..Batch::at(crate::estate::now(62_000))
        })
        .unwrap();
    let path = backup(&mut estate, "monday.db");
    for n in 0..40 {
        estate.hear(&[number(1, 100_000 + n, -1.0)]);
    }
    let dir = estate.dir();
    let refused = Ledger::restore(&dir, &path, "1", &mut |_| {}).unwrap_err();
    assert!(
        matches!(refused, RestoreError::Folder(OpenError::Locked { .. })),
        "{refused}"
    );
    estate.close();
    let restored = Ledger::restore(&dir, &path, "1", &mut |_| {}).unwrap();
    let kept = restored.kept.unwrap();
    estate.restart();
    assert_eq!(estate.ledger().last_commit(), CommitId(62));
    assert_eq!(estate.all_samples(1).len(), 60);
    assert!(estate.reader().order(OrderId(1)).unwrap().is_some());
    let before = Ledger::open(&kept, &Options::default()).unwrap();
    assert_eq!(before.last_commit(), CommitId(102));
}

#[test]
fn a_backup_of_every_earlier_format_can_be_restored() {
    let steps = [
        include_str!("../../src/schema/1.sql"),
        include_str!("../../src/schema/2.sql"),
        include_str!("../../src/schema/3.sql"),
        include_str!("../../src/schema/4.sql"),
        include_str!("../../src/schema/7.sql"),
        include_str!("../../src/schema/8.sql"),
        include_str!("../../src/schema/9.sql"),
    ];
    for format in 1..=steps.len() {
        let mut estate = sealed_estate();
        let path = estate.folder.path().join("older.db");
        let conn = rusqlite::Connection::open(&path).unwrap();
        steps[..format]
            .iter()
            .for_each(|step| conn.execute_batch(step).unwrap());
        conn.execute_batch(&format!(
            "PRAGMA user_version = {format};
             INSERT INTO point (key, id, device, measure, instance) VALUES (1, 'old/bin.fill', 'old', 'bin.fill', NULL)"
        ))
        .unwrap();
        conn.close().unwrap();
        let before = std::fs::read(&path).unwrap();
        let refused = Reader::open_file(&path).unwrap_err();
        assert!(
            matches!(refused, OpenError::Older { found, .. } if found as usize == format),
            "{refused}"
        );
        estate.close();
        Ledger::restore(&estate.dir(), &path, "old", &mut |_| {}).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            before,
            "the backup itself stays as it is"
        );
        estate.restart();
        assert_eq!(estate.reader().points().unwrap()[0].id.as_str(), "old/bin.fill");
        estate.hear(&[number(1, 0, 1.0)]);
        let left: Vec<_> = std::fs::read_dir(estate.dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("restor") && !name.starts_with("before-restore"))
            .collect();
        assert_eq!(left, [""; 0], "format {format}");
    }
}

#[test]
fn what_is_left_of_a_damaged_backup_can_be_read() {
    let mut estate = sealed_estate();
    let path = backup(&mut estate, "monday.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(
        "UPDATE chunk SET data = zeroblob(length(data)) WHERE id = (SELECT min(id) FROM chunk WHERE point = 1);
         UPDATE stage SET data = x'00' WHERE id = (SELECT max(id) FROM stage)",
    )
    .unwrap();
    let lost: i64 = conn
        .query_row(
            "SELECT n FROM chunk WHERE point = 1 ORDER BY id LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    conn.close().unwrap();
    let mut reader = Reader::open_file(&path).unwrap();
    let all = |reader: &Reader, point| reader.samples(PointKey(point), at(0), at(DAY), 500, None);
    assert!(all(&reader, 1).is_err() && all(&reader, 3).is_err());
    reader.leave_out_damage();
    let samples = |point| all(&reader, point).unwrap().samples.len();
    assert_eq!((samples(1), samples(2), samples(3)), (60 - lost as usize, 60, 0));
    assert_eq!(samples(1), 60 - lost as usize, "twice the same is counted once");
    assert_eq!(reader.damage_left_out(), 2);
}

#[test]
fn a_restore_that_was_broken_off_says_so_and_is_done_again() {
    let mut estate = sealed_estate();
    let path = backup(&mut estate, "monday.db");
    estate.close();
    let dir = estate.dir();
    // As a crash would leave it between the two renames.
    std::fs::write(dir.join(UNFINISHED), "monday.db").unwrap();
    std::fs::remove_file(dir.join("linli.db")).unwrap();
    let refused = Ledger::open(&dir, &estate.options).unwrap_err();
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");
    assert!(
        !dir.join("linli.db").exists(),
        "no new ledger was made in the meantime"
    );
    Ledger::restore(&dir, &path, "2", &mut |_| {}).unwrap();
    estate.restart();
    assert_eq!(estate.ledger().last_commit(), CommitId(61));
}

#[test]
fn what_is_no_backup_or_a_torn_one_is_refused_before_anything_is_touched() {
    let mut estate = sealed_estate();
    let path = backup(&mut estate, "monday.db");
    estate.close();
    let bytes = std::fs::read(&path).unwrap();
    let wrong = |name: &str, bytes: &[u8]| {
        let path = estate.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Ledger::restore(&estate.dir(), &path, "3", &mut |_| {}).unwrap_err()
    };
    assert!(matches!(
        wrong("text", b"not a database, but long enough to be one"),
        RestoreError::NoLedger { .. }
    ));
    assert!(matches!(wrong("empty", b""), RestoreError::NoLedger { .. }));
    let mut torn = bytes.clone();
    torn[4096 * 2..4096 * 6].fill(0xA5);
    let refused = wrong("torn", &torn);
    assert!(matches!(refused, RestoreError::Torn { .. }), "{refused}");
    let refused = wrong("cut", &bytes[..bytes.len() / 2]);
    assert!(matches!(refused, RestoreError::Torn { .. }), "{refused}");
    let nowhere = estate.folder.path().join("nowhere.db");
    let refused = Ledger::restore(&estate.dir(), &nowhere, "3", &mut |_| {}).unwrap_err();
    assert!(
        refused.to_string().contains("nowhere.db") && !refused.to_string().contains("restoring"),
        "{refused}"
    );
    estate.restart();
    assert_eq!(estate.ledger().last_commit(), CommitId(61));
}

#[test]
fn every_flipped_byte_of_a_chunk_is_found_set_aside_and_the_rest_served() {
    let mut estate = sealed_estate();
    rot(
        &estate,
        "UPDATE chunk SET data = zeroblob(length(data)) WHERE point = 1 AND id = (SELECT min(id) FROM chunk WHERE point = 1)",
    );
    let seen = estate.reader().examine(&mut |_| {}).unwrap();
    assert!(
        matches!(seen.findings[..], [Finding::Chunk { .. }]),
        "{:?}",
        seen.findings
    );
    let now = estate.now().wall;
    let mended = estate.ledger().mend(&seen.findings, now).unwrap();
    assert_eq!((mended.chunks, mended.left.len()), (1, 0));
    assert_eq!(estate.all_samples(1).len() as u64 + mended.samples, 60);
    assert_eq!(estate.all_samples(2).len(), 60);
    let aside = estate.reader().set_aside(10).unwrap();
    assert_eq!(
        (aside.len(), aside[0].kind, aside[0].point),
        (1, AsideKind::Chunk, Some(PointKey(1)))
    );
    assert_eq!(aside[0].samples, mended.samples);
    assert!(aside[0].span.is_some());
    let again = estate.reader().examine(&mut |_| {}).unwrap();
    assert_eq!((again.findings.len(), again.set_aside), (0, 1));
}

#[test]
fn sums_that_do_not_belong_to_their_chunk_are_found() {
    for sum in ["n", "numeric", "min", "max", "sum", "first", "last", "t0", "t1"] {
        let mut estate = sealed_estate();
        rot(
            &estate,
            &format!("UPDATE chunk SET {sum} = {sum} + 1 WHERE point = 2"),
        );
        let seen = estate.reader().examine(&mut |_| {}).unwrap();
        let named = |finding: &Finding| matches!(finding, Finding::Chunk { .. });
        assert!(!seen.findings.is_empty(), "{sum}");
        assert!(seen.findings.iter().all(named), "{sum}: {:?}", seen.findings);
    }
}

#[test]
fn a_damaged_last_chunk_does_not_stop_the_sealer() {
    let mut estate = Estate::small();
    for n in 0..25 {
        estate.hear(&[number(1, n * 1_000, n as f64)]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    // A quiet point keeps a small last chunk, which the next pass wants to grow.
    estate.hear(&[wet(3, 26_000, true)]);
    estate.clock = 8 * 86_400_000;
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    rot(&estate, "UPDATE chunk SET data = x'01' WHERE point = 3");
    estate.hear(&[wet(3, 27_000, false)]);
    estate.clock = 16 * 86_400_000;
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(
        estate.all_samples(3).len(),
        1,
        "the damaged sample is set aside, the new one is sealed"
    );
    assert_eq!(estate.reader().set_aside(5).unwrap().len(), 1);
    assert_eq!(estate.reader().counts().unwrap().logged_commits, 0);
}

#[test]
fn damaged_sums_are_made_anew_from_the_samples_and_stop_neither_the_sealer_nor_a_question() {
    let mut estate = sealed_estate();
    let day = std::time::Duration::from_millis(DAY as u64);
    let sums = |estate: &mut Estate| estate.reader().spans(PointKey(1), at(0), at(DAY), day);
    let before = sums(&mut estate).unwrap();
    rot(
        &estate,
        "UPDATE rollup SET data = zeroblob(length(data)) WHERE point = 1",
    );
    // A question may come upon several: each is told, set aside, and the question asked again.
    let mut found = 0;
    while let Err(asked) = sums(&mut estate) {
        let Some(piece @ Piece::Rollup(_)) = asked.damaged_piece() else {
            panic!("{asked:?}")
        };
        let now = estate.now().wall;
        assert_eq!(estate.ledger().set_aside_piece(piece, now).unwrap(), Some(0));
        found += 1;
    }
    assert!(found >= 1);
    assert_eq!(sums(&mut estate).unwrap(), before);
    // The sealer comes upon the others by itself.
    for n in 100..130 {
        estate.hear(&[number(1, n * 1_000, 1.0)]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(sums(&mut estate).unwrap().spans[0].stretch.summary.samples, 90);
    // And the doctor upon those nobody asks about.
    rot(
        &estate,
        "UPDATE rollup SET data = x'00' WHERE point = 2 AND width = 86400000",
    );
    rot(
        &estate,
        "UPDATE rollup SET t1 = t1 + 1 WHERE point = 1 AND width = 86400000",
    );
    let seen = estate.reader().examine(&mut |_| {}).unwrap();
    assert_eq!(seen.findings.len(), 2, "{:?}", seen.findings);
    let now = estate.now().wall;
    let mended = estate.ledger().mend(&seen.findings, now).unwrap();
    assert_eq!((mended.rollups, mended.left.len()), (2, 0));
    let aside = estate.reader().set_aside(10).unwrap();
    assert!(
        aside.len() >= 3 && aside.iter().all(|piece| piece.kind == AsideKind::Rollup),
        "{aside:?}"
    );
    assert_eq!(estate.reader().examine(&mut |_| {}).unwrap().findings, []);
}

#[test]
fn what_stands_beside_a_log_is_made_anew_from_it() {
    let mut estate = sealed_estate();
    for n in 70..80 {
        estate.hear(&[number(4, n * 1_000, n as f64)]);
    }
    for wrong in [
        "points = x'01'",
        "n = n + 1",
        "first = last + 9",
        "last = first - 9",
    ] {
        rot(&estate, &format!("UPDATE stage SET {wrong} WHERE id = 65"));
        let seen = estate.reader().examine(&mut |_| {}).unwrap();
        assert_eq!(
            seen.findings,
            [Finding::BesideLog { commit: CommitId(65) }],
            "{wrong}"
        );
        let now = estate.now().wall;
        assert_eq!(estate.ledger().mend(&seen.findings, now).unwrap().logs, 1);
        assert_eq!(estate.reader().examine(&mut |_| {}).unwrap().findings, []);
        assert_eq!(estate.all_samples(4).len(), 10);
    }
}

#[test]
fn a_damaged_log_that_the_engine_does_not_need_is_set_aside_at_the_next_start() {
    let mut estate = Estate::small();
    for n in 0..10 {
        estate.hear(&[number(1, n * 1_000, n as f64)]);
    }
    // The snapshot covers commit 5; nothing is sealed yet.
    estate.seal_all(CommitId(5), CommitId(10));
    rot(&estate, "UPDATE stage SET data = x'00' WHERE id = 4");
    estate.restart();
    assert_eq!(estate.ledger().aside_at_open(), [CommitId(4)]);
    assert_eq!(estate.all_samples(1).len(), 9);
    assert_eq!(estate.ledger().last_commit(), CommitId(10));
    estate.close();
    rot(&estate, "UPDATE stage SET data = x'00' WHERE id = 7");
    let refused = Ledger::open(&estate.dir(), &estate.options).unwrap_err();
    assert!(
        matches!(refused, OpenError::Damaged { .. }),
        "what the engine needs is not skipped: {refused}"
    );
    assert!(refused.to_string().contains("linli doctor"), "{refused}");
}

#[test]
fn random_damage_of_the_file_is_found_or_harmless_and_never_a_panic() {
    let mut estate = sealed_estate();
    let path = backup(&mut estate, "whole.db");
    let whole = std::fs::read(&path).unwrap();
    let truth = (estate.all_samples(1), estate.all_samples(2));
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let (mut found, mut harmless) = (0, 0);
    for n in 0..200 {
        let mut bytes = whole.clone();
        let place = next() as usize % bytes.len();
        let length = (1 + next() as usize % 64).min(bytes.len() - place);
        bytes[place..place + length]
            .iter_mut()
            .for_each(|byte| *byte ^= 1 + (next() as u8 % 255));
        if n % 10 == 0 {
            bytes.truncate(place);
        }
        let file = estate.folder.path().join("rotten.db");
        std::fs::write(&file, &bytes).unwrap();
        let Ok(reader) = Reader::open_file(&file) else {
            found += 1;
            continue;
        };
        match reader.examine(&mut |_| {}) {
            Ok(seen) if seen.findings.is_empty() => {
                // Not found: then what is served must be the truth.
                let all =
                    |point| reader.samples(PointKey(point), at(i64::MIN / 2), at(i64::MAX / 4), 500, None);
                let (one, two) = (all(1).unwrap().samples, all(2).unwrap().samples);
                assert_eq!(
                    (one, two),
                    truth,
                    "damage {n} at {place} went unseen and changed an answer"
                );
                harmless += 1;
            }
            _ => found += 1,
        }
    }
    assert!(found > 20, "{found} found, {harmless} harmless");
}
