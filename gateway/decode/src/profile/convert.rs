//! From a raw code to a value in the unit of its measure: missing codes, meanings, scale, range.
//!
//! Total: every raw value has an outcome, and no outcome is a made-up number.

use crate::observation::{Decoded, DeviceContext, Diagnostic, OWN, Observation, Role};
use crate::walk::Scalar;
use linli_domain::measure::{Measure, Unit};
use linli_domain::reading::{Quality, Reason, Value};
use std::sync::Arc;

/// Longest text value in bytes; the rest is cut.
const MAX_TEXT_BYTES: usize = 256;

/// Where a converted value goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Measure(Measure),
    /// `$name`: the measure depends on what the device is used as.
    ByRole(Arc<RoleTarget>),
}

/// The measures of one `$name`.
#[derive(Debug)]
pub(crate) struct RoleTarget {
    pub(crate) name: Box<str>,
    pub(crate) default: Role,
    pub(crate) measures: Vec<(Role, Measure)>,
}

impl RoleTarget {
    fn measure(&self, role: Role) -> Option<Measure> {
        self.measures.iter().find(|(r, _)| *r == role).map(|(_, m)| *m)
    }
}

/// A code and its meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Code {
    Int(i128),
    Text(Box<str>),
}

/// One value of a profile: where it goes and how it is converted.
#[derive(Debug, Clone)]
pub(crate) struct Emit {
    pub(crate) target: Target,
    pub(crate) unit: Unit,
    pub(crate) instance: Option<Arc<str>>,
    /// Codes that mean "no value".
    pub(crate) missing: Vec<Code>,
    /// Meanings of codes; when there are any, other codes have none.
    pub(crate) meanings: Vec<(Code, Value)>,
    pub(crate) scale: Scale,
    pub(crate) offset: f64,
    /// Outside of it a number is uncertain.
    pub(crate) range: Option<(f64, f64)>,
}

/// A factor, kept as a divisor where it is one, so that 257 × 0.1 gives 25.7 and not its neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    None,
    Times(f64),
    Over(f64),
}

impl Scale {
    pub(crate) fn new(factor: f64) -> Self {
        let divisor = (1.0 / factor).round();
        if factor == 1.0 {
            Self::None
        } else if divisor >= 2.0 && (divisor * factor - 1.0).abs() < 1e-12 {
            Self::Over(divisor)
        } else {
            Self::Times(factor)
        }
    }
    fn apply(self, raw: f64) -> f64 {
        match self {
            Self::None => raw,
            Self::Times(factor) => raw * factor,
            Self::Over(divisor) => raw / divisor,
        }
    }
}

/// A value as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Raw<'a> {
    /// An integer of a binary field; `pattern` is its unsigned form, in which vendors write their missing codes.
    Int { value: i128, pattern: i128 },
    /// A member of a JSON text, or a float of a binary field.
    Scalar(Scalar<'a>),
}

enum Outcome {
    Value(Value),
    Missing,
    Unmapped,
    WrongType,
}

impl Emit {
    fn outcome(&self, raw: Raw<'_>) -> Outcome {
        if raw == Raw::Scalar(Scalar::Null) || self.missing.iter().any(|code| matches(code, raw)) {
            return Outcome::Missing;
        }
        if !self.meanings.is_empty() {
            let meaning = self.meanings.iter().find(|(code, _)| matches(code, raw));
            return meaning.map_or(Outcome::Unmapped, |(_, value)| Outcome::Value(value.clone()));
        }
        match self.unit {
            Unit::BOOL => state(raw),
            Unit::TEXT => match raw {
                Raw::Scalar(Scalar::Text(text)) => Outcome::Value(text_value(text)),
                _ => Outcome::WrongType,
            },
            _ => self.number(raw),
        }
    }

    fn number(&self, raw: Raw<'_>) -> Outcome {
        let number = match raw {
            Raw::Int { value, .. } | Raw::Scalar(Scalar::Int(value)) => Some(value as f64),
            Raw::Scalar(Scalar::Float(value)) if !value.is_finite() => return Outcome::Missing,
            Raw::Scalar(Scalar::Float(value)) => Some(value),
            Raw::Scalar(Scalar::Text(text)) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Raw::Scalar(_) => None,
        };
        let value = number.and_then(|n| Value::number(self.scale.apply(n) + self.offset));
        value.map_or(Outcome::WrongType, Outcome::Value)
    }

