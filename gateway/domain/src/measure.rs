//! The measure vocabulary: canonical names of what is measured, each with its one unit.
//!
//! Names are `<thing>.<property>`; a second reading of the same kind uses an instance (`DI3`, `external`).
//! Units are SenML (RFC 8428, RFC 8798) and UCUM symbols; `bool` and `text` mark the untyped ones, `1` counts and
//! ratios. A profile converts into these units; nothing behind the decoder knows another one.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A unit symbol out of the closed list of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Unit(&'static str);

impl Unit {
    /// States: wet, occupied, open.
    pub const BOOL: Self = Self("bool");
    /// Texts such as a firmware version.
    pub const TEXT: Self = Self("text");
    /// The symbol.
    pub fn symbol(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A measure out of the vocabulary. Copying it is copying a small number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Measure(u16);

/// A name that is not in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a measure of the vocabulary{}", hint.map(|h| format!("; did you mean {h:?}?")).unwrap_or_default())]
pub struct UnknownMeasure {
    /// The refused name.
    pub name: String,
    /// The nearest known name, when one is near.
    pub hint: Option<&'static str>,
}

impl Measure {
    /// The canonical name.
    pub fn name(self) -> &'static str {
        VOCABULARY[usize::from(self.0)].0
    }
    /// The unit of every reading of this measure.
    pub fn unit(self) -> Unit {
        VOCABULARY[usize::from(self.0)].1
    }
    /// Whether its readings are states.
    pub fn is_state(self) -> bool {
        self.unit() == Unit::BOOL
    }
    /// Whether it is reported on change, so that its last value holds for as long as the device is heard.
    pub fn may_rest(self) -> bool {
        self.is_state() || self.unit() == Unit::TEXT
    }
    /// Every measure, in the order of the vocabulary.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..VOCABULARY.len())
            .filter_map(|n| u16::try_from(n).ok())
            .map(Self)
    }
}

impl FromStr for Measure {
    type Err = UnknownMeasure;
    fn from_str(name: &str) -> Result<Self, UnknownMeasure> {
        Self::all()
            .find(|m| m.name() == name)
            .ok_or_else(|| UnknownMeasure {
                name: name.chars().take(64).collect(),
                hint: nearest(name, VOCABULARY.iter().map(|(known, _)| *known)),
            })
    }
}

