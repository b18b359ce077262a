//! Running a byte layout: fixed frames, bit streams, switches, records and TLV, over at most a few hundred bytes.
//!
//! A frame fails as a whole: whatever is cut short or left over leaves no observation. The one exception is an unknown
//! tag behind good values, which keeps them and adds a diagnostic. Each step moves forward or ends, so the work is
//! bounded by the payload. How a layout is written in a profile is the business of `read`.

mod cursor;
pub(crate) mod layout;
mod number;
mod read;
pub(crate) mod read_number;

use super::collect::{Collector, MAX_OBSERVATIONS};
use super::convert::Raw;
use super::trace::Place;
use crate::observation::Diagnostic;
use crate::refusal::DecodeError;
use crate::walk::Scalar;
pub(crate) use cursor::float;
use cursor::{Cursor, hex, unsigned};
pub(crate) use layout::BytesLayout;
use layout::{Count, Endian, Extract, Form, MAX_LOCALS, Put, Selector, Step, Tlv};
use linli_domain::reading::{Reason, Value};
use linli_domain::time::Timestamp;
use number::Number;
pub(crate) use read::read;

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
            cursor: Cursor::new(payload),
            f_port,
            locals: [Number::ZERO; MAX_LOCALS],
            time: None,
            timeless: false,
            collector,
        };
        run.steps(&self.steps)?;
        if !self.ignore_trailing {
            run.cursor.nothing_left()?;
        }
        let (time, timeless) = (run.time, run.timeless);
        collector.decoded.own_time = collector.decoded.own_time.or(time);
        if timeless {
            collector.distrust(Reason::ClockInvalid);
        }
        if collector.overflows() {
            return Err(DecodeError::TooMany {
                limit: MAX_OBSERVATIONS,
            });
        }
        Ok(())
    }
}

struct Run<'p, 'c, 'o> {
    cursor: Cursor<'p>,
    f_port: Option<u8>,
    locals: [Number; MAX_LOCALS],
    /// The time of the present record, or of the message.
    time: Option<Timestamp>,
    /// A time was there and cannot be one.
    timeless: bool,
    collector: &'c mut Collector<'o>,
}

