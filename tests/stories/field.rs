//! Devices that are heard twice, that describe themselves, and that have to be asked.

use crate::estate::estate;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::free_port;
use e2e::talker::Talker;
use e2e::wait::until;
use linli_domain::time::Timestamp;
use serde_json::{Value, json};

/// The recorded messages of a case: those before it, then its own, as topic and payload.
fn recorded(case: &str) -> Vec<(String, Vec<u8>)> {
    use base64::Engine as _;
    let path = format!("{}/fixtures/devices/mqtt/{case}.json", env!("CARGO_MANIFEST_DIR"));
    let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let before = case["before"].as_array().cloned().unwrap_or_default();
    let message = |message: &Value| {
        let payload = match message["payload"]["base64"].as_str() {
            Some(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
            None => message["payload"].to_string().into_bytes(),
        };
        (message["topic"].as_str().unwrap().to_owned(), payload)
    };
    before.iter().chain([&case]).map(message).collect()
}

fn device(id: &str, profile: &str, address: &str, rest: &str) -> String {
    format!(
        "[[devices]]\nid = \"{id}\"\nprofile = \"{profile}\"\nname = {{ zh = \"设备\", en = \"{id}\" }}\n\
         address = {address}\n{rest}\n\n"
    )
}

#[allow(
    clippy::disallowed_methods,
    reason = "a network server has a clock of its own"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_millis(i64::try_from(since.unwrap().as_millis()).unwrap())
}

/// One uplink of the bin sensor as ChirpStack tells it, heard by two gateways.
fn chirpstack_uplink(counter: u32) -> (String, Vec<u8>) {
    let (topic, payload) = recorded("chirpstack-v4-em400-udl-01").remove(0);
    let mut event: Value = serde_json::from_slice(&payload).unwrap();
    event["time"] = json!(now().to_string());
    event["fCnt"] = json!(counter);
    let mut weaker = event["rxInfo"][0].clone();
    weaker["gatewayId"] = json!("0016c001f153a14d");
    weaker["rssi"] = json!(-110);
    event["rxInfo"].as_array_mut().unwrap().insert(0, weaker);
    (topic, event.to_string().into_bytes())
}

/// The same uplink as The Things Stack tells it, which heard it through a gateway of its own.
fn tts_uplink(counter: u32) -> (String, Vec<u8>) {
    let (topic, payload) = recorded("tts-v3-em400-udl-01").remove(0);
    let mut event: Value = serde_json::from_slice(&payload).unwrap();
    event["received_at"] = json!(now().to_string());
    event["uplink_message"]["received_at"] = json!(now().to_string());
    event["uplink_message"]["f_cnt"] = json!(counter);
    event["uplink_message"]["frm_payload"] = json!("AXVcA2cBAQSCRAgFAAE=");
    (topic, event.to_string().into_bytes())
}

