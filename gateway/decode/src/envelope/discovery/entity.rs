//! One entity of Home Assistant's discovery: the abbreviated keys, the `~` base topic, and what its class measures.
//!
//! Source: home-assistant.io "MQTT discovery" (abbreviations), "Sensor" and "Binary sensor" (device classes).

use super::template::{self, Taken};
use crate::envelope::auto::{Exposed, Reachability};
use crate::envelope::wire::parse;
use crate::memory::Kept;
use crate::profile::unit;
use crate::refusal::Rejection;
use linli_domain::measure::Measure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest text of an announcement that is kept, in bytes; a longer one is refused.
const MAX_TEXT_BYTES: usize = 512;
/// Most availability topics of one entity.
const MAX_WILLS: usize = 8;

/// An announced entity of a kind that measures something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entity {
    /// The device it belongs to: the first identifier, else the entity's own id.
    pub(super) device: String,
    pub(super) vendor: String,
    pub(super) model: String,
    pub(super) state_topic: String,
    pub(super) wills: Vec<Will>,
    /// Name of the measure or role variable; none for a class without one.
    measure: Option<String>,
    pointer: Option<String>,
    unit: Option<String>,
    states: Option<(String, String)>,
    name: String,
}

/// Where an entity's reachability is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Will {
    pub(super) topic: String,
    online: String,
    offline: String,
}

impl Will {
    pub(super) fn reachability(&self) -> Reachability {
        Reachability {
            topic: self.topic.clone(),
            online: self.online.clone(),
            offline: self.offline.clone(),
        }
    }
}

impl Kept for Entity {
    fn is_stored_like(&self, old: &Self) -> bool {
        self == old
    }
}

impl Entity {
    /// Reads a configuration; `component` and `object` are levels of its topic. `Ok(None)`: a kind that measures
    /// nothing, such as a button or a light.
    pub(super) fn read(component: &str, object: &str, payload: &[u8]) -> Result<Option<Self>, Rejection> {
        let is_binary = match component {
            "binary_sensor" => true,
            "sensor" => false,
            _ => return Ok(None),
        };
        let config = Config::read(payload)?;
        let state_topic = config
            .topic(&["state_topic", "stat_t"])
            .ok_or(Rejection::MissingField { field: "state_topic" })?;
        let unsupported = |what: String| Rejection::Unannounced {
            what: format!(
                "{object} announces itself with {what}, which is not supported; give it a profile of its own"
            ),
        };
        let taken = match config.text(&["value_template", "val_tpl"]) {
            None => Taken::Whole,
            Some(template) => template::read(template).map_err(unsupported)?,
        };
        let class = config.text(&["device_class", "dev_cla"]).unwrap_or_default();
        let diagnostic = config.text(&["entity_category", "ent_cat"]) == Some("diagnostic");
        let measure = if is_binary {
            state(class)
        } else {
            number(class, diagnostic)
        };
        let device = config.device();
        let own_id = config
            .text(&["unique_id", "uniq_id"])
            .unwrap_or(object)
            .to_owned();
        let identifiers = device.and_then(|device| first_text(device, &["identifiers", "ids"]));
        let of_device = |keys: &[&str]| device.and_then(|d| first_text(d, keys)).unwrap_or_default();
        let unit = config.text(&["unit_of_measurement", "unit_of_meas"]);
        let whole = Self {
            device: identifiers.unwrap_or_else(|| own_id.clone()),
            vendor: of_device(&["manufacturer", "mf"]),
            model: of_device(&["model", "mdl"]),
            wills: config.wills(),
            state_topic,
            measure: measure.map(str::to_owned),
            pointer: match taken {
                Taken::Whole => None,
                Taken::Member(pointer) => Some(pointer),
            },
            unit: measure.and_then(|measure| convertible(measure, unit)),
            states: is_binary.then(|| {
                let on = config.code(&["payload_on", "pl_on"], "ON");
                (on, config.code(&["payload_off", "pl_off"], "OFF"))
            }),
            name: object.to_owned(),
        };
        let longest = whole.texts().map(str::len).max().unwrap_or_default();
        if longest > MAX_TEXT_BYTES {
            return Err(Rejection::TooLarge {
                what: "a text of an announcement",
                bytes: longest,
                limit: MAX_TEXT_BYTES,
            });
        }
        Ok(Some(whole))
    }

    /// Every text that is kept.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let own = [
            &self.device,
            &self.vendor,
            &self.model,
            &self.state_topic,
            &self.name,
        ];
        let more = [&self.measure, &self.pointer, &self.unit].into_iter().flatten();
        let states = self.states.iter().flat_map(|(on, off)| [on, off]);
        let wills = self
            .wills
            .iter()
            .flat_map(|will| [&will.topic, &will.online, &will.offline]);
        own.into_iter()
            .chain(more)
            .chain(states)
            .chain(wills)
            .map(String::as_str)
    }

    /// What it gives the device's profile.
    pub(super) fn exposed(&self) -> Option<Exposed> {
        let measure = self.measure.as_deref()?;
        let known = STATES.iter().chain(NUMBERS).map(|(_, measure)| *measure);
        let measure = known.chain([BATTERY_VOLTAGE]).find(|known| *known == measure)?;
        Some(Exposed {
            measure,
            topic: self.state_topic.clone(),
            pointer: self.pointer.clone(),
            unit: self.unit.clone(),
            states: self.states.clone(),
            name: self.name.clone(),
        })
    }
}

