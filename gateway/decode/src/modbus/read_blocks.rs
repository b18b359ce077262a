//! What belongs together becomes a block: conditions with what depends on them, the parts of a sum, and groups that
//! say so. A block has one function and one period, and fits into one request.

use super::RegisterRequest;
use super::map::{Block, Sum};
use super::read_register::{Defaults, Named};
use crate::profile::document::Problems;
use std::time::Duration;

/// The blocks in the order of a plan, and the periods they have.
pub(super) fn blocks(
    named: &[Named<'_>],
    sums: &[Sum],
    defaults: &Defaults<'_>,
    problems: &mut Problems<'_>,
) -> Option<(Vec<Block>, Vec<Option<Duration>>)> {
    let mut roots: Vec<usize> = (0..named.len()).collect();
    for (index, named) in named.iter().enumerate() {
        for when in &named.register.when {
            join(&mut roots, index, when.register);
        }
    }
    for sum in sums {
        for part in &sum.parts {
            join(&mut roots, sum.parts.first().copied().unwrap_or(*part), *part);
        }
    }
    for (number, _) in defaults
        .groups
        .iter()
        .enumerate()
        .filter(|(_, group)| group.together)
    {
        let mut members =
            (0..named.len()).filter(|index| named.get(*index).is_some_and(|n| n.group == Some(number)));
        if let Some(first) = members.next() {
            for other in members.collect::<Vec<_>>() {
                join(&mut roots, first, other);
            }
        }
    }
    let before = problems.count();
    let mut classes: Vec<Option<Duration>> = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    for root in 0..named.len() {
        if find(&mut roots, root) != root {
            continue;
        }
        let members: Vec<usize> = (0..named.len())
            .filter(|index| find(&mut roots, *index) == root)
            .collect();
        let Some(request) = one_request(&members, named, defaults, problems) else {
            continue;
        };
        let Some(period) = one_period(&members, named, defaults, problems) else {
            continue;
        };
        let class = classes
            .iter()
            .position(|known| *known == period)
            .unwrap_or_else(|| {
                classes.push(period);
                classes.len() - 1
            });
        let sums = (0..sums.len()).filter(|sum| {
            sums[*sum]
                .parts
                .first()
                .is_some_and(|part| members.contains(part))
        });
        blocks.push(Block {
            class,
            request,
            sums: sums.collect(),
            registers: members,
        });
    }
    blocks.sort_by_key(|block| (block.class, block.request.function, block.request.start));
    (problems.count() == before).then_some((blocks, classes))
}

fn find(roots: &mut [usize], mut index: usize) -> usize {
    while let Some(root) = roots.get(index).copied().filter(|root| *root != index) {
        index = root;
    }
    index
}

/// The smaller index stays the root: blocks keep the order of the profile.
fn join(roots: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(roots, a), find(roots, b));
    if let Some(root) = roots.get_mut(a.max(b)) {
        *root = a.min(b);
    }
}

/// The request that reads all members at once.
fn one_request(
    members: &[usize],
    named: &[Named<'_>],
    defaults: &Defaults<'_>,
    problems: &mut Problems<'_>,
) -> Option<RegisterRequest> {
    let all = || members.iter().filter_map(|index| named.get(*index));
    let first = all().next()?;
    let function = first.register.function;
    if let Some(other) = all().find(|named| named.register.function != function) {
        let message = "it belongs to a register of another function and cannot be read with it";
        let hint = "conditions, sums and groups that are read together have one function";
        return problems.refuse(other.span.clone(), message, hint);
    }
    let mut spans: Vec<(u32, u32)> = all()
        .map(|named| {
            let start = u32::from(named.register.address);
            (start, start + u32::from(named.register.count))
        })
        .collect();
    spans.sort_unstable();
    let (start, mut reached) = *spans.first()?;
    let count = spans.iter().map(|(_, end)| *end).max().unwrap_or(reached) - start;
    // First, because it also bounds the search for gaps.
    let limit = if function <= 2 {
        defaults.limits.max_bits
    } else {
        defaults.limits.max_registers
    };
    if count > u32::from(limit) {
        let (what, key) = if function <= 2 {
            ("bits", "max_bits")
        } else {
            ("registers", "max_registers")
        };
        let message = format!("what is read together takes {count} {what}, and {key} allows {limit}");
        return problems.refuse(
            first.span.clone(),
            message,
            "ask for less together, or raise the limit",
        );
    }
    for (from, to) in spans {
        let unnamed = (reached..from)
            .filter(|address| !is_named(named, function, *address))
            .count();
        let allowed = defaults.limits.max_gap;
        if unnamed > usize::from(allowed) {
            let message = format!(
                "what is read together has a gap of {unnamed} addresses, and max_gap allows {allowed}"
            );
            let hint = "raise max_gap if the device answers for them, or do not ask for these together";
            return problems.refuse(first.span.clone(), message, hint);
        }
        reached = reached.max(to);
    }
    Some(RegisterRequest {
        function,
        start: u16::try_from(start).ok()?,
        count: u16::try_from(count).ok()?,
    })
}

fn is_named(named: &[Named<'_>], function: u8, address: u32) -> bool {
    named.iter().any(|named| {
        let at = u32::from(named.register.address);
        named.register.function == function && (at..at + u32::from(named.register.count)).contains(&address)
    })
}

/// The one period of all members: their own, their group's, the profile's, the bus's.
fn one_period(
    members: &[usize],
    named: &[Named<'_>],
    defaults: &Defaults<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<Duration>> {
    let own = |named: &Named<'_>| {
        let group = named
            .group
            .and_then(|group| defaults.groups.get(group))
            .and_then(|group| group.poll);
        named.poll.or(group)
    };
    let mut said: Option<Duration> = None;
    for named in members.iter().filter_map(|index| named.get(*index)) {
        match (said, own(named)) {
            (Some(one), Some(other)) if one != other => {
                let message = "it is read together with a register that has another period";
                return problems.refuse(named.span.clone(), message, "give both the same `poll`");
            }
            (None, Some(one)) => said = Some(one),
            _ => {}
        }
    }
    Some(said.or(defaults.poll))
}
