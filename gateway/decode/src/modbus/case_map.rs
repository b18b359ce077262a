//! The map a case carries, as the text of a profile: one register of the map becomes one of `[modbus]`.

use linli_domain::measure::Measure;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Why a map cannot be expressed as a profile.
#[derive(Debug, thiserror::Error)]
pub enum NotAMap {
    /// A key is missing or of another kind.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It names a register it does not have.
    #[error("there is no register {0:?}")]
    UnknownRegister(String),
    /// A register that decides the unit of another one has no codes for it.
    #[error("{0:?} decides a unit and has no `enum` of units")]
    NoUnits(String),
}

#[derive(Deserialize)]
struct Map {
    id: String,
    device: String,
    registers: Vec<Register>,
    #[serde(default)]
    derived: Vec<Derived>,
}

#[derive(Deserialize)]
struct Register {
    name: String,
    measure: Option<String>,
    function: u8,
    address: u16,
    #[serde(rename = "type")]
    kind: String,
    count: Option<u16>,
    order: Option<String>,
    scale: Option<f64>,
    offset: Option<f64>,
    unit: Option<String>,
    instance: Option<String>,
    bit: Option<u8>,
    #[serde(rename = "enum", default)]
    meanings: BTreeMap<String, Value>,
    #[serde(default)]
    invalid: Vec<Value>,
    unit_from: Option<String>,
    valid_when: Option<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    name: String,
    equals: Value,
}

#[derive(Deserialize)]
struct Derived {
    measure: String,
    unit: Option<String>,
    instance: Option<String>,
    sum: Vec<String>,
}

/// The profile of the map in `case`. Its addresses are 0-based, as the form demands.
pub fn profile_text(case: &Value) -> Result<String, NotAMap> {
    let map: Map = Map::deserialize(case)?;
    let named = |name: &String| {
        map.registers
            .iter()
            .find(|register| register.name == *name)
            .ok_or_else(|| NotAMap::UnknownRegister(name.clone()))
    };
    let mut text = format!(
        "id = {}\ntitle = {}\nversion = 1\n\n[modbus]\nbase = 0\n",
        quoted(&map.id),
        quoted(&map.device)
    );
    if !map.derived.is_empty() {
        text.push_str("sums = [\n");
        for sum in &map.derived {
            for part in &sum.sum {
                named(part)?;
            }
            let parts: Vec<String> = sum
                .sum
                .iter()
                .map(|part| quoted(&format!("@part-{part}")))
                .collect();
            let _ = write!(
                text,
                "    {{ measure = {}, of = [{}]",
                quoted(&sum.measure),
                parts.join(", ")
            );
            unit(&sum.measure, sum.unit.as_deref(), &mut text);
            key("instance", sum.instance.as_deref().map(quoted), &mut text);
            text.push_str(" },\n");
        }
        text.push_str("]\n");
    }
    text.push_str("registers = [\n");
    // What others look at comes first: a profile's conditions look back.
    let mut registers: Vec<&Register> = map.registers.iter().collect();
    registers.sort_by_key(|register| !is_asked_for(&map, &register.name));
    for register in registers {
        // A part of a sum is read once more under a name of its own: it may be reported too.
        if map.derived.iter().any(|sum| sum.sum.contains(&register.name)) {
            line(register, &Place::Helper("part-"), None, &[], &mut text);
        }
        let mut conditions = Vec::new();
        if let Some(condition) = &register.valid_when {
            named(&condition.name)?;
            conditions.push((&condition.name, condition.equals.to_string()));
        }
        let Some(measure) = &register.measure else {
            line(register, &Place::Helper(""), None, &conditions, &mut text);
            continue;
        };
        let place = Place::Measure(measure, is_asked_for(&map, &register.name));
        match &register.unit_from {
            None => line(register, &place, register.unit.as_deref(), &conditions, &mut text),
            Some(from) => {
                let units = &named(from)?.meanings;
                if units.is_empty() {
                    return Err(NotAMap::NoUnits(from.clone()));
                }
                for (code, unit) in units {
                    let mut conditions = conditions.clone();
                    conditions.push((from, code.clone()));
                    line(register, &place, unit.as_str(), &conditions, &mut text);
                }
            }
        }
    }
    text.push_str("]\n");
    Ok(text)
}

