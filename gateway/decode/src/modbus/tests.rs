//! Plans that read no gap, answers that are not what was asked for, and values that depend on each other.

use super::Learned;
use crate::{DeviceContext, Observation, Profile, RegisterData, RegisterMap, RegisterRequest};
use linli_domain::reading::{Quality, Reason, Value};
use proptest::collection::vec;
use proptest::prelude::*;

pub(super) fn parse(modbus: &str) -> Result<Profile, Vec<String>> {
    let text = format!("id = \"a.b\"\ntitle = \"A\"\nversion = 1\n[modbus]\n{modbus}");
    Profile::parse(&text, "a.toml").map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

pub(super) fn map(modbus: &str) -> RegisterMap {
    parse(modbus)
        .unwrap_or_else(|e| panic!("{e:#?}"))
        .modbus()
        .expect("a register map")
        .clone()
}

pub(super) fn planned(map: &RegisterMap, learned: &Learned) -> Vec<(u8, u16, u16)> {
    let short = |request: &RegisterRequest| (request.function, request.start, request.count);
    map.plan_for(learned)
        .reads
        .iter()
        .map(|read| short(&read.request))
        .collect()
}

fn requests(modbus: &str) -> Vec<(u8, u16, u16)> {
    planned(&map(modbus), &Learned::default())
}

fn words(map: &RegisterMap, words: &[u16]) -> Vec<Observation> {
    answer(map, 0, RegisterData::Words(words.to_vec()))
}

fn answer(map: &RegisterMap, read: usize, data: RegisterData) -> Vec<Observation> {
    let mut out = Vec::new();
    map.decode(
        &map.plan().reads[read],
        &data,
        &DeviceContext::default(),
        &mut out,
    );
    out
}

/// `count` registers of type u16 from `start`, in a list.
pub(super) fn run_of(start: u16, count: u16) -> String {
    let registers = (start..start + count).map(|address| {
        format!("{{ function = 4, address = {address}, type = \"u16\", measure = \"temperature\", instance = \"T{address}\" }}")
    });
    registers.collect::<Vec<_>>().join(", ")
}

#[test]
fn registers_that_touch_share_a_request_and_a_gap_is_never_read() {
    let two_runs = format!("registers = [{}, {}]", run_of(10, 3), run_of(20, 2));
    assert_eq!(requests(&two_runs), [(4, 10, 3), (4, 20, 2)]);
    let mixed = r#"registers = [
        { function = 3, address = 2, type = "u16", measure = "humidity" },
        { function = 3, address = 0, type = "f32", measure = "temperature" },
        { function = 4, address = 3, type = "u16", measure = "pressure" },
    ]"#;
    assert_eq!(requests(mixed), [(3, 0, 3), (4, 3, 1)]);
}

#[test]
fn bits_of_one_register_cost_one_register() {
    let flags = r#"registers = [
        { function = 3, address = 5, type = "bit", bit = 0, measure = "leak.wet" },
        { function = 3, address = 5, type = "bit", bit = 3, measure = "leak.cable_fault" },
        { function = 3, address = 5, type = "u16", mask = 0x0F00, measure = "leak.count" },
    ]"#;
    assert_eq!(requests(flags), [(3, 5, 1)]);
    let values: Vec<_> = words(&map(flags), &[0x0708])
        .into_iter()
        .filter_map(|o| o.value)
        .collect();
    assert_eq!(
        values,
        [Value::State(false), Value::State(true), Value::Number(7.0)]
    );
}

#[test]
fn a_request_stays_within_the_limit_and_splits_no_value() {
    assert_eq!(
        requests(&format!("registers = [{}]", run_of(0, 130))),
        [(4, 0, 125), (4, 125, 5)]
    );
    let wide = r#"max_registers = 3
    registers = [
        { function = 4, address = 0, type = "u32", measure = "temperature" },
        { function = 4, address = 2, type = "u32", measure = "humidity" },
    ]"#;
    assert_eq!(requests(wide), [(4, 0, 2), (4, 2, 2)]);
    let coils: Vec<_> = (0..1000)
        .map(|n| format!("{{ function = 1, address = {n}, type = \"bool\", measure = \"output.state\", instance = \"DO{n}\" }}"))
        .collect();
    assert_eq!(
        requests(&format!("max_registers = 4\nregisters = [{}]", coils.join(", "))),
        [(1, 0, 1000)]
    );
}