const BATTERY_VOLTAGE: &str = "device.battery_voltage";

/// Device class of a binary sensor and its measure.
const STATES: &[(&str, &str)] = &[
    ("moisture", "leak.wet"),
    ("smoke", "smoke.alarm"),
    ("door", "door.open"),
    ("garage_door", "door.open"),
    ("opening", "door.open"),
    ("window", "door.open"),
    ("occupancy", "$presence"),
    ("presence", "$presence"),
    ("motion", "$presence"),
    ("tamper", "device.tamper"),
    ("problem", "device.fault"),
    ("safety", "device.alarm"),
    ("battery", "device.battery_low"),
    ("plug", "device.mains"),
    ("power", "device.mains"),
    ("gas", "input.alarm"),
    ("carbon_monoxide", "input.alarm"),
    ("heat", "temperature.alarm"),
];

/// Device class of a sensor and its measure.
const NUMBERS: &[(&str, &str)] = &[
    ("distance", "$distance"),
    ("temperature", "temperature"),
    ("humidity", "humidity"),
    ("pressure", "pressure"),
    ("atmospheric_pressure", "pressure"),
    ("battery", "device.battery"),
    ("voltage", "power.voltage"),
    ("current", "power.current"),
    ("power", "power.active"),
    ("apparent_power", "power.apparent"),
    ("energy", "energy.import"),
    ("frequency", "power.frequency"),
    ("power_factor", "power.factor"),
    ("water", "water.volume"),
    ("volume_flow_rate", "water.flow"),
    ("signal_strength", "signal.rssi"),
];

fn state(class: &str) -> Option<&'static str> {
    let found = STATES.iter().find(|(known, _)| *known == class);
    found.map(|(_, measure)| *measure)
}

fn number(class: &str, diagnostic: bool) -> Option<&'static str> {
    if class == "voltage" && diagnostic {
        return Some(BATTERY_VOLTAGE);
    }
    let found = NUMBERS.iter().find(|(known, _)| *known == class);
    found.map(|(_, measure)| *measure)
}

fn convertible(measure: &str, written: Option<&str>) -> Option<String> {
    let to = match measure {
        "$distance" => "mm",
        name => name.parse::<Measure>().ok()?.unit().symbol(),
    };
    let known = unit::conversion(written?, to)?;
    (known != unit::SAME).then(|| written.unwrap_or_default().to_owned())
}

/// The configuration as it was published.
struct Config {
    map: Map<String, Value>,
    base: String,
}

impl Config {
    fn read(payload: &[u8]) -> Result<Self, Rejection> {
        let map: Map<String, Value> = parse(payload)?;
        let base = map
            .get("~")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        Ok(Self { map, base })
    }

    fn value(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().find_map(|key| self.map.get(*key))
    }
    fn text(&self, keys: &[&str]) -> Option<&str> {
        self.value(keys)?.as_str()
    }
    /// A payload as it arrives: a text, or a number or state that stands for one. Templates write Python's words.
    fn code(&self, keys: &[&str], otherwise: &str) -> String {
        let code = match self.value(keys) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
            _ => otherwise.to_owned(),
        };
        match code.as_str() {
            "True" => "true".to_owned(),
            "False" => "false".to_owned(),
            _ => code,
        }
    }
    fn topic(&self, keys: &[&str]) -> Option<String> {
        self.text(keys).map(|topic| self.whole(topic))
    }
    /// A `~` at either end stands for the base topic.
    fn whole(&self, topic: &str) -> String {
        match (topic.strip_prefix('~'), topic.strip_suffix('~')) {
            (Some(rest), _) => format!("{}{rest}", self.base),
            (None, Some(rest)) => format!("{rest}{}", self.base),
            (None, None) => topic.to_owned(),
        }
    }
    fn device(&self) -> Option<&Map<String, Value>> {
        self.value(&["device", "dev"])?.as_object()
    }

    fn wills(&self) -> Vec<Will> {
        let words = |map: &Map<String, Value>, keys: &[&str], otherwise: &str| {
            let found = keys.iter().find_map(|key| map.get(*key)?.as_str());
            found.unwrap_or(otherwise).to_owned()
        };
        let (on, off) = (
            ["payload_available", "pl_avail"],
            ["payload_not_available", "pl_not_avail"],
        );
        let mut wills = Vec::new();
        if let Some(topic) = self.topic(&["availability_topic", "avty_t"]) {
            wills.push(Will {
                topic,
                online: words(&self.map, &on, "online"),
                offline: words(&self.map, &off, "offline"),
            });
        }
        let list = self.value(&["availability", "avty"]).and_then(Value::as_array);
        for will in list
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .take(MAX_WILLS)
        {
            let topic = ["topic", "t"].iter().find_map(|key| will.get(*key)?.as_str());
            if let Some(topic) = topic {
                wills.push(Will {
                    topic: self.whole(topic),
                    online: words(will, &on, "online"),
                    offline: words(will, &off, "offline"),
                });
            }
        }
        wills
    }
}

/// A text, or the first of a list of texts.
fn first_text(map: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    let value = keys.iter().find_map(|key| map.get(*key))?;
    let text = match value {
        Value::Array(list) => list.first()?.as_str()?,
        other => other.as_str()?,
    };
    (!text.is_empty()).then(|| text.to_owned())
}
