//! Reading one register of `[modbus]`.

use super::MAX_WORDS;
use super::map::{Limits, Register, Target};
use super::read::{Group, read_poll};
use super::read_address::{Base, read_address};
use super::read_helper::{read_name, read_part, read_when};
use super::words::{Form, Kind, Order};
use super::write::can_be_written;
use crate::profile::bytes::layout::Extract;
use crate::profile::bytes::read_number::read_extract;
use crate::profile::document::{Node, Problems, Table};
use crate::profile::field::{Kind as FieldKind, read_emit, read_range};
use crate::profile::roles::Roles;
use linli_domain::measure::{Unit, nearest};
use std::ops::Range;
use std::time::Duration;

/// Name, words and reading of each type. `bool`, `bit` and `enum` are integers with their own checks.
const TYPES: [(&str, Kind); 12] = [
    ("u16", Kind::Unsigned(1)),
    ("i16", Kind::Signed(1)),
    ("u32", Kind::Unsigned(2)),
    ("i32", Kind::Signed(2)),
    ("u64", Kind::Unsigned(4)),
    ("i64", Kind::Signed(4)),
    ("f32", Kind::Float),
    ("bool", Kind::Unsigned(1)),
    ("bit", Kind::Unsigned(1)),
    ("enum", Kind::Unsigned(1)),
    ("text", Kind::Text(0)),
    ("version", Kind::Version(0)),
];
/// Most registers of a text.
const MAX_TEXT: i128 = 64;

/// What `[modbus]` says for all registers.
pub(super) struct Defaults<'d> {
    pub(super) order: Order,
    pub(super) base: Base,
    pub(super) poll: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) groups: &'d [Group<'d>],
}

/// `write` of a register.
pub(super) struct WriteDoc {
    pub(super) name: Box<str>,
    pub(super) range: (f64, f64),
    pub(super) many: bool,
}

/// A register with what only the rest of the map needs to know.
pub(super) struct Named<'d> {
    pub(super) name: Option<&'d str>,
    pub(super) register: Register,
    pub(super) write: Option<WriteDoc>,
    pub(super) poll: Option<Duration>,
    /// Index of its group.
    pub(super) group: Option<usize>,
    pub(super) span: Range<usize>,
}

impl Named<'_> {
    /// Whether it can be a part of a sum.
    pub(super) fn is_number_helper(&self) -> bool {
        matches!(self.register.target, Target::Helper(_))
    }
}

/// Reads one register; `earlier` ones can be its condition.
pub(super) fn read_register<'d>(
    node: Node<'d>,
    defaults: &Defaults<'_>,
    earlier: &[Named<'d>],
    roles: &Roles,
    problems: &mut Problems<'_>,
) -> Option<Named<'d>> {
    let mut table = problems.table(node)?;
    let function = table.need(
        "function",
        "1 coils, 2 discrete inputs, 3 holding, 4 input registers",
        problems,
    );
    let address = table.need("address", "0-based, as on the wire", problems);
    let type_node = table.need("type", "for example type = \"u16\"", problems);
    let measure = table.need("measure", "for example measure = \"leak.wet\"", problems);
    let order = read_order(&mut table, problems).unwrap_or(defaults.order);
    let poll = read_poll(&mut table, problems);
    let group = table
        .take("group")
        .and_then(|node| read_group(node, defaults.groups, problems));
    let when = table
        .take("when")
        .map_or_else(|| Some(Vec::new()), |node| read_when(node, earlier, problems));
    let own_name = table
        .take("name")
        .and_then(|node| read_name(node, earlier, problems));
    let function = u8::try_from(problems.integer(function?, 1..=4)?).ok()?;
    let address_node = address?;
    let address = read_address(address_node, defaults.base, function, problems)?;
    let kind = read_kind(type_node?, &mut table, function, problems)?;
    let form = |extract| Form { kind, order, extract };
    let words = form(Extract::ALL).words();
    let is_unsigned = matches!(kind, Kind::Unsigned(_)) && function >= 3;
    let extract = read_extract(&mut table, 2 * words.min(4), !is_unsigned, problems)?;
    let (target, helper_name) = read_target(measure?, &mut table, kind, earlier, roles, problems)?;
    let write = table
        .take("write")
        .and_then(|node| read_write(node, function, kind, extract, problems));
    let span = table.span.clone();
    table.finish(problems);
    if own_name.is_some() && helper_name.is_some() {
        return problems.refuse(span, "a helper has its name in `measure`", "leave `name` out");
    }
    let count = u16::try_from(words).ok()?;
    fits(count, address, function, defaults.limits, address_node, problems)?;
    Some(Named {
        name: own_name.or(helper_name),
        register: Register {
            function,
            address,
            count,
            form: form(extract),
            target,
            when: when?,
        },
        write,
        poll,
        group,
        span,
    })
}

fn fits(
    count: u16,
    address: u16,
    function: u8,
    limits: Limits,
    node: Node<'_>,
    problems: &mut Problems<'_>,
) -> Option<()> {
    if address.checked_add(count - 1).is_none() {
        let message = "the value reaches beyond the last address";
        return problems.refuse(node.span(), message, "the last one is 0xffff");
    }
    if function >= 3 && count > limits.max_registers {
        let message = format!(
            "the value takes {count} registers and max_registers allows {}",
            limits.max_registers
        );
        let hint = format!("a value is read in one request; raise max_registers, up to {MAX_WORDS}");
        return problems.refuse(node.span(), message, hint);
    }
    Some(())
}

