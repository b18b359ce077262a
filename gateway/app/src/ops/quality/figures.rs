//! What is said about alarm quality, and the targets. Data only; `measure` fills it.

use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One target: what is fine and what is the most that can be worked with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The figure's name.
    pub figure: &'static str,
    /// Fine up to here.
    pub fine: f64,
    /// The most that is manageable; above it the figure is bad.
    pub most: f64,
}

/// The targets: those of EEMUA 191 and ISA-18.2 for one position, and at most one urgent call in an hour.
pub const TARGETS: [Target; 10] = [
    Target {
        figure: "alarms_per_operator_hour",
        fine: 6.0,
        most: 12.0,
    },
    Target {
        figure: "flood_share_percent",
        fine: 1.0,
        most: 1.0,
    },
    Target {
        figure: "urgent_per_hour_most",
        fine: 1.0,
        most: 3.0,
    },
    Target {
        figure: "chattering",
        fine: 0.0,
        most: 0.0,
    },
    Target {
        figure: "fleeting_share_percent",
        fine: 5.0,
        most: 10.0,
    },
    Target {
        figure: "standing",
        fine: 0.0,
        most: 5.0,
    },
    Target {
        figure: "top_ten_share_percent",
        fine: 20.0,
        most: 50.0,
    },
    Target {
        figure: "high_priority_percent",
        fine: 5.0,
        most: 10.0,
    },
    Target {
        figure: "suppressed_share_percent",
        fine: 10.0,
        most: 30.0,
    },
    Target {
        figure: "overridden_share_percent",
        fine: 5.0,
        most: 15.0,
    },
];

/// One figure beside its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figure {
    /// Its name.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// Fine up to here.
    pub fine: f64,
    /// The most that is manageable.
    pub most: f64,
    /// `good`, `watch` above what is fine, `poor` above the most.
    pub tier: String,
}

/// An asset and class that raised often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Frequent {
    /// The asset.
    pub asset: String,
    /// The class.
    pub class: String,
    /// How often it was raised.
    pub times: u64,
    /// Whether it chattered: three times within a minute.
    pub chattered: bool,
}

/// An alarm that has stood for more than a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// Its number.
    pub id: String,
    /// The asset.
    pub asset: String,
    /// The class.
    pub class: String,
    /// Its state.
    pub state: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
}

/// How urgent the alarms were: counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mix {
    /// P1.
    pub p1: u64,
    /// P2.
    pub p2: u64,
    /// P3.
    pub p3: u64,
    /// P4.
    pub p4: u64,
}

/// Alarm quality over a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quality {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// For so many people on duty.
    pub operators: u32,
    /// Alarms raised, those raised again while they lived included.
    pub raised: u64,
    /// Most in ten minutes that people heard of.
    pub most_in_ten_minutes: u64,
    /// Seconds of the time in flood: ten and more in ten minutes.
    pub flood_seconds: u64,
    /// Assets and classes that chattered.
    pub chattering: u64,
    /// Alarms that were over again within a minute.
    pub fleeting: u64,
    /// Entries of the history that late readings wrote; they called nobody and are in no other figure.
    #[serde(default)]
    pub late: u64,
    /// Alarms that have stood for more than a day.
    pub standing: u64,
    /// How urgent they were.
    pub mix: Mix,
    /// Those that were shelved at some time.
    pub shelved: u64,
    /// Those that were suppressed by a cause at some time.
    pub suppressed: u64,
    /// Those out of service at some time.
    pub out_of_service: u64,
    /// Orders closed without the sensors' agreement.
    pub overridden: u64,
    /// Orders closed.
    pub closed: u64,
    /// The figures that have a target.
    pub figures: Vec<Figure>,
    /// The ten that were raised most often.
    pub top: Vec<Frequent>,
    /// Those that have stood for more than a day, the oldest first, at most 100.
    pub standing_alarms: Vec<Standing>,
}
