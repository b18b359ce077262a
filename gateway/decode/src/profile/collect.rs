//! Collecting the observations of one message: the last of a kind wins, and what follows from them is added.
//!
//! A message that fails is discarded as a whole; nothing of it reaches the caller.

use super::convert::{Emit, Instance, Outcome, Raw, show};
use super::field::{MAX_INSTANCE, is_instance};
use super::trace::{Place, Trace};
use crate::context::DeviceContext;
use crate::observation::{Decoded, Diagnostic, OWN, Observation};
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::time::Timestamp;
use std::sync::Arc;

/// Most observations of one message; a message that holds more is refused.
pub(crate) const MAX_OBSERVATIONS: usize = 1024;

/// What a value says of itself beside what it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stamp {
    /// Its own time.
    pub(crate) observed: Option<Timestamp>,
    /// Whether the device had stored it.
    pub(crate) historical: bool,
    /// Why its sender does not trust it.
    pub(crate) doubt: Option<Reason>,
}

/// Collects the observations of one message behind those already in `out`.
pub(crate) struct Collector<'o> {
    out: &'o mut Vec<Observation>,
    start: usize,
    /// Where the present record begins.
    record: usize,
    pub(crate) context: &'o DeviceContext,
    pub(crate) decoded: Decoded,
    /// The named levels of the message's topic.
    pub(crate) levels: &'o [&'o str],
    pub(crate) trace: Option<&'o mut Trace>,
    /// More observations than are kept.
    overflow: bool,
}

impl<'o> Collector<'o> {
    pub(crate) fn new(context: &'o DeviceContext, out: &'o mut Vec<Observation>) -> Self {
        Self {
            start: out.len(),
            record: out.len(),
            out,
            context,
            decoded: Decoded::default(),
            levels: &[],
            trace: None,
            overflow: false,
        }
    }

    /// Converts `raw` and keeps the outcome. `source_of` names where it stood.
    pub(crate) fn emit(&mut self, emit: &Emit, raw: Raw<'_>, source_of: &str) {
        self.emit_stamped(emit, raw, source_of, Stamp::default());
    }

    /// The same for a value with a time of its own.
    pub(crate) fn emit_stamped(&mut self, emit: &Emit, raw: Raw<'_>, source_of: &str, stamp: Stamp) {
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
        let quality = match (quality, stamp.doubt) {
            (Quality::Good, Some(reason)) => Quality::Uncertain(reason),
            (quality, _) => quality,
        };
        let instance = self.instance_of(emit);
        self.push(Observation {
            measure,
            instance,
            value,
            quality,
            observed: stamp.observed,
            historical: stamp.historical,
        });
    }

    /// Keeps `value` as it is.
    pub(crate) fn emit_value(&mut self, emit: &Emit, value: Value) {
        if let Some(measure) = self.measure_of(emit) {
            let instance = self.instance_of(emit);
            let observation = Observation::good(measure, value);
            self.push(Observation {
                instance,
                ..observation
            });
        }
    }

    /// Says why `emit` has no value.
    pub(crate) fn emit_missing(&mut self, emit: &Emit, reason: Reason) {
        if let Some(measure) = self.measure_of(emit) {
            let instance = self.instance_of(emit);
            self.push(Observation::missing(measure, instance, reason));
        }
    }

    /// The measure in the device's role; a value without one is noted and dropped.
    fn measure_of(&mut self, emit: &Emit) -> Option<Measure> {
        match emit.measure(self.context) {
            Ok(measure) => Some(measure),
            Err((name, role)) => {
                let name = name.to_owned();
                self.decoded
                    .note(|| Diagnostic::RoleWithoutMeasure { name, role });
                None
            }
        }
    }

    /// A level of the topic is whatever the device writes; what may not stand in a point's id becomes `_`.
    fn instance_of(&self, emit: &Emit) -> Option<Arc<str>> {
        match &emit.instance {
            Instance::None => None,
            Instance::Fixed(name) => Some(Arc::clone(name)),
            Instance::Level(level) => match self.levels.get(*level).copied()? {
                "" => None,
                name if is_instance(name) => Some(name.into()),
                name => {
                    let kept = name.bytes().take(MAX_INSTANCE).map(char::from);
                    let kept: String = kept
                        .map(|c| {
                            if c.is_ascii_alphanumeric() || "-.".contains(c) {
                                c
                            } else {
                                '_'
                            }
                        })
                        .collect();
                    Some(kept.into())
                }
            },
        }
    }

