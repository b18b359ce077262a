//! Collecting the observations of one message: the last of a kind wins, and what follows from them is added.
//!
//! A message that fails is discarded as a whole; nothing of it reaches the caller.

use super::convert::{Emit, Outcome, Raw, show};
use crate::context::DeviceContext;
use crate::observation::{Decoded, Diagnostic, OWN, Observation};
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Reason, Value};

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
        let Some(measure) = self.measure_of(emit) else {
            return;
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
        if let Some(measure) = self.measure_of(emit) {
            let observation = Observation::good(measure, value);
            self.push(Observation {
                instance: emit.instance.clone(),
                ..observation
            });
        }
    }

    /// Says why `emit` has no value.
    pub(crate) fn emit_missing(&mut self, emit: &Emit, reason: Reason) {
        if let Some(measure) = self.measure_of(emit) {
            self.push(Observation::missing(measure, emit.instance.clone(), reason));
        }
    }

    /// The measure in the device's role; a value without one is noted and dropped.
    fn measure_of(&mut self, emit: &Emit) -> Option<Measure> {
        match emit.measure(&self.context) {
            Ok(measure) => Some(measure),
            Err((name, role)) => {
                let name = name.to_owned();
                self.decoded
                    .note(|| Diagnostic::RoleWithoutMeasure { name, role });
                None
            }
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
