//! Zigbee2MQTT's inventory: `bridge/devices`, in which every device says what it exposes.
//!
//! Each device of the list becomes known with vendor, model and a profile of its own. One the bridge does not support
//! exposes nothing and is named by what it says itself; the coordinator is no device. A device that left the list is
//! forgotten.
//! Source: Koenkk/zigbee2mqtt.io `docs/guide/usage/mqtt_topics_and_messages.md`, `exposes.md`.

use super::auto::{self, Exposed, Head};
use super::wire::parse;
use crate::frame::{Event, Frame, Opened};
use crate::memory::{Announced, Journal, Kept, Scope};
use crate::profile::Profile;
use crate::refusal::Rejection;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// Most devices of one bridge, and most things one exposes.
const MAX_DEVICES: usize = 1024;
const MAX_EXPOSES: usize = 128;

/// The type of the bridge's own radio.
const COORDINATOR: &str = "Coordinator";

/// Access bit of a property that is published (1 published, 2 settable, 4 gettable).
const PUBLISHED: u64 = 1;

/// A device of an inventory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Inventoried {
    pub(crate) vendor: String,
    pub(crate) model: String,
    /// The topic its bridge publishes below; two bridges on one connection list their own devices.
    #[serde(default)]
    bridge: String,
    /// Its address on the network, which stays when it is renamed.
    pub(crate) hardware: String,
    /// The profile as text; empty when nothing it exposes is known.
    text: String,
    #[serde(skip)]
    pub(crate) profile: Option<Arc<Profile>>,
}

impl Inventoried {
    /// What it says it is.
    pub(crate) fn announced(&self) -> Announced<'_> {
        Announced {
            vendor: &self.vendor,
            model: &self.model,
            profile: self.profile.as_ref(),
        }
    }

    /// Reads the profile out of its text.
    pub(crate) fn settle(&mut self) {
        self.profile = auto::profile(&self.text);
    }
}

impl Kept for Inventoried {
    fn is_stored_like(&self, old: &Self) -> bool {
        (
            &self.vendor,
            &self.model,
            &self.bridge,
            &self.hardware,
            &self.text,
        ) == (&old.vendor, &old.model, &old.bridge, &old.hardware, &old.text)
    }
}

#[derive(Deserialize)]
struct Device {
    #[serde(rename = "type")]
    kind: Option<String>,
    ieee_address: Option<String>,
    friendly_name: Option<String>,
    definition: Option<Definition>,
    manufacturer: Option<String>,
    model_id: Option<String>,
    power_source: Option<String>,
}

#[derive(Deserialize)]
struct Definition {
    model: Option<String>,
    vendor: Option<String>,
    #[serde(default)]
    exposes: Vec<Expose>,
}

#[derive(Deserialize)]
struct Expose {
    #[serde(rename = "type")]
    kind: Option<String>,
    property: Option<String>,
    unit: Option<String>,
    access: Option<u64>,
    category: Option<String>,
    value_on: Option<serde_json::Value>,
    value_off: Option<serde_json::Value>,
    #[serde(default)]
    features: Vec<Expose>,
}

/// Takes an inventory into the memory.
pub(super) fn open<'a>(
    scope: &Scope<'_>,
    inventory: &mut Journal<Inventoried>,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let devices: Vec<Device> = parse(frame.payload)?;
    if devices.len() > MAX_DEVICES {
        return Err(Rejection::TooMany {
            what: "devices of one Zigbee bridge",
            limit: MAX_DEVICES,
        });
    }
    let prefix = scope.key("");
    let bridge = frame.topic.strip_suffix("/bridge/devices").unwrap_or_default();
    let mut gone: Vec<String> = inventory
        .iter()
        .filter(|(key, known)| key.starts_with(&prefix) && known.bridge == bridge)
        .map(|(key, _)| key.clone())
        .collect();
    for device in devices {
        let Some(name) = device.friendly_name else {
            continue;
        };
        if device.kind.as_deref() == Some(COORDINATOR) {
            continue;
        }
        let definition = device.definition.unwrap_or(Definition {
            model: device.model_id,
            vendor: device.manufacturer,
            exposes: Vec::new(),
        });
        let key = scope.key(&name);
        gone.retain(|known| *known != key);
        // A battery device of a Zigbee network leaves it between messages.
        let sleeps = device.power_source.as_deref() == Some("Battery");
        let hardware = device.ieee_address.unwrap_or_default();
        let mut known = Inventoried {
            bridge: bridge.to_owned(),
            ..describe(definition, hardware, sleeps)
        };
        // Announced at every connect; reading the profile again is what costs.
        if inventory.get(&key).is_some_and(|old| known.is_stored_like(old)) {
            continue;
        }
        known.settle();
        inventory.insert(key, known);
    }
    for key in gone {
        inventory.remove(&key);
    }
    Ok(Opened::of(Cow::Borrowed("bridge"), Event::Inventory, frame))
}

