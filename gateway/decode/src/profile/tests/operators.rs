//! Each operator of the byte language at its edges.

use super::{decode, numbers, profile, refused_with};
use crate::{Body, DeviceContext, Observation, Profile, Wiring};
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::time::Timestamp;

fn said(profile: &Profile, bytes: &[u8]) -> Result<Vec<String>, &'static str> {
    decode(profile, bytes, DeviceContext::default()).map(|out| out.iter().map(show).collect())
}

fn show(o: &Observation) -> String {
    let value = match &o.value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::State(state)) => state.to_string(),
        Some(Value::Text(text)) => text.to_string(),
        None => "none".to_owned(),
    };
    let time = o
        .observed
        .map(|t| format!(" at {}", t.as_millis() / 1000))
        .unwrap_or_default();
    let stored = if o.historical { " stored" } else { "" };
    format!("{} {value}{time}{stored}", o.measure)
}

#[test]
fn bits_run_on_from_byte_to_byte_and_may_be_looked_at_from_the_end() {
    let stream = profile(
        r#"[bytes]
        fields = [
            { bits = "@kind", width = 2, at = -2 },
            { bits = "device.battery", width = 6, scale = 2, missing = [63] },
            { bits = "temperature", width = 9, signed = true },
            { skip_bits = 7 },
            { skip_bits = 2 },
            { from = "@kind", measure = "leak.count" },
        ]"#,
    );
    // 110000 111111110 0000000 00 … with 01 at the end.
    assert_eq!(
        numbers(&stream, &[0b1100_0011, 0b1111_1100, 0b0000_0001]),
        [96.0, -2.0, 1.0]
    );
    assert_eq!(said(&stream, &[0xFF, 0, 0]).unwrap()[0], "device.battery none");
    assert_eq!(said(&stream, &[0xFF, 0]), Err("truncated"));
    assert_eq!(said(&stream, &[]), Err("truncated"));
}

#[test]
fn bits_fill_whole_bytes() {
    for fields in [
        r#"{ bits = "temperature", width = 7 }"#,
        r#"{ bits = "temperature", width = 7 }, { u8 = "humidity" }, { skip_bits = 1 }"#,
        r#"{ optional = [{ bits = "temperature", width = 3 }] }"#,
    ] {
        refused_with(
            &format!("[bytes]\nfields = [{fields}]"),
            &["do not end with a byte", "skip_bits"],
        );
    }
    refused_with(
        "[bytes]\nfields = [{ bits = \"temperature\", width = 65 }]",
        &["out of range", "1 to 64"],
    );
}

#[test]
fn presence_flags_bring_their_groups_in_the_order_of_the_bits() {
    let groups = profile(
        r#"[bytes]
        fields = [{ u8 = "@g" }, { flags = "@g", groups = {
            3 = [{ u8 = "humidity" }], 0 = [{ u16 = "temperature" }],
        } }]"#,
    );
    assert_eq!(
        said(&groups, &[0b1001, 0, 21, 60]).unwrap(),
        ["temperature 21", "humidity 60"]
    );
    assert_eq!(said(&groups, &[0]).unwrap(), Vec::<String>::new());
    assert_eq!(said(&groups, &[0b0101, 0, 21]), Err("unknown_case"));
    refused_with(
        "[bytes]\nfields = [{ u8 = \"@g\" }, { flags = \"@g\", groups = { 64 = [] } }]",
        &["is not a bit", "0 to 63"],
    );
}

#[test]
fn records_share_a_time_and_repeat_until_the_end() {
    let log = profile(
        r#"[bytes]
        fields = [{ repeat = [{ historical = true, record = [
            { u8 = "leak.wet" }, { u8 = "leak.count" }, { time = "u32", format = "unix_s" },
        ] }] }]"#,
    );
    let frame = [1, 5, 0x63, 0xF0, 0xA5, 0xD0, 0, 6, 0x63, 0xF0, 0xA6, 0xD0];
    assert_eq!(
        said(&log, &frame).unwrap(),
        [
            "leak.wet true at 1676715472 stored",
            "leak.count 5 at 1676715472 stored",
            "leak.wet false at 1676715728 stored",
            "leak.count 6 at 1676715728 stored"
        ]
    );
    assert_eq!(said(&log, &frame[..11]), Err("truncated"));
    // Two records of one second: the last wins, as within a frame.
    let twice = [1, 5, 0x63, 0xF0, 0xA5, 0xD0, 0, 6, 0x63, 0xF0, 0xA5, 0xD0];
    assert_eq!(
        said(&log, &twice).unwrap(),
        [
            "leak.wet false at 1676715472 stored",
            "leak.count 6 at 1676715472 stored"
        ]
    );
}

