//! Time and truth of a reading, from the frame to the file and back after a crash: what came before, what is history,
//! whose clock is believed, who is reachable. The clock is the story's own, and a crash is a core that is dropped
//! without a last word.

mod field;
mod health;
mod once;
mod silence;
mod time;

use crate::clock::{Clock, SharedClock};
use crate::config::Subscription;
use crate::field::{Done, Frame, MqttFrame};
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use crate::pipeline::Understanding;
use crate::pipeline::core::Core;
use crate::pipeline::recover::{recover, replay};
use crate::pipeline::understood::Seen;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linli_decode::{Catalogue, ClockWindow, Family};
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
        [[devices]]
        id = "em300"
        profile = "milesight.em300-zld"
        name = { zh = "漏水绳", en = "Leak rope" }
        address = { mqtt = "main", key = "24e124136b502217" }
        asset = "b3-pipe"
        [[devices]]
        id = "flood"
        profile = "shelly.flood-gen1"
        name = { zh = "漏水传感器", en = "Leak sensor" }
        address = { mqtt = "main", key = "flood" }
        [[devices]]
        id = "plug"
        profile = "story.plug"
        name = { zh = "市电漏水", en = "Leak sensor on mains" }
        address = { mqtt = "main", key = "plug" }
        [[devices]]
        id = "riser"
        profile = "story.riser"
        name = { zh = "立管", en = "Riser" }
        address = { mqtt = "main", key = "estate/plc/riser" }
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
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
    "#;
    Arc::new(toml::from_str(text).unwrap())
}

/// Device types of the stories beside those of the catalogue.
const PROFILES: [(&str, &str); 2] = [
    (
        "plug.toml",
        r#"
            id = "story.plug"
            title = "A leak sensor on mains that speaks like a Shelly"
            version = 1
            expected_interval = "25h"
            [[messages]]
            topic = "sensor/flood"
            text = { measure = "leak.wet" }
            [[tests]]
            name = "wet"
            topic = "sensor/flood"
            text = "true"
            expect = [{ measure = "leak.wet", value = true }]
        "#,
    ),
    (
        "riser.toml",
        r#"
            id = "story.riser"
            title = "A riser behind a Sparkplug node"
            version = 1
            expected_interval = "1h"
            [named]
            values = [{ name = "leak", measure = "leak.wet" }]
            [[tests]]
            name = "dry"
            named = [{ name = "leak", value = false }]
            expect = [{ measure = "leak.wet", value = false }]
        "#,
    ),
];

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
        let profiles = crate::profiles::BUILT_IN.iter().chain(&PROFILES).copied();
        let (catalogue, refused) = Catalogue::load(profiles);
        assert!(refused.is_empty(), "{refused:?}");
        let subscriptions = [
            (Family::Zigbee2mqtt, "zigbee2mqtt/{device...}"),
            (
                Family::ChirpstackV4,
                Family::ChirpstackV4.default_pattern().unwrap(),
            ),
            (Family::Json, "site/{device}/up"),
            (Family::ShellyGen1, Family::ShellyGen1.default_pattern().unwrap()),
            (Family::SparkplugB, Family::SparkplugB.default_pattern().unwrap()),
        ];
        let subscriptions =
            subscriptions.map(|(family, pattern)| Subscription::new(family, pattern.parse().unwrap()));
        let understanding = Understanding::new(
            [(Arc::from("main"), subscriptions.to_vec())],
            catalogue,
            recovered.memory.clone(),
            ClockWindow::default(),
        );
        let mut core = Core::new(
            recovered,
            ledger,
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

    fn em300(&mut self, f_cnt: u32, bytes: &[u8]) -> &mut Self {
        let data = STANDARD.encode(bytes);
        let payload = format!(
            r#"{{"deviceInfo":{{"devEui":"24e124136b502217"}},"fCnt":{f_cnt},"fPort":85,"data":"{data}"}}"#
        );
        let topic = "application/a/device/24e124136b502217/event/up";
        self.message(1, topic, &payload, |_| {})
    }

    fn shelly(&mut self, device: &str, path: &str, payload: &str, retained: bool) -> &mut Self {
        self.message(3, &format!("shellies/{device}/{path}"), payload, |frame| {
            frame.retained = retained;
        })
    }

    fn sparkplug(&mut self, path: &str, payload: &[u8]) -> &mut Self {
        let (kind, rest) = path.split_once('/').unwrap();
        self.message(4, &format!("spBv1.0/estate/{kind}/{rest}"), "", |frame| {
            frame.payload = payload.into();
        })
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
