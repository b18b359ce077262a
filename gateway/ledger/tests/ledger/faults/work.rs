//! A short life of a ledger on a disk that may fail: commits, sealing, retention, a backup, a restart.
//!
//! It behaves as the gateway does: what fails is kept and done again when the disk is well, nothing is skipped, and
//! what it was told of failures is remembered.

use crate::estate::{at, leak_alarm, leak_order, now, number, wet};
use faultfs::{Disk, Fault};
use linli_domain::id::{AlarmId, OrderId, PointKey};
use linli_domain::reading::Reading;
use linli_domain::time::Timestamp;
use linli_ledger::{
    AuditRow, BackupError, Batch, Budget, CommitError, DAY, Entry, HOUR, Keep, Ledger, NewDelivery,
    OpenError, Options, PointRow, Reader, Snapshot, StoreError,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Commits of a life.
pub(crate) const TICKS: i64 = 48;
/// Between two commits, milliseconds.
pub(crate) const APART: i64 = 90_000;
/// The tick that raises an alarm with its order and message.
const ALARM_AT: i64 = 10;
/// Points that speak at every tick.
const POINTS: [u32; 3] = [1, 2, 3];

/// What is true of the files after a life that ended well or in the dark.
#[derive(Debug)]
pub(crate) struct Life {
    dir: PathBuf,
    /// The disk that may fail; `None` is the machine's own.
    disk: Option<Disk>,
    /// Ticks that were acknowledged.
    pub(crate) acknowledged: i64,
    /// What was said of failures.
    pub(crate) told: Vec<String>,
    ledger: Option<Ledger>,
    folder: Option<TempDir>,
}

/// Power has gone.
pub(crate) struct Dark;

/// What became of a fault, run by run. [`verify`] has compared every sample, so nothing counted here is there twice.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    runs: u64,
    acknowledged: i64,
    lost: i64,
    ahead: i64,
    slowest: Duration,
}

impl Tally {
    /// Looks at a folder after a fault: what was acknowledged, what is there, and how long it took to open it and to
    /// read all of it. Returns what is there.
    pub(crate) fn look(&mut self, dir: &Path, acknowledged: i64) -> i64 {
        let began = Instant::now();
        let there = verify(dir, acknowledged);
        self.slowest = self.slowest.max(began.elapsed());
        self.runs += 1;
        self.acknowledged += acknowledged;
        self.lost += (acknowledged - there).max(0);
        self.ahead += (there - acknowledged).max(0);
        there
    }

    /// One line for a table: `fault what="…" runs=… acknowledged=… lost=… doubled=0 under_way=… recovery_ms=…`.
    pub(crate) fn tell(&self, what: &str) {
        println!(
            "fault what=\"{what}\" runs={} acknowledged={} lost={} doubled=0 under_way={} recovery_ms={}",
            self.runs,
            self.acknowledged,
            self.lost,
            self.ahead,
            self.slowest.as_millis()
        );
    }
}

pub(crate) fn options() -> Options {
    Options {
        head_samples: 16,
        seal_samples: 20,
        stage_target: 2_000,
        wal_target: 100_000,
        keep: vec![
            Keep::usual(),
            Keep {
                measure: "env.*".into(),
                raw: Some(Duration::from_secs(1_800)),
                ..Keep::usual()
            },
        ],
        ..Options::default()
    }
}