    fn measure(&self, context: &DeviceContext) -> Result<Measure, (&str, Role)> {
        match &self.target {
            Target::Measure(measure) => Ok(*measure),
            Target::ByRole(by_role) => {
                let role = context.role.unwrap_or(by_role.default);
                by_role.measure(role).ok_or((&by_role.name, role))
            }
        }
    }

    fn quality(&self, value: &Value) -> Quality {
        match (value.as_number(), self.range) {
            (Some(n), Some((low, high))) if n < low || n > high => Quality::Uncertain(Reason::OutOfRange),
            _ => Quality::Good,
        }
    }
}

/// A state without listed meanings: 0 and 1 and the usual words, nothing else.
fn state(raw: Raw<'_>) -> Outcome {
    let state = match raw {
        Raw::Scalar(Scalar::Bool(state)) => state,
        Raw::Int { value: 0, .. } | Raw::Scalar(Scalar::Int(0)) => false,
        Raw::Int { value: 1, .. } | Raw::Scalar(Scalar::Int(1)) => true,
        Raw::Int { .. } | Raw::Scalar(Scalar::Int(_)) => return Outcome::Unmapped,
        Raw::Scalar(Scalar::Text(text)) => {
            let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            if is(["true", "on", "1"]) {
                true
            } else if is(["false", "off", "0"]) {
                false
            } else {
                return Outcome::Unmapped;
            }
        }
        Raw::Scalar(_) => return Outcome::WrongType,
    };
    Outcome::Value(Value::State(state))
}

fn matches(code: &Code, raw: Raw<'_>) -> bool {
    match (code, raw) {
        (Code::Int(code), Raw::Int { value, pattern }) => *code == value || *code == pattern,
        (Code::Int(code), Raw::Scalar(Scalar::Int(value))) => *code == value,
        (Code::Int(code), Raw::Scalar(Scalar::Float(value))) => *code as f64 == value,
        (Code::Int(code), Raw::Scalar(Scalar::Bool(value))) => *code == i128::from(value),
        (Code::Int(code), Raw::Scalar(Scalar::Text(text))) => text.parse() == Ok(*code),
        (Code::Text(code), Raw::Scalar(Scalar::Text(text))) => **code == *text,
        (Code::Text(code), Raw::Scalar(Scalar::Bool(value))) => {
            **code == *if value { "true" } else { "false" }
        }
        _ => false,
    }
}

/// A text value, cut at the limit.
pub(crate) fn text_value(text: &str) -> Value {
    let end = (0..=MAX_TEXT_BYTES.min(text.len()))
        .rev()
        .find(|n| text.is_char_boundary(*n))
        .unwrap_or(0);
    Value::Text(text[..end].into())
}

/// A short form of a raw value for a person.
fn show(raw: Raw<'_>) -> String {
    match raw {
        Raw::Int { value, .. } | Raw::Scalar(Scalar::Int(value)) => value.to_string(),
        Raw::Scalar(Scalar::Null) => "null".to_owned(),
        Raw::Scalar(Scalar::Bool(value)) => value.to_string(),
        Raw::Scalar(Scalar::Float(value)) => value.to_string(),
        Raw::Scalar(Scalar::Text(text)) => format!("{:?}", text.chars().take(40).collect::<String>()),
        Raw::Scalar(Scalar::Composite) => "an object or array".to_owned(),
    }
}

/// Collects the observations of one message behind those already in `out`.
pub(crate) struct Collector<'o> {
    out: &'o mut Vec<Observation>,
    start: usize,
    pub(crate) context: DeviceContext,
    pub(crate) decoded: Decoded,
}

impl<'o> Collector<'o> {
    pub(crate) fn new(context: &DeviceContext, out: &'o mut Vec<Observation>) -> Self {
        Self {
            start: out.len(),
            out,
            context: *context,
            decoded: Decoded::default(),
        }
    }