#[test]
fn one_value_in_four_word_orders() {
    let value = |order: &str, image: &[u16]| {
        let map = map(&format!(
            "order = \"{order}\"\nregisters = [{{ function = 4, address = 0, type = \"f32\", measure = \"power.voltage\" }}]"
        ));
        words(&map, image)[0].value.clone()
    };
    let expect = Some(Value::Number(230.5)); // 0x43668000
    assert_eq!(value("ABCD", &[0x4366, 0x8000]), expect);
    assert_eq!(value("CDAB", &[0x8000, 0x4366]), expect);
    assert_eq!(value("BADC", &[0x6643, 0x0080]), expect);
    assert_eq!(value("DCBA", &[0x0080, 0x6643]), expect);
}

#[test]
fn not_a_number_is_no_value() {
    let map = map(r#"registers = [{ function = 4, address = 0, type = "f32", measure = "power.voltage" }]"#);
    for pattern in [[0x7FC0, 0x0000], [0x7F80, 0x0000], [0xFFFF, 0xFFFF]] {
        let out = words(&map, &pattern);
        assert_eq!(
            (out[0].value.clone(), out[0].quality),
            (None, Quality::Bad(Reason::SensorNoReading))
        );
    }
}

#[test]
fn an_answer_of_another_length_or_kind_is_attributed_to_nobody() {
    let map = map(&format!("registers = [{}]", run_of(0, 3)));
    for wrong in [
        RegisterData::Words(vec![1, 2]),
        RegisterData::Words(vec![0; 4]),
        RegisterData::Bits(vec![true; 3]),
    ] {
        let out = answer(&map, 0, wrong);
        assert_eq!(out.len(), 3);
        assert!(
            out.iter()
                .all(|o| o.quality == Quality::Bad(Reason::FrameError) && o.value.is_none())
        );
    }
}

#[test]
fn a_dead_slave_makes_every_point_bad_with_the_reason() {
    let map = map(&format!("registers = [{}, {}]", run_of(0, 2), run_of(9, 1)));
    let mut out = Vec::new();
    let read = &map.plan().reads[1];
    map.missing(read, Reason::CommTimeout, &DeviceContext::default(), &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(
        (out[0].instance.as_deref(), out[0].quality),
        (Some("T9"), Quality::Bad(Reason::CommTimeout))
    );
}

#[test]
fn a_gap_is_read_over_only_as_far_as_the_profile_allows() {
    let gap = |max_gap: u16| {
        requests(&format!(
            "max_gap = {max_gap}\nregisters = [{}, {}]",
            run_of(10, 2),
            run_of(15, 2)
        ))
    };
    assert_eq!(gap(2), [(4, 10, 2), (4, 15, 2)]);
    assert_eq!(gap(3), [(4, 10, 7)]);
}

#[test]
fn registers_of_another_period_are_no_gap() {
    let modbus = r#"poll = "10s"
    registers = [
        { function = 3, address = 0, type = "u16", measure = "temperature" },
        { function = 3, address = 1, type = "u32", measure = "energy.import", poll = "60s" },
        { function = 3, address = 3, type = "u16", measure = "humidity" },
    ]"#;
    let map = map(modbus);
    assert_eq!(planned(&map, &Learned::default()), [(3, 0, 4), (3, 1, 2)]);
    let periods: Vec<_> = map
        .plan()
        .reads
        .iter()
        .map(|read| map.period(read).unwrap().as_secs())
        .collect();
    assert_eq!(periods, [10, 60]);
    // What was read over belongs to the other period and is not reported with this one.
    let measures: Vec<_> = words(&map, &[1, 0, 7, 2])
        .iter()
        .map(|o| o.measure.name())
        .collect();
    assert_eq!(measures, ["temperature", "humidity"]);
}

#[test]
fn groups_give_a_period_and_keep_together() {
    let modbus = r#"poll = "10s"
    one_by_one = true
    registers = [
        { function = 3, address = 0, type = "u16", measure = "temperature", group = "climate" },
        { function = 3, address = 1, type = "u16", measure = "humidity", group = "climate" },
        { function = 3, address = 2, type = "u16", measure = "pressure" },
        { function = 3, address = 3, type = "u16", measure = "power.voltage" },
    ]
    [modbus.groups]
    climate = { poll = "60s", together = true }"#;
    let map = map(modbus);
    let reads = planned(&map, &Learned::default());
    assert_eq!(
        reads,
        [(3, 0, 2), (3, 2, 1), (3, 3, 1)],
        "one request a value, but for what belongs together"
    );
    assert_eq!(map.period(&map.plan().reads[0]).unwrap().as_secs(), 60);
}

#[test]
fn a_sum_and_its_parts_are_never_split_over_two_requests() {
    // Four registers fit into a request: without the sum the integer would go with what stands before it.
    let modbus = |sums: &str| {
        format!(
            r#"max_registers = 4
            registers = [
                {{ function = 3, address = 0, type = "u32", measure = "pulse.count" }},
                {{ function = 3, address = 2, type = "i32", measure = "@integer" }},
                {{ function = 3, address = 4, type = "f32", measure = "@fraction" }},
            ]
            {sums}"#
        )
    };
    assert_eq!(requests(&modbus("")), [(3, 0, 4), (3, 4, 2)]);
    let sum = r#"sums = [{ measure = "water.volume", of = ["@integer", "@fraction"], unit = "l" }]"#;
    assert_eq!(requests(&modbus(sum)), [(3, 0, 2), (3, 2, 4)]);
    let map = map(&modbus(sum));
    let out = answer(&map, 1, RegisterData::Words(vec![0, 1500, 0x3F00, 0]));
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].value, Some(Value::Number(1.5005)));
}

