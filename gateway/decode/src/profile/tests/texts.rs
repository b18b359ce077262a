//! JSON with conditions and sums, topics, named values.

use super::{profile, refused_with};
use crate::{Body, DeviceContext, Given, NamedValue, Profile, Role};
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;

fn read(profile: &Profile, body: &Body<'_>, context: &DeviceContext) -> Vec<String> {
    let mut out = Vec::new();
    match profile.decode(body, context, &mut out) {
        Ok(decoded) => out
            .iter()
            .map(|o| {
                let instance = o.instance.as_ref().map(|i| format!("[{i}]")).unwrap_or_default();
                let value = match &o.value {
                    Some(Value::Number(number)) => format!("{number:.2}"),
                    Some(Value::State(state)) => state.to_string(),
                    Some(Value::Text(text)) => text.to_string(),
                    None => "none".to_owned(),
                };
                format!("{}{instance} {value}", o.measure)
            })
            .chain(decoded.diagnostics.iter().map(|d| d.label().to_owned()))
            .collect(),
        Err(error) => vec![format!("refused: {}", error.reason())],
    }
}

fn json(profile: &Profile, text: &str) -> Vec<String> {
    read(
        profile,
        &Body::message(text.as_bytes()),
        &DeviceContext::default(),
    )
}

#[test]
fn a_member_may_decide_on_another_wherever_it_stands() {
    let unit = profile(
        r#"[json]
        values = [
            { at = "/t", measure = "temperature", when = { at = "/unit", is_not = ["F"] } },
            { at = "/t", measure = "temperature", unit = "[degF]", when = { at = "/unit", is = ["F"] } },
            { at = "/b", measure = "device.battery", when = { at = "/ext", is = [false, 0], absent = true } },
        ]"#,
    );
    assert_eq!(
        json(&unit, r#"{"t":212,"unit":"F","b":0}"#),
        ["temperature 100.00", "device.battery 0.00"]
    );
    assert_eq!(json(&unit, r#"{"unit":"C","t":20}"#), ["temperature 20.00"]);
    assert_eq!(json(&unit, r#"{"t":20,"ext":true,"b":9}"#), ["temperature 20.00"]);
    assert_eq!(json(&unit, r#"{"ext":0,"b":9}"#), ["device.battery 9.00"]);
    refused_with(
        "[json]\nvalues = [{ at = \"/t\", measure = \"temperature\", when = { at = \"/u\" } }]",
        &["exactly one of `is` and `is_not`"],
    );
    refused_with(
        "[json]\nvalues = [{ at = \"/t\", measure = \"temperature\", when = { at = \"u\", is = [1] } }]",
        &["is not a JSON pointer"],
    );
}

#[test]
fn a_message_of_another_kind_says_nothing_not_even_what_is_required() {
    let notify = profile(
        r#"[json]
        when = { at = "/method", is = ["NotifyStatus"] }
        time = { at = "/ts", format = "unix_s" }
        values = [{ at = "/t", measure = "temperature", required = true }]"#,
    );
    assert_eq!(
        json(&notify, r#"{"ts":1,"t":21,"method":"NotifyStatus"}"#),
        ["temperature 21.00"]
    );
    assert_eq!(
        json(&notify, r#"{"ts":1,"method":"NotifyEvent"}"#),
        ["nothing_found"]
    );
    assert_eq!(
        json(&notify, r#"{"ts":1,"method":"NotifyStatus"}"#),
        ["refused: missing_field"]
    );
}

#[test]
fn a_sum_is_whole_or_nothing() {
    let meter = profile(
        r#"[json]
        sums = [{ of = ["/whole", "/part"], measure = "water.volume" }]"#,
    );
    assert_eq!(
        json(&meter, r#"{"part":0.25,"whole":12}"#),
        ["water.volume 12.25"]
    );
    assert_eq!(json(&meter, r#"{"whole":12}"#), ["nothing_found"]);
    assert_eq!(json(&meter, r#"{"whole":12,"part":null}"#), ["water.volume none"]);
    refused_with(
        "[json]\nsums = [{ of = [\"/a\"], measure = \"humidity\" }]",
        &["2 to 8 terms"],
    );
}

const TOPICS: &str = r#"
    [[messages]]
    topic = "sensor/{name}/state"
    text = { measure = "temperature", instance = "{name}" }
    [[messages]]
    topic = "input/{input}"
    json = { values = [{ at = "/state", measure = "input.state", instance = "{input}" }] }
    [[messages]]
    topic = "LWT"
    online = ["Online", 1]
    offline = ["Offline", 0]
"#;

#[test]
fn each_topic_of_a_device_has_its_own_meaning() {
    let node = profile(TOPICS);
    let on = |path: &str, payload: &str| {
        read(
            &node,
            &Body::message_on(path, payload.as_bytes()),
            &DeviceContext::default(),
        )
    };
    assert_eq!(on("sensor/bath/state", " 21.5\n"), ["temperature[bath] 21.50"]);
    assert_eq!(on("sensor/bath/state", "nan"), ["temperature[bath] none"]);
    assert_eq!(on("sensor/bath/state", ""), ["temperature[bath] none"]);
    assert_eq!(
        on("sensor/bath/state", "warm"),
        ["temperature[bath] none", "wrong_type"]
    );
    assert_eq!(on("sensor/Bäd 1/state", "1"), ["temperature[B__d_1] 1.00"]);
    assert_eq!(on("input/2", r#"{"state":true}"#), ["input.state[2] true"]);
    assert_eq!(on("sensor/bath", "1"), ["topic_not_read"]);
    assert_eq!(on("sensor//state", "1"), ["topic_not_read"]);
    let mut out = Vec::new();
    let mut available = |payload: &[u8]| {
        let decoded = node.decode(
            &Body::message_on("LWT", payload),
            &DeviceContext::default(),
            &mut out,
        );
        decoded.unwrap().availability
    };
    assert_eq!(available(b"Online"), Some(true));
    assert_eq!(available(b"0"), Some(false));
    assert_eq!(available(b"?"), None);
    let refused = node.decode(
        &Body::message_on("LWT", b"\xFF"),
        &DeviceContext::default(),
        &mut out,
    );
    assert_eq!(refused.unwrap_err().reason().label(), "not_utf8");
}

#[test]
fn topics_that_cannot_be_told_are_refused() {
    refused_with(
        "[[messages]]\ntopic = \"a/+\"\ntext = { measure = \"temperature\" }",
        &["not a level of a topic"],
    );
    refused_with(
        "[[messages]]\ntopic = \"a/{x}/{x}\"\ntext = { measure = \"temperature\" }",
        &["a name of its own"],
    );
    refused_with(
        "[[messages]]\ntopic = \"a/{input}\"\ntext = { measure = \"temperature\", instance = \"{inputs}\" }",
        &["the topic has no level {inputs}", "did you mean \"{input}\"?"],
    );
    refused_with("[[messages]]\ntopic = \"a\"", &["exactly one kind of content"]);
}

#[test]
fn named_values_bring_their_units_and_times() {
    let senml = profile(
        r#"[roles]
        tank = { level = "level.depth" }
        [named]
        values = [
            { name = "level", measure = "$level", unit = "cm" },
            { name = "word", measure = "leak.wet" },
            { name = "word", measure = "device.fault", enum = { 3 = true, 0 = false, 1 = false } },
        ]"#,
    );
    let value = |name: &'static str, value, unit: Option<&'static str>| NamedValue {
        name: name.into(),
        value,
        unit: unit.map(Into::into),
        time: Some(Timestamp::from_millis(5)),
        historical: false,
        doubt: None,
    };
    let context = DeviceContext {
        role: Some(Role::Tank),
        ..DeviceContext::default()
    };
    let said = |values| read(&senml, &Body::Named(values), &context);
    // Without a unit the profile's holds; with one that of the message.
    assert_eq!(
        said(vec![value("level", Given::Int(12), None)]),
        ["level.depth 120.00"]
    );
    assert_eq!(
        said(vec![value("level", Given::Float(1.25), Some("m"))]),
        ["level.depth 1250.00"]
    );
    assert_eq!(
        said(vec![value("level", Given::Int(1), Some("Cel"))]),
        ["level.depth none", "foreign_unit", "wrong_type"]
    );
    assert_eq!(
        said(vec![value("word", Given::Int(1), None)]),
        ["leak.wet true", "device.fault false"]
    );
    assert_eq!(said(vec![value("other", Given::Int(1), None)]), ["nothing_found"]);
    let mut out = Vec::new();
    let historical = NamedValue {
        historical: true,
        ..value("word", Given::Bool(true), None)
    };
    senml
        .decode(
            &Body::Named(vec![historical, value("word", Given::Bool(false), None)]),
            &context,
            &mut out,
        )
        .unwrap();
    let wet: Vec<_> = out.iter().filter(|o| o.measure.name() == "leak.wet").collect();
    assert_eq!(
        wet.len(),
        2,
        "a stored value does not replace the live one of the same time"
    );
    assert!(wet[0].historical && wet[0].observed == Some(Timestamp::from_millis(5)));
}
