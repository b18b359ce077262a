//! A street as a file: its nodes, and what happens to them.
//!
//! Two stages: the raw document, unknown keys refused, then the [`Street`] it describes. Not responsible for:
//! whether the steps fit the nodes; the street checks that itself.

use std::path::{Path, PathBuf};

use linli_registers::Kind;
use serde::Deserialize;

use crate::fault::duration;
use crate::{Change, Fault, NodeConfig, ScriptStep, Street, StreetError};

/// Why a street's file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no TOML, or has keys nobody knows.
    #[error("failed to understand {}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A value makes no sense.
    #[error("{}: {problem}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Which value, and what would be right.
        problem: String,
    },
    /// The nodes or the script do not make a street.
    #[error("failed to build the street of {}", .path.display())]
    Street {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: StreetError,
    },
}

/// Reads the street described in a file.
pub fn load(path: &Path) -> Result<Street, ConfigError> {
    let owned = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: owned(),
        source,
    })?;
    let raw: RawStreet = toml::from_str(&text).map_err(|source| ConfigError::Syntax {
        path: owned(),
        source,
    })?;
    let value = |problem| ConfigError::Value {
        path: owned(),
        problem,
    };
    let nodes = raw
        .nodes
        .iter()
        .map(RawNode::node)
        .collect::<Result<Vec<_>, _>>()
        .map_err(value)?;
    let modules: Vec<u8> = raw.modules.iter().map(|module| module.unit).collect();
    let script = raw
        .script
        .iter()
        .zip(1..)
        .map(|(step, number)| step.step(number))
        .collect::<Result<Vec<_>, _>>();
    let script = script.map_err(value)?;
    Street::new(nodes)
        .and_then(|street| modules.into_iter().try_fold(street, Street::with_module))
        .and_then(|street| street.with_script(script))
        .map_err(|source| ConfigError::Street {
            path: owned(),
            source,
        })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStreet {
    #[serde(default)]
    nodes: Vec<RawNode>,
    #[serde(default)]
    modules: Vec<RawModule>,
    #[serde(default)]
    script: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    unit: u8,
    kind: String,
}

impl RawNode {
    fn node(&self) -> Result<NodeConfig, String> {
        let kind = Kind::from_name(&self.kind).ok_or_else(|| {
            format!(
                "unit {}: unknown kind \"{}\"; known are parking, bin, leak",
                self.unit, self.kind
            )
        })?;
        Ok(NodeConfig {
            unit: self.unit,
            kind,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModule {
    unit: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContact {
    number: u8,
    closed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at: String,
    unit: u8,
    leak: Option<bool>,
    distance_mm: Option<u16>,
    tilted: Option<bool>,
    temperature_c: Option<f32>,
    field_mg: Option<u16>,
    parked: Option<bool>,
    contact: Option<RawContact>,
    fault: Option<String>,
}

impl RawStep {
    fn step(&self, number: usize) -> Result<ScriptStep, String> {
        let at = duration(&self.at).ok_or_else(|| {
            format!(
                "script step {number}: \"{}\" is no time; write 500ms, 5s or 2m",
                self.at
            )
        })?;
        let fault = self.fault.as_deref().map(str::parse::<Fault>).transpose();
        let fault = fault.map_err(|error| format!("script step {number}: {error}"))?;
        let changes = [
            self.leak.map(Change::Leak),
            self.distance_mm.map(Change::DistanceMm),
            self.tilted.map(Change::Tilted),
            self.temperature_c.map(Change::TemperatureC),
            self.field_mg.map(Change::FieldMg),
            self.parked.map(Change::Parked),
            self.contact
                .as_ref()
                .map(|contact| Change::Contact(contact.number, contact.closed)),
            fault.map(Change::Fault),
        ];
        let mut changes = changes.into_iter().flatten();
        match (changes.next(), changes.next()) {
            (Some(change), None) => Ok(ScriptStep {
                at,
                unit: self.unit,
                change,
            }),
            _ => Err(format!(
                "script step {number}: exactly one thing happens in a step"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn load_text(text: &str) -> Result<Street, ConfigError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("street.toml");
        std::fs::write(&path, text).expect("writable");
        load(&path)
    }

    /// Everything an operator would read about why a file is refused.
    fn complaint(text: &str) -> String {
        let error = load_text(text).err().expect("refused");
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    }

    #[test]
    fn the_example_street_is_valid() {
        let street = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("street.toml")).expect("valid");
        assert!(street.nodes().count() >= 3);
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong_and_what_would_be_right() {
        let leak = "[[nodes]]\nunit = 3\nkind = \"leak\"\n";
        let cases = [
            (
                "[[nodes]]\nunit = 3\nkind = \"pond\"",
                "known are parking, bin, leak",
            ),
            (
                "[[nodes]]\nunit = 3\nkind = \"leak\"\nspeed = 1",
                "unknown field `speed`",
            ),
            ("[[nodes]]\nunit = 0\nkind = \"leak\"", "nodes have 1 to 247"),
            (
                &format!("{leak}[[script]]\nat = \"soon\"\nunit = 3\nleak = true"),
                "write 500ms, 5s or 2m",
            ),
            (
                &format!("{leak}[[script]]\nat = \"1s\"\nunit = 3"),
                "exactly one thing",
            ),
            (
                &format!("{leak}[[script]]\nat = \"1s\"\nunit = 3\nleak = true\nparked = true"),
                "exactly one thing",
            ),
            (
                &format!("{leak}[[script]]\nat = \"1s\"\nunit = 4\nleak = true"),
                "unit 4 is not on the street",
            ),
            (
                "[[modules]]\nunit = 9\n[[script]]\nat = \"1s\"\nunit = 9\ncontact = { number = 9, closed = true }",
                "unit 9 is a module",
            ),
            (
                &format!("{leak}[[script]]\nat = \"1s\"\nunit = 3\nfault = \"tired\""),
                "known are none, silent",
            ),
        ];
        for (text, expected) in cases {
            let complaint = complaint(text);
            assert!(complaint.contains(expected), "{text}\n{complaint}");
        }
    }
}