    /// Converts `raw` and keeps the outcome. `source_of` names where it stood.
    pub(crate) fn emit(&mut self, emit: &Emit, raw: Raw<'_>, source_of: &str) {
        let measure = match emit.measure(&self.context) {
            Ok(measure) => measure,
            Err((name, role)) => {
                return self.decoded.note(|| Diagnostic::RoleWithoutMeasure {
                    name: name.to_owned(),
                    role,
                });
            }
        };
        let (value, quality) = match emit.outcome(raw) {
            Outcome::Value(value) => {
                let quality = emit.quality(&value);
                (Some(value), quality)
            }
            Outcome::Missing => (None, Quality::Bad(Reason::SensorNoReading)),
            Outcome::Unmapped => {
                self.decoded.note(|| Diagnostic::UnmappedCode {
                    measure,
                    code: show(raw),
                });
                (None, Quality::Bad(Reason::OutOfRange))
            }
            Outcome::WrongType => {
                self.decoded.note(|| Diagnostic::WrongType {
                    source_of: source_of.to_owned(),
                    found: show(raw),
                    measure,
                });
                (None, Quality::Bad(Reason::DecodeError))
            }
        };
        self.push(Observation {
            measure,
            instance: emit.instance.clone(),
            value,
            quality,
            observed: None,
            historical: false,
        });
    }

    /// Keeps `value` as it is.
    pub(crate) fn emit_value(&mut self, emit: &Emit, value: Value) {
        if let Ok(measure) = emit.measure(&self.context) {
            let observation = Observation::good(measure, value);
            self.push(Observation {
                instance: emit.instance.clone(),
                ..observation
            });
        }
    }

    /// Says why `emit` has no value.
    pub(crate) fn emit_missing(&mut self, emit: &Emit, reason: Reason) {
        if let Ok(measure) = emit.measure(&self.context) {
            self.push(Observation::missing(measure, emit.instance.clone(), reason));
        }
    }

    /// Of several values of the same measure and instance in one message the last one wins.
    fn push(&mut self, observation: Observation) {
        let earlier = self.out[self.start..]
            .iter_mut()
            .find(|o| o.measure == observation.measure && o.instance == observation.instance);
        match earlier {
            Some(earlier) => *earlier = observation,
            None => self.out.push(observation),
        }
    }

    /// Whether anything was collected.
    pub(crate) fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    /// Lowers everything collected so far for `reason`.
    pub(crate) fn distrust(&mut self, reason: Reason) {
        for observation in &mut self.out[self.start..] {
            observation.distrust(reason);
        }
    }

    /// Forgets everything collected: the message failed as a whole.
    pub(crate) fn discard(self) {
        self.out.truncate(self.start);
    }

    /// Adds what follows from the values and from the context.
    pub(crate) fn finish(mut self) -> Decoded {
        self.derive_fill();
        if let Some(own_time) = self.decoded.own_time {
            for observation in &mut self.out[self.start..] {
                observation.observed = Some(own_time);
            }
        }
        if let Some(caution) = self.context.caution {
            self.distrust(caution);
        }
        self.decoded
    }

