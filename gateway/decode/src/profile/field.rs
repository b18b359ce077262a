//! The part of a value's description that bytes, JSON members and registers share: where it goes, how it converts.

use super::convert::{Code, Emit, Instance, Scale, Target};
use super::document::{Node, Problems, Table};
use super::roles::{Roles, read_measure, read_role_target};
use super::unit;
use linli_domain::measure::{Unit, nearest};
use linli_domain::reading::Value;

/// Longest instance in bytes.
pub(crate) const MAX_INSTANCE: usize = 32;

/// What a raw value can be, for the checks at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Float,
    Json,
}

/// Reads the target `node` (a measure or `$name`) and the conversion keys of `table`.
pub(crate) fn read_emit(
    node: Node<'_>,
    table: &mut Table<'_>,
    kind: Kind,
    roles: &Roles,
    problems: &mut Problems<'_>,
) -> Option<Emit> {
    let before = problems.count();
    let (target, unit) = match problems.text(node)? {
        name if name.starts_with('$') => read_role_target(&name[1..], node.span(), roles, problems)?,
        name => {
            let measure = read_measure(name, node.span(), problems)?;
            (Target::Measure(measure), measure.unit())
        }
    };
    let instance = table
        .take("instance")
        .and_then(|node| read_instance(node, roles, problems));
    let missing = read_missing(table, kind, problems);
    let meanings = read_meanings(table, unit, kind, problems);
    let is_number = unit != Unit::BOOL && unit != Unit::TEXT;
    for key in ["scale", "offset", "range"] {
        if let (false, Some(node)) = (is_number, table.peek(key)) {
            let message = format!("`{key}` needs a number, and this measure's unit is {unit}");
            problems.refuse::<()>(node.span(), message, "use enum = { … } to give codes a meaning");
        }
    }
    if unit == Unit::TEXT && kind != Kind::Json && meanings.is_empty() {
        let hint = "add enum = { 1 = \"…\" } or read it with `version`";
        problems.refuse::<()>(node.span(), "a text cannot come from a number", hint);
    }
    let at_least = table.take("at_least");
    if let Some(node) = at_least.filter(|_| unit != Unit::BOOL || !meanings.is_empty()) {
        let message = "`at_least` makes a state of a number";
        problems.refuse::<()>(node.span(), message, "use it for a state, and not beside `enum`");
    }
    let at_least = at_least.and_then(|node| problems.number(node));
    if unit == Unit::BOOL && kind == Kind::Float && at_least.is_none() {
        let hint = "use an integer type, or at_least = …";
        problems.refuse::<()>(node.span(), "a state cannot come from a float", hint);
    }
    let invert = table.take("invert");
    if let Some(node) = invert.filter(|_| unit != Unit::BOOL) {
        problems.refuse::<()>(node.span(), "only a state can be the other way round", "");
    }
    let invert = invert.and_then(|node| problems.boolean(node));
    let spoken = table.take("unit").map(|node| unit::read(node, unit, problems));
    let spoken = spoken.flatten().unwrap_or(unit::SAME);
    let scale = table.take("scale").and_then(|node| read_scale(node, problems));
    let offset = table.take("offset").and_then(|node| problems.number(node));
    let range = table.take("range").and_then(|node| read_range(node, problems));
    let own = (scale.unwrap_or(1.0), offset.unwrap_or(0.0));
    (problems.count() == before).then(|| Emit {
        target,
        unit,
        instance: instance.unwrap_or(Instance::None),
        missing,
        meanings,
        own,
        scale: Scale::new(own.0 * spoken.factor),
        offset: own.1 * spoken.factor + spoken.offset,
        range,
        at_least,
        invert: invert.unwrap_or(false),
    })
}