fn describe(definition: Definition, hardware: String, sleeps: bool) -> Inventoried {
    let (vendor, model) = (
        definition.vendor.unwrap_or_default(),
        definition.model.unwrap_or_default(),
    );
    let mut exposed: Vec<Exposed> = Vec::new();
    let flat = definition.exposes.iter().flat_map(|expose| {
        let features = expose.features.iter();
        std::iter::once(expose).chain(features)
    });
    for expose in flat.take(MAX_EXPOSES) {
        let found = known(expose);
        // Two exposes of one property, such as a climate's and its own, are one value.
        exposed.extend(found.filter(|value| !exposed.iter().any(|other| other.pointer == value.pointer)));
    }
    let head = Head {
        id: format!("zigbee2mqtt.{}.{}", auto::id_part(&vendor), auto::id_part(&model)),
        title: format!("{vendor} {model}"),
        sleeps,
    };
    let text = auto::text(&head, &exposed, &[]);
    Inventoried {
        text: text.unwrap_or_default(),
        vendor,
        model,
        hardware,
        bridge: String::new(),
        profile: None,
    }
}

/// What a property means; `None` for one the vocabulary has no measure for.
fn known(expose: &Expose) -> Option<Exposed> {
    let property = expose.property.as_deref()?;
    if expose.access.is_some_and(|access| access & PUBLISHED == 0) {
        return None;
    }
    let diagnostic = expose.category.as_deref() == Some("diagnostic");
    let measure = match (expose.kind.as_deref()?, property) {
        ("binary", "water_leak") => "leak.wet",
        ("binary", "smoke") => "smoke.alarm",
        ("binary", "contact") => "door.open",
        ("binary", "occupancy" | "presence") => "$presence",
        ("binary", "tamper") => "device.tamper",
        ("binary", "battery_low") => "device.battery_low",
        ("binary", "test") => "device.test_button",
        ("binary", "state") => "output.state",
        ("binary", "gas" | "carbon_monoxide" | "vibration") => "input.alarm",
        ("numeric", "battery") => "device.battery",
        ("numeric", "linkquality") => "signal.lqi",
        ("numeric", "device_temperature") => "device.temperature",
        ("numeric", "temperature") => "temperature",
        ("numeric", "humidity") => "humidity",
        ("numeric", "pressure") => "pressure",
        ("numeric", "distance" | "target_distance") => "$distance",
        // Battery cells are told in mV, mains in V.
        ("numeric", "voltage") if diagnostic || expose.unit.as_deref() == Some("mV") => {
            "device.battery_voltage"
        }
        ("numeric", "voltage") => "power.voltage",
        ("numeric", "current") => "power.current",
        ("numeric", "power") => "power.active",
        ("numeric", "energy") => "energy.import",
        ("numeric", "power_factor") => "power.factor",
        ("numeric", "ac_frequency") => "power.frequency",
        ("numeric", "water_consumed") => "water.volume",
        ("numeric", "flow") => "water.flow",
        _ => return None,
    };
    let states = expose.value_on.as_ref().zip(expose.value_off.as_ref());
    Some(Exposed {
        measure,
        pointer: Some(format!("/{}", property.replace('~', "~0").replace('/', "~1"))),
        unit: unit(measure, expose.unit.as_deref()),
        states: states
            .map(|(on, off)| (code(on), code(off)))
            .filter(|_| expose.kind.as_deref() == Some("binary")),
        name: property.to_owned(),
        topic: String::new(),
    })
}

/// The unit, where a way leads from it; what is told without one is in the measure's.
fn unit(measure: &str, unit: Option<&str>) -> Option<String> {
    let to = match measure {
        "$distance" => "mm",
        "$presence" => "bool",
        name => name
            .parse::<linli_domain::measure::Measure>()
            .ok()?
            .unit()
            .symbol(),
    };
    let unit = unit?;
    // The signal's "lqi" and the like are no units.
    let known = crate::profile::unit::conversion(unit, to)?;
    (known != crate::profile::unit::SAME).then(|| unit.to_owned())
}