/// Whether the condition or the unit of another register looks at `name`.
fn is_asked_for(map: &Map, name: &str) -> bool {
    map.registers.iter().any(|register| {
        register
            .valid_when
            .as_ref()
            .is_some_and(|condition| condition.name == name)
            || register.unit_from.as_deref() == Some(name)
    })
}

enum Place<'m> {
    Helper(&'static str),
    /// The measure, and whether it needs a name too.
    Measure(&'m str, bool),
}

fn line(
    register: &Register,
    place: &Place<'_>,
    spoken: Option<&str>,
    conditions: &[(&String, String)],
    text: &mut String,
) {
    let helper = matches!(place, Place::Helper(_));
    // What the codes of a helper mean is nobody's business but its dependents'.
    let kind = if helper && register.kind == "enum" {
        "u16"
    } else {
        &register.kind
    };
    let _ = write!(
        text,
        "    {{ function = {}, address = {}, type = {}",
        register.function,
        register.address,
        quoted(kind)
    );
    match place {
        Place::Helper(prefix) => key(
            "measure",
            Some(quoted(&format!("@{prefix}{}", register.name))),
            text,
        ),
        Place::Measure(measure, named) => {
            key("measure", Some(quoted(measure)), text);
            key(
                "name",
                named.then(|| quoted(&format!("@{}", register.name))),
                text,
            );
            key("instance", register.instance.as_deref().map(quoted), text);
            unit(measure, spoken, text);
            let meanings: Vec<String> = register
                .meanings
                .iter()
                .map(|(code, value)| format!("{} = {}", quoted(code), scalar(value)))
                .collect();
            key(
                "enum",
                (!meanings.is_empty()).then(|| format!("{{ {} }}", meanings.join(", "))),
                text,
            );
        }
    }
    key(
        "count",
        register
            .count
            .filter(|_| matches!(kind, "text" | "version"))
            .map(|n| n.to_string()),
        text,
    );
    key("order", register.order.as_deref().map(quoted), text);
    key("scale", register.scale.map(|scale| format!("{scale:?}")), text);
    key(
        "offset",
        register.offset.map(|offset| format!("{offset:?}")),
        text,
    );
    key("bit", register.bit.map(|bit| bit.to_string()), text);
    let invalid: Vec<String> = register.invalid.iter().map(code).collect();
    key(
        "missing",
        (!invalid.is_empty()).then(|| format!("[{}]", invalid.join(", "))),
        text,
    );
    let conditions: Vec<String> = conditions
        .iter()
        .map(|(name, equals)| {
            format!(
                "{{ register = {}, equals = {equals} }}",
                quoted(&format!("@{name}"))
            )
        })
        .collect();
    key(
        "when",
        (!conditions.is_empty()).then(|| format!("[{}]", conditions.join(", "))),
        text,
    );
    text.push_str(" },\n");
}

fn key(name: &str, value: Option<String>, text: &mut String) {
    if let Some(value) = value {
        let _ = write!(text, ", {name} = {value}");
    }
}

/// The unit, when it is not the measure's own. Feet have a symbol of their own in UCUM.
fn unit(measure: &str, unit: Option<&str>, text: &mut String) {
    let own = measure
        .parse::<Measure>()
        .map(|measure| measure.unit().symbol())
        .unwrap_or_default();
    let unit = unit.map(|unit| if unit == "ft" { "[ft_i]" } else { unit });
    key("unit", unit.filter(|unit| *unit != own).map(quoted), text);
}

/// A raw pattern: a number, or a text such as `"0xFFFF"`.
fn code(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), quoted)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
