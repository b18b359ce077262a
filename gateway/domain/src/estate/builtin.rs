//! What every estate has without being told: the gateway as an asset and a device, and rules that guard each kind of
//! asset with the usual values, the gateway itself among them.
//!
//! The rules are data, `config/rules` of the source, one file for each kind of asset. A rule of the document with the same
//! id replaces a shipped one everywhere; one with the same class replaces it on the assets it looks after, so that a class
//! is guarded by one rule or the other and never by both.

use super::doc::{OrderProfileDoc, RuleDoc};
use crate::text::Text;
use serde::Deserialize;
use std::sync::LazyLock;

/// Id of the asset, the device and the profile that stand for the gateway itself.
pub const GATEWAY: &str = "gateway";

/// The gateway's name.
pub fn gateway_name() -> Text {
    Text {
        zh: "网关".into(),
        en: "Gateway".into(),
    }
}

/// The rules for one kind of asset, with the order profiles they name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The rules.
    pub rules: Vec<RuleDoc>,
    /// How their orders are verified and closed.
    #[serde(default)]
    pub order_profiles: Vec<OrderProfileDoc>,
}

/// Name and text of each shipped file. The gateway's comes first: it is there without any asset.
pub const PACK_FILES: [(&str, &str); 7] = [
    ("gateway", include_str!("../../../../config/rules/gateway.toml")),
    (
        "pipe_zone",
        include_str!("../../../../config/rules/pipe_zone.toml"),
    ),
    (
        "pump_room",
        include_str!("../../../../config/rules/pump_room.toml"),
    ),
    ("sump", include_str!("../../../../config/rules/sump.toml")),
    ("bin", include_str!("../../../../config/rules/bin.toml")),
    (
        "fire_lane",
        include_str!("../../../../config/rules/fire_lane.toml"),
    ),
    (
        "parking_bay",
        include_str!("../../../../config/rules/parking_bay.toml"),
    ),
];

/// The shipped rules, in the order of [`PACK_FILES`].
pub fn packs() -> &'static [Pack] {
    // A file that cannot be read guards nothing; a test reads every one.
    static PACKS: LazyLock<Vec<Pack>> = LazyLock::new(|| {
        let texts = PACK_FILES.iter();
        texts
            .map(|(_, text)| toml::from_str(text).unwrap_or_default())
            .collect()
    });
    &PACKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_can_be_read_and_says_what_to_do() {
        for (name, text) in PACK_FILES {
            let pack: Pack = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!pack.rules.is_empty(), "{name}");
            for rule in &pack.rules {
                assert!(!rule.response.is_incomplete(), "{name}: {}", rule.id);
                assert!(
                    rule.consequence.as_ref().is_some_and(|t| !t.is_incomplete()),
                    "{name}: {}",
                    rule.id
                );
            }
        }
    }
}
