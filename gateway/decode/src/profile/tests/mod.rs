//! What a profile's author is told, and what the language does at its edges.

mod operators;
mod texts;

use crate::{Body, DeviceContext, Event, Observation, Profile, Role};
use linli_domain::reading::{Quality, Reason, Value};

const HEAD: &str = "id = \"a.b\"\ntitle = \"A\"\nversion = 1\n";

fn refusals(rest: &str) -> Vec<String> {
    let errors =
        Profile::parse(&format!("{HEAD}{rest}"), "a.toml").expect_err("this profile must be refused");
    errors.iter().map(ToString::to_string).collect()
}

/// The profile is refused with one error that holds every part.
fn refused_with(rest: &str, parts: &[&str]) {
    let errors = refusals(rest);
    assert!(
        errors.iter().any(|e| parts.iter().all(|part| e.contains(part))),
        "{parts:?} not in {errors:#?}"
    );
}

fn profile(rest: &str) -> Profile {
    Profile::parse(&format!("{HEAD}{rest}"), "a.toml").unwrap_or_else(|e| panic!("{}", e[0]))
}

fn decode(profile: &Profile, bytes: &[u8], context: DeviceContext) -> Result<Vec<Observation>, &'static str> {
    let mut out = Vec::new();
    let result = profile.decode(&Body::bytes(Some(1), bytes), &context, &mut out);
    result.map(|_| out).map_err(|e| e.reason().label())
}

fn numbers(profile: &Profile, bytes: &[u8]) -> Vec<f64> {
    let out = decode(profile, bytes, DeviceContext::default()).unwrap();
    out.iter().filter_map(|o| o.value.as_ref()?.as_number()).collect()
}

#[test]
fn a_profile_says_whether_its_devices_sleep() {
    let bytes = "[bytes]\nendian = \"big\"\nfields = [{ u8 = \"device.battery\" }]\n";
    let tests =
        "[[tests]]\nname = \"t\"\nbytes = \"10\"\nexpect = [{ measure = \"device.battery\", value = 16 }]\n";
    assert!(profile(&format!("sleeps = true\n{bytes}{tests}")).sleeps());
    assert!(!profile(&format!("{bytes}{tests}")).sleeps());
    refused_with(
        &format!("sleeps = 1\n{bytes}{tests}"),
        &["a.toml:4:10", "true or false"],
    );
}

#[test]
fn a_misspelt_key_or_measure_points_at_its_place_and_the_right_word() {
    let errors = refusals("[bytes]\nendain = \"little\"\nfields = [{ u8 = \"device.batery\" }]");
    assert!(
        errors.contains(&"a.toml:5:1: unknown key `endain`; did you mean `endian`?".to_owned()),
        "{errors:#?}"
    );
    let place =
        "a.toml:6:18: \"device.batery\" is not a measure of the vocabulary; did you mean \"device.battery\"?";
    assert!(errors.contains(&place.to_owned()), "{errors:#?}");
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    let errors = Profile::parse("id = 3\nversion = 0\nnonsense = 1", "a.toml").unwrap_err();
    assert!(errors.len() >= 5, "{errors:#?}");
    assert!(
        errors
            .windows(2)
            .all(|pair| pair[0].span.start <= pair[1].span.start)
    );
    let syntax = Profile::parse("id = \n[bytes", "a.toml").unwrap_err();
    assert!(!syntax.is_empty() && syntax[0].line == 1);
}