#[test]
fn a_repeat_counts_or_follows_a_count_and_never_spins() {
    let fixed = profile(
        "[bytes]\ntrailing = \"ignore\"\nfields = [{ repeat = [{ u8 = \"temperature\" }], count = 2 }]",
    );
    assert_eq!(said(&fixed, &[1, 2, 3]).unwrap(), ["temperature 2"]);
    assert_eq!(said(&fixed, &[1]), Err("truncated"));
    let counted = profile(
        "[bytes]\nfields = [{ u8 = \"@n\" }, { repeat = [{ u8 = \"temperature\" }], count = \"@n\" }]",
    );
    assert_eq!(said(&counted, &[2, 8, 9]).unwrap(), ["temperature 9"]);
    assert_eq!(said(&counted, &[0]).unwrap(), Vec::<String>::new());
    let idle = profile(
        "[bytes]\ntrailing = \"ignore\"\nfields = [{ repeat = [{ const = true, measure = \"leak.wet\" }] }]",
    );
    assert_eq!(said(&idle, &[1, 2, 3]).unwrap(), ["leak.wet true"]);
}

#[test]
fn more_values_than_a_device_has_reason_to_send_are_refused() {
    // Sixty values in every byte.
    let values: Vec<String> = (0..60)
        .map(|n| format!("{{ const = {n}, measure = \"temperature\", instance = \"T{n}\" }}"))
        .collect();
    let flood = profile(&format!(
        "[bytes]\nfields = [{{ repeat = [{{ record = [{{ time = \"u8\", format = \"unix_s\" }}, {}] }}] }}]",
        values.join(", ")
    ));
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(
        decode(&flood, &bytes[..17], DeviceContext::default()).map(|out| out.len()),
        Ok(1020)
    );
    assert_eq!(decode(&flood, &bytes, DeviceContext::default()), Err("too_many"));
}

#[test]
fn a_tlv_with_lengths_passes_over_what_it_does_not_know() {
    let tlv = |unknown: &str| {
        profile(&format!(
            "[bytes.tlv]\ntag_bytes = 1\nlength = \"u8\"\n{unknown}\ncases = {{ \"01\" = [{{ u8 = \"temperature\" }}] }}"
        ))
    };
    let skip = tlv("unknown = \"skip\"");
    assert_eq!(said(&skip, &[7, 2, 0, 0, 1, 1, 21]).unwrap(), ["temperature 21"]);
    assert_eq!(said(&skip, &[1, 2, 21, 0]), Err("trailing_bytes"));
    assert_eq!(said(&skip, &[1, 9, 21]), Err("truncated"));
    let stop = tlv("");
    assert_eq!(said(&stop, &[1, 1, 21, 7, 1, 0]).unwrap(), ["temperature 21"]);
    assert_eq!(said(&stop, &[7, 1, 0, 1, 1, 21]), Err("unknown_tag"));
    refused_with(
        "[bytes.tlv]\ntag_bytes = 1\nunknown = \"skip\"\ncases = { \"01\" = [] }",
        &["nobody knows how long", "`length`"],
    );
}

#[test]
fn what_follows_may_depend_on_what_was_read() {
    let mode = profile(
        r#"[bytes]
        fields = [
            { u8 = "@mode" },
            { when = "@mode", is = [1, 2], fields = [{ u8 = "temperature" }] },
            { when = "@mode", bit = 7, fields = [{ u8 = "humidity" }] },
            { switch = { on = "remaining", cases = { 0 = [], 1 = [{ u8 = "leak.count" }] } } },
        ]"#,
    );
    assert_eq!(said(&mode, &[1, 21]).unwrap(), ["temperature 21"]);
    assert_eq!(
        said(&mode, &[0x80, 60, 4]).unwrap(),
        ["humidity 60", "leak.count 4"]
    );
    assert_eq!(said(&mode, &[0, 1, 2, 3]), Err("unknown_case"));
}

#[test]
fn sums_constants_and_absences_are_said() {
    let meter = profile(
        r#"[bytes]
        fields = [
            { expect = "AA 55" },
            { u16 = "@whole" }, { f32 = "@part" }, { i8 = "@below" },
            { sum = [{ of = "@whole", scale = 10 }, "@part", "@below"], measure = "water.volume", unit = "l" },
            { from = "@below", measure = "temperature" },
            { const = true, measure = "device.fault" },
            { no_value = "humidity" },
        ]"#,
    );
    let mut frame = vec![0xAA, 0x55, 0, 12];
    frame.extend(0.5f32.to_be_bytes());
    frame.push(0xFF);
    assert_eq!(
        said(&meter, &frame).unwrap(),
        [
            "water.volume 0.1195",
            "temperature -1",
            "device.fault true",
            "humidity none"
        ]
    );
    frame[0] = 0xAB;
    assert_eq!(said(&meter, &frame), Err("unexpected_bytes"));
    refused_with("[bytes]\nfields = [{ expect = \"A\" }]", &["not hexadecimal"]);
    refused_with(
        "[bytes]\nfields = [{ u8 = \"@a\" }, { sum = [\"@a\"], measure = \"humidity\" }]",
        &["2 to 8 terms"],
    );
}