/// A value as the key of an enum.
fn code(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::memory::Memory;
    use crate::{Body, DeviceContext, Event, Family, Frame, Wrapping};
    use linli_domain::time::Timestamp;

    fn announce(memory: &mut Memory, payload: &str) -> Event {
        let pattern = Family::Zigbee2mqtt.default_pattern().unwrap().parse().unwrap();
        let wrapping = Wrapping {
            family: Family::Zigbee2mqtt,
            pattern: &pattern,
        };
        let frame = Frame {
            topic: "zigbee2mqtt/bridge/devices",
            payload: payload.as_bytes(),
            retained: true,
            received: Timestamp::from_millis(0),
        };
        memory.open("zigbee", &wrapping, &frame).unwrap().event
    }

    const DOOR: &str = r#"[{"ieee_address":"0x1","friendly_name":"hall/door","power_source":"Battery","definition":{"model":"MCCGQ11LM","vendor":"Aqara","exposes":[
        {"type":"binary","property":"contact","access":1,"value_on":false,"value_off":true},
        {"type":"numeric","property":"battery","access":1,"unit":"%"},
        {"type":"numeric","property":"voltage","access":1,"unit":"mV"},
        {"type":"numeric","property":"trigger_count","access":1},
        {"type":"numeric","property":"sensitivity","access":2}]}},
        {"type":"Coordinator","friendly_name":"Coordinator","definition":null},
        {"type":"EndDevice","friendly_name":"0x2","definition":null,"manufacturer":"_TZ","model_id":"TS0207"}]"#;

    #[test]
    fn what_a_device_exposes_is_its_profile() {
        let mut memory = Memory::default();
        assert_eq!(announce(&mut memory, DOOR), Event::Inventory);
        let known = memory.announced("zigbee", "hall/door").unwrap();
        assert_eq!((known.vendor, known.model), ("Aqara", "MCCGQ11LM"));
        assert!(known.profile.unwrap().sleeps(), "it lives on a battery");
        let mut out = Vec::new();
        let body = Body::message(br#"{"contact":false,"battery":97,"voltage":2985,"trigger_count":3}"#);
        known
            .profile
            .unwrap()
            .decode(&body, &DeviceContext::default(), &mut out)
            .unwrap();
        let said: Vec<_> = out
            .iter()
            .map(|o| format!("{} {:?}", o.measure, o.value))
            .collect();
        assert_eq!(
            said,
            [
                "door.open Some(State(true))",
                "device.battery Some(Number(97.0))",
                "device.battery_voltage Some(Number(2.985))"
            ]
        );
        assert!(memory.announced("zigbee", "Coordinator").is_none());
        let unsupported = memory.announced("zigbee", "0x2").unwrap();
        assert_eq!((unsupported.vendor, unsupported.model), ("_TZ", "TS0207"));
        assert!(
            unsupported.profile.is_none(),
            "the bridge does not know what it exposes"
        );
        assert_eq!(
            (memory.listed("zigbee").count(), memory.listed("other").count()),
            (2, 0)
        );
        assert!(memory.announced("other", "hall/door").is_none());
    }

    #[test]
    fn two_bridges_on_one_connection_list_their_own_devices() {
        let mut memory = Memory::default();
        let mut tell = |base: &str, payload: &str| {
            let pattern = format!("{base}/{{device...}}").parse().unwrap();
            let wrapping = Wrapping {
                family: Family::Zigbee2mqtt,
                pattern: &pattern,
            };
            let topic = format!("{base}/bridge/devices");
            let frame = Frame {
                topic: &topic,
                payload: payload.as_bytes(),
                retained: true,
                received: Timestamp::from_millis(0),
            };
            memory.open("zigbee", &wrapping, &frame).unwrap();
            memory.listed("zigbee").count()
        };
        assert_eq!(tell("z2m-a", DOOR), 2);
        let other =
            r#"[{"friendly_name":"cellar/leak","definition":{"model":"SJCGQ11LM","vendor":"Aqara"}}]"#;
        assert_eq!(tell("z2m-b", other), 3, "the first bridge's stay");
        assert_eq!(tell("z2m-b", "[]"), 2);
    }

    #[test]
    fn a_device_that_left_is_forgotten_and_a_failed_batch_changes_nothing() {
        let mut memory = Memory::default();
        announce(&mut memory, DOOR);
        assert_eq!(memory.changes().len(), 2);
        memory.rollback();
        assert!(memory.announced("zigbee", "hall/door").is_none());
        announce(&mut memory, DOOR);
        let stored = memory.changes();
        memory.commit();
        announce(&mut memory, DOOR);
        assert!(memory.changes().is_empty(), "the same list again changes nothing");
        let (restored, unreadable) = Memory::load(
            stored
                .into_iter()
                .filter_map(|(name, bytes)| Some((name, bytes?))),
        );
        assert!(unreadable == 0 && restored.profile_of("zigbee", "hall/door").is_some());
        announce(&mut memory, "[]");
        assert!(memory.announced("zigbee", "hall/door").is_none());
        assert_eq!(memory.changes().len(), 2);
    }
}
