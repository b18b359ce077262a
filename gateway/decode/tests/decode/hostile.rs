//! Whatever arrives, the decoder answers: no input may stop it.

use crate::harness::{self, Message};
use crate::{catalogue, fixtures};
use linli_decode::{Body, Catalogue, DeviceContext, Family, Frame, RegisterData, TopicPattern, open};
use linli_domain::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(catalogue::load);
static FILES: LazyLock<Vec<(String, String)>> = LazyLock::new(catalogue::files);

/// Topic and payload of every fixture, whatever its family.
static MESSAGES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(fixtures::messages);

/// The same messages in their families and in the order they are told.
static SEQUENCE: LazyLock<Vec<Message>> = LazyLock::new(|| fixtures::sequences().concat());

/// One message, heard as every family in turn.
fn try_all(topic: &str, payload: &[u8]) {
    for family in Family::ALL {
        let message = Message {
            family,
            retained: false,
            topic: topic.to_owned(),
            payload: payload.to_vec(),
        };
        harness::messages(&[message], &CATALOGUE);
    }
}

/// JSON of any shape, with the members profiles look for among its keys.
fn any_json() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("fill".to_owned()),
        Just("ts".to_owned()),
        Just("water_leak".to_owned()),
        Just("data".to_owned()),
        Just("rxInfo".to_owned()),
        Just("deviceInfo".to_owned()),
        Just("devEui".to_owned()),
        Just("state".to_owned()),
        "[a-z~/]{0,4}",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "-?[0-9]{1,4}e-?[0-9]{1,4}",
        "[ -~]{0,12}".prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|list| format!("[{}]", list.join(","))),
            vec((key.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(k, v)| format!("{}:{v}", serde_json::to_string(&k).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A message of the fixtures in its own family, now and then with bytes that are not its own.
fn mutated_message() -> impl Strategy<Value = Message> {
    let edit = (any::<prop::sample::Index>(), any::<u8>());
    let which = any::<prop::sample::Index>();
    (which, any::<bool>(), vec(edit, 0..3)).prop_map(|(which, retained, edits)| {
        let mut message = which.get(&SEQUENCE).clone();
        message.retained = retained;
        for (at, byte) in edits {
            let at = at.index(message.payload.len().max(1));
            if let Some(place) = message.payload.get_mut(at) {
                *place = byte;
            }
        }
        message
    })
}

/// A fixture's topic, and its payload with some bytes replaced, removed or added.
fn mutated_fixture() -> impl Strategy<Value = (String, Vec<u8>)> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..3u8);
    (any::<prop::sample::Index>(), vec(edit, 1..6)).prop_map(|(which, edits)| {
        let (topic, mut bytes) = which.get(&MESSAGES).clone();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        (topic, bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_on_any_topic(topic in "(application|zigbee2mqtt)?(/[a-z0-9{}+#]{0,8}){0,6}", payload in vec(any::<u8>(), 0..300)) {
        try_all(&topic, &payload);
    }

    #[test]
    fn any_json_on_a_good_topic(json in any_json()) {
        try_all("application/a/device/de20fdcb2f925c2c/event/up", json.as_bytes());
        try_all("application/a/device/de20fdcb2f925c2c/event/status", json.as_bytes());
        try_all("zigbee2mqtt/a/b", json.as_bytes());
        try_all("zigbee2mqtt/a/availability", json.as_bytes());
    }

    #[test]
    fn mutated_fixtures((topic, payload) in mutated_fixture()) {
        try_all(&topic, &payload);
    }

    #[test]
    fn any_application_payload(f_port in any::<Option<u8>>(), bytes in vec(any::<u8>(), 0..64)) {
        for profile in CATALOGUE.iter() {
            harness::read(&Body::bytes(f_port, &bytes), profile);
        }
    }

    #[test]
    fn any_answer_to_any_request(index in 0usize..8, words in vec(any::<u16>(), 0..130), bits in vec(any::<bool>(), 0..40)) {
        for map in CATALOGUE.iter().filter_map(|profile| profile.modbus()) {
            for read in map.plan().reads.iter().skip(index).take(1) {
                let mut out = Vec::new();
                map.decode(read, &RegisterData::Words(words.clone()), &DeviceContext::default(), &mut out);
                map.decode(read, &RegisterData::Bits(bits.clone()), &DeviceContext::default(), &mut out);
            }
        }
    }

    #[test]
    fn any_text_as_a_profile(text in "[ -~\n]{0,200}", keys in "((id|title|version|bytes|json|modbus|tests|roles)( = |\\.)?[\\[\\]{}\"a-z0-9 ,=.]{0,20}\n){0,8}") {
        harness::profile(&text);
        harness::profile(&keys);
    }

    #[test]
    fn any_sequence_of_messages_on_one_connection(sequence in vec(mutated_message(), 0..24)) {
        let mut bytes = Vec::new();
        for message in &sequence {
            message.encode(&mut bytes);
        }
        harness::messages(&harness::sequence(&bytes), &CATALOGUE);
    }

    #[test]
    fn any_bytes_as_a_sequence_and_as_a_case(bytes in vec(any::<u8>(), 0..600), json in any_json()) {
        harness::messages(&harness::sequence(&bytes), &CATALOGUE);
        harness::case(&bytes, &CATALOGUE);
        harness::case(json.as_bytes(), &CATALOGUE);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mutated_profiles(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), cut in 0usize..40, put in "[ -~]{0,6}") {
        let text = &which.get(&FILES).1;
        let mut start = at.index(text.len());
        while !text.is_char_boundary(start) { start -= 1; }
        let mut end = (start + cut).min(text.len());
        while !text.is_char_boundary(end) { end += 1; }
        let changed = format!("{}{put}{}", &text[..start], &text[end..]);
        harness::profile(&changed);
    }
}

#[test]
fn a_tower_of_brackets_is_refused_by_every_family_and_profile() {
    for tower in ["[".repeat(10_000), "{\"fill\":".repeat(10_000)] {
        try_all("application/a/device/de20fdcb2f925c2c/event/up", tower.as_bytes());
        let uplink = format!("{{\"object\":{tower}");
        let refused = Family::ChirpstackV4
            .default_pattern()
            .unwrap()
            .parse::<TopicPattern>()
            .map(|pattern| {
                let frame = Frame {
                    topic: "application/a/device/de20fdcb2f925c2c/event/up",
                    payload: uplink.as_bytes(),
                    retained: false,
                    received: Timestamp::from_millis(0),
                };
                open(Family::ChirpstackV4, &pattern, &frame)
                    .unwrap_err()
                    .reason()
                    .label()
            });
        assert_eq!(refused.unwrap(), "too_deep");
    }
}

#[test]
fn numbers_beyond_measure_are_refused_and_nothing_is_kept() {
    let profile = CATALOGUE
        .iter()
        .find(|p| p.id().as_str() == "generic.json-bin")
        .unwrap();
    for (value, reason) in [
        ("NaN", "not_json"),
        ("Infinity", "not_json"),
        ("1e999", "not_json"),
        ("-1e999", "not_json"),
    ] {
        let json = format!(r#"{{"temp":21.5,"fill":{value}}}"#);
        let mut out = Vec::new();
        let refusal = profile
            .decode(
                &Body::message(json.as_bytes()),
                &DeviceContext::default(),
                &mut out,
            )
            .unwrap_err();
        assert_eq!((refusal.reason().label(), out.len()), (reason, 0), "{value}");
    }
}

/// Starting points for the fuzz targets: `cargo test -p linli-decode --test decode -- --ignored seeds` fills
/// `tests/fuzz/corpus`.
#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn seeds() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let write = |target: &str, n: usize, bytes: &[u8]| {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("seed-{n}")), bytes).unwrap();
    };
    for (n, sequence) in fixtures::sequences().iter().enumerate() {
        let mut bytes = Vec::new();
        for message in sequence {
            message.encode(&mut bytes);
        }
        write("messages", n, &bytes);
    }
    for (n, (_, text)) in FILES.iter().enumerate() {
        write("profile", n, text.as_bytes());
    }
    for (n, text) in fixtures::texts().iter().enumerate() {
        write("case", n, text);
    }
    for (n, frame) in fixtures::failure_frames().iter().enumerate() {
        // Read as RTU, as TCP, and followed by silence.
        for (m, kind) in [0, 0x80].into_iter().enumerate() {
            let head = [m as u8, 1, kind, frame.len() as u8];
            write("replies", 2 * n + m, &[&head[..], frame].concat());
        }
    }
}
