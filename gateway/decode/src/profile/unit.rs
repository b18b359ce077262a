//! Units a device may speak, and the fixed way from each to the unit of a measure. Nothing else is converted.

use super::document::{Node, Problems};
use linli_domain::measure::Unit;

/// What to do with a number in a foreign unit: `number * factor + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conversion {
    pub(crate) factor: f64,
    pub(crate) offset: f64,
}

/// No conversion.
pub(crate) const SAME: Conversion = Conversion {
    factor: 1.0,
    offset: 0.0,
};

/// From, to, factor, offset. Symbols follow SenML (RFC 8428, RFC 8798) and UCUM.
const TABLE: &[(&str, &str, f64, f64)] = &[
    ("cm", "mm", 10.0, 0.0),
    ("m", "mm", 1000.0, 0.0),
    ("[in_i]", "mm", 25.4, 0.0),
    ("[ft_i]", "mm", 304.8, 0.0),
    ("mm", "m", 0.001, 0.0),
    ("cm", "m", 0.01, 0.0),
    ("[ft_i]", "m", 0.3048, 0.0),
    ("mV", "V", 0.001, 0.0),
    ("mA", "A", 0.001, 0.0),
    ("mA", "uA", 1000.0, 0.0),
    ("kOhm", "Ohm", 1000.0, 0.0),
    ("kW", "W", 1000.0, 0.0),
    ("kVA", "VA", 1000.0, 0.0),
    ("Wh", "kWh", 0.001, 0.0),
    ("MWh", "kWh", 1000.0, 0.0),
    ("hPa", "Pa", 100.0, 0.0),
    ("kPa", "Pa", 1000.0, 0.0),
    ("bar", "Pa", 100_000.0, 0.0),
    ("K", "Cel", 1.0, -273.15),
    ("[degF]", "Cel", 5.0 / 9.0, -160.0 / 9.0),
    ("ms", "s", 0.001, 0.0),
    ("min", "s", 60.0, 0.0),
    ("h", "s", 3600.0, 0.0),
    ("l", "m3", 0.001, 0.0),
    ("l/s", "m3/h", 3.6, 0.0),
    ("l/min", "m3/h", 0.06, 0.0),
    ("l/h", "m3/h", 0.001, 0.0),
    ("m3/s", "m3/h", 3600.0, 0.0),
    ("1", "%", 100.0, 0.0),
    ("1", "%RH", 100.0, 0.0),
    ("%", "%RH", 1.0, 0.0),
];

/// Reads `unit`: the unit of the device's number, after scale and offset.
pub(crate) fn read(node: Node<'_>, measured_in: Unit, problems: &mut Problems<'_>) -> Option<Conversion> {
    let unit = problems.text(node)?;
    let to = measured_in.symbol();
    if unit == to {
        return Some(SAME);
    }
    let row = TABLE.iter().find(|(from, into, ..)| *from == unit && *into == to);
    match row {
        Some((.., factor, offset)) => Some(Conversion {
            factor: *factor,
            offset: *offset,
        }),
        None => {
            let known: Vec<_> = TABLE
                .iter()
                .filter(|(_, into, ..)| *into == to)
                .map(|(from, ..)| *from)
                .collect();
            let hint = format!(
                "the measure is in {to}; known here: {}",
                [&[to], known.as_slice()].concat().join(", ")
            );
            problems.refuse(node.span(), format!("no way from {unit:?} to {to}"), hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::measure::Measure;

    #[test]
    fn every_row_leads_to_a_unit_of_the_vocabulary_and_stands_once() {
        for (index, (from, to, factor, _)) in TABLE.iter().enumerate() {
            assert!(Measure::all().any(|m| m.unit().symbol() == *to), "{to}");
            assert!(*factor > 0.0 && from != to);
            assert!(
                !TABLE[..index].iter().any(|(f, t, ..)| (f, t) == (from, to)),
                "{from} to {to}"
            );
        }
    }
}
