//! Time and truth of a reading, from the frame to the file and back after a crash: what came before, what is history,
//! whose clock is believed. The clock is the story's own, and a crash is a core that is dropped without a last word.

use super::Understanding;
use super::core::Core;
use super::recover::{recover, replay};
use super::understood::Seen;
use crate::clock::{Clock, SharedClock};
use crate::config::Subscription;
use crate::field::{Done, Frame, MqttFrame};
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use linli_decode::{ClockWindow, Family};
use linli_domain::engine::DeviceHealth;
use linli_domain::estate::EstateDoc;
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::text::Language;
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Ledger, Options};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2 bytes of battery, mode 2, leak flag: wet.
const WET: &str = "TB4CAAAFAAACAQ==";
const RETAINED: Quality = Quality::Uncertain(Reason::Retained);

fn seed() -> Arc<EstateDoc> {
    let text = r#"
        id = "test"
        name = { zh = "试验", en = "Test" }
        [[places]]
        id = "b3"
        kind = "building"
        name = { zh = "3号楼", en = "Building 3" }
        [[assets]]
        id = "b3-pipe"
        kind = "pipe_zone"
        place = "b3"
        name = { zh = "管段", en = "Pipe zone" }
        [[devices]]
        id = "zigbee"
        profile = "aqara.sjcgq11lm"
        name = { zh = "漏水传感器", en = "Leak sensor" }
        address = { mqtt = "main", key = "leak" }
        asset = "b3-pipe"
        [[devices]]
        id = "lora"
        profile = "dragino.lwl02"
        name = { zh = "漏水传感器", en = "Leak sensor" }
        address = { mqtt = "main", key = "7cac2b97970465da" }
        [[devices]]
        id = "bin"
        profile = "generic.json-bin"
        name = { zh = "桶", en = "Bin" }
        address = { mqtt = "main", key = "d1" }
        [[devices]]
        id = "plain"
        profile = "generic.json-bin-untimed"
        name = { zh = "桶", en = "Bin" }
        address = { mqtt = "main", key = "p1" }
        [[rules]]
        id = "leak"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pipe_zone" }
        when = { state = true }
        on_delay = "0s"
        off_delay = "0s"
        priority = "P1"
        response = { zh = "关阀。", en = "Close the valve." }
    "#;
    Arc::new(toml::from_str(text).unwrap())
}

/// A clock that stands still until it is moved.
struct StoryClock(Mutex<Now>);

impl Clock for StoryClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

struct Story {
    folder: tempfile::TempDir,
    clock: Arc<StoryClock>,
    core: Option<Core>,
    metrics: Arc<Metrics>,
}

