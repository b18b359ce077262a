//! The figures, from a history. Pure.

use super::STALE;
use linli_domain::time::Timestamp;
use linli_ledger::{AlarmRow, AlarmTransition};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use utoipa::ToSchema;

const MINUTE: Duration = Duration::from_secs(60);
/// So many activations of one alarm within a minute are chatter.
const CHATTER: usize = 3;
/// An alarm that was over again so soon is fleeting: nobody could have done anything about it.
const FLEETING: Duration = MINUTE;
/// So many alarms within ten minutes are a flood for one person.
const FLOOD: usize = 10;
const FLOOD_WINDOW: Duration = Duration::from_secs(600);
/// Most assets with a class that are named.
const TOP: usize = 10;
/// Most standing alarms that are named.
const MAX_STANDING: usize = 100;

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
    /// Most of them in ten minutes.
    pub most_in_ten_minutes: u64,
    /// Seconds of the time in flood: ten and more in ten minutes.
    pub flood_seconds: u64,
    /// Assets and classes that chattered.
    pub chattering: u64,
    /// Alarms that were over again within a minute.
    pub fleeting: u64,
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

/// What one asset and class did.
#[derive(Default)]
struct Key {
    times: u64,
    recent: VecDeque<Timestamp>,
    chattered: bool,
}

/// Measures a history (oldest first), the live alarms raised a day before its end, and orders closed by decision and in all.
pub fn measure(
    history: &[AlarmTransition],
    live: &[AlarmRow],
    (overridden, closed): (u64, u64),
    (from, to): (Timestamp, Timestamp),
    operators: u32,
) -> Quality {
    let operators = operators.max(1);
    let mut keys: BTreeMap<(&str, &str), Key> = BTreeMap::new();
    let mut raised: Vec<Timestamp> = Vec::new();
    let mut raised_at: BTreeMap<u64, Timestamp> = BTreeMap::new();
    let mut been: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let (mut fleeting, mut mix, mut urgent) = (0, Mix::default(), Vec::new());
    for change in history {
        let activates = matches!(change.event.as_str(), "raised" | "raised_again" | "relapsed");
        if activates {
            let key = keys.entry((&change.asset, &change.class)).or_default();
            key.activated(change.at);
        }
        if matches!(change.event.as_str(), "raised" | "raised_again") {
            raised.push(change.at);
            raised_at.insert(change.alarm.0, change.at);
            mix.add(change.priority);
            if change.priority <= 2 {
                urgent.push(change.at);
            }
            if let Some(key) = keys.get_mut(&(change.asset.as_str(), change.class.as_str())) {
                key.times += 1;
            }
        }
        let is_over = matches!(change.to.as_str(), "rtn_unack" | "latched" | "normal");
        if is_over
            && let Some(since) = raised_at.remove(&change.alarm.0)
            && change.at.since(since) < FLEETING
        {
            fleeting += 1;
        }
        if let state @ ("shelved" | "suppressed" | "out_of_service") = change.to.as_str() {
            been.entry(state).or_default().insert(change.alarm.0);
        }
    }
    raised.sort_unstable();
    let (most, flood) = floods(&raised, FLOOD * operators as usize);
    let standing: Vec<&AlarmRow> = live.iter().filter(|row| stands(row, to)).collect();
    let count = |state: &str| been.get(state).map_or(0, |alarms| alarms.len() as u64);
    let mut top: Vec<Frequent> = keys
        .iter()
        .map(|((asset, class), key)| Frequent {
            asset: (*asset).to_owned(),
            class: (*class).to_owned(),
            times: key.times,
            chattered: key.chattered,
        })
        .collect();
    let chattering = top.iter().filter(|key| key.chattered).count() as u64;
    top.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| a.asset.cmp(&b.asset)));
    top.truncate(TOP);
    let all = raised.len() as u64;
    let of_top: u64 = top.iter().map(|key| key.times).sum();
    let (shelved, suppressed, out_of_service) =
        (count("shelved"), count("suppressed"), count("out_of_service"));
    let values = [
        per_hour(all, to.since(from)) / f64::from(operators),
        share(flood.as_secs(), to.since(from).as_secs()),
        most_per_hour(&urgent),
        to_f64(chattering),
        share(fleeting, all),
        to_f64(standing.len() as u64),
        // Of a handful of alarms ten kinds are always nearly all.
        if all < 100 { 0.0 } else { share(of_top, all) },
        share(mix.p1, all),
        share(shelved + suppressed + out_of_service, all),
        share(overridden, closed),
    ];
    let figures = TARGETS
        .iter()
        .zip(values)
        .map(|(target, value)| figure(target, value));
    let mut oldest: Vec<&&AlarmRow> = standing.iter().collect();
    oldest.sort_by_key(|row| row.raised);
    Quality {
        from,
        to,
        operators,
        raised: all,
        most_in_ten_minutes: most,
        flood_seconds: flood.as_secs(),
        chattering,
        fleeting,
        standing: standing.len() as u64,
        mix,
        shelved,
        suppressed,
        out_of_service,
        overridden,
        closed,
        figures: figures.collect(),
        top: top.into_iter().filter(|key| key.times > 0).collect(),
        standing_alarms: oldest
            .into_iter()
            .take(MAX_STANDING)
            .map(|row| Standing {
                id: row.id.to_string(),
                asset: row.asset.to_string(),
                class: row.class.to_string(),
                state: row.state.clone(),
                raised_at: row.raised,
            })
            .collect(),
    }
}