fn read_kind(
    node: Node<'_>,
    table: &mut Table<'_>,
    function: u8,
    problems: &mut Problems<'_>,
) -> Option<Kind> {
    let name = problems.text(node)?;
    let Some((_, kind)) = TYPES.into_iter().find(|(known, _)| *known == name) else {
        let names = TYPES.map(|(name, _)| name).join(", ");
        return problems.refuse(
            node.span(),
            format!("unknown type {name:?}"),
            format!("use one of {names}"),
        );
    };
    for (needing, key) in [("bit", "bit"), ("enum", "enum")] {
        if name == needing && table.peek(key).is_none() {
            problems.refuse::<()>(node.span(), format!("type \"{needing}\" needs `{key}`"), "");
        }
    }
    if function <= 2 && name != "bool" {
        problems.refuse::<()>(
            node.span(),
            "functions 1 and 2 read single bits",
            "use type = \"bool\"",
        );
    }
    let mut count = |otherwise: Option<i128>| {
        let node = match otherwise {
            None => table.need(
                "count",
                "how many registers it takes, two characters each",
                problems,
            ),
            Some(_) => table.take("count"),
        };
        let count = match node {
            Some(node) => problems.integer(node, 1..=MAX_TEXT)?,
            None => otherwise?,
        };
        usize::try_from(count).ok()
    };
    match kind {
        Kind::Text(_) => count(None).map(Kind::Text),
        Kind::Version(_) => count(Some(1)).map(Kind::Version),
        kind => Some(kind),
    }
}

/// A measure (or `$name`) to report, or `@name` for a helper.
fn read_target<'d>(
    node: Node<'d>,
    table: &mut Table<'d>,
    kind: Kind,
    earlier: &[Named<'d>],
    roles: &Roles,
    problems: &mut Problems<'_>,
) -> Option<(Target, Option<&'d str>)> {
    let is_text = matches!(kind, Kind::Text(_) | Kind::Version(_));
    if problems.text(node)?.starts_with('@') {
        if is_text {
            return problems.refuse(node.span(), "a text cannot be a helper", "give it a measure");
        }
        let name = read_name(node, earlier, problems)?;
        return read_part(table, problems).map(|part| (Target::Helper(part), Some(name)));
    }
    let field = match kind {
        Kind::Float => FieldKind::Float,
        Kind::Text(_) | Kind::Version(_) => FieldKind::Json,
        Kind::Unsigned(_) | Kind::Signed(_) => FieldKind::Integer,
    };
    let emit = read_emit(node, table, field, roles, problems)?;
    if is_text && emit.unit != Unit::TEXT {
        return problems.refuse(
            node.span(),
            "a text has a measure of texts",
            "use \"device.firmware\"",
        );
    }
    Some((Target::Emit(Box::new(emit)), None))
}

/// `{ name = "valve", range = [0, 1] }`, with `function = 16` for devices that know no other.
fn read_write(
    node: Node<'_>,
    function: u8,
    kind: Kind,
    extract: Extract,
    problems: &mut Problems<'_>,
) -> Option<WriteDoc> {
    let mut table = problems.table(node)?;
    let name = table.need(
        "name",
        "what it is called, for example name = \"valve\"",
        problems,
    );
    let range = table.need(
        "range",
        "the least and the greatest value, for example range = [0, 1]",
        problems,
    );
    let many = table
        .take("function")
        .and_then(|node| problems.integer(node, 16..=16));
    table.finish(problems);
    let name_node = name?;
    let name = problems.text(name_node)?;
    let is_name = (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_name {
        let hint = "use 1 to 32 of a-z, A-Z, 0-9, '-', '_' and '.'";
        return problems.refuse(name_node.span(), format!("{name:?} cannot name a write"), hint);
    }
    let range = read_range(range?, problems)?;
    if !matches!(function, 1 | 3) {
        let hint = "coils (function 1) and holding registers (function 3) can";
        return problems.refuse(node.span(), "this cannot be written", hint);
    }
    if !can_be_written(kind) || extract != Extract::ALL {
        let hint =
            "only whole numbers and floats of up to two registers can; a part of one would change the rest";
        return problems.refuse(node.span(), "a value of this type cannot be written", hint);
    }
    Some(WriteDoc {
        name: name.into(),
        range,
        many: many.is_some(),
    })
}

fn read_group(node: Node<'_>, groups: &[Group<'_>], problems: &mut Problems<'_>) -> Option<usize> {
    let name = problems.text(node)?;
    groups.iter().position(|group| group.name == name).or_else(|| {
        let hint = match nearest(name, groups.iter().map(|group| group.name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("describe it in [modbus.groups.{name}]"),
        };
        problems.refuse(node.span(), format!("there is no group \"{name}\""), hint)
    })
}

pub(super) fn read_order(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Order> {
    let node = table.take("order")?;
    let name = problems.text(node)?;
    let found = Order::NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, order)| *order);
    found.or_else(|| {
        let hint = "use ABCD, CDAB, BADC or DCBA: the order in which the bytes of a 32-bit value arrive";
        problems.refuse(node.span(), format!("unknown order {name:?}"), hint)
    })
}
