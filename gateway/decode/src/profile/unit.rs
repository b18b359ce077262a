//! Units a device may speak, and the fixed way from each to the unit of a measure. Nothing else is converted.
//!
//! Units of one family convert into each other. Symbols follow SenML (RFC 8428, RFC 8798) and UCUM; what bridges
//! and firmwares write instead ("°C", "L") is an alias. Factors are fractions of whole numbers, so that a
//! conversion adds no error of its own.

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

/// A unit: its symbol, and how many of the family's first unit it is, as numerator and denominator.
type Row = (&'static str, f64, f64);

const FAMILIES: &[&[Row]] = &[
    // Length. The inch and the foot are exact by definition.
    &[
        ("mm", 1.0, 1.0),
        ("cm", 10.0, 1.0),
        ("m", 1000.0, 1.0),
        ("km", 1_000_000.0, 1.0),
        ("[in_i]", 254.0, 10.0),
        ("[ft_i]", 3048.0, 10.0),
    ],
    &[("mV", 1.0, 1.0), ("V", 1000.0, 1.0), ("kV", 1_000_000.0, 1.0)],
    &[("uA", 1.0, 1.0), ("mA", 1000.0, 1.0), ("A", 1_000_000.0, 1.0)],
    &[
        ("Ohm", 1.0, 1.0),
        ("kOhm", 1000.0, 1.0),
        ("MOhm", 1_000_000.0, 1.0),
    ],
    &[("W", 1.0, 1.0), ("kW", 1000.0, 1.0), ("MW", 1_000_000.0, 1.0)],
    &[("VA", 1.0, 1.0), ("kVA", 1000.0, 1.0)],
    &[
        ("Wh", 1.0, 1.0),
        ("kWh", 1000.0, 1.0),
        ("MWh", 1_000_000.0, 1.0),
        ("J", 1.0, 3600.0),
        ("kJ", 1000.0, 3600.0),
        ("MJ", 1_000_000.0, 3600.0),
    ],
    // Pressure. The psi is 6894.757 Pa to seven digits.
    &[
        ("Pa", 1.0, 1.0),
        ("hPa", 100.0, 1.0),
        ("mbar", 100.0, 1.0),
        ("kPa", 1000.0, 1.0),
        ("bar", 100_000.0, 1.0),
        ("MPa", 1_000_000.0, 1.0),
        ("[psi]", 6_894_757.0, 1000.0),
    ],
    &[
        ("ms", 1.0, 1.0),
        ("s", 1000.0, 1.0),
        ("min", 60_000.0, 1.0),
        ("h", 3_600_000.0, 1.0),
        ("d", 86_400_000.0, 1.0),
    ],
    &[("ml", 1.0, 1.0), ("l", 1000.0, 1.0), ("m3", 1_000_000.0, 1.0)],
    &[
        ("l/h", 1.0, 1.0),
        ("l/min", 60.0, 1.0),
        ("l/s", 3600.0, 1.0),
        ("m3/h", 1000.0, 1.0),
        ("m3/s", 3_600_000.0, 1.0),
    ],
    &[("km/h", 1.0, 3.6), ("m/s", 1.0, 1.0)],
    &[("Hz", 1.0, 1.0), ("kHz", 1000.0, 1.0)],
    &[
        ("%", 1.0, 1.0),
        ("%RH", 1.0, 1.0),
        ("%EL", 1.0, 1.0),
        ("1", 100.0, 1.0),
    ],
];

/// Symbol, factor and offset to degrees Celsius.
const TEMPERATURES: [(&str, f64, f64); 3] = [
    ("Cel", 1.0, 0.0),
    ("K", 1.0, -273.15),
    ("[degF]", 5.0 / 9.0, -160.0 / 9.0),
];

/// What others write, and the symbol for it.
const ALIASES: &[(&str, &str)] = &[
    ("°C", "Cel"),
    ("℃", "Cel"),
    ("°F", "[degF]"),
    ("℉", "[degF]"),
    ("in", "[in_i]"),
    ("ft", "[ft_i]"),
    ("µA", "uA"),
    ("μA", "uA"),
    ("Ω", "Ohm"),
    ("kΩ", "kOhm"),
    ("psi", "[psi]"),
    ("mL", "ml"),
    ("L", "l"),
    ("m³", "m3"),
    ("m³/h", "m3/h"),
    ("m³/s", "m3/s"),
    ("L/h", "l/h"),
    ("L/min", "l/min"),
    ("L/s", "l/s"),
    ("/", "1"),
    ("°", "deg"),
];

/// The symbol of the vocabulary for a unit as a message writes it; the same text where it is one.
pub(crate) fn symbol(written: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == written);
    alias.map_or(written, |(_, symbol)| symbol)
}

