//! What a map refuses, with a word on what would be right.

use super::tests::parse;

#[test]
fn a_senseless_map_is_refused() {
    let refused = |register: &str, part: &str| {
        let errors = parse(&format!("registers = [{{ {register} }}]")).expect_err("refused");
        assert!(
            errors.iter().any(|e| e.contains(part)),
            "{part} not in {errors:#?}"
        );
    };
    refused(
        r#"function = 5, address = 0, type = "u16", measure = "temperature""#,
        "use 1 to 4",
    );
    refused(
        r#"function = 3, address = 65535, type = "u32", measure = "temperature""#,
        "beyond the last address",
    );
    refused(
        r#"function = 3, address = 0, type = "u17", measure = "temperature""#,
        "unknown type",
    );
    refused(
        r#"function = 3, address = 0, type = "bit", measure = "leak.wet""#,
        "needs `bit`",
    );
    refused(
        r#"function = 1, address = 0, type = "u16", measure = "leak.wet""#,
        "single bits",
    );
    refused(
        r#"function = 3, address = 0, type = "u16", measure = "temperature", order = "ACBD""#,
        "ABCD, CDAB, BADC or DCBA",
    );
    refused(
        r#"function = 3, address = 0, type = "i16", measure = "temperature", bit = 1"#,
        "unsigned",
    );
    let errors = parse(
        "max_registers = 1\nregisters = [{ function = 3, address = 0, type = \"f32\", measure = \"temperature\" }]",
    );
    assert!(errors.expect_err("refused")[0].contains("raise max_registers"));
}

#[test]
fn addresses_of_manuals_need_a_base() {
    let at = |base: &str, function: u8, address: &str| {
        parse(&format!(
            "{base}\nregisters = [{{ function = {function}, address = {address}, type = \"{}\", measure = \"{}\" }}]",
            if function <= 2 { "bool" } else { "u16" },
            if function <= 2 { "input.state" } else { "humidity" },
        ))
    };
    let wire = |base: &str, function: u8, address: &str| {
        let profile = at(base, function, address).unwrap_or_else(|e| panic!("{e:#?}"));
        profile.modbus().unwrap().plan().reads[0].request.start
    };
    assert_eq!(wire("", 3, "40"), 40);
    assert_eq!(
        wire("", 3, "0xA000"),
        0xA000,
        "hexadecimal is what stands on the wire"
    );
    assert_eq!(wire("base = 0", 3, "40001"), 40_001);
    assert_eq!(wire("base = 1", 3, "40"), 39);
    assert_eq!(wire("base = 1", 3, "\"0101h\""), 0x100);
    assert_eq!(wire("base = 0", 3, "\"0x0101\""), 0x101);
    assert_eq!(wire("base = \"5-digit\"", 3, "40001"), 0);
    assert_eq!(wire("base = \"5-digit\"", 4, "30011"), 10);
    assert_eq!(wire("base = \"5-digit\"", 2, "10001"), 0);
    assert_eq!(wire("base = \"5-digit\"", 1, "1"), 0);
    assert_eq!(wire("base = \"6-digit\"", 3, "400001"), 0);
    assert_eq!(wire("base = \"6-digit\"", 4, "365536"), 65_535);
    for (base, function, address, part) in [
        ("", 3, "40001", "say base = \"5-digit\""),
        ("", 4, "30001", "means address 0 on the wire"),
        ("", 3, "400011", "say base = \"6-digit\""),
        ("", 2, "10001", "say base = \"5-digit\""),
        ("", 3, "\"40001\"", "in quotes"),
        ("", 3, "70000", "use 0 to 65535"),
        ("base = 1", 3, "0", "use 1 to 65536"),
        ("base = \"5-digit\"", 4, "40001", "function 4 has 30001 to 39999"),
        ("base = \"5-digit\"", 3, "40000", "function 3 has 40001 to 49999"),
        ("base = \"6-digit\"", 3, "465537", "400001 to 465536"),
        ("base = 2", 3, "1", "5-digit"),
        ("base = 0", 3, "\"4x0001\"", "is not an address"),
    ] {
        let errors = at(base, function, address).expect_err("refused");
        assert!(
            errors.iter().any(|e| e.contains(part)),
            "{part} not in {errors:#?}"
        );
    }
}

#[test]
fn what_cannot_be_read_together_is_refused() {
    let refused = |modbus: &str, part: &str| {
        let errors = parse(modbus).expect_err("refused");
        assert!(
            errors.iter().any(|e| e.contains(part)),
            "{part} not in {errors:#?}"
        );
    };
    let a = r#"{ function = 3, address = 0, type = "u16", measure = "@a" }"#;
    let with = |register: &str, rest: &str| format!("registers = [{a}, {{ {register} }}]\n{rest}");
    let when = r#"when = { register = "@a", equals = 1 }"#;
    refused(
        &with(
            &format!(r#"function = 4, address = 1, type = "u16", measure = "humidity", {when}"#),
            "",
        ),
        "another function",
    );
    refused(
        &with(
            &format!(r#"function = 3, address = 5, type = "u16", measure = "humidity", {when}"#),
            "",
        ),
        "a gap of 4 addresses, and max_gap allows 0",
    );
    refused(
        &with(
            &format!(r#"function = 3, address = 900, type = "u16", measure = "humidity", {when}"#),
            "",
        ),
        "takes 901 registers",
    );
    refused(
        &format!(
            r#"registers = [
                {{ function = 3, address = 0, type = "u16", measure = "@a", poll = "60s" }},
                {{ function = 3, address = 1, type = "u16", measure = "humidity", poll = "5s", {when} }},
            ]"#
        ),
        "another period",
    );
    refused(
        &with(
            r#"function = 3, address = 1, type = "u16", measure = "humidity", when = { register = "@b", equals = 1 }"#,
            "",
        ),
        "no earlier register is named @b",
    );
    refused(
        &with(r#"function = 3, address = 1, type = "u16", measure = "@a""#, ""),
        "names an earlier register",
    );
    refused(
        &with(
            r#"function = 3, address = 1, type = "f32", measure = "@f""#,
            r#"sums = [{ measure = "water.volume", of = ["@f", "@g"] }]"#,
        ),
        "no earlier register is named @g",
    );
    refused(
        &with(
            r#"function = 3, address = 1, type = "u16", measure = "humidity", group = "slow""#,
            "",
        ),
        "describe it in [modbus.groups.slow]",
    );
    refused(
        &with(
            r#"function = 3, address = 1, type = "u16", measure = "humidity", poll = "1ms""#,
            "",
        ),
        "use 100ms to 1d",
    );
    refused(
        &with(
            r#"function = 3, address = 1, type = "text", measure = "device.firmware""#,
            "",
        ),
        "`count` is missing",
    );
    refused(
        &with(
            r#"function = 3, address = 1, type = "text", count = 2, measure = "humidity""#,
            "",
        ),
        "a text has a measure of texts",
    );
}
