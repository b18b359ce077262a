//! What is too long, too fast and too low, by measure: one table, and what a device's own document says otherwise.
//!
//! A measure that is not in the table may rest for ever and change at once: states (a dry floor stays dry), fill
//! levels (a bin is emptied in a moment), flows and powers (zero at night), counts (a device restarts).

use super::FlagKind;
use crate::measure::Measure;
use crate::time::duration_text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a device's document may say about its health. What it leaves out is as in the table.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthDoc {
    /// How long a value that should vary may rest; `"0s"`: for ever.
    #[serde(default, with = "duration_text::option")]
    pub stuck_after: Option<Duration>,
    /// Whether impossible jumps are looked for; `false` for a sensor that is carried around.
    #[serde(default)]
    pub jump: Option<bool>,
    /// Battery charge in percent that is low.
    #[serde(default)]
    pub battery: Option<f64>,
    /// Battery voltage that is low, which only the kind of cell can tell: 2.4 V suits two alkaline cells or a coin
    /// cell, 3.2 V a lithium cell of 3.6 V.
    #[serde(default)]
    pub battery_voltage: Option<f64>,
    /// Signal strength in dBm that is poor.
    #[serde(default)]
    pub rssi: Option<f64>,
    /// How far its clock may be off.
    #[serde(default, with = "duration_text::option")]
    pub clock_skew: Option<Duration>,
}

/// How far a device's clock may be off when its document does not say. Two minutes are what a clock without
/// synchronisation drifts in a month (50 ppm), and what a completed order is still told from what came before it.
pub const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Changes that are possible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jump {
    /// Possible at once, in the unit of the measure.
    pub at_once: f64,
    /// Possible besides, per second since the value before.
    pub per_second: f64,
    /// Whether it can go down; a meter's register cannot.
    pub falls: bool,
}

/// What is looked for in the values of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Check {
    /// Nothing.
    Nothing,
    /// A quantity that varies and cannot jump.
    Quantity {
        /// How long it may rest; none for ever.
        stuck_after: Option<Duration>,
        /// How fast it can change; none: at any rate.
        jump: Option<Jump>,
    },
    /// A number that should not get low.
    Level {
        /// What it means.
        flag: FlagKind,
        /// Low from here down.
        set: f64,
        /// Fine again from here up.
        clear: f64,
        /// So many values in a row, either way.
        times: u8,
    },
    /// A state that is true when something is wrong.
    State {
        /// What it means.
        flag: FlagKind,
    },
}

const HOUR: u64 = 3_600;

/// Quantities: measure, hours it may rest, at once, per second, may fall.
///
/// A rest is only too long when it is ten times the longest this sensor has shown lately, too (`vital::Rest`), so the
/// hours are for sensors that never moved. Jumps: what is physically possible in front of a sensor in a housing.
const QUANTITIES: &[(&str, u64, Option<Jump>)] = &[
    // A fire heats a probe by some 30 K a minute; the codes of a broken one (85, -127, 327) come at once.
    ("temperature", 72, jump(5.0, 0.5)),
    ("device.temperature", 72, jump(5.0, 0.5)),
    // Steam or an opened door.
    ("humidity", 72, jump(20.0, 2.0)),
    // Weather moves it by tens of Pa an hour, so it never rests; in a pipe it may jump.
    ("pressure", 24, None),
    // A sump pump moves the surface by 2 cm/s; ultrasonic sensors miss their echo and show their longest distance.
    ("level.distance", 168, jump(300.0, 50.0)),
    ("level.depth", 168, jump(300.0, 50.0)),
    // An echo trembles by millimetres, in an unused bin too; bins are emptied and filled at once.
    ("bin.distance", 168, None),
    // The grid is never the same for an hour. It fails at once, so voltage may jump; frequency cannot.
    ("power.voltage", 2, None),
    ("power.frequency", 2, jump(2.0, 0.5)),
    // Registers only grow: by 1 MW, by 100 m3/h. They rest while nothing is used.
    ("energy.import", 0, meter(1.0, 0.278)),
    ("energy.export", 0, meter(1.0, 0.278)),
    ("energy.total", 0, meter(1.0, 0.278)),
    ("water.volume", 0, meter(1.0, 0.028)),
    ("water.volume_reverse", 0, meter(1.0, 0.028)),
];

