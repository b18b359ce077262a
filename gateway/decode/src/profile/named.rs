//! Messages whose values carry their names: Sparkplug metrics, SenML records, UltraLight attributes, TuyaLink
//! properties. The profile says which name means what; unit and time may come with the value.

use super::collect::{Collector, MAX_OBSERVATIONS, Stamp};
use super::convert::{Emit, Raw, show};
use super::document::{Node, Problems};
use super::field::{Kind, read_emit};
use super::roles::Roles;
use super::trace::Place;
use crate::frame::{Given, NamedValue};
use crate::observation::Diagnostic;
use crate::refusal::DecodeError;
use crate::walk::Scalar;
use rustc_hash::FxHashMap;

/// Most names of a profile.
const MAX_NAMES: usize = 1024;

/// What each name means; one name may mean several values, such as the bits of a status word.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedLayout {
    names: FxHashMap<Box<str>, Vec<Emit>>,
}

impl NamedLayout {
    /// Reads `[named]`.
    pub(super) fn read(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<Self> {
        let mut table = problems.table(node)?;
        let hint = "for example values = [ { name = \"temp\", measure = \"temperature\" } ]";
        let values = table.need("values", hint, problems);
        table.finish(problems);
        let values = values?;
        let nodes = problems.array(values)?;
        if nodes.is_empty() || nodes.len() > MAX_NAMES {
            return problems.refuse(
                values.span(),
                format!("`values` holds 1 to {MAX_NAMES} names"),
                hint,
            );
        }
        let mut layout = Self::default();
        for node in nodes {
            let mut table = problems.table(node)?;
            let name = table.need("name", "what the device calls the value", problems);
            let name = name.and_then(|node| problems.text(node));
            let measure = table.need("measure", "what it means, for example \"temperature\"", problems)?;
            let emit = read_emit(measure, &mut table, Kind::Json, roles, problems)?;
            table.finish(problems);
            layout.names.entry(name?.into()).or_default().push(emit);
        }
        Some(layout)
    }

    /// Every value it may give.
    pub(super) fn emits(&self) -> impl Iterator<Item = &Emit> {
        self.names.values().flatten()
    }

    /// Decodes `values` into `collector`. After an error the collector holds a part and must be discarded.
    pub(super) fn run(
        &self,
        values: &[NamedValue<'_>],
        collector: &mut Collector<'_>,
    ) -> Result<(), DecodeError> {
        for value in values {
            for emit in self.names.get(&*value.name).into_iter().flatten() {
                self.value(value, emit, collector);
            }
        }
        if collector.overflows() {
            return Err(DecodeError::TooMany {
                limit: MAX_OBSERVATIONS,
            });
        }
        if collector.is_empty() {
            collector.decoded.note(|| Diagnostic::NothingFound);
        }
        Ok(())
    }

    fn value(&self, value: &NamedValue<'_>, emit: &Emit, collector: &mut Collector<'_>) {
        let scalar = match &value.value {
            Given::Null => Scalar::Null,
            Given::Bool(state) => Scalar::Bool(*state),
            Given::Int(number) => Scalar::Int(*number),
            Given::Float(number) => Scalar::Float(*number),
            Given::Text(text) => Scalar::Text(text),
            Given::Composite => Scalar::Composite,
        };
        collector.traced(|| {
            let unit = value
                .unit
                .as_deref()
                .map(|unit| format!(" {unit}"))
                .unwrap_or_default();
            let raw = show(Raw::Scalar(scalar)) + &unit;
            (Place::Name(value.name.to_string()), raw, "named value".to_owned())
        });
        // What a message says of its unit goes before what the profile says.
        let unit = value
            .unit
            .as_deref()
            .filter(|unit| !unit.is_empty() && emit.is_number());
        let spoken = unit.map(|unit| (unit, emit.spoken_in(unit)));
        let stamp = Stamp {
            observed: value.time,
            historical: value.historical,
            doubt: value.doubt,
        };
        match &spoken {
            Some((unit, None)) => {
                if let Ok(measure) = emit.measure(collector.context) {
                    let (name, unit) = (value.name.to_string(), (*unit).to_owned());
                    collector
                        .decoded
                        .note(|| Diagnostic::ForeignUnit { name, unit, measure });
                }
                // No number in an unknown unit is a value.
                collector.emit_stamped(emit, Raw::Scalar(Scalar::Composite), &value.name, stamp);
            }
            Some((_, Some(emit))) => collector.emit_stamped(emit, Raw::Scalar(scalar), &value.name, stamp),
            None => collector.emit_stamped(emit, Raw::Scalar(scalar), &value.name, stamp),
        }
    }
}