impl Key {
    fn activated(&mut self, at: Timestamp) {
        self.recent.push_back(at);
        while self.recent.front().is_some_and(|first| at.since(*first) > MINUTE) {
            self.recent.pop_front();
        }
        self.chattered |= self.recent.len() >= CHATTER;
    }
}

impl Mix {
    fn add(&mut self, priority: u8) {
        match priority {
            1 => self.p1 += 1,
            2 => self.p2 += 1,
            3 => self.p3 += 1,
            _ => self.p4 += 1,
        }
    }
}

/// Active for more than a day; one that is back to normal and waits for a person does not stand.
fn stands(row: &AlarmRow, to: Timestamp) -> bool {
    to.since(row.raised) > STALE && !matches!(row.state.as_str(), "rtn_unack" | "latched" | "normal")
}

/// Most alarms in ten minutes, and how long there were `many` or more in the last ten.
fn floods(raised: &[Timestamp], many: usize) -> (u64, Duration) {
    let (mut most, mut flood, mut until) = (0, Duration::ZERO, None::<Timestamp>);
    let mut window: VecDeque<Timestamp> = VecDeque::new();
    for at in raised {
        window.push_back(*at);
        while window
            .front()
            .is_some_and(|first| at.since(*first) >= FLOOD_WINDOW)
        {
            window.pop_front();
        }
        most = most.max(window.len());
        if window.len() >= many {
            // It lasts until the first of these many is ten minutes old.
            let first = window.get(window.len() - many).copied().unwrap_or(*at);
            let ends = first.plus(FLOOD_WINDOW);
            flood += ends.since(until.map_or(*at, |until| until.max(*at)));
            until = Some(until.map_or(ends, |until| until.max(ends)));
        }
    }
    (most as u64, flood)
}

/// Most urgent alarms in any hour.
fn most_per_hour(urgent: &[Timestamp]) -> f64 {
    let mut window: VecDeque<Timestamp> = VecDeque::new();
    let mut most = 0;
    for at in urgent {
        window.push_back(*at);
        while window
            .front()
            .is_some_and(|first| at.since(*first) >= 60 * MINUTE)
        {
            window.pop_front();
        }
        most = most.max(window.len());
    }
    to_f64(most as u64)
}

fn figure(target: &Target, value: f64) -> Figure {
    let value = (value * 100.0).round() / 100.0;
    let tier = if value <= target.fine {
        "good"
    } else if value <= target.most {
        "watch"
    } else {
        "poor"
    };
    Figure {
        figure: target.figure.to_owned(),
        value,
        fine: target.fine,
        most: target.most,
        tier: tier.to_owned(),
    }
}

fn per_hour(count: u64, span: Duration) -> f64 {
    to_f64(count) / (span.as_secs_f64() / 3_600.0).max(1.0)
}

/// A share in percent; of nothing it is none.
fn share(part: u64, of: u64) -> f64 {
    if of == 0 {
        0.0
    } else {
        100.0 * to_f64(part) / to_f64(of)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of alarms")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
