//! Reading the answer to a request.

use super::map::{Block, Condition, Register, RegisterMap, Sum, Target};
use super::plan::Read;
use super::words::{Form, Kind};
use super::{RegisterData, RegisterRequest};
use crate::context::DeviceContext;
use crate::observation::Observation;
use crate::profile::collect::Collector;
use crate::profile::convert::Raw;
use crate::walk::Scalar;
use linli_domain::reading::Reason;

impl RegisterMap {
    /// Reads the answer to `read`, which this map has planned, into `out`.
    ///
    /// An answer of another kind or length than asked for makes every value of the request bad
    /// ([`Reason::FrameError`]): nothing of it can be attributed. A value whose condition is not met says nothing.
    pub fn decode(
        &self,
        read: &Read,
        data: &RegisterData,
        context: &DeviceContext,
        out: &mut Vec<Observation>,
    ) {
        let Some(answer) = Answer::new(&read.request, data) else {
            return self.missing(read, Reason::FrameError, context, out);
        };
        let mut collector = Collector::new(context, out);
        for block in self.blocks_of(read) {
            for register in block
                .registers
                .iter()
                .filter_map(|index| self.registers.get(*index))
            {
                if register.when.iter().all(|when| self.is_met(when, &answer)) {
                    emit(register, &answer, &mut collector);
                }
            }
            for sum in block.sums.iter().filter_map(|index| self.sums.get(*index)) {
                let raw = self.total(sum, &answer).map_or(Scalar::Null, Scalar::Float);
                collector.emit(&sum.emit, Raw::Scalar(raw), "a sum of registers");
            }
        }
        collector.finish();
    }

    /// Says for every value of `read` why there is none.
    pub fn missing(&self, read: &Read, reason: Reason, context: &DeviceContext, out: &mut Vec<Observation>) {
        let mut collector = Collector::new(context, out);
        for block in self.blocks_of(read) {
            for register in block
                .registers
                .iter()
                .filter_map(|index| self.registers.get(*index))
            {
                if let Target::Emit(emit) = &register.target {
                    collector.emit_missing(emit, reason);
                }
            }
            for sum in block.sums.iter().filter_map(|index| self.sums.get(*index)) {
                collector.emit_missing(&sum.emit, reason);
            }
        }
        collector.finish();
    }

    fn blocks_of<'m>(&'m self, read: &'m Read) -> impl Iterator<Item = &'m Block> {
        read.blocks.iter().filter_map(|index| self.blocks.get(*index))
    }

    /// The register of a condition stands in the same block: it was answered in the same breath.
    fn is_met(&self, when: &Condition, answer: &Answer<'_>) -> bool {
        let raw = self
            .registers
            .get(when.register)
            .and_then(|register| answer.raw(register));
        match raw {
            Some(Raw::Int { value, pattern }) => {
                when.codes.iter().any(|code| *code == value || *code == pattern)
            }
            _ => false,
        }
    }

    fn total(&self, sum: &Sum, answer: &Answer<'_>) -> Option<f64> {
        let part = |index: &usize| {
            let register = self.registers.get(*index)?;
            let Target::Helper(part) = &register.target else {
                return None;
            };
            let number = match answer.raw(register)? {
                Raw::Int { value, pattern }
                    if part.missing.contains(&value) || part.missing.contains(&pattern) =>
                {
                    return None;
                }
                Raw::Int { value, .. } => value as f64,
                Raw::Scalar(Scalar::Float(number)) if number.is_finite() => number,
                Raw::Scalar(_) => return None,
            };
            Some(part.scale.apply(number) + part.offset)
        };
        sum.parts.iter().map(part).sum()
    }
}

fn emit(register: &Register, answer: &Answer<'_>, collector: &mut Collector<'_>) {
    let Target::Emit(target) = &register.target else {
        return;
    };
    if let Kind::Text(_) | Kind::Version(_) = register.form.kind {
        let text = answer
            .words(register)
            .map(|words| register.form.text(words))
            .filter(|text| !text.is_empty());
        let raw = text.as_deref().map_or(Scalar::Null, Scalar::Text);
        return collector.emit(target, Raw::Scalar(raw), "a register");
    }
    match answer.raw(register) {
        Some(raw) => collector.emit(target, raw, "a register"),
        None => collector.emit_missing(target, Reason::FrameError),
    }
}

/// An answer that has the kind and the length of its request.
struct Answer<'a> {
    start: u16,
    data: &'a RegisterData,
}

impl<'a> Answer<'a> {
    fn new(request: &RegisterRequest, data: &'a RegisterData) -> Option<Self> {
        let count = usize::from(request.count);
        let fits = match data {
            RegisterData::Words(words) => !request.is_bits() && words.len() == count,
            RegisterData::Bits(bits) => request.is_bits() && bits.len() == count,
        };
        fits.then_some(Self {
            start: request.start,
            data,
        })
    }

    fn words(&self, register: &Register) -> Option<&'a [u16]> {
        let RegisterData::Words(words) = self.data else {
            return None;
        };
        let at = usize::from(register.address.checked_sub(self.start)?);
        words.get(at..at + usize::from(register.count))
    }

    fn raw(&self, register: &Register) -> Option<Raw<'static>> {
        match self.data {
            RegisterData::Bits(bits) => {
                let at = usize::from(register.address.checked_sub(self.start)?);
                let value = i128::from(*bits.get(at)?);
                Some(Raw::Int {
                    value,
                    pattern: value,
                })
            }
            RegisterData::Words(_) => self
                .words(register)
                .and_then(|words| Form::raw(register.form, words)),
        }
    }
}
