//! Announcements, the profiles they make, and the states that follow.

use crate::memory::Memory;
use crate::{DeviceContext, Event, Family, Frame, Role, TopicPattern, Wrapping};
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;

struct Home {
    memory: Memory,
    pattern: TopicPattern,
}

impl Home {
    fn new() -> Self {
        Self {
            memory: Memory::default(),
            pattern: "homeassistant/{device...}".parse().unwrap(),
        }
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Result<Vec<(String, Event, Vec<String>)>, String> {
        let wrapping = Wrapping {
            family: Family::HaDiscovery,
            pattern: &self.pattern,
        };
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        let opened = self
            .memory
            .open("home", &wrapping, &frame)
            .map_err(|e| e.to_string())?;
        let context = DeviceContext {
            role: Some(Role::Bin),
            ..DeviceContext::default()
        };
        let heard = std::iter::once(&opened).chain(&opened.others).map(|opened| {
            let mut out = Vec::new();
            if let Some(profile) = self.memory.profile_of("home", &opened.address) {
                let decoded = profile.decode(&opened.body, &context, &mut out).unwrap();
                if let Some(available) = decoded.availability {
                    return (
                        opened.address.to_string(),
                        Event::Availability(available),
                        Vec::new(),
                    );
                }
            }
            let said = out.iter().map(|o| {
                let instance = o.instance.as_ref().map(|i| format!("[{i}]")).unwrap_or_default();
                match &o.value {
                    Some(Value::Number(number)) => format!("{}{instance} {number}", o.measure),
                    Some(Value::State(state)) => format!("{}{instance} {state}", o.measure),
                    other => format!("{}{instance} {other:?}", o.measure),
                }
            });
            (opened.address.to_string(), opened.event, said.collect())
        });
        Ok(heard.collect())
    }
}

const LEAK: &str = r#"{"name":"Cellar","uniq_id":"leak42_wet","dev_cla":"moisture","~":"estate/leak42","stat_t":"~/state","avty_t":"~/status",
    "val_tpl":"{{ value_json.wet }}","pl_on":"1","pl_off":"0","dev":{"ids":["leak42"],"mf":"ACME","mdl":"L1"}}"#;
const BATTERY: &str = r#"{"uniq_id":"leak42_bat","dev_cla":"voltage","ent_cat":"diagnostic","unit_of_meas":"mV","stat_t":"estate/leak42/state",
    "val_tpl":"{{ value_json.mv | int }}","dev":{"ids":"leak42","mf":"ACME","mdl":"L1"}}"#;

