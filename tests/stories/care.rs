//! The ledger in the care of people: backups killed half-way, a year restored, a disk that takes no writes, a second
//! gateway on the same folder.

use crate::estate::{counter, counter_profiles, estate};
use e2e::disk::SmallDisk;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::{Running, workspace_program};
use e2e::publisher::{Publisher, Script};
use e2e::wait::until;
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, Entry, Ledger, Options, Reader, Snapshot};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// A year of readings each quarter of an hour, up to 2026-01-01.
const YEAR: i64 = 365 * 96;
const NEW_YEAR: i64 = 1_767_225_600_000;
const QUARTER: i64 = 900_000;

fn site(broker: u16) -> Site {
    let counters = counter("main", "c0", false) + &counter("main", "c1", false);
    Site {
        estate: estate("main", &counters),
        broker: Some(broker),
        profiles: counter_profiles(),
        ..Site::default()
    }
}

fn counting(port: u16, device: &str, pause: Duration) -> Publisher {
    Publisher::start(Script {
        port,
        client: device.into(),
        credentials: None,
        topic: format!("site/plain/{device}/up"),
        payload: |n| format!("{{\"n\":{n}}}"),
        pause,
    })
}

fn point_of(reader: &Reader, device: &str) -> Option<PointKey> {
    let points = reader.points().ok()?;
    let found = points
        .iter()
        .find(|point| point.device.as_str() == device && point.measure == "pulse.count");
    found.map(|point| point.key)
}

/// The numbers of a counter that are stored, with how many samples there are.
fn numbers(reader: &Reader, device: &str) -> (BTreeSet<u64>, usize) {
    let Some(point) = point_of(reader, device) else {
        return (BTreeSet::new(), 0);
    };
    let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    let samples = reader.range(point, from, to, usize::MAX).expect("the samples");
    let number = |value: &Option<Value>| match value {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small counters"
        )]
        Some(Value::Number(number)) => Some(*number as u64),
        _ => None,
    };
    let all = samples
        .iter()
        .filter_map(|sample| number(&sample.value))
        .collect();
    (all, samples.len())
}

/// Writes a year of `point` into a ledger nobody has open, and seals it. The engine stays as it was.
fn write_a_year(dir: &Path, point: PointKey) {
    let mut ledger = Ledger::open(dir, &Options::default()).expect("open");
    let engine = ledger.load_snapshot().expect("the snapshot");
    let at = |n: i64| Timestamp::from_millis(NEW_YEAR - (YEAR - n) * QUARTER);
    let now = |wall: Timestamp| Now {
        wall,
        monotonic: Monotonic(0),
        boot: BootId(1),
        trusted: true,
    };
    let all: Vec<i64> = (0..YEAR).collect();
    for part in all.chunks(2_000) {
        let readings: Vec<Reading> = part
            .iter()
            .map(|n| {
                // Not a whole number: it is told from what is counted by the story.
                #[allow(clippy::cast_precision_loss, reason = "a reading")]
                let value = Value::Number((n * 7_919 % 100_003) as f64 + 0.5);
                Reading::new(point, at(*n), at(*n), value, Quality::Good)
            })
            .collect();
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: false,
            })
            .collect();
        let batch = Batch {
            entries: &entries,
            ..Batch::at(now(at(YEAR)))
        };
        ledger.commit(&batch).expect("commit");
    }
    let commit = ledger.last_commit();
    let snapshot = Snapshot {
        commit,
        format: engine.as_ref().map_or(1, |engine| engine.format),
        bytes: engine.map_or(Vec::new(), |engine| engine.bytes),
    };
    let budget = Budget {
        now: at(YEAR + 96 * 9),
        slice: Duration::from_secs(1),
    };
    while ledger.seal(budget, commit, Some(&snapshot)).expect("seal").more {}
}

