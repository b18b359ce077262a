//! Sensor health: devices that go quiet, sleep, hang behind a bridge, have lost their time; values that cannot be true.

mod silence;
mod bridges;
mod values;
mod clocks;
mod kept;

use crate::estate_test::{ESTATE, EstateTest, doc};
use linli_domain::Engine;
use linli_domain::alarm::Condition;
use linli_domain::engine::{Arrival, Changes, DeviceEvent, DeviceNews, Input, NoticeKind};
use linli_domain::estate::{ProfileFacts, Profiles};
use linli_domain::health::availability::Availability;
use linli_domain::health::{FlagKind, Freshness};
use linli_domain::reading::{Quality, Reason, Value};
use std::sync::Arc;
use std::time::Duration;

/// A thermometer that reports every ten minutes, a flood sensor on a battery, a device of no profile.
const DEVICES: &str = r#"
[[devices]]
id = "probe"
profile = "probe"
name = { zh = "温度", en = "Thermometer" }
address = { mqtt = "main", key = "probe-1" }
asset = "bin-1"
expected_interval = "10m"

[[devices]]
id = "flood"
profile = "flood"
name = { zh = "水浸", en = "Flood sensor" }
address = { mqtt = "main", key = "flood-1" }
asset = "b3-pipe"

[[rules]]
id = "hot"
class = "hot"
fault = "hot"
measure = "temperature"
applies_to = { kind = "bin" }
when = { above = 60.0, clear = 50.0 }
on_delay = "0s"
off_delay = "0s"
priority = "P1"
cause = { zh = "通风不良", en = "Too little air" }
consequence = { zh = "设备损坏", en = "The equipment is damaged" }
response = { zh = "降温。", en = "Cool it." }
order = { role = "repair", profile = "leak" }
"#;

const HOUR: i64 = 3_600_000;
const TEMPERATURE: &str = "probe/temperature";

fn estate() -> EstateTest {
    EstateTest::with(&format!("{ESTATE}{DEVICES}"))
}

fn facts(hours: u64, sleeps: bool) -> Input {
    let facts = ProfileFacts {
        expected_interval: Some(Duration::from_secs(hours * 3_600)),
        sleeps,
    };
    Input::Profiles(Arc::new(Profiles::from([("flood".parse().unwrap(), facts)])))
}

fn says(online: bool) -> DeviceNews {
    DeviceNews::Available {
        online,
        retained: false,
        sleeps: false,
    }
}

/// A restart from snapshot and log leads to the same health, byte by byte.
fn survives(e: &mut EstateTest) {
    let restored = Engine::restore(&e.engine.snapshot().unwrap()).unwrap();
    assert_eq!(restored.dump(), e.engine.dump());
    e.engine = restored;
}