/// How many values of `point` are stored.
fn stored(gateway: &Gateway, point: &str) -> usize {
    let reader = linli_ledger::Reader::open(&gateway.data()).unwrap();
    let points = reader.points().unwrap();
    let point = points.iter().find(|p| p.id.as_str() == point).unwrap();
    let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    let page = reader.samples(point.key, from, to, 1000, None).unwrap();
    page.samples.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_network_servers_on_two_brokers_hear_every_uplink_and_every_uplink_is_one_reading() {
    let (estate_broker, cloud) = (Mosquitto::start().await, Mosquitto::start().await);
    let heard_by_both = estate("main", "").replace(
        "key = \"de20fdcb2f925c2c\"",
        "key = \"de20fdcb2f925c2c\", also = [\"cloud\"]",
    );
    let site = Site {
        estate: heard_by_both,
        broker: Some(estate_broker.port),
        more: format!(
            "[[mqtt]]\nname = \"cloud\"\nurl = \"mqtt://127.0.0.1:{}\"\nclient_id = \"linli-cloud\"\n\
             [[mqtt.subscriptions]]\nfamily = \"tts-v3\"\n",
            cloud.port
        ),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    gateway
        .point_is("gateway/gateway.subscriptions_ok/cloud", json!(true))
        .await;

    let mut chirpstack = Talker::connect(estate_broker.port, "chirpstack").await;
    let mut tts = Talker::connect(cloud.port, "tts").await;
    for counter in 100..110 {
        let (topic, payload) = chirpstack_uplink(counter);
        chirpstack.say(&topic, payload).await;
        let (topic, payload) = tts_uplink(counter);
        tts.say(&topic, payload).await;
    }
    until("every repetition to be counted", || async {
        match gateway.metric("linli_messages_duplicate_total").await {
            10.0 => Ok(()),
            other => Err(format!("{other}\n{}", gateway.log())),
        }
    })
    .await;
    gateway.point_is("bin-b3/bin.distance", json!(2116.0)).await;
    assert_eq!(stored(&gateway, "bin-b3/bin.distance"), 10);
    assert_eq!(gateway.metric("linli_messages_rejected_total").await, 0.0);

    // What was heard is known after a power cut, whoever repeats it.
    gateway.kill().await;
    gateway.run().await;
    gateway
        .point_is("gateway/gateway.subscriptions_ok/cloud", json!(true))
        .await;
    let (topic, payload) = tts_uplink(109);
    tts.say(&topic, payload).await;
    let (topic, payload) = tts_uplink(110);
    tts.say(&topic, payload).await;
    until(
        "the new uplink to be stored and the old one to be known",
        || async {
            let (values, repeated) = (
                stored(&gateway, "bin-b3/bin.distance"),
                gateway.metric("linli_messages_duplicate_total").await,
            );
            if (values, repeated) == (11, 1.0) {
                Ok(())
            } else {
                Err(format!("{values} values, {repeated} repeated\n{}", gateway.log()))
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparkplug_node_whose_births_were_missed_is_asked_for_them() {
    let broker = Mosquitto::start().await;
    let address = "{ mqtt = \"main\", key = \"Estate/PLC01/Riser3\" }";
    let profile = "id = \"story.riser\"\ntitle = \"Riser of the story\"\nversion = 1\n\n[named]\nvalues = [\n\
        { name = \"Leak/Zone1\", measure = \"leak.wet\" },\n\
        { name = \"Tank/Level_mm\", measure = \"level.depth\" },\n]\n\n\
        [[tests]]\nname = \"dry\"\nnamed = [{ name = \"Leak/Zone1\", value = false }]\n\
        expect = [{ measure = \"leak.wet\", value = false }]\n";
    let site = Site {
        estate: estate("main", &device("riser", "story.riser", address, "")),
        profiles: vec![("riser.toml".into(), profile.into())],
        broker: Some(broker.port),
        subscriptions: "[[SECTION.subscriptions]]\nfamily = \"sparkplug-b\"\n".into(),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    gateway.subscribed().await;

    // The node was born long before the gateway was installed.
    let messages = recorded("sparkplug-ddata-alias-01");
    let (births, data) = messages.split_at(messages.len() - 1);
    let mut node = Talker::connect(broker.port, "plc01").await;
    node.listen("spBv1.0/Estate/NCMD/PLC01").await;
    node.say(&data[0].0, &data[0].1).await;
    let (topic, command) = node.hear().await;
    assert_eq!(topic, "spBv1.0/Estate/NCMD/PLC01");
    let name = b"Node Control/Rebirth";
    assert!(
        command.windows(name.len()).any(|part| part == name),
        "{command:02x?}"
    );
    assert_eq!(gateway.metric("linli_field_asks_total").await, 1.0);

    // It answers with its births; from then on its numbers have names.
    for (topic, payload) in births {
        node.say(topic, payload).await;
    }
    gateway.point_is("riser/leak.wet", json!(false)).await;
    node.say(&data[0].0, &data[0].1).await;
    gateway.point_is("riser/leak.wet", json!(true)).await;

    // A restart forgets neither the names nor where the node's numbers stood: nobody is asked again.
    gateway.kill().await;
    gateway.run().await;
    gateway.subscribed().await;
    let (topic, payload) = recorded("sparkplug-ddata-null-01").remove(2);
    node.say(&topic, payload).await;
    until("the value to be unknown", || async {
        let points = gateway.list("/api/v1/points?limit=500").await?;
        let depth = points.iter().find(|p| p["id"] == "riser/level.depth").cloned();
        match depth {
            Some(point) if point["latest"]["quality"] == "bad" => Ok(()),
            other => Err(format!("{other:?}\n{}", gateway.log())),
        }
    })
    .await;
    assert_eq!(gateway.metric("linli_field_asks_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_announce_themselves_need_no_profile() {
    let broker = Mosquitto::start().await;
    let of = |id: &str, key: &str, asset: &str| {
        let address = format!("{{ mqtt = \"main\", key = \"{key}\" }}");
        device(id, "announced", &address, &format!("asset = \"{asset}\""))
    };
    let devices = of("bath", "flat45_bath", "b3-pipe") + &of("bin9", "bin9", "b3-bin");
    let site = Site {
        estate: estate("main", &devices),
        broker: Some(broker.port),
        subscriptions: "[[SECTION.subscriptions]]\nfamily = \"ha-discovery\"\nstates = [\"estate/#\"]\n"
            .into(),
        ..Site::default()
    };
    // The inventory of the bridge and the announcement of the bin lay on the broker before anybody listened.
    let mut bridge = Talker::connect(broker.port, "bridge").await;
    let (topic, inventory) = recorded("zigbee2mqtt-bridge-devices-01").remove(0);
    bridge.retain(&topic, inventory).await;
    let bin = recorded("ha-discovery-distance-01");
    bridge.retain(&bin[0].0, &bin[0].1).await;

    let mut gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    let (topic, wet) = (
        "zigbee2mqtt/flat45_bath",
        r#"{"battery":97,"voltage":3015,"water_leak":true}"#,
    );
    bridge.say(topic, wet).await;
    gateway.point_is("bath/leak.wet", json!(true)).await;
    gateway
        .point_is("bath/device.battery_voltage", json!(3.015))
        .await;
    gateway.order_in("b3-pipe", "dispatched").await;
    bridge.say(&bin[1].0, &bin[1].1).await;
    gateway.point_is("bin9/bin.distance", json!(875.0)).await;
    gateway.point_is("bin9/bin.fill", json!(76.25)).await;

    // The bridge is replaced and announces nothing: what it once announced still counts.
    gateway.kill().await;
    bridge.retain("zigbee2mqtt/bridge/devices", "").await;
    bridge.retain(&bin[0].0, "").await;
    gateway.run().await;
    gateway.subscribed().await;
    bridge
        .say(topic, r#"{"battery":97,"voltage":3015,"water_leak":false}"#)
        .await;
    gateway.point_is("bath/leak.wet", json!(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_profile_author_changes_is_tried_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("story.toml");
    let text = |scale: &str| {
        format!(
            "id = \"story.level\"\ntitle = \"Level of the story\"\nversion = 1\n[json]\n\
             values = [{{ at = \"/mm\", measure = \"level.depth\", scale = {scale} }}]\n\
             [[tests]]\nname = \"a metre\"\njson = '{{\"mm\": 1000}}'\n\
             expect = [{{ measure = \"level.depth\", value = 1000 }}]\n"
        )
    };
    let site = Site {
        estate: estate("embedded", ""),
        embedded: Some(free_port()),
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    let path = profile.display().to_string();
    std::fs::write(&profile, text("1")).unwrap();
    let (said, code) = gateway.cli(&["device", "test", &path]).await;
    assert_eq!(code, 0, "{said}");
    std::fs::write(&profile, text("10")).unwrap();
    let (said, code) = gateway.cli(&["device", "test", &path]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1000") && said.contains("10000"), "{said}");
}