#[test]
fn helpers_are_never_reported_and_conditions_decide() {
    let modbus = r#"registers = [
        { function = 3, address = 0, type = "u16", measure = "@mode", missing = [9] },
        { function = 3, address = 1, type = "u16", measure = "temperature", when = { register = "@mode", equals = [0, 1] } },
        { function = 3, address = 1, type = "u16", measure = "humidity", when = { register = "@mode", equals = 2 } },
        { function = 3, address = 2, type = "u16", measure = "pressure" },
    ]"#;
    let measures = |mode: u16| -> Vec<&'static str> {
        words(&map(modbus), &[mode, 5, 6])
            .iter()
            .map(|o| o.measure.name())
            .collect()
    };
    assert_eq!(measures(0), ["temperature", "pressure"]);
    assert_eq!(measures(1), ["temperature", "pressure"]);
    assert_eq!(measures(2), ["humidity", "pressure"]);
    assert_eq!(measures(3), ["pressure"]);
    assert_eq!(
        requests(modbus),
        [(3, 0, 3)],
        "what depends on each other comes from one request"
    );
}

#[test]
fn texts_and_versions_are_read_from_registers() {
    let modbus = r#"registers = [
        { function = 3, address = 0, type = "text", count = 3, measure = "device.firmware", instance = "name" },
        { function = 3, address = 3, type = "version", measure = "device.firmware" },
    ]"#;
    let values: Vec<_> = words(&map(modbus), &[0x5631, 0x2E32, 0, 0x0203])
        .into_iter()
        .map(|o| o.value)
        .collect();
    assert_eq!(
        values,
        [Some(Value::Text("V1.2".into())), Some(Value::Text("2.3".into()))]
    );
    let empty = words(&map(modbus), &[0, 0, 0, 0]);
    assert_eq!(empty[0].quality, Quality::Bad(Reason::SensorNoReading));
}

/// The word a pretended device holds at `address`.
fn word_at(address: u16) -> u16 {
    address.wrapping_mul(31).wrapping_add(7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_plan_puts_a_value_on_the_wrong_point(
        addresses in vec((0u16..300, any::<bool>()), 1..60),
        max_registers in 2u16..=125,
    ) {
        let registers: Vec<String> = addresses.iter().enumerate().map(|(n, (address, wide))| {
            let kind = if *wide { "u32" } else { "u16" };
            format!("{{ function = 3, address = {address}, type = \"{kind}\", measure = \"pulse.count\", instance = \"P{n}\" }}")
        }).collect();
        let map = map(&format!("max_registers = {max_registers}\nregisters = [{}]", registers.join(", ")));
        let mut out = Vec::new();
        for read in &map.plan().reads {
            let request = read.request;
            prop_assert!(request.count <= max_registers);
            let asked = request.start..request.start + request.count;
            let declared = |a: u16| addresses.iter().any(|(at, wide)| a == *at || (*wide && a == *at + 1));
            prop_assert!(asked.clone().all(declared), "a gap was read");
            let words = asked.map(word_at).collect();
            map.decode(read, &RegisterData::Words(words), &DeviceContext::default(), &mut out);
        }
        prop_assert_eq!(out.len(), addresses.len());
        for (n, (address, wide)) in addresses.iter().enumerate() {
            let (high, low) = (u32::from(word_at(*address)), u32::from(word_at(address + 1)));
            let want = if *wide { high << 16 | low } else { high };
            let instance = format!("P{n}");
            let found = out.iter().find(|o| o.instance.as_deref() == Some(&instance));
            prop_assert_eq!(found.and_then(|o| o.value.clone()), Some(Value::Number(want.into())));
        }
    }
}