#[test]
fn a_failing_test_refuses_the_profile_and_shows_the_difference() {
    let rest = r#"
        [bytes]
        endian = "little"
        fields = [{ u16 = "bin.distance" }, { u8 = "bin.tilt" }]
        [[tests]]
        name = "as in the manual"
        bytes = "084401"
        expect = [
            { measure = "bin.distance", value = 2116 },
            { measure = "temperature", value = 20 },
            { measure = "bin.tilt", value = true },
        ]
        absent = ["bin.tilt"]
    "#;
    let parts = [
        "test \"as in the manual\" failed",
        "bin.distance: expected 2116, got 17416",
        "temperature: expected 20, got nothing",
        "bin.tilt: expected nothing, got true",
    ];
    refused_with(rest, &parts);
    let cut = "[bytes]\nfields = [{ u16 = \"bin.distance\" }]\n[[tests]]\nname = \"t\"\nbytes = \"08\"\n";
    refused_with(
        &format!("{cut}absent = [\"bin.fill\"]"),
        &["it failed as truncated", "u16 needs 2 bytes, 1 left"],
    );
    refused_with(
        &format!("{cut}fails = \"unknown_tag\""),
        &["to fail as unknown_tag, but it failed as truncated"],
    );
    refused_with(
        &format!("{cut}fails = \"truncatet\""),
        &["did you mean \"truncated\"?"],
    );
}

