//! Births, data by number, gaps, deaths and what is asked for.

use super::*;
use crate::memory::Memory;
use crate::{DeviceContext, Family, Profile, TopicPattern, Wrapping};

/// A payload by hand: timestamp 1000, `seq`, and metrics.
fn payload(seq: Option<u8>, metrics: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0x08, 0xE8, 0x07];
    for metric in metrics {
        bytes.extend([0x12, metric.len() as u8]);
        bytes.extend(metric);
    }
    bytes.extend(seq.map(|seq| [0x18, seq & 0x7F]).into_iter().flatten());
    bytes
}

/// A metric with name, number, Int32 value.
fn metric(name: Option<&str>, alias: Option<u8>, value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(name) = name {
        bytes.extend([0x0A, name.len() as u8]);
        bytes.extend(name.as_bytes());
        bytes.extend([0x20, 3]);
    }
    bytes.extend(alias.map(|alias| [0x10, alias]).into_iter().flatten());
    bytes.extend([0x50, value]);
    bytes
}

struct Host {
    memory: Memory,
    pattern: TopicPattern,
    now: i64,
}

impl Host {
    fn new() -> Self {
        Self {
            memory: Memory::default(),
            pattern: "spBv1.0/{device...}".parse().unwrap(),
            now: 1_000_000,
        }
    }

    /// What a message says: who, event, values, what is asked, what is wrong, and about whom else.
    fn hear(&mut self, topic: &str, payload: &[u8]) -> String {
        let wrapping = Wrapping {
            family: Family::SparkplugB,
            pattern: &self.pattern,
        };
        let topic = format!("spBv1.0/{topic}");
        let frame = Frame {
            topic: &topic,
            payload,
            retained: false,
            received: Timestamp::from_millis(self.now),
        };
        let opened = match self.memory.open("plc", &wrapping, &frame) {
            Ok(opened) => opened,
            Err(refusal) => return format!("refused: {}", refusal.reason()),
        };
        let mut said = format!("{} {:?}", opened.address, opened.event);
        if let Body::Named(values) = &opened.body {
            for value in values {
                said += &format!(" {}={:?}", value.name, value.value);
            }
        }
        if !opened.requests.is_empty() {
            said += " asks";
        }
        if let Some(fault) = &opened.fault {
            said += &format!(" but {}", fault.reason());
        }
        for other in &opened.others {
            said += &format!("; {} {:?}", other.address, other.event);
        }
        said
    }

    fn birth(&mut self) {
        self.hear("e/NBIRTH/n", &payload(Some(0), &[metric(Some("bdSeq"), None, 4)]));
        self.hear(
            "e/DBIRTH/n/d",
            &payload(Some(1), &[metric(Some("wet"), Some(9), 0)]),
        );
    }
}

#[test]
fn data_are_read_by_the_numbers_of_their_birth() {
    let mut host = Host::new();
    assert_eq!(
        host.hear("e/NBIRTH/n", &payload(Some(0), &[metric(Some("bdSeq"), None, 4)])),
        "e/n Uplink bdSeq=Int(4)"
    );
    assert_eq!(
        host.hear(
            "e/DBIRTH/n/d",
            &payload(Some(1), &[metric(Some("wet"), Some(9), 0)])
        ),
        "e/n/d Uplink wet=Int(0)"
    );
    assert_eq!(
        host.hear("e/DDATA/n/d", &payload(Some(2), &[metric(None, Some(9), 1)])),
        "e/n/d Uplink wet=Int(1)"
    );
}

#[test]
fn a_number_without_a_birth_asks_for_one_and_the_rest_is_read() {
    let mut host = Host::new();
    host.birth();
    let metrics = [metric(None, Some(9), 1), metric(None, Some(8), 1)];
    assert_eq!(
        host.hear("e/DDATA/n/d", &payload(Some(2), &metrics)),
        "e/n/d Uplink wet=Int(1) asks but unknown_alias"
    );
    assert_eq!(
        host.hear("e/DDATA/n/d", &payload(Some(3), &metrics)),
        "e/n/d Uplink wet=Int(1) but unknown_alias",
        "it is asked once in a while, not at every message"
    );
    host.now += 30_000;
    assert!(
        host.hear("e/DDATA/n/d", &payload(Some(4), &metrics))
            .contains("asks")
    );
}

#[test]
fn whoever_was_missed_is_asked_to_announce_itself() {
    let mut host = Host::new();
    assert_eq!(
        host.hear("e/DDATA/n/d", &payload(Some(2), &[metric(None, Some(9), 1)])),
        "e/n/d Uplink asks but unknown_alias"
    );
    let mut late = Host::new();
    assert_eq!(
        late.hear(
            "e/DBIRTH/n/d",
            &payload(Some(1), &[metric(Some("wet"), Some(9), 1)])
        ),
        "e/n/d Uplink wet=Int(1) asks"
    );
}