#[test]
fn a_number_may_be_a_state_and_a_state_may_be_the_other_way_round() {
    let signal = profile(
        r#"[bytes]
        fields = [{ u8 = "leak.wet", at_least = 10 }, { u8 = "device.battery_low", bit = 5, invert = true }, { f32 = "door.open", at_least = 0.5 }]"#,
    );
    let read = |wet: u8, flags: u8, open: f32| {
        let mut frame = vec![wet, flags];
        frame.extend(open.to_be_bytes());
        said(&signal, &frame).unwrap()
    };
    assert_eq!(
        read(10, 0x20, 0.7),
        ["leak.wet true", "device.battery_low false", "door.open true"]
    );
    assert_eq!(
        read(9, 0, f32::NAN),
        ["leak.wet false", "device.battery_low true", "door.open none"]
    );
    refused_with(
        "[bytes]\nfields = [{ u8 = \"temperature\", at_least = 1 }]",
        &["`at_least`", "for a state"],
    );
    refused_with(
        "[bytes]\nfields = [{ u8 = \"temperature\", invert = true }]",
        &["only a state"],
    );
}

#[test]
fn a_time_of_the_frame_is_that_of_its_values_and_a_senseless_one_makes_them_uncertain() {
    let timed =
        profile("[bytes]\nfields = [{ u8 = \"temperature\" }, { time = \"u32\", format = \"seconds_ago\" }]");
    let context = DeviceContext {
        received: Timestamp::from_millis(1_000_000_000),
        ..DeviceContext::default()
    };
    let out = decode(&timed, &[21, 0, 0, 0, 60], context).unwrap();
    assert_eq!(out[0].observed, Some(Timestamp::from_millis(999_940_000)));
    let float =
        profile("[bytes]\nfields = [{ u8 = \"temperature\" }, { time = \"f32\", format = \"unix_s\" }]");
    let mut frame = vec![21];
    frame.extend(f32::INFINITY.to_be_bytes());
    let out = decode(&float, &frame, DeviceContext::default()).unwrap();
    assert_eq!(
        (out[0].observed, out[0].quality),
        (None, Quality::Uncertain(Reason::ClockInvalid))
    );
    refused_with(
        "[bytes]\nfields = [{ time = \"u32\", format = \"rfc3339\" }]",
        &["holds no text", "unix_s"],
    );
}

#[test]
fn the_installation_may_rewire_a_value() {
    let module = profile(
        "[bytes]\nfields = [{ u8 = \"input.state\", instance = \"DI1\" }, { u8 = \"input.state\", instance = \"DI2\" }]",
    );
    let input = "input.state".parse().unwrap();
    let context = DeviceContext {
        wiring: vec![
            Wiring {
                measure: input,
                instance: Some("DI1".into()),
                becomes: Some("leak.wet".parse().unwrap()),
                invert: true,
            },
            Wiring {
                measure: input,
                instance: None,
                // Of another unit, so it stays what it is.
                becomes: Some("temperature".parse().unwrap()),
                invert: false,
            },
        ]
        .into(),
        ..DeviceContext::default()
    };
    let out = decode(&module, &[0, 1], context).unwrap();
    assert_eq!(
        out.iter().map(show).collect::<Vec<_>>(),
        ["leak.wet true", "input.state true"]
    );
}

#[test]
fn every_step_of_a_decode_can_be_seen() {
    let tlv = profile(
        "[bytes]\nendian = \"little\"\n[bytes.tlv]\ntag_bytes = 1\ncases = { \"01\" = [{ u16 = \"temperature\", scale = 0.1 }] }",
    );
    let mut out = Vec::new();
    let (trace, result) = tlv.explain(
        &Body::bytes(Some(1), &[1, 0xD7, 0, 9]),
        &DeviceContext::default(),
        &mut out,
    );
    assert!(result.is_ok());
    let steps: Vec<_> = trace
        .steps
        .iter()
        .map(|s| format!("{}: {} {} {:?}", s.place, s.raw, s.what, s.meant.len()))
        .collect();
    assert_eq!(
        steps,
        ["byte 0: 01 tag 0", "bytes 1-2: d7 00 u16 1", "byte 3: 09 tag 0"]
    );
    let (trace, result) = tlv.explain(
        &Body::bytes(None, &[1, 0xD7]),
        &DeviceContext::default(),
        &mut out,
    );
    assert!(
        result.is_err() && trace.steps.len() == 1,
        "a refused message is explained as far as it was read"
    );
}
