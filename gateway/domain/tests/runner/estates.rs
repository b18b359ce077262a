//! Estate documents: what is refused, with which words, and what a good one resolves to.

use crate::estate_test::{ESTATE, doc};
use linli_domain::estate::{Address, Estate, EstateDoc};

fn problems(toml: &str) -> Vec<String> {
    let refused = Estate::resolve(doc(toml)).map(|_| ()).unwrap_err();
    refused.iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_document_finds_its_devices_by_address() {
    let estate = Estate::resolve(doc(ESTATE)).unwrap();
    let rope = estate.device_by_mqtt("main", "rope-1").unwrap();
    assert_eq!(estate.device(rope).unwrap().id.as_str(), "rope");
    assert_eq!(estate.device_by_mqtt("main", "rope-2"), None);
    let bay = estate.device_by_bus(&"bus1".parse().unwrap(), 7).unwrap();
    assert!(matches!(
        estate.device(bay).unwrap().address,
        Some(Address::Bus { unit: 7, .. })
    ));
    assert!(estate.device_by_id(&"gateway".parse().unwrap()).is_some());
    assert_eq!(estate.rules().len(), 3 + 12);
    let (name, place) = estate.texts_of(&"b3-pipe".parse().unwrap());
    assert_eq!(
        (name.zh.as_str(), place.zh.as_str()),
        ("3号楼管段", "3号楼 / 地下水泵房")
    );
}

#[test]
fn a_device_that_two_network_servers_hear_is_one_device() {
    let heard_twice = ESTATE.replace(
        r#"{ mqtt = "main", key = "rope-1" }"#,
        r#"{ mqtt = "main", key = "rope-1", also = ["cloud"] }"#,
    );
    assert_ne!(heard_twice, ESTATE);
    let estate = Estate::resolve(doc(&heard_twice)).unwrap();
    let rope = estate.device_by_mqtt("main", "rope-1");
    assert_eq!(estate.device_by_mqtt("cloud", "rope-1"), rope);
    assert!(rope.is_some());

    let another = r#"
[[devices]]
id = "another"
profile = "aqara.sjcgq11lm"
name = { zh = "另一个", en = "Another" }
address = { mqtt = "cloud", key = "rope-1" }
"#;
    let refused = problems(&format!("{heard_twice}{another}"));
    assert!(
        refused
            .iter()
            .any(|p| p.contains("already the address of device \"rope\"")),
        "{refused:#?}"
    );
    let of_a_bus = ESTATE.replace(", unit = 7", ", unit = 7, also = [\"cloud\"]");
    assert_ne!(of_a_bus, ESTATE);
    assert!(problems(&of_a_bus)[0].contains("neither an MQTT nor a bus address"));
}

#[test]
fn a_document_survives_text_and_binary() {
    let health = "expected_interval = \"10m\"\nhealth = { battery_voltage = 3.2, stuck_after = \"0s\" }";
    let first = doc(&ESTATE.replace("expected_interval = \"10m\"", health));
    let text = toml::to_string(&*first).unwrap();
    assert_eq!(doc(&text), first);
    let bytes = postcard::to_allocvec(&*first).unwrap();
    assert_eq!(postcard::from_bytes::<EstateDoc>(&bytes).unwrap(), *first);
}

#[test]
fn limits_of_a_devices_health_that_make_no_sense_are_refused() {
    let health = |limits: &str| {
        let limits = format!("asset = \"bin-1\"\nhealth = {{ {limits} }}");
        problems(&ESTATE.replace("asset = \"bin-1\"", &limits))
    };
    assert_eq!(
        health("battery = 120, battery_voltage = -1, rssi = 20, clock_skew = \"10ms\""),
        [
            "devices[2].health.battery: is out of range; give it in percent, 0 to 100",
            "devices[2].health.battery_voltage: is out of range; give it in volts, 0 to 60",
            "devices[2].health.rssi: is out of range; give it in dBm, -200 to 0",
            "devices[2].health.clock_skew: is shorter than a second: a message takes that long to arrive",
        ]
    );
    assert_eq!(health("battery = nan").len(), 1);
}

#[test]
fn all_problems_come_at_once_with_their_place_and_a_hint() {
    let wrong = ESTATE
        .replace("timezone = \"Asia/Shanghai\"", "timezone = \"Asia/Shangha\"")
        .replace("parent = \"b3\"", "parent = \"b3-b1\"")
        .replace("id = \"yard\"", "id = \"b3\"")
        .replace("asset = \"bin-1\"", "asset = \"bin-2\"")
        .replace("key = \"spot-1\"", "key = \"rope-1\"")
        .replace("clear = 70.0", "clear = 95.0")
        .replace("zh = \"劝离车辆。\"", "zh = \"\"")
        .replace("full_distance_mm = 200.0", "full_distance_mm = 2000.0")
        .replace("assets = [\"fire-lane\"]", "assets = [\"fire-lan\"]");
    assert_eq!(
        problems(&wrong),
        [
            "timezone: unknown time zone \"Asia/Shangha\"; did you mean \"Asia/Shanghai\"?",
            "places[2].id: \"b3\" is used twice; the first one counts; give this one another id",
            "places[1].parent: lies inside itself",
            "assets[1].bin: the distance to the floor when it is empty must be greater than to the surface when it is full; \
             the sensor looks down from above",
            "assets[1].place: unknown place \"yard\"",
            "assets[2].place: unknown place \"yard\"",
            "devices[2].asset: unknown asset \"bin-2\"; did you mean \"bin-1\"?",
            "devices[1].address: is already the address of device \"rope\"",
            "rules[1].when.clear: clear 95 is above the set value 90; \
             an alarm above a value clears at that value or lower",
            "rules[2].response: response is missing in one language; \
             say what the person must do: what needs no response is an event, not an alarm",
            "rules[2].applies_to.assets[0]: unknown asset \"fire-lan\"; did you mean \"fire-lane\"?",
        ]
    );
}

#[test]
fn half_written_parts_are_refused() {
    for (good, bad, path) in [
        (
            "{ bus = \"bus1\", unit = 7 }",
            "{ bus = \"bus1\" }",
            "devices[3].address",
        ),
        (
            "{ bus = \"bus1\", unit = 7 }",
            "{ bus = \"bus1\", unit = 0 }",
            "devices[3].address.unit",
        ),
        (
            "{ bus = \"bus1\", unit = 7 }",
            "{ mqtt = \"main\", key = \" \" }",
            "devices[3].address.key",
        ),
        ("above = 90.0, clear = 70.0", "clear = 70.0", "rules[1].when"),
        (
            "above = 90.0, clear = 70.0",
            "above = 90.0, below = 1.0",
            "rules[1].when",
        ),
        (
            "above = 90.0, clear = 70.0",
            "state = true",
            "rules[1].when.state",
        ),
        ("above = 90.0, clear = 70.0", "above = inf", "rules[1].when"),
        (
            "applies_to = { kind = \"bin\" }",
            "applies_to = { assets = [] }",
            "rules[1].applies_to",
        ),
        ("on_delay = \"10m\"", "on_delay = \"8d\"", "rules[1].on_delay"),
        (
            "role = \"order\", profile = \"lane\"",
            "role = \"order\", profile = \"x\"",
            "rules[2].order.profile",
        ),
        ("en = \"Fire lane\"", "en = \"\"", "assets[2].name"),
    ] {
        let found = problems(&ESTATE.replace(good, bad));
        assert_eq!(found.len(), 1, "{bad}: {found:#?}");
        assert!(found[0].starts_with(&format!("{path}: ")), "{bad}: {found:#?}");
    }
}

#[test]
fn an_unknown_key_and_an_unknown_measure_are_refused_while_reading() {
    let unknown = toml::from_str::<EstateDoc>(&ESTATE.replace("latch = true", "lach = true"));
    assert!(unknown.unwrap_err().to_string().contains("lach"));
    let measure = toml::from_str::<EstateDoc>(&ESTATE.replace("\"leak.wet\"", "\"leak.wett\""));
    assert!(
        measure
            .unwrap_err()
            .to_string()
            .contains("did you mean \"leak.wet\"?")
    );
}

#[test]
fn a_built_in_rule_gives_way_to_one_with_the_same_id() {
    let own = ESTATE.replace("id = \"bin-full\"", "id = \"gateway-bus-lost\"");
    let estate = Estate::resolve(doc(&own)).unwrap();
    assert_eq!(estate.rules().len(), 3 + 11);
}

#[test]
fn the_estates_we_ship_make_sense() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/estates");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let doc = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let refused = Estate::resolve(std::sync::Arc::new(doc)).err();
        assert_eq!(refused, None, "{}", path.display());
        count += 1;
    }
    assert!(count > 0);
}
