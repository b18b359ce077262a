//! Running a byte layout: fixed frames, masks, switches and TLV, over at most a few hundred bytes.
//!
//! A frame fails as a whole: whatever is cut short or left over leaves no observation. The one exception is an unknown
//! tag behind good values, which keeps them and adds a diagnostic. Each step moves forward or ends, so the work is
//! bounded by the payload. How a layout is written in a profile is the business of `bytes_read`.

use super::collect::Collector;
use super::convert::{Emit, Raw};
use super::layout::{BytesLayout, Endian, MAX_LOCALS, Put, Selector, Step};
use crate::observation::Diagnostic;
use crate::refusal::DecodeError;
use crate::walk::Scalar;
use linli_domain::reading::Value;

/// Largest payload decoded, in bytes.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1024;

impl BytesLayout {
    /// Decodes `payload` into `collector`. After an error the collector holds a part and must be discarded.
    pub(crate) fn run(
        &self,
        f_port: Option<u8>,
        payload: &[u8],
        collector: &mut Collector<'_>,
    ) -> Result<(), DecodeError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(DecodeError::TooLarge {
                bytes: payload.len(),
                limit: MAX_PAYLOAD_BYTES,
            });
        }
        let mut run = Run {
            payload,
            at: 0,
            f_port,
            locals: [0; MAX_LOCALS],
            collector,
        };
        run.steps(&self.steps)?;
        match payload.len() - run.at {
            0 => Ok(()),
            _ if self.ignore_trailing => Ok(()),
            count => Err(DecodeError::TrailingBytes {
                offset: run.at,
                count,
            }),
        }
    }
}

struct Run<'p, 'c, 'o> {
    payload: &'p [u8],
    at: usize,
    f_port: Option<u8>,
    locals: [u64; MAX_LOCALS],
    collector: &'c mut Collector<'o>,
}

impl<'p> Run<'p, '_, '_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), DecodeError> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), DecodeError> {
        match step {
            Step::Integer {
                name,
                width,
                signed,
                endian,
                put,
            } => {
                let pattern = unsigned(self.take(*width, name)?, *endian);
                match put {
                    Put::Local(slot) => {
                        if let Some(local) = self.locals.get_mut(*slot) {
                            *local = pattern;
                        }
                    }
                    // A signed number has no mask.
                    Put::Emit(_, emit) if *signed => {
                        let shift = 64 - 8 * *width as u32;
                        let value = ((pattern << shift) as i64 >> shift).into();
                        self.emit(
                            emit,
                            Raw::Int {
                                value,
                                pattern: pattern.into(),
                            },
                        );
                    }
                    Put::Emit(extract, emit) => self.emit_unsigned(emit, extract.of(pattern)),
                }
            }
            Step::Float {
                name,
                width,
                endian,
                emit,
            } => {
                let pattern = unsigned(self.take(*width, name)?, *endian);
                self.emit(emit, Raw::Scalar(Scalar::Float(float(pattern, *width))));
            }
            Step::From { local, extract, emit } => {
                let pattern = self.locals.get(*local).copied().unwrap_or(0);
                self.emit_unsigned(emit, extract.of(pattern));
            }
            Step::Skip(bytes) => {
                self.take(*bytes, "skip")?;
            }
            Step::Version { bytes, prefix, emit } => {
                let parts: Vec<String> = self.take(*bytes, "version")?.iter().map(u8::to_string).collect();
                let text = format!("{prefix}{}", parts.join("."));
                self.collector.emit_value(emit, Value::Text(text.into()));
            }
            Step::Optional(steps) if self.at < self.payload.len() => self.steps(steps)?,
            Step::Optional(_) => {}
            Step::Switch {
                on,
                on_text,
                cases,
                otherwise,
            } => {
                let value = self.selected(*on);
                let case = cases
                    .iter()
                    .find(|(case, _)| Some(*case) == value)
                    .map(|(_, steps)| steps);
                match case.or(otherwise.as_ref()) {
                    Some(steps) => self.steps(steps)?,
                    None => {
                        return Err(DecodeError::UnknownCase {
                            on: on_text.as_ref().to_owned(),
                            value: value.map_or("none".to_owned(), |value| value.to_string()),
                        });
                    }
                }
            }
            Step::Tlv { tag_bytes, cases } => self.tlv(*tag_bytes, cases)?,
        }
        Ok(())
    }

    fn tlv(&mut self, tag_bytes: usize, cases: &[(u32, Vec<Step>)]) -> Result<(), DecodeError> {
        let start = self.at;
        while self.at < self.payload.len() {
            let offset = self.at;
            let bytes = self.take(tag_bytes, "tag")?;
            let tag = u32::try_from(unsigned(bytes, Endian::Big)).unwrap_or(u32::MAX);
            if let Ok(case) = cases.binary_search_by_key(&tag, |(tag, _)| *tag) {
                self.steps(&cases[case].1)?;
                continue;
            }
            let tag = bytes
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<Vec<_>>()
                .join(" ");
            if offset == start {
                return Err(DecodeError::UnknownTag { offset, tag });
            }
            self.collector
                .decoded
                .note(|| Diagnostic::UnknownTag { offset, tag });
            self.at = self.payload.len();
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize, expected: &'static str) -> Result<&'p [u8], DecodeError> {
        let available = self.payload.len() - self.at;
        match self.payload.get(self.at..self.at + bytes) {
            Some(taken) => {
                self.at += bytes;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated {
                offset: self.at,
                expected,
                needed: bytes,
                available,
            }),
        }
    }

    fn selected(&self, on: Selector) -> Option<i128> {
        match on {
            Selector::Port => self.f_port.map(i128::from),
            Selector::Length => i128::try_from(self.payload.len()).ok(),
            Selector::Local(slot) => self.locals.get(slot).copied().map(i128::from),
        }
    }

    fn emit_unsigned(&mut self, emit: &Emit, value: u64) {
        let value = i128::from(value);
        self.emit(
            emit,
            Raw::Int {
                value,
                pattern: value,
            },
        );
    }

    fn emit(&mut self, emit: &Emit, raw: Raw<'_>) {
        self.collector.emit(emit, raw, "a field");
    }
}

/// Up to eight bytes as an unsigned number.
fn unsigned(bytes: &[u8], endian: Endian) -> u64 {
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match endian {
        Endian::Big => bytes.iter().fold(0, join),
        Endian::Little => bytes.iter().rev().fold(0, join),
    }
}

/// An IEEE 754 number of four or eight bytes.
pub(crate) fn float(pattern: u64, width: usize) -> f64 {
    match u32::try_from(pattern) {
        Ok(single) if width == 4 => f32::from_bits(single).into(),
        _ => f64::from_bits(pattern),
    }
}
