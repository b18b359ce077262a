//! A small estate to tell stories about: one helper holds the API, so a refactor edits one place.

use linli_domain::id::{AlarmId, AssetId, Class, CommitId, Fault, OrderId, PointKey};
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{
    AlarmRow, Batch, Budget, Entry, Ledger, Options, OrderRow, Reader, Sealed, Snapshot, StoredSample,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z in milliseconds.
pub(crate) const NEW_YEAR: i64 = 1_767_225_600_000;

pub(crate) struct Estate {
    pub(crate) folder: TempDir,
    pub(crate) options: Options,
    ledger: Option<Ledger>,
    /// Milliseconds since new year.
    pub(crate) clock: i64,
}

impl Estate {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = Some(Ledger::open(&folder.path().join("data"), &options).unwrap());
        Self {
            folder,
            options,
            ledger,
            clock: 0,
        }
    }

    /// Small limits, so that few samples show what many would.
    pub(crate) fn small() -> Self {
        Self::with(Options {
            head_samples: 16,
            seal_samples: 20,
            stage_target: 2_000,
            ..Options::default()
        })
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    pub(crate) fn reader(&mut self) -> Reader {
        self.ledger().reader().unwrap()
    }

    pub(crate) fn now(&self) -> Now {
        now(self.clock)
    }

    pub(crate) fn restart(&mut self) {
        self.close();
        self.ledger = Some(Ledger::open(&self.dir(), &self.options).unwrap());
    }

    /// The writer goes; the files stay.
    pub(crate) fn close(&mut self) {
        self.ledger = None;
    }

    /// Power goes without a goodbye: the files are copied as they lie there, and opened elsewhere.
    pub(crate) fn after_power_cut(&mut self, elsewhere: &Path) -> Ledger {
        std::fs::create_dir_all(elsewhere).unwrap();
        for name in ["linli.db", "linli.db-wal"] {
            std::fs::copy(self.dir().join(name), elsewhere.join(name)).unwrap();
        }
        Ledger::open(elsewhere, &self.options).unwrap()
    }

    pub(crate) fn hear(&mut self, readings: &[Reading]) -> CommitId {
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        let at = self.now();
        self.ledger()
            .commit(&Batch {
                entries: &entries,
                ..Batch::at(at)
            })
            .unwrap()
    }

    pub(crate) fn slice(&mut self, cursors: CommitId, snapshot: Option<&Snapshot>) -> Sealed {
        let budget = Budget {
            now: self.now().wall,
            slice: Duration::from_millis(20),
        };
        self.ledger().seal(budget, cursors, snapshot).unwrap()
    }

    /// Seals until nothing is due, with the engine's snapshot at `covered`.
    pub(crate) fn seal_all(&mut self, covered: CommitId, cursors: CommitId) -> Sealed {
        let snapshot = Snapshot {
            commit: covered,
            format: 1,
            bytes: vec![7],
        };
        let mut sum = Sealed::default();
        loop {
            let sealed = self.slice(cursors, Some(&snapshot));
            sum.points += sealed.points;
            sum.samples += sealed.samples;
            sum.rows += sealed.rows;
            if !sealed.more {
                return sum;
            }
        }
    }

    /// Everything stored of a point.
    pub(crate) fn all_samples(&mut self, point: u32) -> Vec<StoredSample> {
        let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        let reader = self.reader();
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = reader.samples(PointKey(point), from, to, 7, after).unwrap();
            all.extend(page.samples);
            match page.next {
                Some(next) => after = Some(next),
                None => return all,
            }
        }
    }
}

pub(crate) fn now(millis: i64) -> Now {
    Now {
        wall: Timestamp::from_millis(NEW_YEAR + millis),
        monotonic: Monotonic(millis as u64),
        boot: BootId(0xB007),
        trusted: true,
    }
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NEW_YEAR + millis)
}

pub(crate) fn number(point: u32, millis: i64, value: f64) -> Reading {
    Reading::new(
        PointKey(point),
        at(millis),
        at(millis),
        Value::Number(value),
        Quality::Good,
    )
}

pub(crate) fn wet(point: u32, millis: i64, wet: bool) -> Reading {
    Reading::new(
        PointKey(point),
        at(millis),
        at(millis),
        Value::State(wet),
        Quality::Good,
    )
}

pub(crate) fn leak_alarm(id: u64, asset: &str, live: bool) -> AlarmRow {
    AlarmRow {
        id: AlarmId(id),
        asset: AssetId::new(asset).unwrap(),
        class: Class::new("leak").unwrap(),
        live,
        priority: 1,
        state: if live { "active".into() } else { "ended".into() },
        raised: at(0),
        updated: at(0),
        cause: None,
        document: br#"{"rule":"wet"}"#.to_vec(),
    }
}

pub(crate) fn leak_order(id: u64, asset: &str, open: bool) -> OrderRow {
    OrderRow {
        id: OrderId(id),
        asset: AssetId::new(asset).unwrap(),
        fault: Fault::new("leak").unwrap(),
        open,
        state: if open { "accepted".into() } else { "closed".into() },
        version: 1,
        priority: 1,
        role: "engineering".into(),
        opened: at(0),
        updated: at(0),
        document: b"{}".to_vec(),
        tasks: Vec::new(),
    }
}
