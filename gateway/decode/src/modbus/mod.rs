//! The register map of a Modbus device: what to ask, and what the answers mean.
//!
//! Addresses are 0-based, as on the wire. Sending, timing, retries and breakers belong to the caller; so does the
//! meaning of an exception, which comes back here as a [`Reason`] in [`RegisterMap::missing`].

mod plan;
mod read;
pub mod wire;
mod words;

use crate::context::DeviceContext;
use crate::observation::Observation;
use crate::profile::collect::Collector;
use crate::profile::convert::{Emit, Raw};
use linli_domain::reading::Reason;
pub(crate) use read::read;
use words::Form;

/// Most words and most bits one request may ask for (MODBUS Application Protocol V1.1b3, 6.1 to 6.4).
pub(crate) const MAX_WORDS: u16 = 125;
pub(crate) const MAX_BITS: u16 = 2000;

/// One read request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegisterRequest {
    /// 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers.
    pub function: u8,
    /// First address, from 0.
    pub start: u16,
    /// How many bits (functions 1 and 2) or words (3 and 4).
    pub count: u16,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterData {
    /// The answer to functions 3 and 4.
    Words(Vec<u16>),
    /// The answer to functions 1 and 2.
    Bits(Vec<bool>),
}

/// What a Modbus device holds and where.
#[derive(Debug, Clone)]
pub struct RegisterMap {
    requests: Vec<RegisterRequest>,
    /// Sorted by request.
    points: Vec<Point>,
}

/// One value in the answer to one request.
#[derive(Debug, Clone)]
struct Point {
    request: usize,
    /// From the first word or bit of the answer.
    offset: usize,
    form: Form,
    emit: Emit,
}

impl RegisterMap {
    /// The requests that read every value once. Registers that touch share a request, up to the profile's
    /// `max_registers`; a gap is never read over, because many devices refuse the whole block for it.
    pub fn requests(&self) -> &[RegisterRequest] {
        &self.requests
    }

    /// Reads the answer to request `request_index` into `out`.
    ///
    /// An answer of another kind or length than asked for makes every value of the request bad
    /// ([`Reason::FrameError`]): nothing of it can be attributed. An index out of range does nothing.
    pub fn decode(
        &self,
        request_index: usize,
        data: &RegisterData,
        context: &DeviceContext,
        out: &mut Vec<Observation>,
    ) {
        let Some(request) = self.requests.get(request_index) else {
            return;
        };
        let is_bits = request.function <= 2;
        let fits = match data {
            RegisterData::Words(words) => !is_bits && words.len() == usize::from(request.count),
            RegisterData::Bits(bits) => is_bits && bits.len() == usize::from(request.count),
        };
        if !fits {
            return self.missing(request_index, Reason::FrameError, context, out);
        }
        let mut collector = Collector::new(context, out);
        for point in self.points_of(request_index) {
            match (data, point.form) {
                (RegisterData::Bits(bits), _) => match bits.get(point.offset) {
                    Some(bit) => {
                        let raw = i128::from(*bit);
                        collector.emit(
                            &point.emit,
                            Raw::Int {
                                value: raw,
                                pattern: raw,
                            },
                            "a bit",
                        );
                    }
                    None => collector.emit_missing(&point.emit, Reason::FrameError),
                },
                (RegisterData::Words(words), form) => {
                    let words = words.get(point.offset..point.offset + form.words());
                    match words.map(|words| form.raw(words)) {
                        Some(raw) => collector.emit(&point.emit, raw, "a register"),
                        None => collector.emit_missing(&point.emit, Reason::FrameError),
                    }
                }
            }
        }
        collector.finish();
    }

    /// Says for every value of request `request_index` why there is none.
    pub fn missing(
        &self,
        request_index: usize,
        reason: Reason,
        context: &DeviceContext,
        out: &mut Vec<Observation>,
    ) {
        let mut collector = Collector::new(context, out);
        for point in self.points_of(request_index) {
            collector.emit_missing(&point.emit, reason);
        }
        collector.finish();
    }

    fn points_of(&self, request: usize) -> impl Iterator<Item = &Point> {
        let first = self.points.partition_point(|p| p.request < request);
        self.points[first..]
            .iter()
            .take_while(move |p| p.request == request)
    }
}

#[cfg(test)]
mod tests;