/// An instance becomes part of a point's id and follows its rules; `{level}` takes a named level of the topic.
fn read_instance(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<Instance> {
    let text = problems.text(node)?;
    if let Some(level) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let found = roles.levels.iter().position(|known| **known == *level);
        return found.map(Instance::Level).or_else(|| {
            let hint = match nearest(level, roles.levels.iter().map(|known| &**known)) {
                Some(near) => format!("did you mean \"{{{near}}}\"?"),
                None => "name a level in `topic`, for example topic = \"input/{input}\"".to_owned(),
            };
            problems.refuse(node.span(), format!("the topic has no level {text}"), hint)
        });
    }
    if is_instance(text) {
        return Some(Instance::Fixed(text.into()));
    }
    let hint = "use 1 to 32 of a-z, A-Z, 0-9, '-', '_' and '.'";
    problems.refuse(node.span(), format!("{text:?} cannot name an instance"), hint)
}

/// Whether a text may name an instance.
pub(crate) fn is_instance(text: &str) -> bool {
    (1..=MAX_INSTANCE).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn read_missing(table: &mut Table<'_>, kind: Kind, problems: &mut Problems<'_>) -> Vec<Code> {
    let Some(node) = table.take("missing") else {
        return Vec::new();
    };
    let codes = problems.array(node).unwrap_or_default();
    codes
        .iter()
        .filter_map(|node| match node.get_ref().as_str() {
            Some(text) if kind == Kind::Json => Some(Code::Text(text.into())),
            _ => problems
                .integer(node, i128::from(i64::MIN)..=i128::from(u64::MAX))
                .map(Code::Int),
        })
        .collect()
}

/// `enum = { "0" = false, "1" = true }`: the keys are codes, the values fit the measure.
fn read_meanings(
    table: &mut Table<'_>,
    unit: Unit,
    kind: Kind,
    problems: &mut Problems<'_>,
) -> Vec<(Code, Value)> {
    let Some(node) = table.take("enum") else {
        return Vec::new();
    };
    let entries = problems.table(node).map(|mut t| t.rest()).unwrap_or_default();
    if entries.is_empty() {
        problems.refuse::<()>(
            node.span(),
            "an enum without codes",
            "write for example enum = { 0 = false, 1 = true }",
        );
    }
    let mut meanings: Vec<(Code, Value)> = Vec::with_capacity(entries.len());
    for (key, span, node) in entries {
        let code = match read_code(key) {
            Some(code) if kind != Kind::Json || !key.starts_with("0x") => Some(Code::Int(code)),
            _ if kind == Kind::Json => Some(Code::Text(key.into())),
            _ => {
                let hint = "write a number such as 1 or 0x1f";
                problems.refuse(span.clone(), format!("{key:?} is not a code"), hint)
            }
        };
        if code
            .as_ref()
            .is_some_and(|code| meanings.iter().any(|(other, _)| other == code))
        {
            problems.refuse::<()>(
                span,
                format!("the code {key} has two meanings"),
                "write each once",
            );
        }
        meanings.extend(code.zip(read_value(node, unit, problems)));
    }
    meanings
}

/// A value as the unit wants it.
pub(crate) fn read_value(node: Node<'_>, unit: Unit, problems: &mut Problems<'_>) -> Option<Value> {
    match unit {
        Unit::BOOL => problems.boolean(node).map(Value::State),
        Unit::TEXT => problems.text(node).map(|text| Value::Text(text.into())),
        _ => problems.number(node).map(Value::Number),
    }
}

/// A code written as a key: decimal, or hexadecimal with `0x`.
pub(crate) fn read_code(key: &str) -> Option<i128> {
    match key.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(i128::from),
        None => key.parse::<i64>().ok().map(i128::from),
    }
}

pub(crate) fn read_scale(node: Node<'_>, problems: &mut Problems<'_>) -> Option<f64> {
    match problems.number(node)? {
        0.0 => problems.refuse(
            node.span(),
            "a scale of 0 makes every value the same",
            "value = raw * scale + offset",
        ),
        factor => Some(factor),
    }
}

pub(crate) fn read_range(node: Node<'_>, problems: &mut Problems<'_>) -> Option<(f64, f64)> {
    let [low, high] = problems.array(node)? else {
        return problems.refuse(
            node.span(),
            "a range has two ends",
            "write for example range = [0, 100]",
        );
    };
    let (low, high) = (problems.number(low)?, problems.number(high)?);
    if low > high {
        return problems.refuse(node.span(), "the range is empty", "write the lower end first");
    }
    Some((low, high))
}
