//! The commands that work on the ledger's file, with the real program: backup, restore, doctor, export, series.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, Entry, Ledger, Options, PointRow, Snapshot};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const NEW_YEAR: i64 = 1_767_225_600_000;

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// A site whose ledger holds 100 readings of a bin and one of a leak rope.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let estate = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/estates/example.toml");
        let config = format!(
            "config_version = 1\nlanguage = \"en\"\nestate_seed = \"{estate}\"\nstore = {{ data = \"data\" }}\n\
             http = {{ listen = \"127.0.0.1:1\" }}\n"
        );
        std::fs::write(folder.path().join("linli.toml"), config).unwrap();
        let site = Self { folder };
        let options = Options {
            seal_samples: 20,
            ..Options::default()
        };
        let mut ledger = Ledger::open(&site.data(), &options).unwrap();
        let point = |key, id: &str, device: &str, measure: &str| PointRow {
            key: PointKey(key),
            id: id.parse().unwrap(),
            device: device.parse().unwrap(),
            measure: measure.into(),
            instance: None,
        };
        let points = [
            point(1, "bin-7/bin.fill", "bin-7", "bin.fill"),
            point(2, "rope-1/leak.wet", "rope-1", "leak.wet"),
        ];
        ledger
            .commit(&Batch {
                points: &points,
                ..Batch::at(now(0))
            })
            .unwrap();
        // Two rounds of sealing leave two chunks.
        for round in [0..50, 50..100] {
            for n in round {
                hear(&mut ledger, 1, n, Value::Number(f64::from(n)));
            }
            seal(&mut ledger);
        }
        hear(&mut ledger, 2, 100, Value::State(true));
        site
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn linli(&self, arguments: &[&str]) -> Output {
        self.asks(arguments).output().unwrap()
    }

    fn asks(&self, arguments: &[&str]) -> Command {
        let mut linli = Command::new(env!("CARGO_BIN_EXE_linli"));
        linli
            .env_clear()
            .args(arguments)
            .args(["--config", "linli.toml"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        linli
    }

    fn rot(&self, sql: &str) {
        rusqlite::Connection::open(self.data().join("linli.db"))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }
}

fn now(minute: i32) -> Now {
    Now {
        wall: Timestamp::from_millis(NEW_YEAR + i64::from(minute) * 60_000),
        monotonic: Monotonic(0),
        boot: BootId(1),
        trusted: true,
    }
}

fn hear(ledger: &mut Ledger, point: u32, minute: i32, value: Value) {
    let at = now(minute).wall;
    let reading = Reading::new(PointKey(point), at, at, value, Quality::Good);
    let entries = [Entry::Reading {
        reading: &reading,
        evaluated: true,
    }];
    ledger
        .commit(&Batch {
            entries: &entries,
            ..Batch::at(now(minute))
        })
        .unwrap();
}

fn seal(ledger: &mut Ledger) {
    let commit = ledger.last_commit();
    let snapshot = Snapshot {
        commit,
        format: 1,
        bytes: vec![],
    };
    let budget = Budget {
        now: now(100).wall,
        slice: Duration::from_secs(1),
    };
    while ledger.seal(budget, commit, Some(&snapshot)).unwrap().more {}
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_backup_is_made_verified_restored_and_the_old_ledger_kept() {
    let site = Site::new();
    let made = site.linli(&["backup", "monday.db", "--json"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert_eq!(
        (&json(&made)["readings_sealed"], &json(&made)["commit"]),
        (&100.into(), &102.into())
    );
    let again = site.linli(&["backup", "monday.db"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("is there already"),
        "{}",
        text(&again.stderr)
    );

    std::fs::remove_file(site.data().join("linli.db")).unwrap();
    let restored = site.linli(&["restore", "monday.db", "--json"]);
    assert_eq!(restored.status.code(), Some(0), "{}", text(&restored.stderr));
    assert_eq!(json(&restored)["commit"], 102);
    let over = json(&site.linli(&["restore", "monday.db", "--json"]));
    let kept = PathBuf::from(over["kept"].as_str().unwrap());
    assert!(site.folder.path().join(kept).join("linli.db").is_file());
}

#[test]
fn backups_in_a_folder_carry_the_time_and_old_ones_go() {
    let site = Site::new();
    std::fs::create_dir(site.folder.path().join("usb")).unwrap();
    for _ in 0..3 {
        let made = site.linli(&["backup", "usb", "--keep", "2"]);
        assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    }
    assert_eq!(
        std::fs::read_dir(site.folder.path().join("usb")).unwrap().count(),
        2
    );
    // A copy of a ledger that is damaged takes the place of none that is whole.
    site.rot("UPDATE chunk SET data = zeroblob(length(data)) WHERE id = (SELECT min(id) FROM chunk)");
    let damaged = site.linli(&["backup", "usb", "--keep", "1"]);
    assert_eq!(damaged.status.code(), Some(1), "{}", text(&damaged.stderr));
    assert!(
        text(&damaged.stderr).contains("--keep"),
        "{}",
        text(&damaged.stderr)
    );
    assert_eq!(
        std::fs::read_dir(site.folder.path().join("usb")).unwrap().count(),
        3
    );
}

#[test]
fn the_doctor_finds_a_whole_ledger_whole_and_a_rotten_one_rotten_and_mends_it() {
    let site = Site::new();
    let well = site.linli(&["doctor", "--offline", "--json"]);
    let said = json(&well);
    let area = |said: &serde_json::Value, area: &str| {
        let items = said["items"].as_array().unwrap().iter();
        items
            .filter(|item| item["area"] == area)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(area(&said, "ledger")[0]["verdict"], "ok", "{said:#}");
    assert_eq!(area(&said, "backup")[0]["verdict"], "warning", "{said:#}");

    site.rot("UPDATE chunk SET data = zeroblob(length(data)) WHERE id = (SELECT min(id) FROM chunk)");
    let ill = site.linli(&["doctor", "--offline"]);
    assert_eq!(ill.status.code(), Some(1));
    assert!(
        text(&ill.stdout).contains("linli doctor --mend"),
        "{}",
        text(&ill.stdout)
    );
    let chinese = site.linli(&["doctor", "--offline", "--lang", "zh-CN"]);
    assert!(
        text(&chinese.stdout).contains("数据块"),
        "{}",
        text(&chinese.stdout)
    );
    // What can be read comes out before it is mended, too: a backup is never mended.
    let saved = site.linli(&["export", "--format", "ndjson"]);
    assert_eq!(saved.status.code(), Some(1));
    assert!(
        text(&saved.stderr).contains("1 pieces cannot be read"),
        "{}",
        text(&saved.stderr)
    );
    let saved = text(&saved.stdout).lines().count();
    let mended = site.linli(&["doctor", "--offline", "--mend", "--json"]);
    let said = json(&mended);
    assert_eq!(area(&said, "mend")[0]["verdict"], "ok", "{said:#}");
    let after = json(&site.linli(&["doctor", "--offline", "--json"]));
    assert_eq!(area(&after, "ledger")[0]["verdict"], "ok", "{after:#}");
    assert_eq!(area(&after, "set_aside")[0]["verdict"], "warning", "{after:#}");
    let rest = site.linli(&["export", "--format", "ndjson"]);
    let lines = text(&rest.stdout).lines().count();
    assert!(lines > 1 && lines < 101, "the rest is served: {lines}");
    assert_eq!(saved, lines);
}

#[test]
fn a_ledger_that_belongs_to_somebody_else_is_told_with_the_mend() {
    let site = Site::new();
    let open_to_all = |path: PathBuf, mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open_to_all(site.folder.path().to_owned(), 0o755);
    open_to_all(site.data(), 0o755);
    open_to_all(site.data().join("linli.db"), 0o444);
    let mut doctor = site.asks(&["doctor", "--offline", "--json"]);
    let is_root = std::fs::metadata(site.data()).unwrap().uid() == 0;
    if is_root {
        // Nothing is closed to root, so somebody else asks.
        doctor.uid(65_534);
    }
    let ill = doctor.output().unwrap();
    assert_eq!(ill.status.code(), Some(1), "{}", text(&ill.stderr));
    let said = json(&ill);
    let items = said["items"].as_array().unwrap();
    let writes = items.iter().find(|item| item["area"] == "writes").unwrap();
    assert_eq!(writes["verdict"], "problem", "{said:#}");
    assert!(
        writes["said"].as_str().unwrap().contains("may not write"),
        "{said:#}"
    );
    assert!(writes["hint"].as_str().unwrap().contains("chown"), "{said:#}");
    let others: Vec<_> = items.iter().filter_map(|item| item["hint"].as_str()).collect();
    assert!(
        !others.iter().any(|hint| hint.contains("restore the last")),
        "{said:#}"
    );

    if is_root {
        std::os::unix::fs::chown(site.data(), Some(65_534), None).unwrap();
        let strange = site.linli(&["doctor", "--offline"]);
        assert_eq!(strange.status.code(), Some(0), "a gateway of root can write it");
        assert!(
            text(&strange.stdout).contains("chown 65534"),
            "{}",
            text(&strange.stdout)
        );
    }
}

#[test]
fn a_torn_file_is_told_and_the_gateway_refuses_it() {
    let site = Site::new();
    let file = site.data().join("linli.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len().min(4096 * 60);
    bytes[4096..end].fill(0x5A);
    std::fs::write(&file, bytes).unwrap();
    let _ = std::fs::remove_file(site.data().join("linli.db-wal"));
    let ill = site.linli(&["doctor", "--offline"]);
    assert_eq!(ill.status.code(), Some(1));
    assert!(
        text(&ill.stdout).contains("linli restore"),
        "{}",
        text(&ill.stdout)
    );
    let run = site.linli(&["run"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let backup = site.linli(&["backup", "x.db"]);
    assert_eq!(backup.status.code(), Some(1));
    assert!(!site.folder.path().join("x.db").exists());
}

#[test]
fn a_ledger_of_a_newer_program_is_not_called_damaged() {
    let site = Site::new();
    site.rot("PRAGMA user_version = 99");
    let said = json(&site.linli(&["doctor", "--offline", "--json"]));
    let items = said["items"].as_array().unwrap();
    let ledger = items.iter().find(|item| item["area"] == "ledger").unwrap();
    assert!(ledger["said"].as_str().unwrap().contains("format 99"), "{said:#}");
    let hint = ledger["hint"].as_str().unwrap();
    assert!(hint.contains("newer") && !hint.contains("damaged"), "{hint}");
}

#[test]
fn an_empty_file_is_not_called_damaged() {
    let site = Site::new();
    for log in ["linli.db-wal", "linli.db-shm"] {
        let _ = std::fs::remove_file(site.data().join(log));
    }
    std::fs::write(site.data().join("linli.db"), "").unwrap();
    for command in [&["export"][..], &["series", "list"], &["backup", "x.db"]] {
        let refused = site.linli(command);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{command:?} {said}");
        assert!(said.contains("empty") && said.contains("linli restore"), "{said}");
    }
    let said = json(&site.linli(&["doctor", "--offline", "--json"]));
    let items = said["items"].as_array().unwrap();
    let ledger = items.iter().find(|item| item["area"] == "ledger").unwrap();
    assert!(ledger["said"].as_str().unwrap().contains("empty"), "{said:#}");
    assert!(
        ledger["hint"].as_str().unwrap().contains("start the gateway"),
        "{said:#}"
    );
    let backup = site.linli(&["export", "--backup", "data/linli.db"]);
    assert!(
        text(&backup.stderr).contains("not a backup"),
        "{}",
        text(&backup.stderr)
    );
}

#[test]
fn two_processes_on_one_ledger_are_refused() {
    let site = Site::new();
    let held = Ledger::open(&site.data(), &Options::default()).unwrap();
    let run = site.linli(&["run"]);
    assert_eq!(run.status.code(), Some(1));
    let said = text(&run.stderr);
    assert!(
        said.contains(&format!("held by linli, process {}", std::process::id())),
        "{said}"
    );
    // Reading beside it is what backup, doctor and export do.
    for arguments in [
        &["backup", "beside.db"][..],
        &["export", "--output", "beside.csv"],
        &["series", "list"],
    ] {
        let output = site.linli(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?} {}",
            text(&output.stderr)
        );
    }
    let restore = site.linli(&["restore", "beside.db", "--lang", "zh-CN"]);
    assert_eq!(restore.status.code(), Some(1));
    let said = text(&restore.stderr);
    assert!(said.contains("正被占用") && said.contains("process"), "{said}");
    let again = site.linli(&["backup", "beside.db", "--lang", "zh-CN"]);
    assert!(text(&again.stderr).contains("已存在"), "{}", text(&again.stderr));
    drop(held);
}

#[test]
fn readings_are_exported_in_both_forms_and_by_choice() {
    let site = Site::new();
    let reversed = site.linli(&[
        "export",
        "--from",
        "2026-02-01T00:00:00Z",
        "--to",
        "2026-01-01T00:00:00Z",
    ]);
    assert_eq!(reversed.status.code(), Some(2), "{}", text(&reversed.stdout));
    assert!(reversed.stdout.is_empty(), "{}", text(&reversed.stdout));
    let csv = text(&site.linli(&["export"]).stdout);
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("point,device,measure"));
    assert_eq!(
        lines.next().unwrap(),
        "bin-7/bin.fill,bin-7,bin.fill,,%,2026-01-01T00:00:00.000Z,2026-01-01T00:00:00.000Z,0,good,"
    );
    assert_eq!(csv.lines().count(), 102);
    let one = text(
        &site
            .linli(&[
                "export",
                "--format",
                "ndjson",
                "--point",
                "P2",
                "--from",
                "2026-01-01T00:00:00Z",
            ])
            .stdout,
    );
    let line: serde_json::Value = serde_json::from_str(one.trim()).unwrap();
    assert_eq!(
        (&line["value"], &line["measure"]),
        (&true.into(), &"leak.wet".into())
    );
    let part = text(
        &site
            .linli(&["export", "--to", "2026-01-01T00:10:00Z", "--device", "bin-7"])
            .stdout,
    );
    assert_eq!(part.lines().count(), 11);
    for (filters, named) in [
        (&["--point", "nobody/x"][..], "nobody/x"),
        (&["--device", "bin-8"], "bin-8"),
        (&["--measure", "bin.fil"], "bin.fil"),
        (&["--device", "bin-7", "--measure", "leak.wet"], "together"),
    ] {
        let refused = site.linli(&[&["export"], filters].concat());
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{filters:?} {said}");
        assert!(refused.stdout.is_empty(), "{filters:?} {}", text(&refused.stdout));
        assert!(
            said.contains(named) && said.contains("linli series list"),
            "{said}"
        );
    }
    let list = json(&site.linli(&["series", "list", "--json"]));
    assert_eq!(list["series"][0]["samples"], 100, "{list:#}");
}
