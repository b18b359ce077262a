//! Why a frame is set aside: a word out of a closed set, the sentence, and the values in it.

use linli_decode::{Body, DecodeError, Facts, Rejection};
use linli_domain::estate::{DeviceIndex, Estate};

/// Name of the fact that holds the port of a refused LoRaWAN frame.
pub const APPLICATION_PORT: &str = "application_port";
/// Name of the fact that holds its payload in hexadecimal.
pub const APPLICATION_HEX: &str = "application_hex";

/// Why a frame was recorded as rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A word out of a closed set, for metrics.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
    /// The values of that sentence by name, to say it in another language.
    pub facts: Facts,
}

impl Refused {
    /// Every reason that is not the decoder's own, for the catalogue of texts.
    pub const REASONS: &'static [&'static str] = &[
        "too_large",
        "unrouted",
        "no_subscription",
        "unknown_device",
        "no_profile",
        "not_announced",
        "simulated",
        "store_refused",
        "too_many_points",
    ];

    pub(super) fn new(reason: &'static str, detail: impl Into<String>, facts: Facts) -> Self {
        Self {
            reason,
            detail: detail.into(),
            facts,
        }
    }
    /// The topic belongs to no subscription any more.
    pub fn no_subscription() -> Self {
        let detail = "the topic belongs to no configured subscription";
        Self::new("no_subscription", detail, Facts::new())
    }
    /// A device that should describe itself has not, or says nothing we know.
    pub(super) fn not_announced(key: &str) -> Self {
        let detail = format!("{key} has not announced what it measures, or nothing we know");
        Self::new("not_announced", detail, vec![("device", key.to_owned())])
    }
    /// Adds the application payload the offsets of the sentence count in; the envelope around it says little.
    pub(super) fn about(mut self, body: &Body<'_>) -> Self {
        if let Body::Bytes { f_port, bytes } = body {
            let port = f_port.map(|port| port.to_string()).unwrap_or_default();
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            self.facts
                .extend([(APPLICATION_PORT, port), (APPLICATION_HEX, hex)]);
        }
        self
    }
    pub(super) fn too_large(bytes: usize, limit: Option<usize>) -> Self {
        let detail = match limit {
            Some(limit) => format!("{bytes} bytes, at most {limit}"),
            None => format!("{bytes} bytes, more than the connection takes"),
        };
        let limit = limit.map_or_else(|| "max_packet_bytes".to_owned(), |limit| limit.to_string());
        Self::new(
            "too_large",
            detail,
            vec![("bytes", bytes.to_string()), ("limit", limit)],
        )
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::new(
            rejection.reason().label(),
            rejection.to_string(),
            rejection.facts(),
        )
    }
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::new(error.reason().label(), error.to_string(), error.facts())
    }
}

/// The profile of a device of the estate is missing, or does not fit the way the device speaks.
pub(super) fn no_profile(device: DeviceIndex, estate: &Estate) -> Refused {
    let profile = estate.device(device).map_or("", |device| device.profile.as_str());
    let detail = format!(
        "the profile {profile} is not in the catalogue or does not speak this way; see `linli check`"
    );
    Refused::new("no_profile", detail, vec![("profile", profile.to_owned())])
}