impl Life {
    /// On a disk that may fail.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let dir = folder.path().join("data");
        std::fs::create_dir(&dir).unwrap();
        Self {
            disk: Some(Disk::under(&dir).unwrap()),
            folder: Some(folder),
            ..Self::in_folder(dir)
        }
    }

    /// On the machine's own disk, going on where the ledger in `dir` ended.
    pub(crate) fn in_folder(dir: PathBuf) -> Self {
        Self {
            dir,
            disk: None,
            acknowledged: 0,
            told: Vec::new(),
            ledger: None,
            folder: None,
        }
    }

    /// A life with one fault in it.
    pub(crate) fn with(fault: Fault) -> Self {
        let mut life = Self::new();
        life.disk().arm(fault);
        let _ = life.live();
        life
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    /// A folder beside that of the data.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(name)
    }

    /// From opening an empty folder to closing it.
    pub(crate) fn live(&mut self) -> Result<(), Dark> {
        self.open()?;
        for tick in 0..TICKS {
            self.tick(tick)?;
            let now = at(tick * APART);
            if tick % 8 == 7 {
                self.seal(now)?;
            }
            if tick % 6 == 5 {
                self.move_log()?;
            }
            match tick {
                20 => self.back_up("first.db")?,
                30 => {
                    self.ledger = None;
                    self.open()?;
                }
                44 => self.retain(now)?,
                _ => {}
            }
        }
        self.ledger = None;
        Ok(())
    }

    pub(crate) fn open(&mut self) -> Result<(), Dark> {
        self.step("open", |life| {
            let opened = Ledger::open(&life.dir, &options())?;
            life.acknowledged = opened.last_commit().0 as i64;
            life.ledger = Some(opened);
            Ok::<_, OpenError>(())
        })
    }

    pub(crate) fn move_log(&mut self) -> Result<(), Dark> {
        self.step("move the log", |life| {
            life.ledger().checkpoint_if_large().map(drop)
        })
    }

    pub(crate) fn retain(&mut self, now: Timestamp) -> Result<(), Dark> {
        self.step("retain", |life| {
            life.ledger().retain(now, Duration::from_secs(60)).map(drop)
        })
    }

    pub(crate) fn tick(&mut self, tick: i64) -> Result<(), Dark> {
        let readings = readings(tick);
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        let points: Vec<PointRow> = if tick == 0 {
            POINTS.map(point).into()
        } else {
            Vec::new()
        };
        let raised = tick == ALARM_AT;
        let (alarms, orders) = (
            [leak_alarm(1, "pump-room", true)],
            [leak_order(1, "pump-room", true)],
        );
        let message = [NewDelivery {
            channel: "wecom".into(),
            subject_kind: "order".into(),
            subject: "WO-1".into(),
            payload: b"pump room is wet".to_vec(),
            idempotency: "WO-1#1".into(),
            created: at(tick * APART),
            next_at: at(tick * APART),
        }];
        let audit = [AuditRow {
            at: at(tick * APART),
            actor: "wang".into(),
            action: "note".into(),
            subject: format!("tick-{tick}"),
            detail: "{}".into(),
        }];
        let batch = Batch {
            entries: &entries,
            points: &points,
            alarms: if raised { &alarms } else { &[] },
            orders: if raised { &orders } else { &[] },
            deliveries: if raised { &message } else { &[] },
            audit: &audit,
            ..Batch::at(now(tick * APART))
        };
        self.step("commit", |life| {
            let before = life.ledger().last_commit();
            let outcome = life.ledger().commit(&batch);
            if let Err(error) = &outcome {
                assert!(
                    matches!(error, CommitError::Io { .. }),
                    "a fault of the disk was taken for one of the batch: {error:?}"
                );
                assert_eq!(life.ledger().last_commit(), before);
            }
            outcome.map(drop)
        })?;
        self.acknowledged = tick + 1;
        Ok(())
    }

    pub(crate) fn seal(&mut self, now: Timestamp) -> Result<(), Dark> {
        self.step("seal", |life| {
            let last = life.ledger().last_commit();
            let snapshot = Snapshot {
                commit: last,
                format: 1,
                bytes: vec![7; 3_000],
            };
            let budget = Budget {
                now,
                slice: Duration::from_secs(60),
            };
            while life.ledger().seal(budget, last, Some(&snapshot))?.more {}
            Ok::<_, StoreError>(())
        })
    }

    pub(crate) fn back_up(&mut self, name: &str) -> Result<(), Dark> {
        self.step("back up", |life| {
            let path = life.dir.join(name);
            let made = life
                .ledger()
                .reader()
                .map_err(BackupError::from)
                .and_then(|reader| reader.backup(&path, &mut |_| {}));
            assert_eq!(made.is_ok(), path.exists(), "a backup is whole or not there");
            assert!(
                !life.dir.join(format!("{name}.part")).exists(),
                "no half file is left"
            );
            made.map(|made| assert_eq!(made.examined.findings, []))
        })
    }

    /// Does something until it works; the disk is mended when it did not.
    fn step<E: Error>(
        &mut self,
        what: &str,
        mut work: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), Dark> {
        for _ in 0..3 {
            let Err(error) = work(self) else {
                return Ok(());
            };
            self.told.push(format!("{what}: {}", chain(&error)));
            let Some(disk) = &self.disk else { break };
            if disk.is_dark() {
                self.ledger = None;
                return Err(Dark);
            }
            disk.mend();
        }
        panic!("cannot {what} on a disk that is well again: {:#?}", self.told);
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }
}

