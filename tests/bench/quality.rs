//! `quality`: the figures of alarm quality over a year of a hundred thousand alarms (a fifth of them in a run of
//! everything), beside reading the same transitions from SQLite and doing nothing with them.

use crate::report::{Goal, Report};
use linli::ops::quality::between;
use linli_domain::id::AlarmId;
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{AlarmRow, Batch, Ledger, Options, Reader, Subject, TransitionRow};
use std::path::Path;
use std::time::Instant;

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000;
const YEAR_SECONDS: i64 = 365 * 86_400;
const ASSETS: u64 = 500;
/// Alarms of one commit.
const BATCH: u64 = 1_000;
/// Times each is measured; the best counts.
const TIMES: usize = 3;
/// The figures may take so much longer than only reading.
const GOAL: f64 = 2.0;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NEW_YEAR + seconds * 1_000)
}

fn second(id: u64, alarms: u64) -> i64 {
    let share = i128::from(YEAR_SECONDS) * i128::from(id) / i128::from(alarms + 1);
    i64::try_from(share).unwrap_or(0)
}

/// Alarms that were raised, seen, over and ended, spread over the year.
fn record(dir: &Path, alarms: u64) {
    let mut ledger = Ledger::open(dir, &Options::default()).expect("open");
    for first in (1..=alarms).step_by(usize::try_from(BATCH).unwrap_or(1)) {
        let ids = first..(first + BATCH).min(alarms + 1);
        let row = |id: u64| AlarmRow {
            id: AlarmId(id),
            asset: format!("asset-{}", id % ASSETS).parse().expect("an id"),
            class: "leak".parse().expect("an id"),
            live: false,
            priority: u8::try_from(1 + id % 4).unwrap_or(4),
            state: "normal".into(),
            raised: at(second(id, alarms)),
            updated: at(second(id, alarms) + 90),
            cause: None,
            // About as large as a real one.
            document: vec![b'x'; 1_500],
        };
        let step = |id: u64, after: i64, from: &str, event: &str, to: &str| TransitionRow {
            subject: Subject::Alarm(AlarmId(id)),
            at: at(second(id, alarms) + after),
            from: from.into(),
            to: to.into(),
            event: event.into(),
            actor: "gateway".into(),
            beside: String::new(),
        };
        let rows: Vec<AlarmRow> = ids.clone().map(row).collect();
        let transitions: Vec<TransitionRow> = ids
            .clone()
            .flat_map(|id| {
                [
                    step(id, 0, "none", "raised", "active_unack"),
                    step(id, 30, "active_unack", "acknowledged", "active_ack"),
                    step(id, 90, "active_ack", "condition", "normal"),
                    step(id, 90, "normal", "ended", "normal"),
                ]
            })
            .collect();
        let now = Now {
            wall: at(second(first, alarms)),
            monotonic: Monotonic(first),
            boot: BootId(1),
            trusted: true,
        };
        let batch = Batch {
            alarms: &rows,
            transitions: &transitions,
            ..Batch::at(now)
        };
        ledger.commit(&batch).expect("commit");
    }
    ledger.checkpoint_if_large().expect("checkpoint");
}

/// Every transition of an alarm with its asset, class and urgency, looked at and dropped; how many there were.
fn read_plainly(dir: &Path) -> u64 {
    let file = dir.join(linli_ledger::DATABASE_FILE);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = rusqlite::Connection::open_with_flags(file, flags).expect("the file");
    let sql = "SELECT t.at, t.next, t.event, t.subject, a.asset, a.class, a.priority
         FROM transition t JOIN alarm a ON a.id = t.subject WHERE t.kind = 'alarm' ORDER BY t.at, t.id";
    let mut query = conn.prepare(sql).expect("a query");
    let mut rows = query.query([]).expect("rows");
    let mut read = 0;
    while let Some(row) = rows.next().expect("a row") {
        let texts = [1, 2, 4, 5].map(|n| row.get::<_, String>(n).expect("text").len());
        let numbers = [0, 3, 6].map(|n| row.get::<_, i64>(n).expect("a number"));
        std::hint::black_box((texts, numbers));
        read += 1;
    }
    read
}

/// The best of a few times, in milliseconds.
fn best(mut what: impl FnMut()) -> f64 {
    let times = (0..TIMES).map(|_| {
        let began = Instant::now();
        what();
        began.elapsed().as_secs_f64() * 1_000.0
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Runs the scenario.
#[allow(clippy::cast_precision_loss, reason = "figures")]
pub(crate) fn run(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let alarms = report.pick(20_000, 100_000);
    record(folder.path(), alarms);
    let plain = best(|| assert_eq!(read_plainly(folder.path()), 4 * alarms, "all are read"));
    let reader = Reader::open(folder.path()).expect("a reader");
    let year = best(|| {
        let quality = between(&reader, at(0), at(YEAR_SECONDS), 1).expect("the figures");
        assert_eq!(quality.raised, alarms, "all are in the figures");
    });
    let day = best(|| {
        let quality = between(&reader, at(0), at(86_400), 1).expect("the figures");
        assert!(quality.raised > 0, "a day has its share");
    });
    report.add("quality", "alarms", alarms as f64, "", None);
    let beside = Some((plain, "reading the same from SQLite"));
    report
        .add("quality", "figures_of_a_year_ms", year, "ms", beside)
        .goal(Goal::RatioAtMost(GOAL));
    report.add("quality", "figures_of_a_day_ms", day, "ms", None);
}
