//! The estate and the configuration of the stories.

use crate::config::{
    Channel, ChannelKind, Config, Http as HttpConfig, Log, MqttConnection, MqttProtocol, Store, Subscription,
};
use linli_decode::{ClockWindow, Family};
use linli_domain::text::Language;
use serde_json::{Value, json};
use std::time::Duration;

/// A name nobody should be able to smuggle into a page.
pub(super) const HOSTILE: &str = "<script>alert('x')</script>&\"";

/// The estate of the stories.
pub(super) fn estate() -> Value {
    let text = |zh: &str, en: &str| json!({ "zh": zh, "en": en });
    json!({
        "id": "story",
        "name": text("故事小区", "Story estate"),
        "places": [{ "id": "b3", "kind": "building", "name": text("3号楼", "Building 3") }],
        "assets": [
            { "id": "b3-pipe", "kind": "pipe_zone", "place": "b3", "name": text("3号楼管段", HOSTILE) },
            { "id": "b4-pipe", "kind": "pipe_zone", "place": "b3", "name": text("4号楼管段", "Pipe zone of building 4") },
        ],
        "devices": [
            { "id": "leak-b3", "profile": "aqara.sjcgq11lm", "name": text("漏水绳", "Leak rope"),
              "address": { "mqtt": "main", "key": "leak-b3" }, "asset": "b3-pipe" },
            { "id": "leak-b4", "profile": "aqara.sjcgq11lm", "name": text("漏水绳", "Leak rope"),
              "address": { "mqtt": "main", "key": "leak-b4" }, "asset": "b4-pipe" },
        ],
        "rules": [{
            "id": "leak", "class": "leak", "fault": "leak", "measure": "leak.wet",
            "applies_to": { "kind": "pipe_zone" }, "when": { "state": true }, "on_delay": "0s", "off_delay": "0s",
            "latch": true, "priority": "P1", "cause": text("管道破损", "A pipe leaks"),
            "consequence": text("地面积水", "Water stands on the floor"), "response": text("关阀,查漏。", "Close the valve."),
            "order": { "role": "repair", "profile": "leak" },
        }],
        "order_profiles": [{
            "id": "leak", "name": text("漏水维修", "Leak repair"), "verify": { "hold": "0s", "grace": "60s" },
            "guards": { "note_required": true },
        }],
    })
}

/// A configuration over this data folder.
pub(super) fn config(data: &std::path::Path) -> Config {
    let url = "http://127.0.0.1:9/hook".to_owned();
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
    let kind = ChannelKind::Webhook {
        url: url.into(),
        keys: vec![key.into()],
        allow_private: true,
    };
    let hour = Duration::from_secs(3600);
    Config {
        language: Language::Zh,
        estate_seed: data.join("estate.toml"),
        profiles: data.join("profiles"),
        store: Store {
            data: data.to_owned(),
            min_free: 0,
            max_size: None,
            keep: Vec::new(),
            commit_delay: Duration::from_millis(1),
        },
        http: HttpConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            hosts: vec!["linli.example".into()],
        },
        broker: None,
        mqtt: vec![MqttConnection {
            name: "main".into(),
            host: "broker.example".into(),
            port: 1883,
            tls: None,
            client_id: "story".into(),
            credentials: None,
            receive_maximum: 100,
            session_expiry: hour,
            keep_alive: hour,
            max_packet_bytes: 1 << 16,
            protocol: MqttProtocol::Auto,
            subscriptions: vec![
                Subscription::new(Family::Zigbee2mqtt, "zigbee2mqtt/{device...}".parse().unwrap()),
                Subscription::new(
                    Family::ChirpstackV4,
                    Family::ChirpstackV4.default_pattern().unwrap().parse().unwrap(),
                ),
            ],
        }],
        modbus: Vec::new(),
        channels: vec![Channel {
            id: "hook".parse().unwrap(),
            kind,
            timeout: Duration::from_secs(5),
        }],
        routes: Vec::new(),
        forwarders: Vec::new(),
        log: Log {
            filter: "info".into(),
            json: false,
        },
        clock_window: ClockWindow {
            past: hour,
            future: hour,
            stored: hour,
        },
    }
}
