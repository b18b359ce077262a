//! A bit flips somewhere in the pages of each table: what carries a checksum is found, and nothing of it is believed.

use crate::faults::work::{Life, TICKS, options};
use linli_ledger::{Ledger, OpenError, Reader, StoreError};
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Bits flipped in each table; `LINLI_ROT=n` for more.
fn flips() -> usize {
    let asked = std::env::var("LINLI_ROT").ok();
    asked.and_then(|flips| flips.parse().ok()).unwrap_or(16)
}

/// Tables whose rows carry a checksum, of their own or in a chain: a flipped bit of them may not go unseen.
const GUARDED: [&str; 7] = ["stage", "chunk", "rollup", "series", "snapshot", "audit", "meta"];

/// A ledger in which every table that is written outside of readings has rows, as one file.
fn ledger(folder: &Path) -> Vec<u8> {
    let mut life = Life::in_folder(folder.join("data"));
    assert!(life.live().is_ok());
    // Something that is not sealed yet.
    assert!(life.open().is_ok() && life.tick(TICKS).is_ok() && life.tick(TICKS + 1).is_ok());
    drop(life);
    let file = folder.join("data/linli.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.execute_batch(
        "INSERT INTO transition VALUES (1, 'alarm', 1, 5, 'normal', 'active', 'raised', 'rule', 'wet for a minute');
         INSERT INTO document VALUES ('estate', 'main', 1, 5, 'admin', 'a document of some length');
         INSERT INTO token VALUES ('t1', 'admin', 'admin', randomblob(32), 5, NULL, NULL);
         INSERT INTO answer VALUES ('k', 'p', randomblob(32), 'accepted', 99);
         INSERT INTO named_value VALUES ('cursor/vm', 'a place in the log');
         INSERT INTO retained VALUES ('a/b', 'payload', 1, 5, NULL);
         INSERT INTO parked VALUES (1, 'vm', 5, 'bin_fill value=1 1', 'refused');
         PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;",
    )
    .unwrap();
    drop(conn);
    std::fs::read(file).unwrap()
}

/// The pages of each table and its indexes.
fn pages(file: &Path) -> BTreeMap<String, Vec<usize>> {
    let conn = rusqlite::Connection::open(file).unwrap();
    let mut query = conn
        .prepare(
            "SELECT s.tbl_name, d.pageno FROM dbstat d JOIN sqlite_schema s ON s.name = d.name
             WHERE s.tbl_name NOT LIKE 'sqlite_%' AND d.ncell > 0",
        )
        .unwrap();
    let mut pages: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, u32>(1)? as usize)))
        .unwrap();
    for (table, page) in rows.map(Result::unwrap) {
        pages.entry(table).or_default().push(page);
    }
    pages
}

/// Every row of a table, or why it cannot be read.
fn rows(file: &Path, table: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let conn = rusqlite::Connection::open(file)?;
    // Where the last chunk lies and since when there are samples are hints: a wrong one costs room, no reading.
    // Of a commit its size and its time only decide how long it is kept.
    let columns = match table {
        "series" => "point, sealed, latest",
        "stage" => "id, n, first, last, points, data",
        _ => "*",
    };
    let only = if table == "meta" {
        "WHERE name IN ('last_commit', 'sealed_floor')"
    } else {
        ""
    };
    let mut query = conn.prepare(&format!("SELECT {columns} FROM {table} NOT INDEXED {only}"))?;
    let columns = query.column_count();
    let rows = query.query_map([], |row| (0..columns).map(|n| row.get(n)).collect())?;
    rows.collect()
}

/// Whether the examination names something, or the file is refused.
fn found(file: &Path) -> bool {
    let seen = Reader::open_file(file).map(|reader| reader.examine(&mut |_| {}));
    match seen {
        Ok(Ok(seen)) => !seen.findings.is_empty(),
        Ok(Err(StoreError::Sqlite { .. } | StoreError::Damaged { .. })) | Err(_) => true,
    }
}

#[test]
fn a_flipped_bit_of_each_table_is_found_where_rows_carry_a_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let whole = ledger(folder.path());
    let file = folder.path().join("rotten.db");
    std::fs::write(&file, &whole).unwrap();
    assert!(!found(&file));
    let pages = pages(&file);
    let truth: BTreeMap<&String, _> = pages
        .keys()
        .map(|table| (table, rows(&file, table).unwrap()))
        .collect();
    let mut seed = 2_026u64;
    let mut dice = move |sides: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % sides
    };
    let mut unseen_and_guarded = Vec::new();
    for (table, pages) in &pages {
        let (mut named, mut harmless, mut unseen) = (0, 0, 0);
        for flip in 0..flips() {
            let mut bytes = whole.clone();
            let place = loop {
                let place = (pages[dice(pages.len())] - 1) * 4_096 + dice(4_096);
                // Most of a page may be empty.
                if whole[place] != 0 {
                    break place;
                }
            };
            bytes[place] ^= 1 << dice(8);
            std::fs::write(&file, &bytes).unwrap();
            if found(&file) {
                named += 1;
            } else if rows(&file, table).is_ok_and(|rows| rows == truth[table]) {
                harmless += 1;
            } else {
                unseen += 1;
                if GUARDED.contains(&table.as_str()) {
                    unseen_and_guarded.push(format!("{table}: byte {} of its page", place % 4_096));
                }
            }
            if flip % 4 > 0 {
                continue;
            }
            // Whatever it was, opening it for writing is no panic.
            let elsewhere = folder.path().join("open");
            std::fs::create_dir_all(&elsewhere).unwrap();
            std::fs::rename(&file, elsewhere.join("linli.db")).unwrap();
            let opened: Result<Ledger, OpenError> = Ledger::open(&elsewhere, &options());
            drop(opened);
            std::fs::remove_dir_all(&elsewhere).unwrap();
        }
        println!("{table}: {named} named, {harmless} harmless, {unseen} unseen");
    }
    assert_eq!(unseen_and_guarded, Vec::<String>::new());
    for table in GUARDED {
        assert!(pages.contains_key(table), "{table} has no rows");
    }
}
