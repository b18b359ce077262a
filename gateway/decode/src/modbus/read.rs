//! Reading `[modbus]` out of a profile.

use super::plan::{Register, plan};
use super::words::{Form, Kind, Order};
use super::{MAX_WORDS, Point, RegisterMap};
use crate::profile::bytes::layout::Extract;
use crate::profile::bytes::read_number::read_extract;
use crate::profile::document::{Node, Problems, Table};
use crate::profile::field::{Kind as FieldKind, read_emit};
use crate::profile::roles::Roles;

/// Most registers of a profile.
const MAX_REGISTERS: usize = 1024;

/// Name, words and reading of each type. `bool`, `bit` and `enum` are integers with their own checks.
const TYPES: [(&str, Kind); 10] = [
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
];

/// Reads `[modbus]` and plans its requests.
pub(crate) fn read(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<RegisterMap> {
    let mut table = problems.table(node)?;
    let order = read_order(&mut table, problems).unwrap_or(Order::Abcd);
    let max_registers = table
        .take("max_registers")
        .and_then(|node| problems.integer(node, 1..=MAX_WORDS.into()));
    let max_registers = max_registers
        .and_then(|n| u16::try_from(n).ok())
        .unwrap_or(MAX_WORDS);
    let hint = "add a [[modbus.registers]] table for each value";
    let list = table.need("registers", hint, problems);
    table.finish(problems);
    let list = list?;
    let nodes = problems.array(list)?;
    if nodes.is_empty() || nodes.len() > MAX_REGISTERS {
        return problems.refuse(
            list.span(),
            format!("a map has 1 to {MAX_REGISTERS} registers"),
            hint,
        );
    }
    let before = problems.count();
    let registers: Vec<_> = nodes
        .iter()
        .filter_map(|node| read_register(node, order, max_registers, roles, problems))
        .collect();
    (problems.count() == before).then(|| plan(registers, max_registers))
}

fn read_register(
    node: Node<'_>,
    order: Order,
    max_registers: u16,
    roles: &Roles,
    problems: &mut Problems<'_>,
) -> Option<Register> {
    let mut table = problems.table(node)?;
    let function = table.need(
        "function",
        "1 coils, 2 discrete inputs, 3 holding, 4 input registers",
        problems,
    );
    let address = table.need("address", "0-based, as on the wire", problems);
    let type_node = table.need("type", "for example type = \"u16\"", problems);
    let measure = table.need("measure", "for example measure = \"leak.wet\"", problems);
    let order = read_order(&mut table, problems).unwrap_or(order);
    let function = u8::try_from(problems.integer(function?, 1..=4)?).ok()?;
    let address_node = address?;
    let address = u16::try_from(problems.integer(address_node, 0..=0xFFFF)?).ok()?;
    let type_node = type_node?;
    let type_name = problems.text(type_node)?;
    let Some((_, kind)) = TYPES.into_iter().find(|(name, _)| *name == type_name) else {
        let names = TYPES.map(|(name, _)| name).join(", ");
        return problems.refuse(
            type_node.span(),
            format!("unknown type {type_name:?}"),
            format!("use one of {names}"),
        );
    };
    for (needing, key) in [("bit", "bit"), ("enum", "enum")] {
        if type_name == needing && table.peek(key).is_none() {
            problems.refuse::<()>(type_node.span(), format!("type \"{needing}\" needs `{key}`"), "");
        }
    }
    let is_bits = function <= 2;
    if is_bits && type_name != "bool" {
        problems.refuse::<()>(
            type_node.span(),
            "functions 1 and 2 read single bits",
            "use type = \"bool\"",
        );
    }
    let words = Form {
        kind,
        order,
        extract: Extract::ALL,
    }
    .words();
    let is_unsigned = matches!(kind, Kind::Unsigned(_)) && !is_bits;
    let extract = read_extract(&mut table, 2 * words, !is_unsigned, problems)?;
    let field_kind = if kind == Kind::Float {
        FieldKind::Float
    } else {
        FieldKind::Integer
    };
    let emit = read_emit(measure?, &mut table, field_kind, roles, problems)?;
    table.finish(problems);
    let count = u16::try_from(words).ok()?;
    if address.checked_add(count - 1).is_none() {
        return problems.refuse(
            address_node.span(),
            "the value reaches beyond the last address",
            "the last one is 0xffff",
        );
    }
    if !is_bits && count > max_registers {
        let message = format!("the value takes {count} registers and max_registers allows {max_registers}");
        return problems.refuse(
            type_node.span(),
            message,
            "a value is read in one request; raise max_registers",
        );
    }
    Some(Register {
        function,
        address,
        count,
        point: Point {
            request: 0,
            offset: 0,
            form: Form { kind, order, extract },
            emit,
        },
    })
}

fn read_order(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Order> {
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
