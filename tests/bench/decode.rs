//! `decode`: what one frame costs in the pure core, beside code written for that one device and nothing else.
//!
//! - TLV: a level sensor's uplink, its bytes alone and inside ChirpStack's event.
//! - JSON: a leak sensor behind Zigbee2MQTT, beside a parse of the same text into a tree.
//! - Registers: an answer of ten registers, beside an array of conversions.

use crate::report::{Report, median};
use base64::Engine as _;
use linli_decode::{
    Body, DeviceContext, Family, Frame, Memory, Observation, Profile, RegisterData, Wrapping,
};
use linli_domain::time::Timestamp;
use std::hint::black_box;
use std::time::Instant;

const FRAMES: u32 = 100_000;
const REPEATS: usize = 5;
const REGISTERS: u16 = 10;
const RECEIVED: Timestamp = Timestamp::from_millis(1_741_932_433_137);
/// Battery, temperature, distance, tilt.
const UPLINK: [u8; 14] = [
    0x01, 0x75, 0x5C, 0x03, 0x67, 0x01, 0x01, 0x04, 0x82, 0x44, 0x08, 0x05, 0x00, 0x01,
];

/// Nanoseconds of one call, the median of a few rounds.
fn ns_per_frame(mut frame: impl FnMut()) -> f64 {
    let round = |_| {
        let started = Instant::now();
        for _ in 0..FRAMES {
            frame();
        }
        started.elapsed().as_secs_f64() * 1e9 / f64::from(FRAMES)
    };
    median((0..REPEATS).map(round).collect())
}

fn profile(text: &str) -> Profile {
    Profile::parse(text, "bench").expect("a profile of the catalogue")
}

/// A message as it comes from the broker, opened and read as the pipeline does.
fn message(family: Family, topic: &str, payload: &[u8], profile: &Profile) -> f64 {
    let mut memory = Memory::default();
    let pattern = family
        .default_pattern()
        .expect("a family with a pattern")
        .parse()
        .expect("it is one");
    let (context, mut out) = (DeviceContext::default(), Vec::<Observation>::new());
    ns_per_frame(|| {
        let frame = Frame {
            topic: black_box(topic),
            payload: black_box(payload),
            retained: false,
            received: RECEIVED,
        };
        let wrapping = Wrapping {
            family,
            pattern: &pattern,
        };
        let opened = memory.open("main", &wrapping, &frame).expect("a message");
        profile
            .decode(&opened.body, &context, &mut out)
            .expect("the profile reads it");
        black_box(&out);
        out.clear();
    })
}

fn tlv(report: &mut Report) {
    let profile = profile(include_str!("../../config/profiles/milesight-em400-udl.toml"));
    let (context, mut out) = (DeviceContext::default(), Vec::<Observation>::new());
    let ours = ns_per_frame(|| {
        let body = Body::bytes(Some(85), black_box(&UPLINK));
        profile
            .decode(&body, &context, &mut out)
            .expect("the profile reads it");
        black_box(&out);
        out.clear();
    });
    let peer = ns_per_frame(|| {
        black_box(by_hand(black_box(&UPLINK)));
    });
    let by_hand = Some((peer, "a decoder written by hand for this device"));
    report.add("decode", "tlv_frame", ours, "ns", by_hand);

    let data = base64::engine::general_purpose::STANDARD.encode(UPLINK);
    let event = format!(
        r#"{{"deduplicationId":"7fa84759-bec4-4bbc-87be-403db0be40b9","time":"2025-03-14T06:07:13.137Z","deviceInfo":{{"devEui":"de20fdcb2f925c2c"}},"adr":true,"dr":5,"fCnt":101,"fPort":85,"data":"{data}","rxInfo":[{{"gatewayId":"0016c001f153a14c","rssi":-87,"snr":8.5,"crcStatus":"CRC_OK"}}],"txInfo":{{"frequency":867100000}}}}"#
    );
    let topic = "application/17c82e96-be03-4f38-aef3-f83d48582d97/device/de20fdcb2f925c2c/event/up";
    let ours = message(Family::ChirpstackV4, topic, event.as_bytes(), &profile);
    report.add("decode", "tlv_in_chirpstack_event", ours, "ns", parse(&event));
}