fn backup(gateway: &Gateway, to: &Path) -> Command {
    let mut command = Command::new(workspace_program("linli"));
    command
        .arg("backup")
        .arg(to)
        .arg("--config")
        .arg(gateway.folder.path().join("linli.toml"));
    command
}

/// Starts a backup and kills it once its half file is there. Returns whether a half file was left.
async fn killed_half_way(gateway: &Gateway, to: &Path) -> bool {
    let part = PathBuf::from(format!("{}.part", to.display()));
    let mut running = Running::start("linli backup", &mut backup(gateway, to));
    until("the half file, or the end", || {
        let over = part.exists() || !running.is_running();
        let log = running.log();
        async move { if over { Ok(()) } else { Err(log) } }
    })
    .await;
    running.kill().await;
    part.exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_killed_half_way_restore_nothing_and_a_whole_one_restores_the_year() {
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::start(&site(broker.port)).await;
    gateway.subscribed().await;
    let hello = counting(broker.port, "c1", Duration::from_millis(1));
    until("the point of the year", || async {
        let reader = Reader::open(&gateway.data()).map_err(|error| error.to_string())?;
        point_of(&reader, "c1").map(drop).ok_or_else(|| gateway.log())
    })
    .await;
    hello.finish();
    gateway.terminate().await;
    let data = gateway.data();
    let point = point_of(&Reader::open(&data).unwrap(), "c1").unwrap();
    tokio::task::spawn_blocking(move || write_a_year(&data, point))
        .await
        .unwrap();
    gateway.run().await;
    gateway.subscribed().await;

    // Readings come in all the while.
    let sensor = counting(broker.port, "c0", Duration::from_millis(3));
    let usb = gateway.folder.path().join("usb");
    std::fs::create_dir(&usb).unwrap();
    let mut halves = 0;
    for round in 0..8 {
        let to = usb.join(format!("{round}.db"));
        halves += usize::from(killed_half_way(&gateway, &to).await);
        if to.exists() {
            // It was quicker than the kill: then it is whole.
            let whole = Reader::open_file(&to).unwrap().examine(&mut |_| {}).unwrap();
            assert_eq!(whole.findings, []);
        } else {
            let (said, code) = gateway.cli(&["restore", to.to_str().unwrap()]).await;
            assert_eq!(code, 1, "there is nothing to restore: {said}");
        }
    }
    assert!(halves > 0, "no backup was killed half-way");

    // What is committed is what the gateway answers the broker for.
    let (committed, _) = numbers(&Reader::open(&gateway.data()).unwrap(), "c0");
    let whole = usb.join("whole.db");
    let (said, code) = gateway.cli(&["backup", whole.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{said}");
    gateway.kill().await;
    let (said, code) = gateway.cli(&["restore", whole.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{said}");

    let restored = Reader::open(&gateway.data()).unwrap();
    let (counted, samples) = numbers(&restored, "c0");
    let missing: Vec<_> = committed.difference(&counted).collect();
    assert!(
        missing.is_empty() && committed.len() > 20,
        "committed before the backup and not in it: {missing:?} of {}",
        committed.len()
    );
    assert_eq!(samples, counted.len(), "each once");
    drop(restored);
    gateway.run().await;
    let year = format!(
        "/api/v1/points/P{}/buckets?from={}&to={}&width=1d",
        point.0,
        Timestamp::from_millis(NEW_YEAR - YEAR * QUARTER),
        Timestamp::from_millis(NEW_YEAR),
    );
    let shown = gateway.get(&year).await.unwrap();
    let counts = shown["count"].as_array().expect("counts").iter();
    let total: i64 = counts.filter_map(serde_json::Value::as_i64).sum();
    assert_eq!(total, YEAR, "{shown}");
    let (exported, code) = gateway
        .cli(&[
            "export",
            "--point",
            &format!("P{}", point.0),
            "--to",
            "2026-01-01T00:00:00Z",
            "--from",
            "2025-01-01T00:00:00Z",
        ])
        .await;
    assert_eq!(
        (code, exported.lines().count()),
        (0, usize::try_from(YEAR).unwrap() + 1),
        "a line each, and the head"
    );
    sensor.finish();
    println!(
        "8 backups killed, {halves} left a half file; {YEAR} readings of a year and {samples} of the hour restored"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_writes_is_told_and_nothing_on_it_is_lost() {
    if !SmallDisk::possible() {
        return;
    }
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::start(&Site {
        small_disk_mb: Some(64),
        store: "min_free_mb = 16\n".into(),
        ..site(broker.port)
    })
    .await;
    gateway.subscribed().await;
    let sensor = counting(broker.port, "c0", Duration::from_millis(2));
    let committed = until("some readings", || async {
        let reader = Reader::open(&gateway.data()).map_err(|error| error.to_string())?;
        let (stored, _) = numbers(&reader, "c0");
        if stored.len() > 50 {
            Ok(stored)
        } else {
            Err(gateway.log())
        }
    })
    .await;
    gateway.kill().await;
    gateway.disk().expect("a disk of its own").takes_writes(false);
    for (language, words) in [("en", "Read-only file system"), ("zh-CN", "错误")] {
        let (said, code) = gateway.cli(&["run", "--lang", language]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(words) && said.contains("linli.lock"), "{said}");
    }
    let (said, code) = gateway.cli(&["doctor", "--offline", "--lang", "en"]).await;
    let words = ["mounted read-only", "remount,rw", "the ledger is whole"];
    assert!(
        code == 1 && words.iter().all(|word| said.contains(word)),
        "{said}"
    );
    // Where nothing can be written, a copy goes elsewhere.
    let (said, code) = gateway.cli(&["backup"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    let rescued = gateway.folder.path().join("rescued.db");
    let (said, code) = gateway.cli(&["backup", rescued.to_str().unwrap()]).await;
    assert!(rescued.exists(), "{code} {said}");
    let (rescued, samples) = numbers(&Reader::open_file(&rescued).unwrap(), "c0");
    assert!(committed.is_subset(&rescued), "{committed:?} {rescued:?}");
    assert_eq!(samples, rescued.len(), "each once");

    gateway.disk().expect("a disk of its own").takes_writes(true);
    gateway.run().await;
    sensor.finish();
    until("everything that was sent to be stored once", || async {
        let (stored, samples) = numbers(&Reader::open(&gateway.data()).unwrap(), "c0");
        if stored.len() as u64 == sensor.sent() && samples == stored.len() {
            Ok(())
        } else {
            let (sent, told) = (sensor.sent(), gateway.log());
            Err(format!(
                "{sent} sent, {} stored in {samples} samples\n{told}",
                stored.len()
            ))
        }
    })
    .await;

    // After an orderly end nothing stands beside the file, and nothing may be put there to read it.
    assert_eq!(gateway.terminate().await, Some(0));
    gateway.disk().expect("a disk of its own").takes_writes(false);
    let (said, code) = gateway.cli(&["doctor", "--offline", "--lang", "en"]).await;
    assert!(code == 1 && said.contains("the ledger is whole"), "{said}");
    let (lines, code) = gateway.cli(&["export"]).await;
    assert_eq!(
        (code, lines.lines().count() as u64 > sensor.sent()),
        (0, true),
        "{lines}"
    );
    gateway.disk().expect("a disk of its own").takes_writes(true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::start(&site(broker.port)).await;
    gateway.subscribed().await;
    let sensor = counting(broker.port, "c0", Duration::from_millis(5));
    for _ in 0..3 {
        let (said, code) = gateway.cli(&["run"]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("process {}", gateway.pid())), "{said}");
    }
    let heard = sensor.acknowledged().len();
    until("the first gateway to go on", || async {
        if sensor.acknowledged().len() > heard + 20 {
            Ok(())
        } else {
            Err(gateway.log())
        }
    })
    .await;
    sensor.finish();
}