fn point(key: u32) -> PointRow {
    let measure = ["", "pulse.count", "leak.wet", "env.temperature"][key as usize];
    PointRow {
        key: PointKey(key),
        id: format!("d{key}/{measure}").parse().unwrap(),
        device: format!("d{key}").parse().unwrap(),
        measure: measure.into(),
        instance: None,
    }
}

fn readings(tick: i64) -> [Reading; 3] {
    let time = tick * APART;
    [
        number(1, time, tick as f64),
        wet(2, time, tick % 3 == 0),
        number(3, time, 20.5 + (tick % 7) as f64),
    ]
}

/// The error with what caused it, as the gateway logs it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// What a folder must hold: everything acknowledged, once; at most the one commit more that was under way; sums that
/// are those of the readings; nothing that does not hold. Returns the ticks that are there.
pub(crate) fn verify(dir: &Path, acknowledged: i64) -> i64 {
    let ledger = Ledger::open(dir, &options()).unwrap();
    assert_eq!(ledger.aside_at_open(), []);
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.examine(&mut |_| {}).unwrap().findings, []);
    let there = hold(&reader);
    assert!(
        there == acknowledged || there == acknowledged + 1,
        "{acknowledged} ticks were acknowledged, {there} are there"
    );
    assert_eq!(ledger.last_commit().0, there as u64);
    drop((ledger, reader));
    // Opening it once more changes nothing.
    assert_eq!(hold(&Reader::open(dir).unwrap()), there);
    there
}

/// Ticks in a ledger, after a look at whether all its parts say the same.
pub(crate) fn hold(reader: &Reader) -> i64 {
    let samples = |point| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = reader
                .samples(PointKey(point), at(-1), at(400 * DAY), 10_000, after)
                .unwrap();
            all.extend(page.samples);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    };
    let there = samples(1).len() as i64;
    for key in POINTS {
        let expected: Vec<Reading> = (0..there)
            .map(|tick| readings(tick)[key as usize - 1].clone())
            .collect();
        let found = samples(key);
        let kept: Vec<_> = found
            .iter()
            .map(|sample| (sample.observed, sample.value.clone()))
            .collect();
        let all: Vec<_> = expected
            .iter()
            .map(|one| (one.observed, one.value.clone()))
            .collect();
        // Of temperatures the oldest samples are let go at the end; their sums stay.
        assert!(
            all.ends_with(&kept),
            "point {key}: {kept:?} is not the end of {all:?}"
        );
        assert!(key == 3 || kept.len() == all.len());
        let whole = |width| {
            let spans = reader
                .spans(PointKey(key), at(0), at(400 * DAY), Duration::from_millis(width))
                .unwrap();
            spans.spans.iter().fold((0, 0.0), |(count, sum), span| {
                (
                    count + span.stretch.summary.samples,
                    sum + span.stretch.summary.sum,
                )
            })
        };
        let sum = expected.iter().fold(0.0, |sum, one| sum + plain(one));
        for width in [HOUR, DAY] {
            assert_eq!(
                whole(width as u64),
                (there as u64, sum),
                "sums of point {key} per {width} ms"
            );
        }
    }
    let raised = there > ALARM_AT;
    assert_eq!(reader.alarm(AlarmId(1)).unwrap().is_some(), raised);
    assert_eq!(reader.order(OrderId(1)).unwrap().is_some(), raised);
    assert_eq!(reader.counts().unwrap().pending_deliveries, u64::from(raised));
    assert_eq!(reader.verify_audit().unwrap().rows, there);
    there
}

fn plain(reading: &Reading) -> f64 {
    match &reading.value {
        Some(linli_domain::reading::Value::Number(number)) => *number,
        Some(linli_domain::reading::Value::State(state)) => f64::from(u8::from(*state)),
        _ => 0.0,
    }
}
