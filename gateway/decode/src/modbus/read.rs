//! Reading `[modbus]` out of a profile: its defaults, its limits and manners, its groups, its registers and sums.

use super::map::{Limits, Manners, RegisterMap, Sum};
use super::plan::{Plan, plan};
use super::read_address::{Base, read_base};
use super::read_blocks::blocks;
use super::read_helper::find;
use super::read_register::{Defaults, Named, read_order, read_register};
use super::words::Order;
use super::write::Writable;
use super::{Learned, MAX_BITS, MAX_WORDS};
use crate::profile::document::{Node, Problems, Table};
use crate::profile::field::{Kind as FieldKind, read_emit};
use crate::profile::roles::Roles;
use linli_domain::time::duration_text;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Most registers, and most sums, of a profile.
const MAX_REGISTERS: usize = 1024;
/// Most parts of a sum.
const MAX_PARTS: usize = 16;
/// Most addresses in a row that may be read over.
const MAX_GAP: i128 = 64;
/// Periods a profile may ask for.
const PERIODS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
/// Longest pause and lateness a profile may state.
const MAX_PAUSE: Duration = Duration::from_secs(5);
const MAX_LATENESS: Duration = Duration::from_secs(60);

/// Registers of one name: read together, or with a period of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'d> {
    pub(super) name: &'d str,
    pub(super) poll: Option<Duration>,
    pub(super) together: bool,
}

/// Reads `[modbus]` and plans its requests.
pub(crate) fn read(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<RegisterMap> {
    let mut table = problems.table(node)?;
    let limits = read_limits(&mut table, problems);
    let manners = read_manners(&mut table, problems);
    let defaults = Defaults {
        order: read_order(&mut table, problems).unwrap_or(Order::Abcd),
        base: read_base(&mut table, problems).unwrap_or(Base::Unsaid),
        poll: read_poll(&mut table, problems),
        limits,
        groups: &read_groups(&mut table, problems),
    };
    let hint = "add a [[modbus.registers]] table for each value";
    let list = table.need("registers", hint, problems);
    let sums = table.take("sums");
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
    let mut named: Vec<Named<'_>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        named.extend(read_register(node, &defaults, &named, roles, problems));
    }
    let sums = sums.map_or_else(Vec::new, |node| read_sums(node, &named, roles, problems));
    if problems.count() != before {
        return None;
    }
    let (blocks, classes) = blocks(&named, &sums, &defaults, problems)?;
    let writables = writables(&mut named, problems)?;
    let mut map = RegisterMap {
        registers: named.into_iter().map(|named| named.register).collect(),
        sums,
        writables,
        blocks,
        classes,
        limits,
        manners,
        plan: Plan::default(),
    };
    map.plan = plan(&map, &Learned::default());
    Some(map)
}

