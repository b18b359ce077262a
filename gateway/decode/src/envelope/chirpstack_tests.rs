//! What a ChirpStack event may lack, and what makes it refused.

use crate::{Body, Event, Family, Frame, Opened, Rejection, open};
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::time::Timestamp;

const EUI: &str = "de20fdcb2f925c2c";

fn event<'a>(topic: &'a str, payload: &'a str) -> Result<Opened<'a>, Rejection> {
    let pattern = Family::ChirpstackV4.default_pattern().unwrap().parse().unwrap();
    let frame = Frame {
        topic,
        payload: payload.as_bytes(),
        retained: false,
        received: Timestamp::from_millis(0),
    };
    open(Family::ChirpstackV4, &pattern, &frame)
}

fn up(payload: &str) -> Result<Opened<'_>, Rejection> {
    event("application/17c82e96/device/de20fdcb2f925c2c/event/up", payload)
}

fn reason(payload: &str) -> &'static str {
    up(payload).unwrap_err().reason().label()
}

#[test]
fn what_protobuf_leaves_out_is_zero_and_not_missing() {
    let opened = up(
        r#"{"deviceInfo":{"devEui":"de20fdcb2f925c2c"},"fPort":10,"data":"AA==","rxInfo":[{"rssi":-44}]}"#,
    )
    .unwrap();
    let identity = opened.identity.unwrap();
    assert_eq!((identity.f_port, identity.f_cnt), (10, 0));
    let snr = opened
        .envelope_readings
        .iter()
        .find(|o| o.measure.name() == "signal.snr")
        .unwrap();
    assert_eq!(snr.value, Some(Value::Number(0.0)));
}

#[test]
fn null_is_the_default_as_well() {
    let opened =
        up(r#"{"time":null,"deviceInfo":null,"fCnt":null,"fPort":null,"data":null,"rxInfo":null}"#).unwrap();
    assert_eq!(
        (&*opened.address, opened.body, opened.observed),
        (EUI, Body::None, None)
    );
}

#[test]
fn a_frame_of_mac_commands_only_is_alive_but_says_nothing() {
    let opened = up(r#"{"deviceInfo":{"devEui":"de20fdcb2f925c2c"},"fCnt":4}"#).unwrap();
    assert_eq!((opened.event, opened.body), (Event::Uplink, Body::None));
}

#[test]
fn the_topic_names_the_device_when_the_payload_does_not() {
    assert_eq!(up("{}").unwrap().address, EUI);
    assert_eq!(
        up(r#"{"deviceInfo":{"devEui":"DE20FDCB2F925C2C"}}"#)
            .unwrap()
            .address,
        EUI
    );
}

#[test]
fn nobody_speaks_for_another_device() {
    assert_eq!(
        reason(r#"{"deviceInfo":{"devEui":"0101010101010101"}}"#),
        "identity_conflict"
    );
}

#[test]
fn broken_envelopes_are_refused_by_their_own_reasons() {
    assert_eq!(reason("{"), "not_json");
    assert_eq!(reason(r#"{"fPort":"85"}"#), "wrong_type");
    assert_eq!(reason(r#"{"fPort":1,"data":"A*=="}"#), "bad_base64");
    assert_eq!(
        reason(&format!(r#"{{"fPort":1,"data":"{}"}}"#, "A".repeat(4000))),
        "too_large"
    );
    assert_eq!(
        reason(&format!(r#"{{"object":{}}}"#, "[".repeat(10_000))),
        "too_deep"
    );
    let odd = event("application/a/device/not-an-eui/event/up", "{}").unwrap_err();
    assert_eq!(odd.reason().label(), "wrong_type");
}

#[test]
fn a_battery_that_cannot_be_measured_is_not_empty() {
    let topic = "application/a/device/de20fdcb2f925c2c/event/status";
    let battery = |payload| {
        let opened = event(topic, payload).unwrap();
        opened
            .envelope_readings
            .into_iter()
            .find(|o| o.measure.name() == "device.battery")
            .map(|o| (o.value, o.quality))
    };
    assert_eq!(battery("{}"), Some((Some(Value::Number(0.0)), Quality::Good)));
    assert_eq!(
        battery(r#"{"batteryLevelUnavailable":true}"#),
        Some((None, Quality::Bad(Reason::SensorNoReading)))
    );
    assert_eq!(battery(r#"{"externalPowerSource":true}"#), None);
}

#[test]
fn log_lines_and_acknowledgements_are_ignored_unread() {
    for kind in ["log", "ack", "txack", "integration", "whatever"] {
        let topic = format!("application/a/device/de20fdcb2f925c2c/event/{kind}");
        assert_eq!(event(&topic, "not even json").unwrap().event, Event::Ignored);
    }
}

#[test]
fn a_location_is_read() {
    let payload = r#"{"deviceInfo":{"devEui":"de20fdcb2f925c2c"},"location":{"latitude":31.23,"longitude":121.47,"altitude":4}}"#;
    let opened = event("application/a/device/de20fdcb2f925c2c/event/location", payload).unwrap();
    let said: Vec<_> = opened
        .envelope_readings
        .iter()
        .map(|o| (o.measure.name(), o.value.clone()))
        .collect();
    assert_eq!(
        said,
        [
            ("location.lat", Some(Value::Number(31.23))),
            ("location.lon", Some(Value::Number(121.47)))
        ]
    );
}
