//! What network servers and bridges call the type of a device, and whether that is a profile's.
//!
//! A name is a hint of a person or of a database, not a fact: it is evidence among other evidence.

use crate::profile::Profile;
use crate::walk::shallow_text;
use serde::Deserialize;

/// Longest name looked at, in bytes; a longer one is no model.
const MAX_NAME_BYTES: usize = 128;
/// Shortest model that is recognised inside a longer name without its vendor beside it.
const SHORTEST_MODEL: usize = 4;

/// The names a message's envelope gives to the type of its device: ChirpStack's device profile and the tag `model`,
/// The Things Stack's version. Empty for messages that carry none.
///
/// Sources: chirpstack/chirpstack-docs `src/chirpstack/integrations/events.md`; TheThingsNetwork/lorawan-stack
/// `api/end_device.proto` (`EndDeviceVersionIdentifiers`).
pub fn declared(payload: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope {
        device_info: Option<DeviceInfo>,
        #[serde(rename = "uplink_message")]
        uplink_message: Option<Uplink>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct DeviceInfo {
        device_profile_name: Option<String>,
        tags: Option<Tags>,
    }
    #[derive(Deserialize)]
    struct Tags {
        model: Option<String>,
    }
    #[derive(Deserialize)]
    struct Uplink {
        version_ids: Option<Version>,
    }
    #[derive(Deserialize)]
    struct Version {
        brand_id: Option<String>,
        model_id: Option<String>,
    }
    let envelope: Option<Envelope> = shallow_text(payload)
        .ok()
        .and_then(|text| serde_json::from_str(text).ok());
    let Some(envelope) = envelope else {
        return Vec::new();
    };
    let version = envelope.uplink_message.and_then(|up| up.version_ids);
    let version = version.and_then(|v| Some(format!("{} {}", v.brand_id.unwrap_or_default(), v.model_id?)));
    let info = envelope.device_info;
    let (profile, tags) = info.map_or((None, None), |info| (info.device_profile_name, info.tags));
    let model = tags.and_then(|tags| tags.model);
    let names = [profile, model, version].into_iter().flatten();
    names
        .filter(|name| !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES)
        .collect()
}

/// Whether `name` is this profile's: "Milesight EM310-UDL" is `milesight.em310-udl`.
///
/// A profile lists the names it is known by; beside those its id and title are looked for in what was said.
pub(super) fn fits(profile: &Profile, name: &str) -> bool {
    let matching = profile.matching();
    if matching.has_model(name) || matching.has_name(name) {
        return true;
    }
    let said = squash(name);
    let id = profile.id().as_str();
    let (vendor, model) = id.split_once('.').unwrap_or(("", id));
    let (vendor, model, title) = (squash(vendor), squash(model), squash(profile.title()));
    let by_model = !model.is_empty()
        && said.contains(&model)
        && (model.len() >= SHORTEST_MODEL || (!vendor.is_empty() && said.contains(&vendor)));
    let by_title = said.len() > SHORTEST_MODEL && is_model(name) && title.contains(&said);
    by_model || by_title
}

/// Whether a name is that of a model. People call their types "leak sensor" as well; a model has a digit.
pub(super) fn is_model(name: &str) -> bool {
    name.contains(|c: char| c.is_ascii_digit()) && name.contains(|c: char| c.is_alphabetic())
}

/// Letters and digits only, in lower case: people write EM310-UDL, em310_udl and EM310 UDL.
fn squash(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
