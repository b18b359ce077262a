//! The format of the file: how a connection is set up and how an older file becomes a current one.
//!
//! `user_version` is the format. Each step of [`MIGRATIONS`] leads from its index to the next format in one
//! transaction of its own; steps are only ever appended. A file of a newer format is refused, never guessed at.

use crate::error::OpenError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Name of the database file in the data folder.
pub const DATABASE_FILE: &str = "linli.db";

/// SQL that leads from format n to format n + 1.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
    include_str!("schema/10.sql"),
];

const PAGE_BYTES: u64 = 4096;

/// Opens the file for the writer and brings it to the current format.
pub(crate) fn open_writer(path: &Path, max_bytes: Option<u64>) -> Result<Connection, OpenError> {
    let wrong = |doing| {
        move |source| OpenError::Sqlite {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(wrong("open"))?;
    conn.busy_timeout(Duration::from_secs(5))
        .map_err(wrong("set up"))?;
    // The writer checkpoints when idle; 16,000 pages are the bound if it never is, paid within a commit.
    // The first three only matter while the file is empty. The first step of a new file goes through a rollback journal:
    // with EXTRA its removal is durable too, or a power cut could bring it back and roll a ledger in use back to nothing.
    conn.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = EXTRA;
         PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = 0; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 16000;
         PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF;",
    )
    .map_err(wrong("set up"))?;
    conn.set_prepared_statement_cache_capacity(64);
    migrate(&mut conn, path, MIGRATIONS)?;
    if let Some(bytes) = max_bytes {
        conn.pragma_update(None, "max_page_count", (bytes / PAGE_BYTES).max(1) as i64)
            .map_err(wrong("set the size limit of"))?;
    }
    Ok(conn)
}

/// Opens the file for reading only, beside the writer.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let wrong = |doing| {
        move |source| OpenError::Sqlite {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match at_rest(path) {
        Some(uri) => Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI),
        None => Connection::open_with_flags(path, flags),
    };
    let conn = conn.map_err(wrong("open"))?;
    conn.busy_timeout(Duration::from_secs(2))
        .map_err(wrong("set up"))?;
    conn.execute_batch(
        "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -4096;",
    )
    .map_err(wrong("set up"))?;
    conn.set_prepared_statement_cache_capacity(32);
    let found = format(&conn, path)?;
    refuse_newer(found, MIGRATIONS.len(), path)?;
    let (known, path) = (MIGRATIONS.len() as u32, path.to_owned());
    match found {
        0 => Err(OpenError::NoLedger { path }),
        found if found < known => Err(OpenError::Older { path, found, known }),
        _ => Ok(conn),
    }
}

/// The file as one that nobody changes, when that is so: its disk takes no writes and its last writer left no log.
/// SQLite would want to make files beside it otherwise, and refuse.
fn at_rest(path: &Path) -> Option<String> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let disk = rustix::fs::statvfs(path).ok()?;
    let rests = disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) && !Path::new(&log).exists();
    path.to_str().filter(|_| rests).map(unchanging)
}