impl Story {
    fn new() -> Self {
        let now = Now {
            wall: Timestamp::parse_rfc3339("2026-03-01T12:00:00Z").unwrap(),
            monotonic: Monotonic(1_000_000),
            boot: BootId(1),
            trusted: true,
        };
        let mut story = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(StoryClock(Mutex::new(now))),
            core: None,
            metrics: Metrics::new().unwrap(),
        };
        story.start();
        story
    }

    fn start(&mut self) {
        let clock: SharedClock = self.clock.clone();
        self.metrics = Metrics::new().unwrap();
        let mut ledger = Ledger::open(self.folder.path(), &Options::default()).unwrap();
        let recovered = recover(&mut ledger, &seed(), &clock).unwrap();
        let (catalogue, _) = crate::profiles::load(None).unwrap();
        let subscriptions = [
            (Family::Zigbee2mqtt, "zigbee2mqtt/{device...}"),
            (
                Family::ChirpstackV4,
                Family::ChirpstackV4.default_pattern().unwrap(),
            ),
            (Family::Json, "site/{device}/up"),
        ];
        let subscriptions =
            subscriptions.map(|(family, pattern)| Subscription::new(family, pattern.parse().unwrap()));
        let understanding = Understanding::new(
            [(Arc::from("main"), subscriptions.to_vec())],
            catalogue,
            recovered.memory,
            ClockWindow::default(),
        );
        let mut core = Core::new(
            recovered.engine,
            recovered.estate_version,
            ledger,
            recovered.once,
            understanding,
            Planner::new(Vec::new(), Vec::new(), Language::En),
            clock,
            Arc::clone(&self.metrics),
        );
        core.started(&self.clock.now());
        self.core = Some(core);
        self.commits();
    }

    /// The program is killed and started again: what was committed is all there is, and it is everything.
    fn crashes(&mut self) -> &mut Self {
        let before = self.core().engine.dump();
        self.core = None;
        let ledger = Ledger::open(self.folder.path(), &Options::default()).unwrap();
        assert_eq!(replay(&ledger).unwrap().dump(), before);
        drop(ledger);
        self.start();
        self
    }

    fn core(&mut self) -> &mut Core {
        self.core.as_mut().unwrap()
    }

    fn commits(&mut self) -> &mut Self {
        assert!(self.core().commit().is_ok());
        self
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        let mut now = self.clock.0.lock().unwrap();
        now.wall = now.wall.plus(Duration::from_millis(millis));
        now.monotonic = now.monotonic.plus(Duration::from_millis(millis));
        drop(now);
        self
    }

    fn now(&self) -> i64 {
        self.clock.now().wall.as_millis()
    }

    fn message(
        &mut self,
        subscription: usize,
        topic: &str,
        payload: &str,
        change: impl FnOnce(&mut MqttFrame),
    ) -> &mut Self {
        let now = self.clock.now();
        let mut frame = MqttFrame {
            connection: "main".into(),
            subscription,
            topic: topic.into(),
            payload: payload.as_bytes().into(),
            retained: false,
            duplicate: false,
            session: 1,
            packet: None,
            unwanted: None,
            keep: None,
            received: now,
            done: Done::Nothing,
        };
        change(&mut frame);
        self.core().frame(Frame::Mqtt(frame), &now);
        self.commits()
    }

    fn uplink(&mut self, f_cnt: u32, data: &str) -> &mut Self {
        let time = self.clock.now().wall;
        let payload = format!(
            r#"{{"time":"{time}","deviceInfo":{{"devEui":"7cac2b97970465da"}},"fCnt":{f_cnt},"fPort":10,"data":"{data}"}}"#
        );
        self.message(
            1,
            "application/a/device/7cac2b97970465da/event/up",
            &payload,
            |_| {},
        )
    }

    fn joins(&mut self) -> &mut Self {
        let payload = r#"{"deviceInfo":{"devEui":"7cac2b97970465da"},"devAddr":"00189440"}"#;
        self.message(
            1,
            "application/a/device/7cac2b97970465da/event/join",
            payload,
            |_| {},
        )
    }

    /// Something is said below the bridge's topic.
    fn says(&mut self, topic: &str, payload: &str) -> &mut Self {
        self.message(0, topic, payload, |_| {})
    }

    /// The bin says so at a time of its own.
    fn bin(&mut self, temperature: f64, ahead_ms: i64) -> &mut Self {
        let payload = format!(r#"{{"ts":{},"temp":{temperature}}}"#, self.now() + ahead_ms);
        self.message(2, "site/d1/up", &payload, |_| {})
    }

    fn plain(&mut self, packet: u16, duplicate: bool, fill: f64) -> &mut Self {
        let payload = format!(r#"{{"fill":{fill}}}"#);
        self.message(2, "site/p1/up", &payload, |frame| {
            frame.packet = Some(packet);
            frame.duplicate = duplicate;
        })
    }

    fn zigbee(&mut self, wet: bool, retained: bool) -> &mut Self {
        let payload = format!(r#"{{"water_leak":{wet}}}"#);
        self.message(0, "zigbee2mqtt/leak", &payload, |frame| frame.retained = retained)
    }

    fn point(&mut self, device: &str, measure: &str) -> PointKey {
        let engine = &self.core().engine;
        let device = engine.estate().device_by_id(&device.parse().unwrap()).unwrap();
        engine.point_of(device, measure.parse().unwrap(), None).unwrap()
    }

    /// Everything stored of a point, oldest first.
    fn stored(&mut self, device: &str, measure: &str) -> Vec<Reading> {
        let point = self.point(device, measure);
        let reader = self.core().ledger.reader().unwrap();
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        let samples = reader.samples(point, from, to, 1_000, None).unwrap().samples;
        let reading = |s: linli_ledger::StoredSample| Reading {
            point,
            observed: s.observed,
            received: s.received,
            value: s.value,
            quality: s.quality,
        };
        samples.into_iter().map(reading).collect()
    }

    /// The newest reading, which engine, writer and reader agree on.
    fn newest(&mut self, device: &str, measure: &str) -> Reading {
        let point = self.point(device, measure);
        let latest = self.core().engine.latest(point).cloned().unwrap();
        let sample = linli_ledger::StoredSample::from(&latest);
        assert_eq!(self.core().ledger.latest(point).unwrap().sample, sample);
        let reader = self.core().ledger.reader().unwrap();
        assert_eq!(reader.latest(point).unwrap().unwrap().sample, sample);
        latest
    }

    fn health(&mut self, device: &str) -> DeviceHealth {
        let now = self.clock.now();
        let engine = &self.core().engine;
        let device = engine.estate().device_by_id(&device.parse().unwrap()).unwrap();
        engine.device_health(device, &now).unwrap()
    }

    fn flags(&mut self, device: &str) -> Vec<&'static str> {
        self.health(device)
            .flags
            .iter()
            .map(|flag| flag.kind.name())
            .collect()
    }
}

#[test]
fn a_lorawan_frame_comes_once_before_and_after_a_crash_until_the_device_joins_again() {
    let mut story = Story::new();
    story.uplink(7, WET).after(60_000).uplink(7, WET);
    assert_eq!(
        (
            story.stored("lora", "leak.wet").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.crashes().after(60_000).uplink(7, WET);
    assert_eq!(
        (
            story.stored("lora", "leak.wet").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.uplink(8, WET);
    assert_eq!(story.stored("lora", "leak.wet").len(), 2);
    // A new battery: it joins, counts from the beginning, and is as wet as before.
    story.joins().after(1_000).uplink(7, WET);
    assert_eq!(story.stored("lora", "leak.wet").len(), 3, "that is news");
    story.crashes().uplink(7, WET);
    assert_eq!(
        (
            story.stored("lora", "leak.wet").len(),
            story.metrics.duplicates.get()
        ),
        (3, 1)
    );
}

#[test]
fn a_reading_with_its_own_time_comes_once_and_one_that_differs_is_a_conflict() {
    let mut story = Story::new();
    story.bin(21.0, 0).bin(21.0, 0);
    assert_eq!(
        (
            story.stored("bin", "temperature").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.crashes().bin(21.0, 0);
    assert_eq!(
        (
            story.stored("bin", "temperature").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    assert_eq!(story.flags("bin"), Vec::<&str>::new());
    story.bin(22.0, 0);
    assert_eq!(story.stored("bin", "temperature").len(), 1, "the first one stays");
    assert_eq!(
        (story.metrics.conflicts.get(), story.flags("bin")),
        (1, vec!["conflict"])
    );
    assert_eq!(story.health("bin").flags[0].value, Some(Value::Number(22.0)));
    story.crashes();
    assert_eq!(story.flags("bin"), ["conflict"]);
}

#[test]
fn a_repeated_packet_comes_once_and_an_equal_message_twice() {
    let mut story = Story::new();
    story.plain(5, false, 40.0).plain(5, true, 40.0);
    assert_eq!(
        (
            story.stored("plain", "bin.fill").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.crashes().plain(5, true, 40.0);
    assert_eq!(
        (
            story.stored("plain", "bin.fill").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story
        .after(1_000)
        .plain(6, false, 40.0)
        .after(1_000)
        .plain(5, false, 40.0);
    assert_eq!(story.stored("plain", "bin.fill").len(), 3);
}

#[test]
fn what_a_device_had_stored_is_history_in_its_own_time_and_never_the_newest() {
    let mut story = Story::new();
    story.zigbee(false, false).after(60_000);
    let device = story
        .core()
        .engine
        .estate()
        .device_by_id(&"zigbee".parse().unwrap())
        .unwrap();
    let now = story.clock.now();
    let record = |age: i64, wet: bool| Seen {
        measure: "leak.wet".parse().unwrap(),
        instance: None,
        value: Some(Value::State(wet)),
        quality: Quality::Good,
        observed: Timestamp::from_millis(now.wall.as_millis() - age),
        own_time: true,
        historical: true,
    };
    for (age, wet) in [
        (DAY, true),
        (300 * DAY, true),
        (30_000, true),
        (DAY, true),
        (DAY, false),
    ] {
        story.core().seen(device, record(age, wet), now.wall, &now);
        story.commits();
    }
    assert_eq!(
        story.stored("zigbee", "leak.wet").len(),
        4,
        "a repeat and a contradiction are not stored"
    );
    assert_eq!(
        story.newest("zigbee", "leak.wet").value,
        Some(Value::State(false))
    );
    assert_eq!(
        story.core().engine.alarms().count(),
        0,
        "nobody is called for yesterday"
    );
    assert_eq!(
        (
            story.metrics.readings_historical.get(),
            story.metrics.readings_late.get()
        ),
        (3, 0)
    );
    story.crashes();
    assert_eq!(
        story.newest("zigbee", "leak.wet").value,
        Some(Value::State(false))
    );
    story.zigbee(true, false);
    assert_eq!(story.core().engine.alarms().count(), 1);
}

#[test]
fn a_device_that_sends_yesterdays_readings_as_if_live_overwrites_nothing() {
    let mut story = Story::new();
    story.bin(21.0, 0);
    for hours in (1..=24).rev() {
        story
            .after(100)
            .bin(10.0 + f64::from(hours), -i64::from(hours) * HOUR);
    }
    assert_eq!(story.stored("bin", "temperature").len(), 25);
    assert_eq!(
        story.newest("bin", "temperature").value,
        Some(Value::Number(21.0))
    );
    assert_eq!(story.metrics.readings_late.get(), 24);
    let health = story.health("bin");
    assert_eq!(
        health.heard.map(Timestamp::as_millis),
        Some(story.now()),
        "it lives"
    );
    assert_eq!(health.clock.unwrap().skew_ms, Some(0), "late is not wrong");
    story.crashes();
    assert_eq!(story.stored("bin", "temperature").len(), 25);
}

#[test]
fn a_replay_of_unknown_age_is_stored_and_is_the_newest_only_of_an_empty_point() {
    let mut story = Story::new();
    story.zigbee(false, true);
    assert_eq!(story.newest("zigbee", "leak.wet").quality, RETAINED);
    assert_eq!(story.health("zigbee").heard, None);
    story
        .after(1_000)
        .zigbee(false, false)
        .after(1_000)
        .zigbee(false, true);
    assert_eq!(story.stored("zigbee", "leak.wet").len(), 3);
    let newest = story.newest("zigbee", "leak.wet");
    assert_eq!(newest.quality, Quality::Good);
    story.crashes();
    assert_eq!(story.newest("zigbee", "leak.wet"), newest);
    story.zigbee(true, true);
    assert_eq!(
        (
            story.newest("zigbee", "leak.wet").quality,
            story.core().engine.alarms().count()
        ),
        (RETAINED, 1)
    );
}

#[test]
fn a_device_in_another_time_zone_is_believed_in_its_values_only() {
    let mut story = Story::new();
    for n in 0..3 {
        story.after(240_000).bin(20.0 + f64::from(n) / 10.0, -3 * HOUR);
    }
    assert!(
        story
            .stored("bin", "temperature")
            .iter()
            .all(|r| r.quality.is_good()),
        "it may have been late"
    );
    assert_eq!(story.flags("bin"), Vec::<&str>::new());
    story.after(240_000).bin(20.5, -3 * HOUR);
    assert_eq!(story.flags("bin"), ["clock"]);
    let newest = story.newest("bin", "temperature");
    assert_eq!(newest.quality, Quality::Uncertain(Reason::ClockInvalid));
    assert_eq!(newest.observed, newest.received, "the time of receipt stands in");
    assert_eq!(story.health("bin").clock.unwrap().skew_ms, Some(-3 * HOUR));
    story.crashes();
    assert_eq!(story.flags("bin"), ["clock"]);
    for _ in 0..2 {
        story.after(240_000).bin(20.5, 0);
    }
    assert_eq!(story.flags("bin"), Vec::<&str>::new(), "somebody set it");
    story.after(240_000).bin(20.6, 0);
    assert_eq!(story.newest("bin", "temperature").quality, Quality::Good);
}

#[test]
fn a_device_that_lost_its_time_is_told_from_one_that_is_ahead() {
    let mut story = Story::new();
    let to_1970 = 5_000 - story.now();
    story.bin(21.0, to_1970);
    assert_eq!(
        story.newest("bin", "temperature").quality,
        Quality::Uncertain(Reason::ClockUnset)
    );
    assert_eq!(story.flags("bin"), ["clock"]);
    assert!(story.health("bin").clock.unwrap().unset);
    story
        .crashes()
        .after(60_000)
        .bin(21.0, 2 * HOUR)
        .after(60_000)
        .bin(21.0, 2 * HOUR);
    assert_eq!(
        story.newest("bin", "temperature").quality,
        Quality::Uncertain(Reason::ClockAhead)
    );
    assert_eq!(story.health("bin").clock.unwrap().skew_ms, Some(2 * HOUR));
    story.after(60_000).bin(21.0, -8 * DAY);
    assert_eq!(
        story.newest("bin", "temperature").quality,
        Quality::Uncertain(Reason::ClockBehind)
    );
}

#[test]
fn everything_that_is_known_of_devices_survives_a_crash_at_every_step() {
    let mut story = Story::new();
    let steps: [fn(&mut Story) -> &mut Story; 12] = [
        |s| s.zigbee(false, false),
        |s| s.bin(21.0, 0),
        |s| s.after(10_000).bin(85.0, 0),
        |s| s.says("zigbee2mqtt/leak/availability", "offline"),
        |s| s.says("zigbee2mqtt/bridge/state", "offline"),
        |s| s.joins(),
        |s| s.says("zigbee2mqtt/bridge/state", "online"),
        |s| s.zigbee(true, false),
        |s| s.after(40_000).zigbee(true, false),
        |s| s.bin(21.0, -2 * HOUR),
        |s| s.after(3 * 3_600_000).plain(9, false, 12.0),
        |s| s.uplink(3, WET),
    ];
    for step in steps {
        step(&mut story).crashes();
    }
    assert_eq!(story.flags("bin"), ["silent", "jump"]);
    assert_eq!(story.flags("zigbee"), ["stale"]);
    assert_eq!(story.flags("lora"), Vec::<&str>::new());
}

#[test]
fn a_bridge_that_is_back_repeats_what_it_remembers_and_that_is_a_replay() {
    let mut story = Story::new();
    story.zigbee(false, false);
    story.says("zigbee2mqtt/bridge/state", "offline");
    assert_eq!(story.flags("zigbee"), ["silent"]);
    story.after(60_000).says("zigbee2mqtt/bridge/state", "online");
    story.after(1_000).zigbee(false, false);
    assert_eq!(story.flags("zigbee"), ["silent"], "it has not been heard");
    assert_eq!(
        story.stored("zigbee", "leak.wet").last().map(|r| r.quality),
        Some(RETAINED)
    );
    story.after(30_000).zigbee(false, false);
    assert_eq!(story.flags("zigbee"), Vec::<&str>::new());
    assert_eq!(story.newest("zigbee", "leak.wet").quality, Quality::Good);
}

#[test]
fn availability_of_a_device_nobody_knows_is_no_reason_to_refuse_it() {
    let mut story = Story::new();
    story.says("zigbee2mqtt/stranger/availability", "online");
    story.message(
        1,
        "application/a/device/0101010101010101/event/join",
        r#"{"deviceInfo":{"devEui":"0101010101010101"}}"#,
        |_| {},
    );
    let rejected = story.metrics.render();
    assert!(!rejected.contains("unknown_device"), "{rejected}");
}

#[test]
fn what_the_catalogue_says_of_devices_is_told_again_when_the_first_commit_failed() {
    let mut story = Story::new();
    let expected = story.core().engine.estate().devices()[0].expected_interval;
    assert_eq!(expected, Some(Duration::from_secs(7_200)));
    let now = story.clock.now();
    // As if a program with another catalogue had started on this folder and could not commit.
    story.core().profiles_told = false;
    let other = rusqlite::Connection::open(story.folder.path().join(linli_ledger::DATABASE_FILE)).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON stage BEGIN SELECT abs(-9223372036854775807 - 1); END";
    other.execute_batch(fail).unwrap();
    story.core().tick(&now);
    assert!(story.core().commit().is_err());
    assert!(!story.core().profiles_told);
    other.execute_batch("DROP TRIGGER fail").unwrap();
    story.core().tick(&now);
    assert!(story.core().profiles_told);
    story.commits().crashes();
}
