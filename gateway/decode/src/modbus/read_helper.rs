//! Reading helpers: registers with a name, what they count in a sum, and the conditions that look at them.

use super::map::{Condition, Part};
use super::read_register::Named;
use super::words::Kind;
use crate::profile::convert::Scale;
use crate::profile::document::{Node, Problems, Table};
use crate::profile::field::read_scale;
use linli_domain::measure::nearest;
use toml::de::DeValue;

/// Most conditions of a register.
const MAX_CONDITIONS: usize = 8;
/// Most codes of a condition.
const MAX_CODES: usize = 64;

/// How a helper counts in a sum. `enum` may stand there: what the codes mean to a reader of the profile.
pub(super) fn read_part(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Part> {
    let scale = table.take("scale").and_then(|node| read_scale(node, problems));
    let offset = table.take("offset").and_then(|node| problems.number(node));
    let missing = match table.take("missing") {
        None => Vec::new(),
        Some(node) => read_codes(problems.array(node)?, problems)?,
    };
    let _ = table.take("enum").and_then(|node| problems.table(node));
    Some(Part {
        missing,
        scale: Scale::new(scale.unwrap_or(1.0)),
        offset: offset.unwrap_or(0.0),
    })
}

fn read_codes(nodes: &[toml::Spanned<DeValue<'_>>], problems: &mut Problems<'_>) -> Option<Vec<i128>> {
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    nodes
        .iter()
        .take(MAX_CODES + 1)
        .map(|node| problems.integer(node, range.clone()))
        .collect()
}

/// `@name`, once.
pub(super) fn read_name<'d>(
    node: Node<'d>,
    earlier: &[Named<'d>],
    problems: &mut Problems<'_>,
) -> Option<&'d str> {
    let text = problems.text(node)?;
    let name = text
        .strip_prefix('@')
        .filter(|name| !name.is_empty() && name.len() <= 32);
    let Some(name) = name else {
        return problems.refuse(
            node.span(),
            format!("{text:?} is not a name"),
            "write it like \"@integer\"",
        );
    };
    if earlier.iter().any(|other| other.name == Some(name)) {
        return problems.refuse(
            node.span(),
            format!("@{name} names an earlier register"),
            "give each its own name",
        );
    }
    Some(name)
}

/// One condition, or a list of which all must hold.
pub(super) fn read_when(
    node: Node<'_>,
    earlier: &[Named<'_>],
    problems: &mut Problems<'_>,
) -> Option<Vec<Condition>> {
    let nodes = match node.get_ref() {
        DeValue::Array(nodes) if (1..=MAX_CONDITIONS).contains(&nodes.len()) => nodes,
        DeValue::Array(_) => {
            return problems.refuse(
                node.span(),
                format!("a register has 1 to {MAX_CONDITIONS} conditions"),
                "",
            );
        }
        _ => return read_condition(node, earlier, problems).map(|condition| vec![condition]),
    };
    nodes
        .iter()
        .map(|node| read_condition(node, earlier, problems))
        .collect()
}

/// `{ register = "@units", equals = 0 }`: one code, several, or true and false.
fn read_condition(node: Node<'_>, earlier: &[Named<'_>], problems: &mut Problems<'_>) -> Option<Condition> {
    let mut table = problems.table(node)?;
    let register = table.need(
        "register",
        "the earlier register it depends on, such as \"@units\"",
        problems,
    );
    let equals = table.need("equals", "the code it must hold, or a list of codes", problems);
    table.finish(problems);
    let register_node = register?;
    let register = find(register_node, earlier, problems)?;
    let is_integer = earlier
        .get(register)
        .is_some_and(|named| matches!(named.register.form.kind, Kind::Unsigned(_) | Kind::Signed(_)));
    if !is_integer {
        let hint = "name an integer, a bit or a contact";
        return problems.refuse(register_node.span(), "a condition looks at a whole number", hint);
    }
    let equals = equals?;
    let codes = match equals.get_ref() {
        DeValue::Boolean(state) => vec![i128::from(*state)],
        DeValue::Array(nodes) => read_codes(nodes, problems)?,
        _ => read_codes(std::slice::from_ref(equals), problems)?,
    };
    if codes.is_empty() || codes.len() > MAX_CODES {
        return problems.refuse(
            equals.span(),
            format!("a condition has 1 to {MAX_CODES} codes"),
            "",
        );
    }
    Some(Condition { register, codes })
}

/// The register named by `node`.
pub(super) fn find(node: Node<'_>, named: &[Named<'_>], problems: &mut Problems<'_>) -> Option<usize> {
    let text = problems.text(node)?;
    let name = text.strip_prefix('@').unwrap_or(text);
    named
        .iter()
        .position(|named| named.name == Some(name))
        .or_else(|| {
            let hint = match nearest(name, named.iter().filter_map(|named| named.name)) {
                Some(near) => format!("did you mean \"@{near}\"?"),
                None => {
                    format!("name one with measure = \"@{name}\" (or name = \"@{name}\" beside its measure)")
                }
            };
            problems.refuse(node.span(), format!("no earlier register is named @{name}"), hint)
        })
}
