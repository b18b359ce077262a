//! What may be written, and what goes onto the wire for it.

use super::tests::{map, parse};
use super::{NotWritable, RegisterData, RegisterRequest, WriteRequest};

const VALVE: &str = r#"registers = [
    { function = 1, address = 7, type = "bool", measure = "output.state", write = { name = "valve", range = [0, 1] } },
    { function = 3, address = 20, type = "i16", measure = "temperature", scale = 0.1, write = { name = "setpoint", range = [-5, 35.5] } },
    { function = 3, address = 30, type = "u32", order = "CDAB", measure = "@limit", write = { name = "limit", range = [0, 100000] } },
    { function = 3, address = 40, type = "f32", measure = "water.flow", write = { name = "flow", range = [0, 10] } },
    { function = 3, address = 50, type = "u16", measure = "@mode", write = { name = "mode", range = [0, 3], function = 16 } },
]"#;

fn write(name: &str, value: f64) -> Result<WriteRequest, NotWritable> {
    map(VALVE).write(name, value)
}

#[test]
fn each_value_has_its_function_and_its_words() {
    for (name, value, function, start, words) in [
        ("valve", 1.0, 5, 7, &[1][..]),
        ("valve", 0.0, 5, 7, &[0]),
        ("setpoint", 21.5, 6, 20, &[215]),
        ("setpoint", -4.9, 6, 20, &[0xFFCF]),
        ("limit", 65_538.0, 16, 30, &[2, 1]),
        ("flow", 1.5, 16, 40, &[0x3FC0, 0]),
        ("mode", 2.0, 16, 50, &[2]),
    ] {
        let request = write(name, value).unwrap();
        assert_eq!(
            (request.function, request.read_back.start),
            (function, start),
            "{name}"
        );
        assert_eq!(request.words, words, "{name}");
        let data = match request.read_back.is_bits() {
            true => RegisterData::Bits(vec![words[0] == 1]),
            false => RegisterData::Words(words.to_vec()),
        };
        assert!(request.is_confirmed_by(&data));
        let read = map(VALVE).written(name, &data).unwrap();
        assert!((read - value).abs() < 1e-9, "{name}: {read}");
    }
    let request = write("limit", 5.0).unwrap();
    assert_eq!(
        request.read_back,
        RegisterRequest {
            function: 3,
            start: 30,
            count: 2
        }
    );
    assert!(!request.is_confirmed_by(&RegisterData::Words(vec![5, 1])));
}

#[test]
fn what_the_profile_does_not_allow_is_refused_with_what_it_does() {
    let says = |name: &str, value: f64, part: &str| {
        let error = write(name, value).unwrap_err().to_string();
        assert!(error.contains(part), "{part} not in {error}");
    };
    says("pump", 1.0, "it allows valve, setpoint, limit, flow, mode");
    says("valve", 2.0, "0 to 1");
    says("valve", 0.5, "its steps are 1");
    says("valve", f64::NAN, "outside");
    says("setpoint", 36.0, "-5 to 35.5");
    says("setpoint", 21.55, "its steps are 0.1");
    let none = map("registers = [{ function = 3, address = 0, type = \"u16\", measure = \"humidity\" }]");
    assert!(
        none.write("valve", 1.0)
            .unwrap_err()
            .to_string()
            .contains("it allows none")
    );
}

#[test]
fn a_senseless_write_is_refused_with_the_profile() {
    let refused = |register: &str, part: &str| {
        let errors = parse(&format!("registers = [{register}]")).expect_err("refused");
        assert!(
            errors.iter().any(|e| e.contains(part)),
            "{part} not in {errors:#?}"
        );
    };
    let write = r#"write = { name = "x", range = [0, 1] }"#;
    refused(
        &format!(r#"{{ function = 4, address = 0, type = "u16", measure = "humidity", {write} }}"#),
        "cannot be written",
    );
    refused(
        &format!(r#"{{ function = 3, address = 0, type = "bit", bit = 3, measure = "leak.wet", {write} }}"#),
        "would change the rest",
    );
    refused(
        r#"{ function = 1, address = 0, type = "bool", measure = "output.state", write = { name = "x" } }"#,
        "`range` is missing",
    );
    refused(
        r#"{ function = 1, address = 0, type = "bool", measure = "output.state", write = { name = "a b", range = [0, 1] } }"#,
        "cannot name a write",
    );
    let coil = |address: u8| {
        format!(
            r#"{{ function = 1, address = {address}, type = "bool", measure = "output.state", instance = "O{address}", {write} }}"#
        )
    };
    refused(
        &format!("{}, {}", coil(0), coil(1)),
        "two registers are written as",
    );
}