#[test]
fn a_gap_in_the_sequence_asks_for_births_and_255_is_followed_by_0() {
    let mut host = Host::new();
    host.birth();
    let wet = [metric(None, Some(9), 1)];
    assert!(host.hear("e/DDATA/n/d", &payload(Some(5), &wet)).contains("asks"));
    host.now += 60_000;
    assert!(!host.hear("e/DDATA/n/d", &payload(Some(6), &wet)).contains("asks"));
    let mut node = Node::default();
    assert!(node.follows(Some(255)) && node.follows(Some(0)) && !node.follows(Some(2)) && node.follows(None));
}

#[test]
fn a_death_ends_the_life_it_names_and_all_that_hang_on_it() {
    let mut host = Host::new();
    host.birth();
    let death = |life| payload(None, &[metric(Some("bdSeq"), None, life)]);
    assert_eq!(
        host.hear("e/NDEATH/n", &death(3)),
        "e/n Ignored",
        "the will of an older connection"
    );
    assert_eq!(
        host.hear("e/NDEATH/n", &death(4)),
        "e/n Availability(false); e/n/d Availability(false)"
    );
    assert_eq!(
        host.hear("e/DDEATH/n/d", &payload(Some(9), &[])),
        "e/n/d Availability(false)"
    );
    assert!(
        host.hear("e/DDATA/n/d", &payload(Some(10), &[metric(None, Some(9), 1)]))
            .contains("asks")
    );
}

#[test]
fn births_survive_a_restart_and_a_failed_batch_forgets_them() {
    let mut host = Host::new();
    host.birth();
    let stored = host.memory.changes();
    assert_eq!(stored.len(), 1);
    host.memory.commit();
    host.hear("e/DDATA/n/d", &payload(Some(2), &[metric(None, Some(9), 1)]));
    assert!(
        host.memory.changes().is_empty(),
        "a running number is not worth storing"
    );
    let (memory, unreadable) = Memory::load(
        stored
            .into_iter()
            .filter_map(|(name, bytes)| Some((name, bytes?))),
    );
    assert_eq!(unreadable, 0);
    let mut after = Host {
        memory,
        ..Host::new()
    };
    assert_eq!(
        after.hear("e/DDATA/n/d", &payload(Some(77), &[metric(None, Some(9), 1)])),
        "e/n/d Uplink wet=Int(1)"
    );
    let mut failed = Host::new();
    failed.birth();
    failed.memory.rollback();
    assert!(
        failed
            .hear("e/DDATA/n/d", &payload(Some(2), &[metric(None, Some(9), 1)]))
            .contains("unknown_alias")
    );
}

#[test]
fn commands_states_and_odd_topics_say_nothing() {
    let mut host = Host::new();
    assert_eq!(host.hear("e/NCMD/n", b"\xFF"), "e/n Ignored");
    assert_eq!(host.hear("STATE/scada", b"ONLINE"), "STATE/scada Ignored");
    assert_eq!(host.hear("e/NBIRTH/n/d", b"\xFF"), "e/n/d Ignored");
    assert_eq!(host.hear("e/NDATA/n", b"\xFF"), "refused: bad_protobuf");
}

#[test]
fn nodes_and_devices_are_bounded() {
    let mut host = Host::new();
    for n in 0..1024 {
        host.hear(&format!("e/NDATA/n{n}"), &payload(None, &[]));
    }
    assert_eq!(
        host.hear("e/NDATA/more", &payload(None, &[])),
        "refused: too_many"
    );
    let mut host = Host::new();
    for n in 0..256 {
        host.hear(&format!("e/DBIRTH/n/d{n}"), &payload(None, &[]));
    }
    assert_eq!(
        host.hear("e/DBIRTH/n/more", &payload(None, &[])),
        "refused: too_many"
    );
}

#[test]
fn bad_and_stale_values_are_told_from_good_ones() {
    let quality = |code: &[u8]| {
        let mut property = vec![0x0A, 7];
        property.extend(b"Quality");
        property.extend([0x12, 1 + code.len() as u8, 0x18]);
        property.extend(code);
        let mut with = metric(Some("wet"), None, 1);
        with.extend([0x4A, property.len() as u8]);
        with.extend(property);
        with
    };
    let mut host = Host::new();
    host.birth();
    let bad = payload(Some(2), &[quality(&[0])]);
    assert!(host.hear("e/DDATA/n/d", &bad).contains("wet=Null"));
    let profile = Profile::parse(
        "id = \"a.b\"\ntitle = \"A\"\nversion = 1\n[named]\nvalues = [{ name = \"wet\", measure = \"leak.wet\" }]",
        "a.toml",
    )
    .unwrap();
    let stale = payload(Some(3), &[quality(&[0xF4, 0x03])]);
    let wrapping = Wrapping {
        family: Family::SparkplugB,
        pattern: &host.pattern,
    };
    let frame = Frame {
        topic: "spBv1.0/e/DDATA/n/d",
        payload: &stale,
        retained: false,
        received: Timestamp::from_millis(0),
    };
    let opened = host.memory.open("plc", &wrapping, &frame).unwrap();
    let mut out = Vec::new();
    profile
        .decode(&opened.body, &DeviceContext::default(), &mut out)
        .unwrap();
    assert_eq!(
        out[0].quality,
        linli_domain::reading::Quality::Uncertain(Reason::Stale)
    );
}