#[test]
fn senseless_combinations_are_refused() {
    let bytes = |fields: &str| format!("[bytes]\nfields = [{fields}]");
    refused_with(
        &bytes(r#"{ u8 = "leak.wet", scale = 2 }"#),
        &["`scale` needs a number"],
    );
    refused_with(
        &bytes(r#"{ f32 = "leak.wet" }"#),
        &["a state cannot come from a float"],
    );
    refused_with(
        &bytes(r#"{ u8 = "device.firmware" }"#),
        &["a text cannot come from a number", "version"],
    );
    refused_with(&bytes(r#"{ i8 = "temperature", mask = 3 }"#), &["unsigned"]);
    refused_with(
        &bytes(r#"{ u8 = "temperature", mask = 0x105 }"#),
        &["out of range", "use 1 to 255"],
    );
    refused_with(&bytes(r#"{ u8 = "temperature", mask = 5 }"#), &["stand together"]);
    refused_with(&bytes(r#"{ u8 = "temperature", scale = 0 }"#), &["a scale of 0"]);
    refused_with(
        &bytes(r#"{ u8 = "temperature", range = [9, 1] }"#),
        &["range is empty"],
    );
    refused_with(
        &bytes(r#"{ u8 = "temperature", unit = "mm" }"#),
        &["no way from \"mm\" to Cel", "[degF]"],
    );
    refused_with(
        &bytes(r#"{ from = "@head", measure = "temperature" }"#),
        &["no earlier field is named @head"],
    );
    refused_with(
        &bytes(r#"{ u8 = "$distanse" }"#),
        &["no role gives $distanse a measure"],
    );
    refused_with(
        &bytes(r#"{ u9 = "temperature" }"#),
        &["exactly one kind", "did you mean `u8`?"],
    );
    refused_with(
        &bytes(r#"{ u8 = "leak.wet", enum = { 1 = true, 0x1 = false } }"#),
        &["two meanings"],
    );
    refused_with(
        "[bytes]\nswitch = { on = \"port\", cases = { 1 = [], 0x1 = [] } }",
        &["is not a case", "each once"],
    );
    refused_with("[bytes]", &["exactly one of `fields`, `switch` and `tlv`"]);
    refused_with("", &["describes no messages"]);
    refused_with(
        "[bytes.tlv]\ntag_bytes = 2\ncases = { \"01\" = [] }",
        &["\"01\" is not a tag of 2 bytes"],
    );
    refused_with(
        "[json]\nvalues = [{ at = \"temp\", measure = \"temperature\" }]",
        &["starts with `/`"],
    );
    let roles = "[roles]\nbin = { d = \"bin.distance\" }\ntank = { d = \"bin.fill\" }\n[json]\nvalues = []";
    refused_with(
        &format!("default_role = \"bin\"\n{roles}"),
        &["in mm in one role and in % in another"],
    );
    refused_with(roles, &["`default_role` is missing"]);
}

#[test]
fn a_name_is_known_only_where_it_was_surely_read() {
    let optional = r#"{ optional = [{ u8 = "@mode" }] }, { from = "@mode", measure = "temperature" }"#;
    refused_with(
        &format!("[bytes]\nfields = [{optional}]"),
        &["no earlier field is named @mode"],
    );
}

#[test]
fn numbers_of_every_width_and_order_are_read() {
    let mixed = profile(
        r#"[bytes]
        endian = "big"
        fields = [
            { i8 = "temperature" }, { i16 = "humidity", endian = "little" }, { u24 = "leak.count" },
            { i24 = "leak.position" }, { u32 = "pulse.count" }, { i64 = "power.active" }, { f32 = "pressure" },
            { f64 = "power.voltage", endian = "little" },
        ]"#,
    );
    let mut bytes = vec![
        0xFF, 0xFE, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF, 0xFD, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    bytes.extend((-5i64).to_be_bytes());
    bytes.extend(1.5f32.to_be_bytes());
    bytes.extend(230.25f64.to_le_bytes());
    let expect = [-1.0, -2.0, 65536.0, -3.0, 4294967295.0, -5.0, 1.5, 230.25];
    assert_eq!(numbers(&mixed, &bytes), expect);
}

#[test]
fn a_switch_may_look_at_the_length_and_fall_back() {
    let by_length = profile(
        r#"[bytes]
        switch = { on = "length", cases = { 1 = [{ u8 = "temperature" }] }, default = [{ u16 = "temperature", scale = 0.1 }] }"#,
    );
    assert_eq!(numbers(&by_length, &[21]), [21.0]);
    assert_eq!(numbers(&by_length, &[0, 215]), [21.5]);
    assert_eq!(
        decode(&by_length, &[0, 1, 2], DeviceContext::default()),
        Err("trailing_bytes")
    );
}

#[test]
fn trailing_bytes_may_be_ignored_by_name_only() {
    let lenient = profile("[bytes]\ntrailing = \"ignore\"\nfields = [{ u8 = \"temperature\" }]");
    assert_eq!(numbers(&lenient, &[20, 1, 2, 3]), [20.0]);
    assert_eq!(
        decode(&lenient, &[0; 1025], DeviceContext::default()),
        Err("too_large")
    );
}

#[test]
fn units_of_the_device_become_units_of_the_measure() {
    let foreign = profile(
        r#"[bytes]
        fields = [
            { u8 = "temperature", unit = "[degF]" }, { u8 = "bin.distance", unit = "cm" },
            { u16 = "device.battery_voltage", unit = "mV" }, { u8 = "leak.last_duration", scale = 2, offset = 1, unit = "min" },
        ]"#,
    );
    let got = numbers(&foreign, &[212, 33, 0x0C, 0x1E, 10]);
    assert!((got[0] - 100.0).abs() < 1e-9);
    assert_eq!(got[1..], [330.0, 3.102, 1260.0]);
}

#[test]
fn the_last_of_several_values_wins_and_earlier_observations_of_the_caller_stay() {
    let tlv = profile("[bytes.tlv]\ntag_bytes = 1\ncases = { \"01\" = [{ u8 = \"temperature\" }] }");
    let mut out = decode(&tlv, &[1, 20], DeviceContext::default()).unwrap();
    tlv.decode(
        &Body::bytes(None, &[1, 21, 1, 22]),
        &DeviceContext::default(),
        &mut out,
    )
    .unwrap();
    let values: Vec<_> = out.iter().filter_map(|o| o.value.as_ref()?.as_number()).collect();
    assert_eq!(values, [20.0, 22.0]);
    assert!(
        tlv.decode(&Body::bytes(None, &[1]), &DeviceContext::default(), &mut out)
            .is_err()
    );
    assert_eq!(out.len(), 2);
}

#[test]
fn a_role_without_the_measure_is_told_and_a_caution_lowers_everything() {
    let by_role = profile("[roles]\nbin = { d = \"bin.distance\" }\n[bytes]\nfields = [{ u8 = \"$d\" }]");
    assert_eq!(
        (by_role.roles(), by_role.default_role()),
        (&[Role::Bin][..], Some(Role::Bin))
    );
    let as_door = DeviceContext {
        role: Some(Role::Door),
        ..DeviceContext::default()
    };
    let mut out = Vec::new();
    let decoded = by_role
        .decode(&Body::bytes(None, &[9]), &as_door, &mut out)
        .unwrap();
    assert_eq!(
        (out.len(), decoded.diagnostics[0].label()),
        (0, "role_without_measure")
    );
    let retained = DeviceContext {
        caution: Some(Reason::Retained),
        ..DeviceContext::default()
    };
    let out = decode(&by_role, &[9], retained).unwrap();
    assert_eq!(out[0].quality, Quality::Uncertain(Reason::Retained));
}

#[test]
fn an_unreadable_time_makes_values_uncertain_and_a_required_member_must_be_there() {
    let json = profile(
        r#"[json]
        time = { at = "/ts", format = "unix_s" }
        values = [{ at = "/t", measure = "temperature", required = true }]"#,
    );
    let read = |text: &str| {
        let mut out = Vec::new();
        let decoded = json.decode(
            &Body::message(text.as_bytes()),
            &DeviceContext::default(),
            &mut out,
        );
        decoded
            .map(|d| (d.own_time.map(|t| t.as_millis()), out.pop()))
            .map_err(|e| e.reason().label())
    };
    let (time, observation) = read(r#"{"t":1,"ts":1764000000.5}"#).unwrap();
    assert_eq!(time, Some(1_764_000_000_500));
    assert_eq!(observation.unwrap().observed.map(|t| t.as_millis()), time);
    for wrong in ["\"soon\"", "1e300", "{}", "true"] {
        let (time, observation) = read(&format!(r#"{{"t":1,"ts":{wrong}}}"#)).unwrap();
        assert_eq!(
            (time, observation.unwrap().quality),
            (None, Quality::Uncertain(Reason::ClockInvalid)),
            "{wrong}"
        );
    }
    assert_eq!(
        read(r#"{"t":1,"ts":null}"#).unwrap().1.unwrap().quality,
        Quality::Good
    );
    assert_eq!(read(r#"{"ts":1}"#), Err("missing_field"));
}

#[test]
fn a_body_without_a_section_is_refused_and_no_body_says_nothing() {
    let json = profile("[json]\nvalues = [{ at = \"/t\", measure = \"temperature\" }]");
    assert_eq!(decode(&json, &[1], DeviceContext::default()), Err("no_layout"));
    let mut out = Vec::new();
    assert!(
        json.decode(&Body::None, &DeviceContext::default(), &mut out)
            .is_ok()
            && out.is_empty()
    );
    let decoded = json
        .decode(&Body::message(b"{\"x\":1}"), &DeviceContext::default(), &mut out)
        .unwrap();
    assert_eq!(decoded.diagnostics[0].label(), "nothing_found");
    assert_ne!(Event::Uplink, Event::Ignored);
}

#[test]
fn json_codes_have_meanings_as_texts_and_as_numbers() {
    let contact = profile(
        r#"[json]
        values = [
            { at = "/contact", measure = "door.open", enum = { false = true, true = false } },
            { at = "/leak", measure = "leak.wet", enum = { alarm = true, normal = false }, missing = ["unknown"] },
        ]"#,
    );
    let read = |text: &str| {
        let mut out = Vec::new();
        contact
            .decode(
                &Body::message(text.as_bytes()),
                &DeviceContext::default(),
                &mut out,
            )
            .unwrap();
        out.pop().map(|o| (o.value, o.quality))
    };
    assert_eq!(
        read(r#"{"contact":false}"#),
        Some((Some(Value::State(true)), Quality::Good))
    );
    assert_eq!(
        read(r#"{"leak":"alarm"}"#),
        Some((Some(Value::State(true)), Quality::Good))
    );
    assert_eq!(
        read(r#"{"leak":"unknown"}"#),
        Some((None, Quality::Bad(Reason::SensorNoReading)))
    );
    assert_eq!(
        read(r#"{"leak":"odd"}"#),
        Some((None, Quality::Bad(Reason::OutOfRange)))
    );
}