#[test]
fn the_entities_of_a_device_are_one_profile() {
    let mut home = Home::new();
    assert_eq!(
        home.hear("homeassistant/binary_sensor/leak42/config", LEAK)
            .unwrap()[0]
            .1,
        Event::Inventory
    );
    home.hear("homeassistant/sensor/leak42/battery/config", BATTERY)
        .unwrap();
    let known = home.memory.announced("home", "leak42").unwrap();
    assert_eq!((known.vendor, known.model), ("ACME", "L1"));
    let heard = home
        .hear("estate/leak42/state", r#"{"wet":1,"mv":3012}"#)
        .unwrap();
    let (who, event, mut said) = heard.into_iter().next().unwrap();
    said.sort();
    assert_eq!((who.as_str(), event), ("leak42", Event::Uplink));
    assert_eq!(said, ["device.battery_voltage 3.012", "leak.wet true"]);
    let heard = home.hear("estate/leak42/status", "offline").unwrap();
    assert_eq!(
        heard,
        [("leak42".to_owned(), Event::Availability(false), Vec::new())]
    );
}

#[test]
fn python_words_plain_payloads_and_several_of_a_kind_are_read() {
    let mut home = Home::new();
    let entity = |id: &str, extra: &str| {
        format!(r#"{{"unique_id":"{id}","state_topic":"x/{id}","device":{{"identifiers":["box"]}},{extra}}}"#)
    };
    let wet = entity(
        "a",
        r#""device_class":"moisture","payload_on":"True","payload_off":"False","value_template":"{{ value_json.w }}""#,
    );
    home.hear("homeassistant/binary_sensor/a/config", &wet).unwrap();
    home.hear(
        "homeassistant/sensor/b/config",
        &entity("b", r#""device_class":"temperature","unit_of_measurement":"°F""#),
    )
    .unwrap();
    home.hear(
        "homeassistant/sensor/c/config",
        &entity("c", r#""device_class":"temperature""#),
    )
    .unwrap();
    home.hear(
        "homeassistant/sensor/d/config",
        &entity("d", r#""device_class":"distance","unit_of_measurement":"cm""#),
    )
    .unwrap();
    let said = |home: &mut Home, topic: &str, payload: &str| home.hear(topic, payload).unwrap().remove(0).2;
    assert_eq!(said(&mut home, "x/a", r#"{"w":true}"#), ["leak.wet true"]);
    assert_eq!(said(&mut home, "x/b", "212"), ["temperature[b] 100"]);
    assert_eq!(said(&mut home, "x/c", "21.5"), ["temperature[c] 21.5"]);
    assert_eq!(said(&mut home, "x/c", "unavailable"), ["temperature[c] None"]);
    assert_eq!(said(&mut home, "x/d", "87.5"), ["bin.distance 875"]);
}

#[test]
fn one_topic_may_speak_for_several_devices() {
    let mut home = Home::new();
    for id in ["p", "q"] {
        let config = format!(
            r#"{{"unique_id":"{id}","state_topic":"shared","device_class":"humidity","value_template":"{{{{ value_json.{id} }}}}","device":{{"identifiers":["{id}"]}}}}"#
        );
        home.hear(&format!("homeassistant/sensor/{id}/config"), &config)
            .unwrap();
    }
    let heard = home.hear("shared", r#"{"p":40,"q":60}"#).unwrap();
    let said: Vec<_> = heard
        .into_iter()
        .map(|(who, _, said)| format!("{who}: {}", said.join(",")))
        .collect();
    assert_eq!(said, ["p: humidity 40", "q: humidity 60"]);
}

#[test]
fn what_was_removed_or_never_announced_is_told() {
    let mut home = Home::new();
    home.hear("homeassistant/binary_sensor/leak42/config", LEAK)
        .unwrap();
    home.hear("homeassistant/binary_sensor/leak42/config", "")
        .unwrap();
    assert!(home.memory.announced("home", "leak42").is_none());
    let unheard = home.hear("estate/leak42/state", "{}").unwrap_err();
    assert!(unheard.contains("no entity announced"), "{unheard}");
}

#[test]
fn lights_and_odd_templates_are_no_sensors() {
    let mut home = Home::new();
    let light = home
        .hear("homeassistant/light/l/config", "{\"state_topic\":\"l\"}")
        .unwrap();
    assert_eq!(light[0].1, Event::Ignored);
    let computed = r#"{"unique_id":"x","state_topic":"x","device_class":"distance","value_template":"{{ value_json.d * 10 }}"}"#;
    let refused = home.hear("homeassistant/sensor/x/config", computed).unwrap_err();
    assert!(
        refused.contains("not supported") && refused.contains("value_json.d * 10"),
        "{refused}"
    );
    assert!(
        home.hear("homeassistant/sensor/x/config", "{}")
            .unwrap_err()
            .contains("state_topic")
    );
    assert!(home.hear("homeassistant/sensor/x/config", "{").is_err());
    let classless = r#"{"unique_id":"y","state_topic":"y"}"#;
    home.hear("homeassistant/sensor/y/config", classless).unwrap();
    assert!(
        home.memory
            .announced("home", "y")
            .is_some_and(|known| known.profile.is_none())
    );
}

#[test]
fn announcements_survive_a_restart_and_a_failed_batch_forgets_them() {
    let mut home = Home::new();
    home.hear("homeassistant/binary_sensor/leak42/config", LEAK)
        .unwrap();
    let stored = home.memory.changes();
    home.memory.commit();
    home.hear("homeassistant/binary_sensor/leak42/config", LEAK)
        .unwrap();
    assert!(home.memory.changes().is_empty(), "the same again changes nothing");
    let (memory, unreadable) = Memory::load(
        stored
            .into_iter()
            .filter_map(|(name, bytes)| Some((name, bytes?))),
    );
    assert_eq!(unreadable, 0);
    let mut after = Home {
        memory,
        ..Home::new()
    };
    assert_eq!(
        after.hear("estate/leak42/state", r#"{"wet":0}"#).unwrap()[0].2,
        ["leak.wet false"]
    );
    let mut failed = Home::new();
    failed
        .hear("homeassistant/binary_sensor/leak42/config", LEAK)
        .unwrap();
    failed.memory.rollback();
    assert!(failed.hear("estate/leak42/state", "{}").is_err());
}