/// What may be written, each by a name of its own.
fn writables(named: &mut [Named<'_>], problems: &mut Problems<'_>) -> Option<Vec<Writable>> {
    let mut writables: Vec<Writable> = Vec::new();
    for (register, named) in named.iter_mut().enumerate() {
        let Some(write) = named.write.take() else { continue };
        if writables.iter().any(|other| other.name == write.name) {
            let message = format!("two registers are written as {:?}", write.name);
            return problems.refuse(named.span.clone(), message, "give each its own name");
        }
        writables.push(Writable {
            name: write.name,
            range: write.range,
            many: write.many,
            register,
        });
    }
    Some(writables)
}

fn read_limits(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Limits {
    let mut limit = |key, range: RangeInclusive<i128>, otherwise| {
        let node = table.take(key);
        let number = node.and_then(|node| problems.integer(node, range));
        number
            .and_then(|number| u16::try_from(number).ok())
            .unwrap_or(otherwise)
    };
    Limits {
        max_registers: limit("max_registers", 1..=MAX_WORDS.into(), MAX_WORDS),
        max_bits: limit("max_bits", 1..=MAX_BITS.into(), MAX_BITS),
        max_gap: limit("max_gap", 0..=MAX_GAP, 0),
        one_by_one: read_flag(table, "one_by_one", problems),
    }
}

fn read_manners(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Manners {
    let pause = table
        .take("pause")
        .and_then(|node| read_duration(node, Duration::ZERO..=MAX_PAUSE, problems));
    let lateness = table
        .take("max_lateness")
        .and_then(|node| read_duration(node, Duration::ZERO..=MAX_LATENESS, problems));
    Manners {
        pause: pause.unwrap_or_default(),
        max_lateness: lateness,
        close_after_cycle: read_flag(table, "close_after_cycle", problems),
    }
}

pub(super) fn read_flag(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> bool {
    table
        .take(key)
        .and_then(|node| problems.boolean(node))
        .unwrap_or(false)
}

/// `poll = "60s"`.
pub(super) fn read_poll(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Duration> {
    table
        .take("poll")
        .and_then(|node| read_duration(node, PERIODS, problems))
}

fn read_duration(
    node: Node<'_>,
    range: RangeInclusive<Duration>,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    match duration_text::parse(problems.text(node)?) {
        Ok(duration) if range.contains(&duration) => Some(duration),
        Ok(duration) => {
            let [found, low, high] = [duration, *range.start(), *range.end()].map(duration_text::format);
            problems.refuse(
                node.span(),
                format!("{found} is out of range"),
                format!("use {low} to {high}"),
            )
        }
        Err(message) => problems.refuse(node.span(), message, "write for example \"60s\""),
    }
}

fn read_groups<'d>(table: &mut Table<'d>, problems: &mut Problems<'_>) -> Vec<Group<'d>> {
    let groups = table.take("groups").and_then(|node| problems.table(node));
    let mut read = Vec::new();
    for (name, span, node) in groups.map(|mut table| table.rest()).unwrap_or_default() {
        let Some(mut table) = problems.table(node) else {
            continue;
        };
        let group = Group {
            name,
            poll: read_poll(&mut table, problems),
            together: read_flag(&mut table, "together", problems),
        };
        table.finish(problems);
        if group.poll.is_none() && !group.together {
            let hint = "give it poll = \"60s\" or together = true";
            problems.refuse::<()>(span, format!("the group \"{name}\" says nothing"), hint);
        }
        read.push(group);
    }
    read
}

fn read_sums(node: Node<'_>, named: &[Named<'_>], roles: &Roles, problems: &mut Problems<'_>) -> Vec<Sum> {
    let nodes = problems.array(node).unwrap_or_default();
    if nodes.len() > MAX_REGISTERS {
        problems.refuse::<()>(node.span(), format!("a map has at most {MAX_REGISTERS} sums"), "");
        return Vec::new();
    }
    nodes
        .iter()
        .filter_map(|node| read_sum(node, named, roles, problems))
        .collect()
}

/// `{ measure = "water.volume", of = ["@integer", "@fraction"] }`.
fn read_sum(node: Node<'_>, named: &[Named<'_>], roles: &Roles, problems: &mut Problems<'_>) -> Option<Sum> {
    let mut table = problems.table(node)?;
    let measure = table.need("measure", "for example measure = \"water.volume\"", problems);
    let of = table.need(
        "of",
        "the helpers to add, for example of = [\"@integer\", \"@fraction\"]",
        problems,
    );
    let emit = read_emit(measure?, &mut table, FieldKind::Float, roles, problems)?;
    table.finish(problems);
    let of = of?;
    let nodes = problems.array(of)?;
    if nodes.is_empty() || nodes.len() > MAX_PARTS {
        return problems.refuse(of.span(), format!("a sum has 1 to {MAX_PARTS} parts"), "");
    }
    let parts = nodes
        .iter()
        .map(|node| find(node, named, problems))
        .collect::<Option<Vec<_>>>()?;
    for (part, node) in parts.iter().zip(nodes) {
        if named.get(*part).is_some_and(|named| !named.is_number_helper()) {
            let hint =
                "name a register that is a number with measure = \"@name\"; it is not reported by itself";
            return problems.refuse(node.span(), "only helpers can be added", hint);
        }
    }
    Some(Sum { parts, emit })
}