    /// Of several values of the same measure, instance and time in one record the last one wins.
    fn push(&mut self, observation: Observation) {
        let measure = observation.measure;
        let shown = self.trace.is_some().then(|| (measure, observation.value.clone()));
        let same = |o: &Observation| {
            o.measure == observation.measure
                && o.instance == observation.instance
                && (o.observed, o.historical) == (observation.observed, observation.historical)
        };
        match self.out[self.record..].iter().position(same) {
            Some(earlier) => self.out[self.record + earlier] = observation,
            None if self.out.len() - self.start >= MAX_OBSERVATIONS => self.overflow = true,
            None => self.out.push(observation),
        }
        if let (Some(trace), Some((measure, value))) = (&mut self.trace, shown) {
            trace.meant(measure, value);
        }
    }

    /// Notes what stood where, when somebody wants to know.
    pub(crate) fn traced(&mut self, place: impl FnOnce() -> (Place, String, String)) {
        if let Some(trace) = &mut self.trace {
            let (place, raw, what) = place();
            trace.read(place, raw, what);
        }
    }

    /// Whether anything was collected.
    pub(crate) fn is_empty(&self) -> bool {
        self.out.len() == self.start
    }

    /// How many observations were more than are kept of a message.
    pub(crate) fn overflows(&self) -> bool {
        self.overflow
    }

    /// Begins a record; the mark goes back into [`Self::end_record`].
    pub(crate) fn begin_record(&mut self) -> usize {
        std::mem::replace(&mut self.record, self.out.len())
    }

    /// Ends the record: its observations get its time, and replace earlier ones of the same kind and time.
    pub(crate) fn end_record(&mut self, outer: usize, time: Option<Timestamp>, historical: bool) {
        for observation in &mut self.out[self.record..] {
            observation.observed = observation.observed.or(time);
            observation.historical |= historical;
        }
        let mut at = self.record;
        while let Some(observation) = self.out.get(at) {
            let same = |o: &Observation| {
                o.measure == observation.measure
                    && o.instance == observation.instance
                    && (o.observed, o.historical) == (observation.observed, observation.historical)
            };
            match self.out[self.start..at].iter().position(same) {
                Some(earlier) => {
                    let observation = self.out.remove(at);
                    self.out[self.start + earlier] = observation;
                }
                None => at += 1,
            }
        }
        self.record = outer;
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
        self.wire();
        self.derive_fill();
        if let Some(own_time) = self.decoded.own_time {
            for observation in &mut self.out[self.start..] {
                observation.observed = observation.observed.or(Some(own_time));
            }
        }
        if let Some(caution) = self.context.caution {
            self.distrust(caution);
        }
        self.decoded
    }

    /// What the installation made of the values.
    fn wire(&mut self) {
        if self.context.wiring.is_empty() {
            return;
        }
        for observation in &mut self.out[self.start..] {
            let wiring = self
                .context
                .wiring_of(observation.measure, observation.instance.as_deref());
            let Some(wiring) = wiring else { continue };
            if let (true, Some(Value::State(state))) = (wiring.invert, &mut observation.value) {
                *state = !*state;
            }
            if let Some(becomes) = wiring.becomes.filter(|b| b.unit() == observation.measure.unit()) {
                observation.measure = becomes;
            }
        }
    }

    /// A fill level for each distance or depth whose message gives none of its own for the same time.
    fn derive_fill(&mut self) {
        if let Some(bin) = self.context.bin {
            self.derive((OWN.bin_distance, OWN.bin_fill), |mm| bin.fill(mm));
        }
        if let Some(tank) = self.context.tank {
            self.derive((OWN.level_distance, OWN.level_fill), |mm| tank.fill(mm));
            self.derive((OWN.level_depth, OWN.level_fill), |mm| tank.fill_at_depth(mm));
        }
    }

    fn derive(
        &mut self,
        (from, to): (Option<Measure>, Option<Measure>),
        level_of: impl Fn(f64) -> Option<f64>,
    ) {
        let (Some(distance), Some(fill)) = (from, to) else {
            return;
        };
        for at in self.start..self.out.len() {
            let Some(seen) = self.out.get(at).filter(|o| o.measure == distance) else {
                continue;
            };
            let told = |o: &Observation| {
                o.measure == fill
                    && (o.observed, o.historical) == (seen.observed, seen.historical)
                    && o.instance == seen.instance
            };
            if self.out[self.start..].iter().any(told) {
                continue;
            }
            let level = seen
                .value
                .as_ref()
                .and_then(Value::as_number)
                .and_then(&level_of)
                .map(Value::Number);
            let derived = Observation {
                measure: fill,
                quality: match (&level, seen.quality) {
                    (None, Quality::Good | Quality::Uncertain(_)) => Quality::Bad(Reason::OutOfRange),
                    (_, quality) => quality,
                },
                value: level,
                ..seen.clone()
            };
            self.out.push(derived);
        }
    }
}
