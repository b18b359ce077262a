//! Turns the table into the gateway's device profiles, one TOML document per node kind, each with the
//! tests the gateway runs before it accepts the profile.
//!
//! The expectations of those tests are computed from the same rows, in exact decimals; the register images
//! are written down by hand below. Not responsible for: how the gateway reads a profile.

use crate::meaning::state::{OFF, ON, UNKNOWN};
use crate::{Access, Kind, Meaning, NO_TEMPERATURE, NO_VALUE, Register, Table, address, registers_of};

/// The longest block one Modbus request may read, in registers.
const MAX_REGISTERS: u16 = 125;

/// A named register image with which the generated profile tests itself.
struct Sample {
    name: &'static str,
    /// Input registers from 0x0020 on.
    values: &'static [u16],
}

/// Name of the profile's file in `config/profiles`.
pub fn file_name(kind: Kind) -> String {
    format!("linli-node-{}.toml", kind.name())
}

/// The profile of one kind of node.
pub fn profile(kind: Kind) -> String {
    let mut text = format!(
        "# Generated from firmware/registers by `cargo run -p linli-registers --features std --bin gen-profile`; do not edit.\n\
         id = \"linli.node-{name}\"\n\
         title = \"Linli {name} node\"\n\
         version = {version}\n\
         expected_interval = \"60s\"\n\
         \n\
         [modbus]\n\
         order = \"ABCD\"\n\
         max_registers = {MAX_REGISTERS}\n",
        name = kind.name(),
        version = crate::MAP_VERSION >> 8,
    );
    for register in registers_of(kind) {
        text.push_str(&entry(register).unwrap_or_default());
    }
    for register in registers_of(kind) {
        text.push_str(&setting(register).unwrap_or_default());
    }
    for sample in samples(kind) {
        text.push_str(&test(kind, sample));
    }
    text
}

/// One `[[modbus.registers]]`, if the gateway reads this register at all.
fn entry(register: &Register) -> Option<String> {
    let measure = register.measure?;
    // The language has no key for units: a measure has one unit, and the table's value is in it.
    let unit = if register.unit.is_empty() {
        String::new()
    } else {
        format!(" # {}", register.unit)
    };
    let mut text = format!(
        "\n[[modbus.registers]]\nfunction = {}\naddress = {:#06x}\ntype = \"{}\"\nmeasure = \"{}\"{unit}\n",
        register.table.read_function(),
        register.address,
        register.ty.profile_name(),
        measure.name,
    );
    match measure.meaning {
        Meaning::Truth => text.push_str("enum = { \"0\" = false, \"1\" = true }\n"),
        Meaning::Number if register.decimals > 0 => {
            text.push_str(&format!("scale = {}\n", decimal(1, register.decimals)));
        }
        Meaning::Number => {}
    }
    if let Some(missing) = measure.missing {
        text.push_str(&format!("missing = [{missing:#06x}]\n"));
    }
    Some(text)
}

/// How often the gateway looks at what only a person changes.
const SETTINGS_POLL: &str = "1h";

/// One `[[modbus.registers]]` of a setting that the gateway may write by name, where the bus allows writes. Not among them:
/// address and line, after which the gateway would ask in vain; those belong to commissioning.
fn setting(register: &Register) -> Option<String> {
    let is_line = matches!(
        (register.table, register.address),
        (
            Table::Holding,
            address::UNIT_ID | address::BAUD_CODE | address::PARITY
        )
    );
    let (low, high) = match register.access {
        Access::ReadWrite if register.table == Table::Holding && !is_line => (register.min, register.max),
        Access::Pulse => (0, 1),
        _ => return None,
    };
    let name = register.name.to_ascii_lowercase();
    let (low, high) = (
        decimal(low.into(), register.decimals),
        decimal(high.into(), register.decimals),
    );
    let scale = match register.decimals {
        0 => String::new(),
        decimals => format!("scale = {}\n", decimal(1, decimals)),
    };
    let unit = match register.unit {
        "" => String::new(),
        unit => format!(" # {unit}"),
    };
    Some(format!(
        "\n[[modbus.registers]]\nfunction = {}\naddress = {:#06x}\ntype = \"{}\"\nmeasure = \"@{name}\"{unit}\n{scale}\
         poll = \"{SETTINGS_POLL}\"\nwrite = {{ name = \"{name}\", range = [{low}, {high}] }}\n",
        register.table.read_function(),
        register.address,
        register.ty.profile_name(),
    ))
}

/// One `[[tests]]`: the image, and every reading it must yield.
fn test(kind: Kind, sample: &Sample) -> String {
    let values: Vec<String> = sample.values.iter().map(u16::to_string).collect();
    let readings: Vec<String> = registers_of(kind)
        .filter(|register| register.table == Table::Input)
        .filter_map(|register| {
            let value = expected(register, sample.values)?;
            Some(format!(
                "    {{ measure = \"{}\", value = {value} }},\n",
                register.measure?.name
            ))
        })
        .collect();
    format!(
        "\n[[tests]]\nname = \"{}\"\nregisters = [{{ function = 4, start = 0x0020, values = [{}] }}]\nexpect = [\n{}]\n",
        sample.name,
        values.join(", "),
        readings.concat(),
    )
}