fn json(report: &mut Report) {
    let profile = profile(include_str!("../../config/profiles/aqara-sjcgq11lm.toml"));
    let text = r#"{"battery":100,"voltage":3045,"linkquality":112,"battery_low":false,"device_temperature":24,"power_outage_count":12,"trigger_count":0,"water_leak":false}"#;
    let ours = message(
        Family::Zigbee2mqtt,
        "zigbee2mqtt/flat45_bath",
        text.as_bytes(),
        &profile,
    );
    report.add("decode", "json_message", ours, "ns", parse(text));
}

fn registers(report: &mut Report) {
    let line = |n: u16| {
        format!(
            "[[modbus.registers]]\nfunction = 3\naddress = {n}\ntype = \"i16\"\nmeasure = \"temperature\"\n\
             instance = \"T{n}\"\nscale = 0.1\nrange = [-40, 85]\n"
        )
    };
    let lines: String = (0..REGISTERS).map(line).collect();
    let profile = profile(&format!(
        "id = \"bench.ten\"\ntitle = \"Ten temperatures\"\nversion = 1\n[modbus]\n{lines}\
         [[tests]]\nname = \"zero\"\nregisters = [{{ function = 3, start = 0, values = {:?} }}]\n\
         expect = [{{ measure = \"temperature\", instance = \"T0\", value = 0 }}]\n",
        [0; REGISTERS as usize]
    ));
    let map = profile.modbus().expect("it has registers");
    let read = &map.plan().reads[0];
    let words: Vec<u16> = (0..REGISTERS).map(|n| 200 + n).collect();
    let data = RegisterData::Words(words.clone());
    let (context, mut out) = (DeviceContext::default(), Vec::<Observation>::new());
    let ours = ns_per_frame(|| {
        map.decode(read, black_box(&data), &context, &mut out);
        black_box(&out);
        out.clear();
    });
    let peer = ns_per_frame(|| {
        let scaled = black_box(&words)
            .iter()
            .map(|word| f64::from(word.cast_signed()) / 10.0);
        black_box(scaled.collect::<Vec<f64>>());
    });
    report.add(
        "decode",
        "ten_registers",
        ours,
        "ns",
        Some((peer, "an array of conversions")),
    );
}

/// What it costs to parse a text into a tree and do nothing with it.
fn parse(text: &str) -> Option<(f64, &'static str)> {
    let peer = ns_per_frame(|| {
        let tree: serde_json::Value = serde_json::from_str(black_box(text)).expect("JSON");
        black_box(&tree);
    });
    Some((peer, "serde_json into a tree"))
}

/// The same frame by somebody who knows only this device.
fn by_hand(bytes: &[u8]) -> (Option<u8>, Option<f64>, Option<u16>, Option<bool>) {
    let (mut battery, mut temperature, mut distance, mut tilted) = (None, None, None, None);
    let mut rest = bytes;
    loop {
        rest = match rest {
            [0x01, 0x75, level, rest @ ..] => {
                battery = Some(*level);
                rest
            }
            [0x03, 0x67, low, high, rest @ ..] => {
                temperature = Some(f64::from(i16::from_le_bytes([*low, *high])) / 10.0);
                rest
            }
            [0x04, 0x82, low, high, rest @ ..] => {
                distance = Some(u16::from_le_bytes([*low, *high]));
                rest
            }
            [0x05, 0x00, state, rest @ ..] => {
                tilted = Some(*state != 0);
                rest
            }
            _ => return (battery, temperature, distance, tilted),
        };
    }
}

/// Runs the scenario.
pub(crate) fn run(report: &mut Report) {
    tlv(report);
    json(report);
    registers(report);
}