    fn derive_fill(&mut self) {
        let (Some(bin), Some(fill), Some(distance)) = (self.context.bin, OWN.bin_fill, OWN.bin_distance)
        else {
            return;
        };
        let of = |measure| self.out[self.start..].iter().find(move |o| o.measure == measure);
        if of(fill).is_some() {
            return;
        }
        let Some(distance) = of(distance) else { return };
        let level = distance
            .value
            .as_ref()
            .and_then(Value::as_number)
            .and_then(|d| bin.fill(d))
            .map(Value::Number);
        let derived = Observation {
            measure: fill,
            quality: match (&level, distance.quality) {
                (None, Quality::Good | Quality::Uncertain(_)) => Quality::Bad(Reason::OutOfRange),
                (_, quality) => quality,
            },
            value: level,
            ..distance.clone()
        };
        self.out.push(derived);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emit(measure: &str) -> Emit {
        let measure: Measure = measure.parse().unwrap();
        Emit {
            target: Target::Measure(measure),
            unit: measure.unit(),
            instance: None,
            missing: Vec::new(),
            meanings: Vec::new(),
            scale: Scale::None,
            offset: 0.0,
            range: None,
        }
    }

    fn convert(emit: &Emit, raw: Raw<'_>) -> (Option<Value>, Quality) {
        let mut out = Vec::new();
        let mut collector = Collector::new(&DeviceContext::default(), &mut out);
        collector.emit(emit, raw, "test");
        collector.finish();
        (out[0].value.clone(), out[0].quality)
    }

    #[test]
    fn a_decimal_scale_gives_the_decimal_number() {
        let raw = Raw::Int {
            value: 257,
            pattern: 257,
        };
        let tenths = Emit {
            scale: Scale::new(0.1),
            ..emit("temperature")
        };
        assert_eq!(convert(&tenths, raw).0, Some(Value::Number(25.7)));
        let sixteenths = Emit {
            scale: Scale::new(0.0625),
            ..emit("temperature")
        };
        assert_eq!(convert(&sixteenths, raw).0, Some(Value::Number(16.0625)));
        let tens = Emit {
            scale: Scale::new(10.0),
            offset: -40.0,
            ..emit("temperature")
        };
        assert_eq!(convert(&tens, raw).0, Some(Value::Number(2530.0)));
    }

    #[test]
    fn zero_false_and_empty_are_values_and_null_is_not() {
        assert_eq!(
            convert(&emit("temperature"), Raw::Scalar(Scalar::Int(0))).0,
            Some(Value::Number(0.0))
        );
        assert_eq!(
            convert(&emit("leak.wet"), Raw::Scalar(Scalar::Bool(false))).0,
            Some(Value::State(false))
        );
        for measure in ["temperature", "leak.wet", "device.firmware"] {
            let none = (None, Quality::Bad(Reason::SensorNoReading));
            assert_eq!(convert(&emit(measure), Raw::Scalar(Scalar::Null)), none);
        }
        assert_eq!(
            convert(&emit("temperature"), Raw::Scalar(Scalar::Float(f64::NAN))).0,
            None
        );
    }

    #[test]
    fn a_code_without_a_meaning_is_bad_and_never_normal() {
        let two = Raw::Int { value: 2, pattern: 2 };
        assert_eq!(
            convert(&emit("leak.wet"), two),
            (None, Quality::Bad(Reason::OutOfRange))
        );
        let one_two = Emit {
            meanings: vec![
                (Code::Int(1), Value::State(false)),
                (Code::Int(2), Value::State(true)),
            ],
            ..emit("leak.wet")
        };
        assert_eq!(convert(&one_two, two).0, Some(Value::State(true)));
        let zero = Raw::Int { value: 0, pattern: 0 };
        assert_eq!(convert(&one_two, zero), (None, Quality::Bad(Reason::OutOfRange)));
    }

    #[test]
    fn a_missing_code_is_recognised_in_its_unsigned_form() {
        let probe = Emit {
            missing: vec![Code::Int(0xFFFF)],
            ..emit("temperature")
        };
        assert_eq!(
            convert(
                &probe,
                Raw::Int {
                    value: -1,
                    pattern: 0xFFFF
                }
            )
            .0,
            None
        );
        assert_eq!(
            convert(
                &probe,
                Raw::Int {
                    value: -2,
                    pattern: 0xFFFE
                }
            )
            .0,
            Some(Value::Number(-2.0))
        );
    }

    #[test]
    fn texts_become_numbers_and_states_only_when_they_are_one() {
        let text = |measure, text| convert(&emit(measure), Raw::Scalar(Scalar::Text(text))).0;
        assert_eq!(text("temperature", "0.00"), Some(Value::Number(0.0)));
        assert_eq!(text("leak.wet", "ON"), Some(Value::State(true)));
        for wrong in ["2000 mm", "", "nan", "inf", "1e999"] {
            assert_eq!(text("bin.distance", wrong), None, "{wrong}");
        }
        assert_eq!(
            text("device.firmware", &"邻".repeat(200)).map(|v| matches!(v, Value::Text(t) if t.len() == 255)),
            Some(true)
        );
    }
}
