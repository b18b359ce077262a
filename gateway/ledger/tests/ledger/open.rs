//! Opening: one writer per folder, no file of a newer format, everything there again after a restart.

use crate::estate::{Estate, at, number, wet};
use linli_domain::time::Timestamp;
use linli_ledger::{Batch, DATABASE_FILE, Ledger, OpenError, Options, Reader};
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_data_folder_is_made_for_its_owner_only() {
    let estate = Estate::new();
    let mode = std::fs::metadata(estate.dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_second_writer_is_refused_and_told_who_holds_the_folder() {
    let mut estate = Estate::new();
    let refused = Ledger::open(&estate.dir(), &Options::default()).unwrap_err();
    let OpenError::Locked { path, holder } = &refused else {
        panic!("{refused}")
    };
    assert!(path.ends_with("linli.lock"));
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    estate.restart();
}

#[test]
fn a_reader_may_stand_beside_the_writer_and_alone() {
    let mut estate = Estate::new();
    estate.hear(&[wet(1, 0, true)]);
    assert_eq!(
        Reader::open(&estate.dir()).unwrap().latest_all().unwrap().len(),
        1
    );
    estate.close();
    assert_eq!(
        Reader::open(&estate.dir()).unwrap().latest_all().unwrap().len(),
        1
    );
}

#[test]
fn a_file_of_a_newer_format_is_refused_by_both_numbers_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Ledger::open(folder.path(), &Options::default()).unwrap());
    let path = folder.path().join(DATABASE_FILE);
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let refusals = [
        Ledger::open(folder.path(), &Options::default()).unwrap_err(),
        Reader::open(folder.path()).unwrap_err(),
    ];
    for refusal in refusals {
        assert!(
            matches!(
                refusal,
                OpenError::Newer { found: 99, known, .. } if known < 99
            ),
            "{refusal}"
        );
        assert!(
            refusal.to_string().contains("install the newer program again"),
            "{refusal}"
        );
    }
}

#[test]
fn commits_go_on_counting_after_a_restart_even_when_the_log_is_empty() {
    let mut estate = Estate::small();
    for n in 0..25 {
        estate.hear(&[number(1, n, 1.0)]);
    }
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
    assert_eq!(estate.reader().counts().unwrap().logged_commits, 0);
    estate.restart();
    assert_eq!(estate.ledger().last_commit(), last);
    assert_eq!(estate.hear(&[number(1, 99, 2.0)]).0, last.0 + 1);
}

#[test]
fn the_file_is_set_up_for_power_cuts_and_small_boxes() {
    let estate = Estate::new();
    let conn = rusqlite::Connection::open(estate.dir().join(DATABASE_FILE)).unwrap();
    let ask = |name: &str| -> String {
        conn.query_row(
            &format!("SELECT CAST((SELECT * FROM pragma_{name}) AS TEXT)"),
            [],
            |row| row.get(0),
        )
        .unwrap()
    };
    assert_eq!(
        (ask("journal_mode").as_str(), ask("auto_vacuum").as_str()),
        ("wal", "2")
    );
    assert_eq!(ask("page_size"), "4096");
}

#[test]
fn a_ledger_begun_by_a_clock_nobody_had_set_begins_when_the_time_is_known() {
    let mut estate = Estate::new();
    let built = at(0);
    assert_eq!(estate.reader().begun_at(built).unwrap(), None);
    for millis in [5_000, at(70).as_millis(), at(80).as_millis()] {
        let audit = [linli_ledger::AuditRow {
            at: Timestamp::from_millis(millis),
            actor: "gateway".into(),
            action: "clock.jump".into(),
            subject: "gateway".into(),
            detail: String::new(),
        }];
        let now = estate.now();
        let batch = Batch {
            audit: &audit,
            ..Batch::at(now)
        };
        estate.ledger().commit(&batch).unwrap();
    }
    assert_eq!(estate.reader().begun_at(built).unwrap(), Some(at(70)));
    let ever = Timestamp::from_millis(i64::MIN);
    assert_eq!(
        estate.reader().begun_at(ever).unwrap(),
        Some(Timestamp::from_millis(5_000))
    );
}