impl<'p> Run<'p, '_, '_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), DecodeError> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), DecodeError> {
        match step {
            Step::Number { form, put } => {
                let number = self.number(*form)?;
                self.put(number, put);
            }
            Step::From { local, extract, emit } => {
                let raw = self.local(*local).raw(*extract);
                self.collector.emit(emit, raw, "a field");
            }
            Step::Sum { terms, emit } => {
                let sum = terms
                    .iter()
                    .map(|(local, scale)| scale.apply(self.local(*local).as_f64()))
                    .sum();
                self.collector
                    .emit(emit, Raw::Scalar(Scalar::Float(sum)), "a sum");
            }
            Step::Const(emit, value) => self.collector.emit_value(emit, value.clone()),
            Step::NoValue(emit) => self.collector.emit_missing(emit, Reason::SensorNoReading),
            Step::Expect(bytes) => self.expect(bytes)?,
            Step::Skip(bytes) => drop(self.take(*bytes, "skip")?),
            Step::SkipBits(bits) => drop(self.bits(*bits as usize, None)?),
            Step::SkipRest => self.cursor.at = self.cursor.end,
            Step::Version { bytes, prefix, emit } => {
                let parts: Vec<String> = self.take(*bytes, "version")?.iter().map(u8::to_string).collect();
                let text = format!("{prefix}{}", parts.join("."));
                self.collector.emit_value(emit, Value::Text(text.into()));
            }
            Step::Optional(steps) if !self.cursor.is_at_end() => self.steps(steps)?,
            Step::Optional(_) => {}
            Step::When {
                local,
                extract,
                is,
                steps,
            } => {
                let value = self.local(*local).integer(*extract);
                if value.is_some_and(|value| is.contains(&value)) {
                    self.steps(steps)?;
                }
            }
            Step::Flags { local, groups } => {
                let flags = self.local(*local).pattern;
                let known = groups
                    .iter()
                    .fold(0, |known, (bit, _)| known | 1u64 << (bit & 63));
                let unknown = flags & !known;
                // Nobody knows how long the fields of an unknown flag are.
                if unknown != 0 {
                    return Err(DecodeError::UnknownCase {
                        on: "the presence flag".to_owned(),
                        value: unknown.trailing_zeros().to_string(),
                    });
                }
                for (_, steps) in groups.iter().filter(|(bit, _)| flags >> bit & 1 == 1) {
                    self.steps(steps)?;
                }
            }
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
            Step::Tlv(tlv) => self.tlv(tlv)?,
            Step::Repeat { count, steps } => self.repeat(*count, steps)?,
            Step::Record { historical, steps } => {
                let outer = self.collector.begin_record();
                let outer_time = self.time.take();
                self.steps(steps)?;
                let time = std::mem::replace(&mut self.time, outer_time);
                self.collector.end_record(outer, time, *historical);
            }
        }
        Ok(())
    }

    fn put(&mut self, number: Number, put: &Put) {
        match put {
            Put::Local(slot) => {
                if let Some(local) = self.locals.get_mut(*slot) {
                    *local = number;
                }
            }
            Put::Emit(extract, emit) => {
                self.collector.emit(emit, number.raw(*extract), "a field");
            }
            Put::Time(form) => {
                self.time = form.of(number.scalar(), self.collector.context);
                self.timeless |= self.time.is_none();
            }
        }
    }

    fn repeat(&mut self, count: Count, steps: &[Step]) -> Result<(), DecodeError> {
        let most = match count {
            Count::UntilEnd => usize::MAX,
            Count::Fixed(count) => count,
            Count::Local(slot) => {
                let count = self.local(slot).integer(Extract::ALL).unwrap_or(0);
                usize::try_from(count).unwrap_or(0)
            }
        };
        for _ in 0..most {
            let before = self.cursor.at;
            if count == Count::UntilEnd && self.cursor.is_at_end() {
                break;
            }
            self.steps(steps)?;
            // A round that reads nothing would only say the same again.
            if self.cursor.at == before {
                break;
            }
        }
        Ok(())
    }

    fn tlv(&mut self, tlv: &Tlv) -> Result<(), DecodeError> {
        let start = self.cursor.offset();
        while !self.cursor.is_at_end() {
            let offset = self.cursor.offset();
            let bytes = self.take(tlv.tag_bytes, "tag")?;
            let tag = u32::try_from(unsigned(bytes, Endian::Big)).unwrap_or(u32::MAX);
            let case = tlv.cases.binary_search_by_key(&tag, |(tag, _)| *tag).ok();
            let case = case.and_then(|at| tlv.cases.get(at)).map(|(_, steps)| steps);
            let end = match tlv.length {
                Some((width, endian)) => {
                    let length = unsigned(self.take(width, "length")?, endian);
                    Some(
                        self.cursor
                            .ahead(usize::try_from(length).unwrap_or(usize::MAX), "value")?,
                    )
                }
                None => None,
            };
            match (case, end) {
                (Some(steps), None) => self.steps(steps)?,
                (Some(steps), Some(end)) => {
                    let outer = std::mem::replace(&mut self.cursor.end, end);
                    self.steps(steps)?;
                    self.cursor.nothing_left()?;
                    self.cursor.end = outer;
                }
                (None, Some(end)) if tlv.skip_unknown => self.cursor.at = end,
                (None, _) => return self.unknown_tag(offset, bytes, offset == start),
            }
        }
        Ok(())
    }

    /// Nobody knows how long it is, so the rest cannot be read; what stood before it is good.
    fn unknown_tag(&mut self, offset: usize, bytes: &[u8], first: bool) -> Result<(), DecodeError> {
        let tag = hex(bytes);
        if first {
            return Err(DecodeError::UnknownTag { offset, tag });
        }
        self.collector
            .decoded
            .note(|| Diagnostic::UnknownTag { offset, tag });
        self.cursor.at = self.cursor.end;
        Ok(())
    }

    fn expect(&mut self, expected: &[u8]) -> Result<(), DecodeError> {
        let offset = self.cursor.offset();
        let found = self.take(expected.len(), "expect")?;
        if found == expected {
            return Ok(());
        }
        Err(DecodeError::Unexpected {
            offset,
            expected: hex(expected),
            found: hex(found),
        })
    }

    fn number(&mut self, form: Form) -> Result<Number, DecodeError> {
        Ok(match form {
            Form::Integer {
                name,
                width,
                signed,
                endian,
            } => {
                let pattern = unsigned(self.take(width, name)?, endian);
                if signed {
                    Number::signed(pattern, 8 * width as u32)
                } else {
                    Number::unsigned(pattern)
                }
            }
            Form::Float { name, width, endian } => {
                let pattern = unsigned(self.take(width, name)?, endian);
                Number::float(float(pattern, width), pattern)
            }
            Form::Bits { width, signed, at } => {
                let pattern = self.bits(width as usize, at)?;
                if signed {
                    Number::signed(pattern, width)
                } else {
                    Number::unsigned(pattern)
                }
            }
        })
    }

    fn take(&mut self, bytes: usize, expected: &'static str) -> Result<&'p [u8], DecodeError> {
        let at = self.cursor.at;
        let taken = self.cursor.take(bytes, expected)?;
        self.collector.traced(|| {
            let place = Place::Bits { at, width: bytes * 8 };
            (place, hex(taken), expected.to_owned())
        });
        Ok(taken)
    }

    fn bits(&mut self, width: usize, at: Option<i32>) -> Result<u64, DecodeError> {
        let (at, number) = match at {
            None => self.cursor.bits(width)?,
            Some(place) => self.cursor.bits_at(place, width)?,
        };
        self.collector.traced(|| {
            let place = Place::Bits { at, width };
            (place, format!("{number:0width$b}"), "bits".to_owned())
        });
        Ok(number)
    }

    fn local(&self, slot: usize) -> Number {
        self.locals.get(slot).copied().unwrap_or(Number::ZERO)
    }

    fn selected(&self, on: Selector) -> Option<i128> {
        match on {
            Selector::Port => self.f_port.map(i128::from),
            Selector::Length => i128::try_from(self.cursor.length()).ok(),
            Selector::Remaining => i128::try_from(self.cursor.remaining()).ok(),
            Selector::Local(slot) => self.local(slot).integer(Extract::ALL),
        }
    }
}