fn unchanging(path: &str) -> String {
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

/// Whether a file holds a ledger of an earlier format.
pub(crate) fn is_older(path: &Path) -> Result<bool, OpenError> {
    match open_reader(path) {
        Err(OpenError::Older { .. }) => Ok(true),
        other => other.map(|_| false),
    }
}

/// Runs the steps that the file has not seen yet, each in one transaction.
pub(crate) fn migrate(conn: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    let found = format(conn, path)?;
    refuse_newer(found, steps.len(), path)?;
    for (from, step) in steps.iter().enumerate().skip(found as usize) {
        let run = |conn: &mut Connection| {
            let transaction = conn.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", from as i64 + 1)?;
            transaction.commit()
        };
        run(conn).map_err(|source| OpenError::Sqlite {
            doing: "upgrade the format of",
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

fn format(conn: &Connection, path: &Path) -> Result<u32, OpenError> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|source| OpenError::Sqlite {
            doing: "read the format of",
            path: path.to_owned(),
            source,
        })
}

fn refuse_newer(found: u32, known: usize, path: &Path) -> Result<(), OpenError> {
    let known = known as u32;
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[&str] = &[
        "CREATE TABLE bay (id INTEGER PRIMARY KEY); INSERT INTO bay VALUES (7);",
        "ALTER TABLE bay ADD COLUMN occupied INTEGER NOT NULL DEFAULT 0;",
        "CREATE INDEX bay_by_state ON bay (occupied);",
    ];

    #[test]
    fn a_file_of_every_older_format_is_brought_up_to_date_and_keeps_its_rows() {
        let path = Path::new("memory");
        for older in 0..=STEPS.len() {
            let mut conn = Connection::open_in_memory().unwrap();
            migrate(&mut conn, path, &STEPS[..older]).unwrap();
            migrate(&mut conn, path, STEPS).unwrap();
            assert_eq!(format(&conn, path).unwrap(), STEPS.len() as u32);
            let occupied: i64 = conn
                .query_row("SELECT occupied FROM bay WHERE id = 7", [], |r| r.get(0))
                .unwrap();
            assert_eq!(occupied, 0, "from format {older}");
        }
    }

    #[test]
    fn a_file_nobody_changes_is_read_whatever_its_name_and_nothing_is_made_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("100% 账本?#1.db");
        assert_eq!(at_rest(&path), None, "this disk takes writes");
        drop(open_writer(&path, None).unwrap());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let conn = Connection::open_with_flags(unchanging(path.to_str().unwrap()), flags).unwrap();
        assert_eq!(format(&conn, &path).unwrap(), MIGRATIONS.len() as u32);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_program_that_does_not_know_decimals_refuses_a_file_that_may_hold_them() {
        let path = Path::new("memory");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path, MIGRATIONS).unwrap();
        let before_decimals = &MIGRATIONS[..7];
        let refused = migrate(&mut conn, path, before_decimals).unwrap_err();
        assert!(matches!(refused, OpenError::Newer { known: 7, .. }), "{refused}");
    }

    #[test]
    fn a_file_of_format_1_keeps_its_retained_messages_without_an_expiry() {
        let path = Path::new("memory");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path, &MIGRATIONS[..1]).unwrap();
        let kept = "INSERT INTO retained (topic, payload, qos, at) VALUES ('bay/7', x'6f6e', 1, 5)";
        conn.execute(kept, []).unwrap();
        migrate(&mut conn, path, MIGRATIONS).unwrap();
        let row: (String, Vec<u8>, Option<i64>) = conn
            .query_row("SELECT topic, payload, expires FROM retained", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .unwrap();
        assert_eq!(row, ("bay/7".into(), b"on".to_vec(), None));
    }

    #[test]
    fn rejects_of_the_first_format_are_taken_apart_and_keep_their_numbers() {
        let path = Path::new("memory");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path, &MIGRATIONS[..1]).unwrap();
        conn.execute_batch(
            "INSERT INTO reject VALUES (7, 5, 'main site/a b/up', 'not_json: not JSON: line 1', x'7b');
             INSERT INTO reject VALUES (9, 6, 'odd', 'unrouted', x'');",
        )
        .unwrap();
        migrate(&mut conn, path, MIGRATIONS).unwrap();
        let mut query = conn
            .prepare("SELECT id, connection, origin, reason, detail, bytes FROM reject ORDER BY id")
            .unwrap();
        let rows: Vec<(i64, String, String, String, String, i64)> = query
            .query_map([], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let row = |id, connection: &str, origin: &str, reason: &str, detail: &str, bytes| {
            let text = str::to_owned;
            (
                id,
                text(connection),
                text(origin),
                text(reason),
                text(detail),
                bytes,
            )
        };
        assert_eq!(
            rows,
            [
                row(7, "main", "site/a b/up", "not_json", "not JSON: line 1", 1),
                row(9, "odd", "", "unrouted", "", 0)
            ]
        );
        conn.execute(
            "INSERT INTO reject (at, connection, origin, reason, detail, facts, bytes, payload)
             VALUES (1, '', '', '', '', '{}', 0, x'')",
            [],
        )
        .unwrap();
        assert_eq!(conn.last_insert_rowid(), 10, "numbers go on");
    }

    #[test]
    fn what_explained_an_alarm_of_an_older_format_is_read_from_its_history() {
        let path = Path::new("memory");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path, &MIGRATIONS[..5]).unwrap();
        conn.execute_batch(
            "INSERT INTO alarm VALUES (7, 'main', 'leak', 1, 1, 'active_unack', 0, 0, x'00');
             INSERT INTO alarm VALUES (8, 'branch', 'leak', 0, 1, 'normal', 0, 0, x'00');
             INSERT INTO transition (kind, subject, at, previous, next, event, actor, note) VALUES
             ('alarm', 8, 1, 'none', 'suppressed', 'raised', 'gateway', 'AL-7'),
             ('alarm', 8, 2, 'suppressed', 'normal', 'ended', 'gateway', ''),
             ('alarm', 7, 2, 'none', 'shelved', 'shelved', 'wang', 'until tomorrow: AL-9');",
        )
        .unwrap();
        migrate(&mut conn, path, MIGRATIONS).unwrap();
        let beside: Vec<String> = conn
            .prepare("SELECT beside FROM transition ORDER BY id")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            beside,
            [r#"{"reason":"AL-7"}"#, "", r#"{"reason":"until tomorrow: AL-9"}"#]
        );
        let cause = |id: i64| -> Option<i64> {
            conn.query_row("SELECT cause FROM alarm WHERE id = ?1", [id], |r| r.get(0))
                .unwrap()
        };
        assert_eq!((cause(8), cause(7)), (Some(7), None));
    }

    #[test]
    fn orders_of_older_formats_are_about_their_one_asset() {
        let path = Path::new("memory");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path, &MIGRATIONS[..5]).unwrap();
        conn.execute_batch(
            "INSERT INTO work_order VALUES (1, 'b3', 'leak', 1, 'new', 1, 1, 'repair', 5, 5, x'7b7d');
             INSERT INTO work_order VALUES (2, 'b4', 'leak', 0, 'closed', 4, 1, 'repair', 5, 9, x'7b7d');",
        )
        .unwrap();
        migrate(&mut conn, path, MIGRATIONS).unwrap();
        let again = "INSERT INTO order_asset VALUES (3, ?1, 'leak', 1)";
        assert!(conn.execute(again, ["b3"]).is_err(), "one open order");
        assert!(conn.execute(again, ["b4"]).is_ok(), "that one is closed");
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_in_its_old_format() {
        let path = Path::new("memory");
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, path, &STEPS[..1]).unwrap();
        let broken = [STEPS[0], "CREATE TABLE half (x); CREATE TABLE bay (id);"];
        assert!(migrate(&mut conn, path, &broken).is_err());
        assert_eq!(format(&conn, path).unwrap(), 1);
        assert!(conn.prepare("SELECT * FROM half").is_err());
    }
}