/// What the gateway must read from `register` in an image of input registers from 0x0020 on.
fn expected(register: &Register, image: &[u16]) -> Option<String> {
    let measure = register.measure?;
    let index = usize::from(register.address.checked_sub(0x20)?);
    let first = *image.get(index)?;
    if measure.missing == Some(first) {
        return None;
    }
    match (measure.meaning, register.ty) {
        (Meaning::Truth, _) => match first {
            OFF => Some("false".into()),
            ON => Some("true".into()),
            _ => None,
        },
        (Meaning::Number, crate::Type::I16) => Some(decimal(i64::from(first as i16), register.decimals)),
        (Meaning::Number, crate::Type::U32) => {
            let second = *image.get(index + 1)?;
            Some(decimal(
                i64::from(first) << 16 | i64::from(second),
                register.decimals,
            ))
        }
        (Meaning::Number, _) => Some(decimal(i64::from(first), register.decimals)),
    }
}

/// `raw` with the point moved left, exactly: `decimal(-5, 2)` is `-0.05`.
fn decimal(raw: i64, decimals: u8) -> String {
    if decimals == 0 {
        return raw.to_string();
    }
    let places = usize::from(decimals);
    let digits = format!("{:0>width$}", raw.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{}{whole}.{fraction}", if raw < 0 { "-" } else { "" })
}

fn samples(kind: Kind) -> &'static [Sample] {
    match kind {
        // state, faulty, temperature, vehicles (two words), field change, distance, drift
        Kind::Parking => &[
            Sample {
                name: "a parked car",
                values: &[ON, 0, 2_156, 1, 2, 300, NO_VALUE, 12],
            },
            Sample {
                name: "an empty bay on a frosty morning",
                values: &[OFF, 0, (-525_i16) as u16, 0, 9, 4, NO_VALUE, 0],
            },
            Sample {
                name: "a lost magnetometer is neither free nor occupied",
                values: &[UNKNOWN, 1, 2_156, 0, 9, NO_VALUE, NO_VALUE, 0],
            },
        ],
        // state, faulty, temperature, distance, tilt, fire
        Kind::Bin => &[
            Sample {
                name: "a bin with room",
                values: &[OFF, 0, 1_850, 940, OFF, OFF],
            },
            Sample {
                name: "a full bin that smoulders on its side",
                values: &[ON, 0, 7_125, 140, ON, ON],
            },
            Sample {
                name: "every sensor lost",
                values: &[UNKNOWN, 1, NO_TEMPERATURE, NO_VALUE, UNKNOWN, UNKNOWN],
            },
        ],
        // state, faulty, temperature, signal, cable, count, last duration
        Kind::Leak => &[
            Sample {
                name: "a wet probe",
                values: &[ON, 0, 1_800, 2_600, OFF, 1, NO_VALUE],
            },
            Sample {
                name: "dry again after twenty minutes",
                values: &[OFF, 0, 1_800, 110, OFF, 1, 1_200],
            },
            Sample {
                name: "a cut cable is not dry",
                values: &[UNKNOWN, 1, 1_800, NO_VALUE, ON, 0, NO_VALUE],
            },
            Sample {
                name: "every sensor lost",
                values: &[UNKNOWN, 1, NO_TEMPERATURE, NO_VALUE, UNKNOWN, 0, NO_VALUE],
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_profiles_are_the_generated_ones() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/profiles");
        for kind in Kind::ALL {
            let path = folder.join(file_name(kind));
            let committed = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            assert!(
                committed == profile(kind),
                "{} differs from the table; run `cargo run -p linli-registers --features std --bin gen-profile -- --write config/profiles`",
                path.display()
            );
        }
    }

    #[test]
    fn scaled_values_are_written_exactly() {
        assert_eq!(decimal(2_157, 2), "21.57");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(-525, 2), "-5.25");
        assert_eq!(decimal(1, 2), "0.01");
        assert_eq!(decimal(7, 0), "7");
    }

    #[test]
    fn a_sample_covers_the_whole_kind_block() {
        for kind in Kind::ALL {
            let end = registers_of(kind)
                .filter(|r| r.table == Table::Input && crate::INPUT_BLOCK.contains(&r.address))
                .map(Register::end)
                .max();
            for sample in samples(kind) {
                assert_eq!(
                    end,
                    Some(0x20 + sample.values.len() as u32),
                    "{kind:?} {}",
                    sample.name
                );
            }
        }
    }

    #[test]
    fn an_unknown_state_yields_no_reading_at_all() {
        let text = profile(Kind::Parking);
        let (_, unknown) = text
            .split_once("neither free nor occupied")
            .expect("sample is in the profile");
        assert!(!unknown.contains("parking.occupied"), "{unknown}");
    }
}
