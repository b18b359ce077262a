//! The families of messages: which software wraps them, and how.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How the messages of a connection's subscription are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Events of the ChirpStack v4 MQTT integration in JSON.
    #[serde(rename = "chirpstack-v4")]
    ChirpstackV4,
    /// Messages of The Things Stack v3 in JSON.
    #[serde(rename = "tts-v3")]
    TtsV3,
    /// State messages of Zigbee2MQTT, and its inventory.
    #[serde(rename = "zigbee2mqtt")]
    Zigbee2mqtt,
    /// First-generation Shelly devices: a topic for each value, plain text.
    ShellyGen1,
    /// Shelly devices of later generations: a status for each component, and notifications.
    ShellyGen2,
    /// Tasmota telemetry.
    Tasmota,
    /// ESPHome states: a topic for each value, plain text.
    #[serde(rename = "esphome")]
    EspHome,
    /// Whatever announces itself by Home Assistant's MQTT discovery.
    HaDiscovery,
    /// Sparkplug B.
    SparkplugB,
    /// SenML in JSON (RFC 8428).
    #[serde(rename = "senml")]
    SenMl,
    /// TuyaLink property reports.
    #[serde(rename = "tuyalink")]
    TuyaLink,
    /// FIWARE UltraLight 2.0 measures.
    FiwareUl,
    /// No envelope: the topic names the device, and its profile says whether the payload is JSON or plain text.
    Json,
}

impl Family {
    /// Every family with its name in configuration, and the topic pattern its software publishes on unless it was
    /// told otherwise.
    const TABLE: [(Self, &'static str, Option<&'static str>); 13] = [
        (
            Self::ChirpstackV4,
            "chirpstack-v4",
            Some("application/{application}/device/{device}/event/{event}"),
        ),
        (
            Self::TtsV3,
            "tts-v3",
            Some("v3/{application}/devices/{device}/{path...}"),
        ),
        (Self::Zigbee2mqtt, "zigbee2mqtt", Some("zigbee2mqtt/{device...}")),
        (
            Self::ShellyGen1,
            "shelly-gen1",
            Some("shellies/{device}/{path...}"),
        ),
        (Self::ShellyGen2, "shelly-gen2", Some("{device}/{path...}")),
        (Self::Tasmota, "tasmota", Some("tele/{device}/{path}")),
        (Self::EspHome, "esphome", Some("{device}/{path...}")),
        (
            Self::HaDiscovery,
            "ha-discovery",
            Some("homeassistant/{device...}"),
        ),
        (Self::SparkplugB, "sparkplug-b", Some("spBv1.0/{device...}")),
        (Self::SenMl, "senml", None),
        (Self::TuyaLink, "tuyalink", Some("tylink/{device}/{path...}")),
        (Self::FiwareUl, "fiware-ul", Some("/ul/{key}/{device}/{path...}")),
        (Self::Json, "json", None),
    ];

    /// Every family.
    pub const ALL: [Self; 13] = [
        Self::ChirpstackV4,
        Self::TtsV3,
        Self::Zigbee2mqtt,
        Self::ShellyGen1,
        Self::ShellyGen2,
        Self::Tasmota,
        Self::EspHome,
        Self::HaDiscovery,
        Self::SparkplugB,
        Self::SenMl,
        Self::TuyaLink,
        Self::FiwareUl,
        Self::Json,
    ];

    fn row(self) -> Option<&'static (Self, &'static str, Option<&'static str>)> {
        Self::TABLE.iter().find(|(family, ..)| *family == self)
    }
    /// The name used in configuration.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |(_, name, _)| name)
    }
    /// The family of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = Self::TABLE.iter().find(|(_, known, _)| *known == name);
        row.map(|(family, ..)| *family)
    }
    /// The topic pattern the family's software publishes on unless it was told otherwise. SenML and plain messages
    /// have no usual one.
    pub fn default_pattern(self) -> Option<&'static str> {
        self.row().and_then(|(.., pattern)| *pattern)
    }
    /// Whether its devices have LoRaWAN's own identity, the DevEUI, which is the same on every network server.
    pub fn is_lorawan(self) -> bool {
        matches!(self, Self::ChirpstackV4 | Self::TtsV3)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
