//! What an installer does on a bus beside reading: looks who is there, and writes what a profile allows.

use crate::estate::estate;
use e2e::gateway::{Gateway, Site};
use e2e::modbus::{Reach, Slaves};
use linli_ledger::{Page, Reader};
use serde_json::{Value, json};

/// A valve on a coil, and a set point in tenths of a degree.
const PROFILE: &str = r#"
id = "story.valve"
title = "Valve of the stories"
version = 1

[modbus]
registers = [
    { function = 1, address = 7, type = "bool", measure = "output.state", write = { name = "valve", range = [0, 1] } },
    { function = 3, address = 20, type = "i16", measure = "temperature", scale = 0.1, write = { name = "setpoint", range = [5, 35] } },
]

[[tests]]
name = "open"
registers = [{ function = 1, start = 7, values = [1] }]
expect = [{ measure = "output.state", value = true }]
"#;

fn device(id: &str, bus: &str) -> String {
    format!(
        "[[devices]]\nid = \"{id}\"\nprofile = \"story.valve\"\nname = {{ zh = \"阀\", en = \"Valve\" }}\n\
         address = {{ bus = \"{bus}\", unit = 1 }}\n"
    )
}

async fn start() -> (Gateway, [Slaves; 2]) {
    let writable = Slaves::start(Reach::Tcp, &["1:good", "3:good"]).await;
    let read_only = Slaves::start(Reach::RtuOverTcp, &["1:good"]).await;
    let site = Site {
        estate: estate(
            "main",
            &(device("valve-1", "garden") + &device("valve-2", "cellar")),
        ),
        modbus: writable.bus("garden", Reach::Tcp)
            + "period = \"500ms\"\nwrites = true\n"
            + &read_only.bus("cellar", Reach::RtuOverTcp)
            + "period = \"500ms\"\n",
        profiles: vec![("story-valve.toml".into(), PROFILE.into())],
        ..Site::default()
    };
    (Gateway::start(&site).await, [writable, read_only])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valve_is_opened_confirmed_shown_and_written_down_before_it_is_done() {
    let (mut gateway, _slaves) = start().await;
    gateway.point_is("valve-1/output.state", json!(false)).await;
    let (said, code) = gateway
        .cli(&["device", "write", "valve-1", "valve", "true"])
        .await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(said, "valve-1 valve = 1: written, and read back the same\n");
    gateway.point_is("valve-1/output.state", json!(true)).await;
    let (said, code) = gateway
        .cli(&["--json", "device", "write", "valve-1", "setpoint", "21.5"])
        .await;
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &answer["confirmed"], &answer["read_back"]),
        (0, &json!(true), &json!(21.5)),
        "{said}"
    );
    gateway.point_is("valve-1/temperature", json!(21.5)).await;

    for (arguments, word) in [
        (["valve-1", "setpoint", "36"], "write_out_of_range"),
        (["valve-1", "pump", "1"], "unknown_write"),
        (["valve-2", "valve", "1"], "bus_read_only"),
        (["leak-b3", "valve", "1"], "not_on_a_bus"),
        (["nobody", "valve", "1"], "not_found"),
    ] {
        let (said, code) = gateway
            .cli(&[&["--lang", "zh-CN", "device", "write"][..], &arguments].concat())
            .await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("[{word}]")), "{word}: {said}");
    }
    let (_, staff) = gateway
        .post(
            &gateway.token(),
            "/api/v1/tokens",
            None,
            json!({ "name": "li", "role": "staff" }),
        )
        .await;
    let body = json!({ "name": "valve", "value": 0 });
    let (status, _) = gateway
        .post(
            staff["token"].as_str().unwrap(),
            "/api/v1/devices/valve-1/writes",
            None,
            body,
        )
        .await;
    assert_eq!(status, 403, "not for everybody");

    let data = gateway.data();
    assert_eq!(gateway.terminate().await, Some(0));
    let audit = Reader::open(&data)
        .unwrap()
        .audit(Page {
            before: None,
            limit: 50,
        })
        .unwrap();
    let mut writes: Vec<(String, String)> = audit
        .into_iter()
        .filter(|entry| entry.row.action.starts_with("device."))
        .map(|entry| (entry.row.action, entry.row.detail))
        .collect();
    writes.reverse();
    let actions: Vec<&str> = writes.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(
        actions,
        ["device.write", "device.written", "device.write", "device.written"]
    );
    assert_eq!(
        writes[0].1,
        "valve = 1 (bus garden, unit 1, function 5, address 7)"
    );
    assert!(writes[3].1.contains("accepted, read back 21.5"), "{writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_looks_who_is_on_a_line() {
    let (mut gateway, _slaves) = start().await;
    let (said, code) = gateway
        .cli(&["--json", "device", "scan", "--bus", "garden", "--units", "1-4"])
        .await;
    assert_eq!(code, 0, "{said}");
    let scan: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&scan["state"], &scan["done"]), (&json!("finished"), &json!(4)));
    let found = scan["found"].as_array().unwrap();
    let units: Vec<&Value> = found.iter().map(|found| &found["unit"]).collect();
    assert_eq!(units, [1, 3]);
    assert_eq!(
        (&found[0]["device"], &found[1]["device"]),
        (&json!("valve-1"), &Value::Null)
    );
    assert_eq!(found[1]["identification"]["vendor"], "ACME");
    assert!(
        found[1]["guesses"].to_string().contains("story.valve"),
        "{found:#?}"
    );

    let (table, code) = gateway
        .cli(&[
            "--lang", "zh-CN", "device", "scan", "--bus", "garden", "--units", "3",
        ])
        .await;
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("可能是") && table.contains("ACME"), "{table}");
    for (arguments, part) in [
        (["--bus", "attic", "--units", "1"], "there are cellar, garden"),
        (["--bus", "garden", "--units", "0-9"], "like \"1-32\""),
    ] {
        let (said, code) = gateway.cli(&[&["device", "scan"][..], &arguments].concat()).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(gateway.terminate().await, Some(0));
}
