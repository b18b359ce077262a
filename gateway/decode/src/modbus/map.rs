//! The register map of a device type, as data: registers, what belongs together, limits and manners.
//!
//! `read` makes it out of a profile; `plan` batches it and `decode` reads the answers.

use super::plan::{Plan, Read};
use super::words::Form;
use super::write::Writable;
use super::{Learned, RegisterRequest, plan};
use crate::profile::convert::{Emit, Scale};
use std::time::Duration;

/// What a Modbus device holds and where.
#[derive(Debug, Clone)]
pub struct RegisterMap {
    pub(super) registers: Vec<Register>,
    pub(super) sums: Vec<Sum>,
    pub(super) writables: Vec<Writable>,
    /// Sorted by class, function and address.
    pub(super) blocks: Vec<Block>,
    /// The periods of the classes; `None` is the bus's own.
    pub(super) classes: Vec<Option<Duration>>,
    pub(super) limits: Limits,
    pub(super) manners: Manners,
    pub(super) plan: Plan,
}

/// One value, or a helper of others.
#[derive(Debug, Clone)]
pub(super) struct Register {
    pub(super) function: u8,
    pub(super) address: u16,
    /// Words or bits it takes.
    pub(super) count: u16,
    pub(super) form: Form,
    pub(super) target: Target,
    /// All of them must hold.
    pub(super) when: Vec<Condition>,
}

/// What becomes of a register's value.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A reading.
    Emit(Box<Emit>),
    /// A part of a sum or a condition; reported by itself never.
    Helper(Part),
}

/// How a helper counts in a sum.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Codes that mean "no value".
    pub(super) missing: Vec<i128>,
    pub(super) scale: Scale,
    pub(super) offset: f64,
}

/// A value that means something only while another register holds one of these codes.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) register: usize,
    pub(super) codes: Vec<i128>,
}

/// A value that is the sum of helpers.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) parts: Vec<usize>,
    pub(super) emit: Emit,
}

/// Registers that must come from one request, however few they are.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) class: usize,
    pub(super) request: RegisterRequest,
    /// In the order of the profile.
    pub(super) registers: Vec<usize>,
    pub(super) sums: Vec<usize>,
}

/// What one request may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_registers: u16,
    pub(super) max_bits: u16,
    /// Addresses in a row that no register names and that may be read over.
    pub(super) max_gap: u16,
    /// Every block by itself.
    pub(super) one_by_one: bool,
}

/// How a device type wants to be treated on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manners {
    /// Least pause before each request to it, beside the bus's own.
    pub pause: Duration,
    /// How late after a question it may still answer; `None` takes the bus's.
    pub max_lateness: Option<Duration>,
    /// It wants its connection closed after each round of requests.
    pub close_after_cycle: bool,
}

impl RegisterMap {
    /// The requests that read every value once, with nothing learned.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The requests for a device that taught something about itself.
    pub fn plan_for(&self, learned: &Learned) -> Plan {
        plan::plan(self, learned)
    }

    /// The period of a read; `None` is the bus's own.
    pub fn period(&self, read: &Read) -> Option<Duration> {
        self.class_period(read.class)
    }

    /// The period of a class; `None` is the bus's own.
    pub fn class_period(&self, class: usize) -> Option<Duration> {
        self.classes.get(class).copied().flatten()
    }

    /// How many periods there are; [`Read::class`] is below it.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// How the device wants to be treated.
    pub fn manners(&self) -> Manners {
        self.manners
    }

    /// Every value it may give.
    pub(crate) fn emits(&self) -> impl Iterator<Item = &Emit> {
        let of_registers = self
            .registers
            .iter()
            .filter_map(|register| match &register.target {
                Target::Emit(emit) => Some(&**emit),
                Target::Helper(_) => None,
            });
        of_registers.chain(self.sums.iter().map(|sum| &sum.emit))
    }

    /// Whether a register, helpers included, stands at this address.
    pub(super) fn names(&self, function: u8, address: u32) -> bool {
        self.registers.iter().any(|register| {
            let start = u32::from(register.address);
            register.function == function && (start..start + u32::from(register.count)).contains(&address)
        })
    }
}