/// Levels: measure, flag, set, clear, how often in a row.
const LEVELS: &[(&str, FlagKind, f64, f64, u8)] = &[
    // What makers call low; a new battery reads far above.
    ("device.battery", FlagKind::LowBattery, 15.0, 25.0, 2),
    // The end of two alkaline cells or a coin cell; other cells need their own limit. Never converted into a charge.
    ("device.battery_voltage", FlagKind::LowBattery, 2.4, 2.55, 2),
    // LoRa ends near -120 dBm at short range settings; one frame in a fade says nothing, three do.
    ("signal.rssi", FlagKind::PoorSignal, -117.0, -112.0, 3),
    // Demodulation ends between -7.5 dB (SF7) and -20 dB (SF12).
    ("signal.snr", FlagKind::PoorSignal, -15.0, -12.0, 3),
    // Margin over the demodulation floor, as the device reports it.
    ("signal.margin", FlagKind::PoorSignal, 3.0, 6.0, 3),
    // Zigbee link quality, 0 to 255.
    ("signal.lqi", FlagKind::PoorSignal, 25.0, 40.0, 3),
];

/// States: measure, flag.
const STATES: &[(&str, FlagKind)] = &[("device.battery_low", FlagKind::LowBattery)];

const fn jump(at_once: f64, per_second: f64) -> Option<Jump> {
    Some(Jump {
        at_once,
        per_second,
        falls: true,
    })
}

const fn meter(at_once: f64, per_second: f64) -> Option<Jump> {
    Some(Jump {
        at_once,
        per_second,
        falls: false,
    })
}

impl Check {
    /// What is looked for in the values of a measure, with what the device's document says otherwise.
    pub fn of(measure: Measure, doc: &HealthDoc) -> Self {
        let name = measure.name();
        if let Some((_, hours, jump)) = QUANTITIES.iter().find(|(known, ..)| *known == name) {
            let usual = Some(Duration::from_secs(hours * HOUR)).filter(|_| *hours > 0);
            return Self::Quantity {
                // A register that may rest does so whatever the document says of the device's other values.
                stuck_after: usual
                    .map(|usual| doc.stuck_after.unwrap_or(usual))
                    .filter(|after| !after.is_zero()),
                jump: jump.filter(|_| doc.jump != Some(false)),
            };
        }
        if let Some((_, flag, set, clear, times)) = LEVELS.iter().find(|(known, ..)| *known == name) {
            let own = match name {
                "device.battery" => doc.battery,
                "device.battery_voltage" => doc.battery_voltage,
                "signal.rssi" => doc.rssi,
                _ => None,
            };
            let level = own.unwrap_or(*set);
            return Self::Level {
                flag: *flag,
                set: level,
                clear: level + (clear - set),
                times: *times,
            };
        }
        match STATES.iter().find(|(known, _)| *known == name) {
            Some((_, flag)) => Self::State { flag: *flag },
            None => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Unit;

    fn check(measure: &str, doc: HealthDoc) -> Check {
        Check::of(measure.parse().unwrap(), &doc)
    }

    #[test]
    fn the_table_names_measures_of_the_right_kind_once_each() {
        let mut seen = std::collections::BTreeSet::new();
        let quantities = QUANTITIES.iter().map(|q| q.0);
        for name in quantities.chain(LEVELS.iter().map(|l| l.0)) {
            let measure: Measure = name.parse().unwrap();
            assert!(!measure.is_state() && measure.unit() != Unit::TEXT, "{name}");
            assert!(seen.insert(name), "{name} twice");
        }
        for (name, _) in STATES {
            assert!(name.parse::<Measure>().unwrap().is_state() && seen.insert(name));
        }
        for (name, _, set, clear, times) in LEVELS {
            assert!(set < clear && *times > 0, "{name} would flap");
        }
    }

    #[test]
    fn what_may_rest_or_change_at_once_is_left_alone() {
        let free = [
            "leak.wet",
            "parking.occupied",
            "door.open",
            "bin.fill",
            "water.flow",
            "power.active",
        ];
        for measure in free {
            assert_eq!(check(measure, HealthDoc::default()), Check::Nothing, "{measure}");
        }
        for measure in Measure::all().filter(|m| m.is_state()) {
            let stuck = matches!(Check::of(measure, &HealthDoc::default()), Check::Quantity { .. });
            assert!(!stuck, "{measure} may rest");
        }
    }

    #[test]
    fn a_devices_own_limits_keep_the_hysteresis() {
        let doc = HealthDoc {
            battery_voltage: Some(3.2),
            stuck_after: Some(Duration::ZERO),
            jump: Some(false),
            ..HealthDoc::default()
        };
        let Check::Level { set, clear, .. } = check("device.battery_voltage", doc) else {
            panic!("a level");
        };
        assert!((set - 3.2).abs() < 1e-9 && (clear - 3.35).abs() < 1e-9);
        let nothing = Check::Quantity {
            stuck_after: None,
            jump: None,
        };
        assert_eq!(check("temperature", doc), nothing);
        let patient = HealthDoc {
            stuck_after: Some(Duration::from_secs(60)),
            ..HealthDoc::default()
        };
        assert!(matches!(
            check("water.volume", patient),
            Check::Quantity {
                stuck_after: None,
                jump: Some(_)
            }
        ));
    }
}