impl TryFrom<String> for Measure {
    type Error = UnknownMeasure;
    fn try_from(name: String) -> Result<Self, UnknownMeasure> {
        name.parse()
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> String {
        measure.name().to_owned()
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The nearest of `known` to `name` within two edits: the "did you mean" of every refusal.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .map(|k| (edits(name, k), k))
        .filter(|(distance, k)| *distance <= 2 && *distance < k.len());
    near.min_by_key(|(distance, _)| *distance).map(|(_, k)| k)
}

/// Levenshtein distance, cut short for texts that cannot be near.
fn edits(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 || a.len() > 128 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Name and unit of every measure. Only append: stored documents name measures by their text.
const VOCABULARY: &[(&str, Unit)] = &[
    ("parking.occupied", Unit("bool")),
    ("parking.vehicle_count", Unit("1")),
    ("bin.fill", Unit("%")),
    ("bin.remaining", Unit("%")),
    ("bin.distance", Unit("mm")),
    ("bin.distance_alarm", Unit("bool")),
    ("bin.full", Unit("bool")),
    ("bin.fire", Unit("bool")),
    ("bin.tilt", Unit("bool")),
    ("level.empty", Unit("bool")),
    ("level.distance", Unit("mm")),
    ("level.depth", Unit("mm")),
    ("level.distance_change", Unit("mm")),
    ("level.distance_alarm", Unit("bool")),
    ("leak.wet", Unit("bool")),
    ("leak.cable_fault", Unit("bool")),
    ("leak.contamination", Unit("bool")),
    ("leak.position", Unit("m")),
    ("leak.cable_length", Unit("m")),
    ("leak.count", Unit("1")),
    ("leak.signal", Unit("1")),
    ("leak.last_duration", Unit("s")),
    ("leak.current", Unit("uA")),
    ("leak.cable_resistance", Unit("Ohm")),
    ("door.open", Unit("bool")),
    ("door.count", Unit("1")),
    ("door.last_duration", Unit("s")),
    ("smoke.alarm", Unit("bool")),
    ("smoke.interconnect_alarm", Unit("bool")),
    ("valve.open", Unit("bool")),
    ("valve.closed", Unit("bool")),
    ("valve.fault", Unit("bool")),
    ("temperature", Unit("Cel")),
    ("temperature.alarm", Unit("bool")),
    ("temperature.alarm_state", Unit("text")),
    ("humidity", Unit("%RH")),
    ("pressure", Unit("Pa")),
    ("water.volume", Unit("m3")),
    ("water.volume_reverse", Unit("m3")),
    ("water.flow", Unit("m3/h")),
    ("water.velocity", Unit("m/s")),
    ("water.flow_timeout_alarm", Unit("bool")),
    ("water.pipe_full", Unit("bool")),
    ("pulse.count", Unit("1")),
    ("energy.import", Unit("kWh")),
    ("energy.export", Unit("kWh")),
    ("energy.total", Unit("kWh")),
    ("power.active", Unit("W")),
    ("power.voltage", Unit("V")),
    ("power.current", Unit("A")),
    ("power.apparent", Unit("VA")),
    ("power.frequency", Unit("Hz")),
    ("power.factor", Unit("1")),
    ("power.alarm", Unit("bool")),
    ("input.state", Unit("bool")),
    ("output.state", Unit("bool")),
    ("input.alarm", Unit("bool")),
    ("location.lat", Unit("deg")),
    ("location.lon", Unit("deg")),
    ("device.battery", Unit("%")),
    ("device.battery_voltage", Unit("V")),
    ("device.battery_low", Unit("bool")),
    ("device.mains", Unit("bool")),
    ("device.temperature", Unit("Cel")),
    ("device.tamper", Unit("bool")),
    ("device.tilt", Unit("bool")),
    ("device.fault", Unit("bool")),
    ("device.alarm", Unit("bool")),
    ("device.test_button", Unit("bool")),
    ("device.firmware", Unit("text")),
    ("device.reset_cause", Unit("text")),
    ("signal.rssi", Unit("dBm")),
    ("signal.snr", Unit("dB")),
    ("signal.margin", Unit("dB")),
    ("signal.lqi", Unit("1")),
    ("gateway.broker_dropped", Unit("1")),
    ("gateway.broker_connected", Unit("bool")),
    ("gateway.session_kept", Unit("bool")),
    ("gateway.subscriptions_ok", Unit("bool")),
    ("gateway.bus_ok", Unit("bool")),
    ("gateway.profiles_ok", Unit("bool")),
    ("gateway.disk_free", Unit("%")),
    ("gateway.ledger_room", Unit("%")),
    ("gateway.forwarder_ok", Unit("bool")),
    ("gateway.clock_ok", Unit("bool")),
    ("gateway.clock_step", Unit("s")),
    ("gateway.backup_age", Unit("h")),
    ("gateway.bridge_ok", Unit("bool")),
    ("gateway.devices_unheard", Unit("1")),
    ("level.fill", Unit("%")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for measure in Measure::all() {
            assert_eq!(measure.name().parse::<Measure>().unwrap(), measure);
        }
    }

    #[test]
    fn a_misspelt_measure_is_refused_with_the_right_one() {
        let error = "leak.wett".parse::<Measure>().unwrap_err();
        assert_eq!(error.hint, Some("leak.wet"));
        assert!(error.to_string().contains("did you mean"));
        assert_eq!("nothing.like.it".parse::<Measure>().unwrap_err().hint, None);
    }
}
