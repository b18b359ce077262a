//! kill -9 in the middle of sealing, retention, a backup, a move of the write-ahead log and an upgrade of the format:
//! what was acknowledged is there, once, and its sums are those of the readings.
//!
//! A child process lives the life of the fault tests ([`work`]) on a real disk and says what it is about to do; it is
//! killed at a moment of the seed's choosing. `LINLI_KILL_ROUNDS=n` for more than the twenty rounds of each.
//!
//! A binary of its own: while a process starts another, that one holds the locks of the first for a moment, so a ledger
//! that a neighbouring test has just closed would be refused.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

#[allow(dead_code, reason = "shared with the ledger's other tests")]
#[path = "../ledger/estate.rs"]
mod estate;
#[allow(dead_code, reason = "shared with the ledger's other tests")]
#[path = "../ledger/faults/work.rs"]
mod work;

use crate::estate::at;
use linli_ledger::{Ledger, Reader};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use work::{APART, Life, Tally, hold, options};

/// What tells the child that it is one, and where.
const FOLDER: &str = "LINLI_LEDGER_CHILD";

fn rounds() -> u64 {
    let asked = std::env::var("LINLI_KILL_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// The child: lives until it is killed. Alone it does nothing.
#[test]
fn the_child_that_is_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return;
    };
    let say = |what: &str| println!("* {what}");
    let mut life = Life::in_folder(dir.into());
    say("open");
    assert!(life.open().is_ok());
    say("opened");
    for tick in life.acknowledged..1_000_000 {
        let now = at(tick * APART);
        let mut done = life.tick(tick).is_ok();
        say(&format!("acknowledged {}", life.acknowledged));
        if tick % 4 == 3 {
            say("seal");
            done &= life.seal(now).is_ok();
        }
        if tick % 6 == 5 {
            say("move");
            done &= life.move_log().is_ok();
        }
        if tick % 10 == 9 {
            say("retain");
            done &= life.retain(now).is_ok();
        }
        if tick % 15 == 14 {
            say("backup");
            done &= life.back_up(&format!("{tick}.backup")).is_ok();
        }
        assert!(done);
    }
}

/// One at a time, for the reason above.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child_that_is_killed", "--nocapture"])
            .env(FOLDER, dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The test harness writes its own words before the first line.
                if let Some((_, what)) = line.split_once("* ")
                    && said.send(what.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Kills it `moment` after it has said `what` for the `nth` time. Returns the last acknowledged tick it told of.
    fn kill(mut self, what: &str, nth: u64, moment: Duration) -> Option<i64> {
        let (mut acknowledged, mut times) = (None, 0);
        let mut hear = |line: &str| {
            if let Some(tick) = line.strip_prefix("acknowledged ") {
                acknowledged = tick.parse().ok();
            }
        };
        while times < nth {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap();
            hear(&line);
            times += u64::from(line == what);
        }
        let until = Instant::now() + moment;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let Ok(line) = self.lines.recv_timeout(left) else {
                break;
            };
            hear(&line);
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().for_each(|line| hear(&line));
        acknowledged
    }
}

/// A generator with a seed.
fn dice(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |sides| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    }
}

/// Every backup of a folder that has its name is whole.
fn backups(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let whole = files.filter(|path| path.extension().is_some_and(|extension| extension == "backup"));
    whole
        .map(|path| {
            let reader = Reader::open_file(&path).unwrap();
            assert_eq!(reader.examine(&mut |_| {}).unwrap().findings, []);
            hold(&reader);
        })
        .count()
}

#[test]
fn kills_while_it_works_lose_nothing_and_double_nothing() {
    let _turn = alone();
    for what in ["seal", "retain", "backup", "move", "acknowledged"] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let mut dice = dice(2_026);
        let (mut there, mut tally) = (0, Tally::default());
        for round in 0..rounds() {
            let running = Running::start(&dir);
            let (nth, moment) = (1 + dice(3), Duration::from_micros(dice(6_000)));
            let what = if what == "acknowledged" { "opened" } else { what };
            let acknowledged = running.kill(what, nth_of(what, nth), moment);
            let last = acknowledged.unwrap_or(there);
            there = tally.look(&dir, last.max(there));
            assert!(there >= last, "round {round}: {last} acknowledged, {there} there");
        }
        let kept = backups(&dir);
        tally.tell(&format!("kill during {what}, {kept} backups whole"));
    }
}

/// The child opens only once.
fn nth_of(what: &str, nth: u64) -> u64 {
    if what == "opened" { 1 } else { nth }
}

/// Makes the file one of the first format, with everything that later formats move elsewhere.
fn first_format(dir: &Path) {
    let conn = rusqlite::Connection::open(dir.join("linli.db")).unwrap();
    conn.execute_batch(
        "DROP TABLE set_aside; DROP TABLE rollup; DROP TABLE parked; DROP TABLE unknown_payload; DROP TABLE order_asset;
         DROP TABLE unknown_device; DROP INDEX chunk_by_age; DROP INDEX retained_by_expiry;
         ALTER TABLE retained DROP COLUMN expires; ALTER TABLE series DROP COLUMN rolled;
         ALTER TABLE series DROP COLUMN raw_from; DROP INDEX alarm_by_cause; DROP INDEX alarm_late; DROP INDEX alarm_live;
         DROP INDEX transition_by_time; ALTER TABLE transition RENAME COLUMN beside TO note;
         ALTER TABLE alarm DROP COLUMN cause; DROP TABLE reject;
         CREATE TABLE reject (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, origin TEXT NOT NULL,
             reason TEXT NOT NULL, payload BLOB NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO reject (at, origin, reason, payload) SELECT i, 'main a/' || i, 'not_json: line 1', zeroblob(1000) FROM n;
         PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .unwrap();
}

#[test]
fn kills_during_an_upgrade_leave_a_file_that_is_upgraded_at_the_next_start() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old");
    let mut life = Life::in_folder(old.clone());
    assert!(life.open().is_ok());
    for tick in 0..40 {
        assert!(life.tick(tick).is_ok());
        if tick % 8 == 7 {
            assert!(life.seal(at(tick * APART)).is_ok());
        }
    }
    drop(life);
    first_format(&old);
    let mut dice = dice(7);
    let (mut found, mut tally) = (std::collections::BTreeMap::new(), Tally::default());
    for round in 0..rounds() {
        let dir = folder.path().join(format!("round{round}"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(old.join("linli.db"), dir.join("linli.db")).unwrap();
        Running::start(&dir).kill("open", 1, Duration::from_micros(dice(25_000)));
        let format: u32 = rusqlite::Connection::open(dir.join("linli.db"))
            .and_then(|conn| conn.pragma_query_value(None, "user_version", |row| row.get(0)))
            .unwrap();
        *found.entry(format).or_insert(0) += 1;
        let ledger = Ledger::open(&dir, &options()).unwrap();
        assert_eq!(ledger.reader().unwrap().counts().unwrap().rejects, 3_000);
        drop(ledger);
        // Sums of what was sealed before there were any are made by the sealer.
        let mut life = Life::in_folder(dir.clone());
        assert!(life.open().is_ok());
        let there = life.acknowledged;
        assert!(there >= 40);
        assert!(life.seal(at(there * APART)).is_ok());
        drop(life);
        assert_eq!(tally.look(&dir, there), there);
        std::fs::remove_dir_all(&dir).unwrap();
    }
    tally.tell(&format!("kill during an upgrade, formats found {found:?}"));
}
