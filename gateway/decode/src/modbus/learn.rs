//! What one device taught about itself: addresses it refuses, and ranges it does not want to be asked across.
//!
//! A refused request (exception 2, or 3 for its length) is halved until the refused part is alone. Pure: the caller
//! asks what [`Search::next`] names, and keeps what was learned as long as the device keeps its profile.

use super::map::RegisterMap;
use super::plan::Read;
use super::{Plan, RegisterRequest};
use std::collections::BTreeSet;

/// What is known of one device beyond its profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Blocks the device refuses even alone.
    refused: BTreeSet<usize>,
    /// Function and address: no request reaches from below such an address to it. Both sides were answered, the
    /// whole was not.
    cuts: BTreeSet<(u8, u32)>,
}

impl Learned {
    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.cuts.is_empty()
    }

    pub(super) fn refuses(&self, block: usize) -> bool {
        self.refused.contains(&block)
    }

    pub(super) fn refuses_address(&self, map: &RegisterMap, function: u8, address: u32) -> bool {
        self.refused
            .iter()
            .filter_map(|block| map.blocks.get(*block))
            .any(|block| {
                let range = u32::from(block.request.start)..block.request.end();
                block.request.function == function && range.contains(&address)
            })
    }

    /// Whether one request may hold everything from `start` up to `end`.
    pub(super) fn may_join(&self, function: u8, start: u32, end: u32) -> bool {
        self.cuts
            .range((function, start + 1)..(function, end.max(start + 1)))
            .next()
            .is_none()
    }

    /// A single block was refused.
    pub fn refuse(&mut self, read: &Read) {
        self.refused.extend(read.blocks.iter().take(1));
    }

    /// The device answered what it was thought to refuse: what was learned is not true any more.
    pub fn contradicted(&mut self, read: &Read) -> bool {
        let wrong = read.blocks.iter().any(|block| self.refused.contains(block));
        if wrong {
            *self = Self::default();
        }
        wrong
    }
}

/// The halving of one refused request.
#[derive(Debug, Clone)]
pub struct Search {
    class: usize,
    blocks: Vec<usize>,
    /// Refused ranges of `blocks`, each inside the one before.
    open: Vec<Half>,
    found: Learned,
}

#[derive(Debug, Clone)]
struct Half {
    start: usize,
    middle: usize,
    end: usize,
    /// What came of the left half, once it is known.
    left: Option<Side>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Answered at once.
    Whole,
    /// Something in it is refused.
    Refused,
}

impl Half {
    fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            middle: start.midpoint(end),
            end,
            left: None,
        }
    }

    fn asked(&self) -> std::ops::Range<usize> {
        if self.left.is_none() {
            self.start..self.middle
        } else {
            self.middle..self.end
        }
    }
}

impl Search {
    /// A search in `read`, which was refused. `None`: it is one block, and that is it.
    pub fn new(read: &Read) -> Option<Self> {
        let count = read.blocks.len();
        (count > 1).then(|| Self {
            class: read.class,
            blocks: read.blocks.clone(),
            open: vec![Half::new(0, count)],
            found: Learned::default(),
        })
    }

    /// What to ask next; `None` when the search is over.
    pub fn next(&self, map: &RegisterMap) -> Option<Read> {
        let asked = self.open.last()?.asked();
        let blocks: Vec<usize> = self.blocks.get(asked)?.to_vec();
        let mut parts = blocks
            .iter()
            .filter_map(|block| map.blocks.get(*block))
            .map(|block| block.request);
        let first = parts.next()?;
        let end = parts.map(|part| part.end()).max().unwrap_or(0).max(first.end());
        let count = u16::try_from(end - u32::from(first.start)).ok()?;
        Some(Read {
            request: RegisterRequest { count, ..first },
            class: self.class,
            blocks,
        })
    }

    /// What the device said to [`Self::next`].
    pub fn told(&mut self, map: &RegisterMap, refused: bool) {
        let Some(half) = self.open.last() else { return };
        let asked = half.asked();
        if refused && asked.len() > 1 {
            self.open.push(Half::new(asked.start, asked.end));
            return;
        }
        if refused {
            self.found.refused.extend(self.blocks.get(asked.start));
        }
        self.settle(map, if refused { Side::Refused } else { Side::Whole });
    }

    /// One side of the innermost half is known; with both, the half is, and with it a side of the one around it.
    fn settle(&mut self, map: &RegisterMap, side: Side) {
        let mut side = side;
        while let Some(half) = self.open.last_mut() {
            let Some(left) = half.left else {
                half.left = Some(side);
                return;
            };
            // Each side alone was answered and both together were not: the device dislikes the whole.
            if left == Side::Whole && side == Side::Whole {
                let boundary = self
                    .blocks
                    .get(half.middle)
                    .and_then(|block| map.blocks.get(*block));
                self.found
                    .cuts
                    .extend(boundary.map(|b| (b.request.function, u32::from(b.request.start))));
            }
            self.open.pop();
            side = Side::Refused;
        }
    }

    /// Adds what was found to what is known, and plans anew.
    pub fn finish(self, map: &RegisterMap, learned: &mut Learned) -> Plan {
        learned.refused.extend(self.found.refused);
        learned.cuts.extend(self.found.cuts);
        map.plan_for(learned)
    }
}