/// The way from one unit to another; `None` when they measure different things.
pub(crate) fn conversion(from: &str, to: &str) -> Option<Conversion> {
    let from = symbol(from);
    if from == to {
        return Some(SAME);
    }
    let thermometer = |symbol| TEMPERATURES.iter().find(|(known, ..)| *known == symbol);
    if let (Some((_, factor, offset)), Some((_, to_factor, to_offset))) = (thermometer(from), thermometer(to))
    {
        return Some(Conversion {
            factor: factor / to_factor,
            offset: (offset - to_offset) / to_factor,
        });
    }
    let family = FAMILIES
        .iter()
        .find(|f| f.iter().any(|(known, ..)| *known == from))?;
    let row = |symbol| family.iter().find(|(known, ..)| *known == symbol);
    let ((_, n, d), (_, to_n, to_d)) = (row(from)?, row(to)?);
    Some(Conversion {
        factor: (n * to_d) / (d * to_n),
        offset: 0.0,
    })
}

/// Every unit that converts into `to`.
fn known(to: &str) -> Vec<&'static str> {
    let all = FAMILIES
        .iter()
        .flat_map(|family| family.iter().map(|(symbol, ..)| *symbol));
    all.chain(TEMPERATURES.iter().map(|(symbol, ..)| *symbol))
        .filter(|from| conversion(from, to).is_some())
        .collect()
}

/// Reads `unit`: the unit of the device's number, after scale and offset.
pub(crate) fn read(node: Node<'_>, measured_in: Unit, problems: &mut Problems<'_>) -> Option<Conversion> {
    let unit = problems.text(node)?;
    let to = measured_in.symbol();
    conversion(unit, to).or_else(|| {
        let hint = match known(to).as_slice() {
            [] => format!("the measure is in {to}, into which nothing converts"),
            known => format!("the measure is in {to}; known here: {}", known.join(", ")),
        };
        problems.refuse(node.span(), format!("no way from {unit:?} to {to}"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::measure::Measure;

    #[test]
    fn each_unit_stands_in_one_family_and_each_alias_means_one() {
        let all: Vec<&str> = FAMILIES
            .iter()
            .flat_map(|family| family.iter().map(|(symbol, ..)| *symbol))
            .chain(TEMPERATURES.iter().map(|(symbol, ..)| *symbol))
            .collect();
        for (index, symbol) in all.iter().enumerate() {
            assert!(!all[..index].contains(symbol), "{symbol}");
        }
        for (alias, symbol) in ALIASES {
            let is_unit = Measure::all().any(|m| m.unit().symbol() == *symbol);
            assert!(all.contains(symbol) || is_unit, "{alias}");
            assert!(!all.contains(alias), "{alias}");
        }
        for family in FAMILIES {
            let used = family
                .iter()
                .any(|(symbol, ..)| Measure::all().any(|m| m.unit().symbol() == *symbol));
            assert!(used, "no measure is in {:?}", family[0]);
        }
    }

    #[test]
    fn there_and_back_is_the_same_number() {
        let units = FAMILIES
            .iter()
            .flat_map(|family| family.iter().map(move |row| (*family, row)));
        for (family, (from, ..)) in units {
            for (to, ..) in family {
                let there = conversion(from, to).unwrap();
                let back = conversion(to, from).unwrap();
                assert!((there.factor * back.factor - 1.0).abs() < 1e-12, "{from} {to}");
            }
        }
        assert_eq!(conversion("cm", "mm").unwrap().factor, 10.0);
        assert_eq!(
            conversion("°F", "Cel").map(|c| (212.0 * c.factor + c.offset).round()),
            Some(100.0)
        );
        assert_eq!(
            conversion("Cel", "K").map(|c| 20.0 * c.factor + c.offset),
            Some(293.15)
        );
        assert_eq!(conversion("l/s", "m3/h").unwrap().factor, 3.6);
        assert_eq!(conversion("V", "A"), None);
    }
}
