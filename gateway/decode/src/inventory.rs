//! A bridge's list of its devices: under which name each one speaks, and what the bridge takes it for.
//!
//! Source: Koenkk/zigbee2mqtt.io `docs/guide/usage/mqtt_topics_and_messages.md` (`bridge/devices`).

use crate::refusal::JsonFault;
use crate::walk::shallow_text;
use serde::Deserialize;

/// Most devices read of one list; the rest are left out. Zigbee bridges carry a few hundred.
const MAX_LISTED: usize = 2_000;
/// Longest name, vendor or model kept, in characters; the rest is cut.
const MAX_TEXT: usize = 96;

/// One device of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name it speaks under: the address of its messages.
    pub name: String,
    /// Who made it.
    pub vendor: Option<String>,
    /// Its model.
    pub model: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: Option<String>,
    friendly_name: Option<String>,
    definition: Option<Definition>,
    manufacturer: Option<String>,
    model_id: Option<String>,
}

#[derive(Deserialize)]
struct Definition {
    vendor: Option<String>,
    model: Option<String>,
}

/// Reads the list. The coordinator is not a device; one the bridge does not support is named by what it says itself.
///
/// # Errors
/// What the message is instead of a list of devices.
pub fn inventory(payload: &[u8]) -> Result<Vec<Listed>, JsonFault> {
    let entries: Vec<Entry> =
        serde_json::from_str(shallow_text(payload)?).map_err(|error| JsonFault::NotJson {
            detail: error.to_string(),
        })?;
    let listed = |entry: Entry| {
        if entry.kind.as_deref() == Some("Coordinator") {
            return None;
        }
        let (vendor, model) = match entry.definition {
            Some(definition) => (definition.vendor, definition.model),
            None => (entry.manufacturer, entry.model_id),
        };
        Some(Listed {
            name: cut(entry.friendly_name?),
            vendor: vendor.map(cut),
            model: model.map(cut),
        })
    };
    Ok(entries.into_iter().filter_map(listed).take(MAX_LISTED).collect())
}

fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_by_the_bridge_or_by_themselves() {
        let list = br#"[
            { "type": "Coordinator", "friendly_name": "Coordinator", "definition": null },
            { "type": "EndDevice", "friendly_name": "flat45/bath", "definition": { "vendor": "Aqara", "model": "SJCGQ11LM" } },
            { "type": "EndDevice", "friendly_name": "0x00", "definition": null, "manufacturer": "_TZ", "model_id": "TS0207" },
            { "type": "EndDevice" }
        ]"#;
        let listed = inventory(list).unwrap();
        let shown: Vec<_> = listed
            .iter()
            .map(|l| (l.name.as_str(), l.vendor.as_deref(), l.model.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("flat45/bath", Some("Aqara"), Some("SJCGQ11LM")),
                ("0x00", Some("_TZ"), Some("TS0207"))
            ]
        );
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(inventory(b"{}").is_err() && inventory(b"[1]").is_err() && inventory(b"\xff").is_err());
        assert_eq!(inventory(b"[]"), Ok(Vec::new()));
    }
}
