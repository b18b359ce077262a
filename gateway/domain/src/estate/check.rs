//! Problems of an estate document, collected all at once: where, what, and what was probably meant.
//!
//! Nothing here stops at the first problem, and nothing here knows files or lines: a path such as
//! `devices[3].asset` is what a reader of the file can find again.

use super::Address;
use super::doc::AddressDoc;
use crate::measure::nearest;
use crate::text::Text;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::Hash;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: `devices[3].asset`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do, or what was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Most characters of a written name that a message repeats.
const SHOWN: usize = 96;

/// The collector every check writes to.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            path: path.into(),
            message: message.into(),
            hint: None,
        });
    }
    pub(super) fn add_hint(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.0.push(Problem {
            path: path.into(),
            message: message.into(),
            hint: Some(hint.into()),
        });
    }
    /// A name in both languages.
    pub(super) fn text(&mut self, path: String, text: &Text) {
        if text.is_incomplete() {
            self.add_hint(
                path,
                "is missing or empty in one language",
                "write { zh = \"…\", en = \"…\" }",
            );
        }
    }
    /// Finds a reference, or says that it leads nowhere and where it might have been meant to lead.
    pub(super) fn find<K: Hash + Eq + AsRef<str>, V: Copy>(
        &mut self,
        path: impl FnOnce() -> String,
        what: &str,
        id: &K,
        known: &FxHashMap<K, V>,
    ) -> Option<V> {
        if let Some(found) = known.get(id) {
            return Some(*found);
        }
        // The map has no order of its own; the hint must not depend on it.
        let mut names: Vec<&str> = known.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        let shown: String = id.as_ref().chars().take(SHOWN).collect();
        let message = format!("unknown {what} {shown:?}");
        match nearest(id.as_ref(), names.into_iter()) {
            Some(near) => self.add_hint(path(), message, format!("did you mean {near:?}?")),
            None => self.add(path(), message),
        }
        None
    }
    /// Registers an id that must be the only one of its kind.
    pub(super) fn unique<K: Hash + Eq + Clone + AsRef<str>, V>(
        &mut self,
        path: impl FnOnce() -> String,
        id: &K,
        value: V,
        known: &mut FxHashMap<K, V>,
    ) {
        if known.contains_key(id) {
            let shown = id.as_ref();
            self.add_hint(
                path(),
                format!("{shown:?} is used twice"),
                "the first one counts; give this one another id",
            );
        } else {
            known.insert(id.clone(), value);
        }
    }
    /// Narrows the options of an address down to one.
    pub(super) fn address(&mut self, path: &str, doc: Option<&AddressDoc>) -> Option<Address> {
        let hint = "write { mqtt = \"<connection>\", key = \"<identity>\" } or { bus = \"<bus>\", unit = 3 }";
        let Some(doc) = doc else {
            self.add_hint(path, "is missing", hint);
            return None;
        };
        match (&doc.mqtt, &doc.key, &doc.bus, doc.unit) {
            (Some(connection), Some(key), None, None) => {
                let also = doc.also.iter().map(|other| ("also", other));
                for (part, text) in [("mqtt", connection), ("key", key)].into_iter().chain(also) {
                    if text.trim().is_empty() {
                        self.add(format!("{path}.{part}"), "is empty");
                    }
                }
                Some(Address::Mqtt {
                    connection: connection.as_str().into(),
                    key: key.as_str().into(),
                    also: doc.also.iter().map(|other| other.as_str().into()).collect(),
                })
            }
            (None, None, Some(bus), Some(unit)) if doc.also.is_empty() => {
                // A line has 1 to 247; 255 is what a Modbus TCP device that needs no unit is called by.
                if unit == 0 {
                    self.add(
                        format!("{path}.unit"),
                        format!("{unit} is not a unit number; they are 1 to 247, on Modbus TCP up to 255"),
                    );
                }
                Some(Address::Bus {
                    bus: bus.clone(),
                    unit,
                })
            }
            _ => {
                self.add_hint(path, "is neither an MQTT nor a bus address", hint);
                None
            }
        }
    }
}
