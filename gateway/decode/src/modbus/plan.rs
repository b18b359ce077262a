//! From registers to as few requests as gaps, limits and what the device taught allow.
//!
//! Pure. A block is never split; an address no register names is read only within the profile's `max_gap`, and one the
//! device refused never.

use super::map::{Block, RegisterMap};
use super::{Learned, RegisterRequest};

/// Named registers of another period that a request may read over: asking for them costs less than a request more.
const BRIDGE: u32 = 8;

/// One request and the blocks it answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Read {
    /// What to ask.
    pub request: RegisterRequest,
    /// Which of the map's periods it has.
    pub class: usize,
    pub(super) blocks: Vec<usize>,
}

/// The requests of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to ask, by class, function and address.
    pub reads: Vec<Read>,
    /// What the device refuses and is not asked any more; its values are missing for an illegal address.
    pub refused: Vec<Read>,
}

/// Plans the requests of `map` for a device that taught `learned`.
pub(super) fn plan(map: &RegisterMap, learned: &Learned) -> Plan {
    let mut plan = Plan::default();
    for (index, block) in map.blocks.iter().enumerate() {
        if learned.refuses(index) {
            plan.refused.push(single(index, block));
            continue;
        }
        let grown = plan.reads.last().and_then(|last| grow(map, learned, last, block));
        match (grown, plan.reads.last_mut()) {
            (Some(request), Some(last)) => {
                last.request = request;
                last.blocks.push(index);
            }
            _ => plan.reads.push(single(index, block)),
        }
    }
    // A device that refuses everything may be another one tomorrow; somebody has to notice.
    if plan.reads.is_empty() && !plan.refused.is_empty() {
        plan.reads.push(plan.refused.remove(0));
    }
    plan
}

fn single(index: usize, block: &Block) -> Read {
    Read {
        request: block.request,
        class: block.class,
        blocks: vec![index],
    }
}

/// The request of `last` with `block` in it, if that is allowed.
fn grow(map: &RegisterMap, learned: &Learned, last: &Read, block: &Block) -> Option<RegisterRequest> {
    let (old, new) = (last.request, block.request);
    if map.limits.one_by_one || last.class != block.class || old.function != new.function {
        return None;
    }
    let end = old.end().max(new.end());
    let limit = if old.is_bits() {
        map.limits.max_bits
    } else {
        map.limits.max_registers
    };
    let count = u16::try_from(end - u32::from(old.start))
        .ok()
        .filter(|count| *count <= limit)?;
    let bridged = old.end()..u32::from(new.start);
    let joins = learned.may_join(old.function, u32::from(old.start), end)
        && !bridged
            .clone()
            .any(|address| learned.refuses_address(map, old.function, address))
        && may_bridge(map, old.function, bridged);
    joins.then_some(RegisterRequest { count, ..old })
}

/// Whether a request may read over `bridged`.
fn may_bridge(map: &RegisterMap, function: u8, bridged: std::ops::Range<u32>) -> bool {
    let length = bridged.end.saturating_sub(bridged.start);
    if length > BRIDGE + u32::from(map.limits.max_gap) {
        return false;
    }
    let unnamed = bridged.filter(|address| !map.names(function, *address)).count();
    unnamed <= usize::from(map.limits.max_gap)
}
