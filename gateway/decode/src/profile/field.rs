//! The part of a value's description that bytes, JSON members and registers share: where it goes, how it converts.

use super::convert::{Code, Emit, RoleTarget, Scale, Target};
use super::document::{Node, Problems, Table};
use super::unit;
use crate::observation::Role;
use linli_domain::measure::{Measure, Unit, nearest};
use linli_domain::reading::Value;
use std::ops::Range;
use std::sync::Arc;

/// The `$names` of a profile.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    pub(crate) roles: Vec<Role>,
    pub(crate) default: Option<Role>,
    targets: Vec<Arc<RoleTarget>>,
}

impl Roles {
    /// Reads `[roles]` and `default_role`.
    pub(crate) fn read(top: &mut Table<'_>, problems: &mut Problems<'_>) -> Self {
        let default = top.take("default_role");
        let Some(node) = top.take("roles") else {
            if let Some(default) = default {
                problems.refuse::<()>(
                    default.span(),
                    "`default_role` without [roles]",
                    "add [roles] or leave it out",
                );
            }
            return Self::default();
        };
        let mut found: Vec<(Box<str>, Role, Measure, Range<usize>)> = Vec::new();
        let mut roles = Vec::new();
        for (name, span, node) in problems.table(node).map(|mut t| t.rest()).unwrap_or_default() {
            let Some(role) = read_role(name, span, problems) else {
                continue;
            };
            roles.push(role);
            for (variable, span, node) in problems.table(node).map(|mut t| t.rest()).unwrap_or_default() {
                let measure = problems
                    .text(node)
                    .and_then(|text| read_measure(text, node.span(), problems));
                if let Some(measure) = measure {
                    found.push((variable.into(), role, measure, span));
                }
            }
        }
        let default = match default {
            Some(node) => problems
                .text(node)
                .and_then(|name| read_role(name, node.span(), problems)),
            None if roles.len() > 1 => {
                let hint = "say which role a device has when its own document names none";
                problems.refuse(node.span(), "`default_role` is missing", hint)
            }
            None => roles.first().copied(),
        };
        let targets = default
            .map(|default| group(found, default, problems))
            .unwrap_or_default();
        Self {
            roles,
            default,
            targets,
        }
    }
}

fn group(
    found: Vec<(Box<str>, Role, Measure, Range<usize>)>,
    default: Role,
    problems: &mut Problems<'_>,
) -> Vec<Arc<RoleTarget>> {
    let mut targets: Vec<RoleTarget> = Vec::new();
    for (name, role, measure, span) in found {
        match targets.iter_mut().find(|t| t.name == name) {
            Some(target) => {
                let unit = target.measures[0].1.unit();
                if unit != measure.unit() {
                    let message = format!(
                        "`{name}` is in {unit} in one role and in {} in another",
                        measure.unit()
                    );
                    problems.refuse::<()>(span, message, "give the value one unit in every role");
                }
                target.measures.push((role, measure));
            }
            None => targets.push(RoleTarget {
                name,
                default,
                measures: vec![(role, measure)],
            }),
        }
    }
    targets.into_iter().map(Arc::new).collect()
}

pub(crate) fn read_role(name: &str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Role> {
    Role::from_name(name).or_else(|| {
        let names: Vec<_> = Role::NAMES.iter().map(|(_, name)| *name).collect();
        problems.refuse(
            span,
            format!("unknown role `{name}`"),
            format!("use one of {}", names.join(", ")),
        )
    })
}

pub(crate) fn read_measure(name: &str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Measure> {
    match name.parse::<Measure>() {
        Ok(measure) => Some(measure),
        Err(error) => {
            let hint = error
                .hint
                .map(|near| format!("did you mean \"{near}\"?"))
                .unwrap_or_default();
            problems.refuse(span, format!("{name:?} is not a measure of the vocabulary"), hint)
        }
    }
}

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
        .and_then(|node| read_instance(node, problems));
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
    if unit == Unit::BOOL && kind == Kind::Float {
        problems.refuse::<()>(
            node.span(),
            "a state cannot come from a float",
            "use an integer type",
        );
    }
    let spoken = table.take("unit").map(|node| unit::read(node, unit, problems));
    let spoken = spoken.flatten().unwrap_or(unit::SAME);
    let scale = table.take("scale").and_then(|node| read_scale(node, problems));
    let offset = table.take("offset").and_then(|node| problems.number(node));
    let range = table.take("range").and_then(|node| read_range(node, problems));
    (problems.count() == before).then(|| Emit {
        target,
        unit,
        instance,
        missing,
        meanings,
        scale: Scale::new(scale.unwrap_or(1.0) * spoken.factor),
        offset: offset.unwrap_or(0.0) * spoken.factor + spoken.offset,
        range,
    })
}

fn read_role_target(
    name: &str,
    span: Range<usize>,
    roles: &Roles,
    problems: &mut Problems<'_>,
) -> Option<(Target, Unit)> {
    match roles.targets.iter().find(|t| *t.name == *name) {
        Some(target) => Some((Target::ByRole(target.clone()), target.measures[0].1.unit())),
        None => {
            let hint = match nearest(name, roles.targets.iter().map(|t| &*t.name)) {
                Some(near) => format!("did you mean \"${near}\"?"),
                None => {
                    format!("name its measure in [roles], for example bin = {{ {name} = \"bin.distance\" }}")
                }
            };
            problems.refuse(span, format!("no role gives ${name} a measure"), hint)
        }
    }
}

/// An instance becomes part of a point's id and follows its rules.
fn read_instance(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Arc<str>> {
    let text = problems.text(node)?;
    let fine = (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fine {
        return Some(text.into());
    }
    let hint = "use 1 to 32 of a-z, A-Z, 0-9, '-', '_' and '.'";
    problems.refuse(node.span(), format!("{text:?} cannot name an instance"), hint)
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
    let mut meanings = Vec::with_capacity(entries.len());
    for (key, span, node) in entries {
        let code = match read_code(key) {
            Some(code) => Some(Code::Int(code)),
            None if kind == Kind::Json => Some(Code::Text(key.into())),
            None => problems.refuse(
                span,
                format!("{key:?} is not a code"),
                "write a number such as 1 or 0x1f",
            ),
        };
        let value = match unit {
            Unit::BOOL => problems.boolean(node).map(Value::State),
            Unit::TEXT => problems.text(node).map(|text| Value::Text(text.into())),
            _ => problems.number(node).map(Value::Number),
        };
        meanings.extend(code.zip(value));
    }
    meanings
}

/// A code written as a key: decimal, or hexadecimal with `0x`.
pub(crate) fn read_code(key: &str) -> Option<i128> {
    match key.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(i128::from),
        None => key.parse::<i64>().ok().map(i128::from),
    }
}

fn read_scale(node: Node<'_>, problems: &mut Problems<'_>) -> Option<f64> {
    match problems.number(node)? {
        0.0 => problems.refuse(
            node.span(),
            "a scale of 0 makes every value the same",
            "value = raw * scale + offset",
        ),
        factor => Some(factor),
    }
}

fn read_range(node: Node<'_>, problems: &mut Problems<'_>) -> Option<(f64, f64)> {
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
