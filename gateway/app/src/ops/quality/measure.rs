//! The figures, from a history. Pure.

use super::STALE;
use super::figures::{Figure, Frequent, Mix, Quality, Standing, TARGETS, Target};
use linli_domain::time::Timestamp;
use linli_ledger::{AlarmRow, AlarmTransition};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// So many activations of one alarm within a minute are chatter.
const CHATTER: usize = 3;
/// An alarm that was over again so soon is fleeting: nobody could have done anything about it.
const FLEETING: Duration = MINUTE;
/// So many alarms within ten minutes are a flood for one person.
const FLOOD: usize = 10;
const FLOOD_WINDOW: Duration = Duration::from_secs(600);
/// States in which people hear nothing of an alarm.
const QUIET: [&str; 3] = ["shelved", "suppressed", "out_of_service"];
/// Most assets with a class that are named.
const TOP: usize = 10;
/// Most standing alarms that are named.
const MAX_STANDING: usize = 100;

/// What one asset and class did.
#[derive(Default)]
struct Key {
    times: u64,
    recent: VecDeque<Timestamp>,
    chattered: bool,
}

/// A history as far as it has been looked at.
#[derive(Default)]
pub struct Measuring {
    /// By asset, then by class.
    keys: BTreeMap<String, BTreeMap<String, Key>>,
    raised: u64,
    /// When people heard of one: not of what was muted or explained then.
    heard: Vec<Timestamp>,
    raised_at: BTreeMap<u64, Timestamp>,
    /// Alarms that were in a state at some time.
    been: BTreeMap<&'static str, BTreeSet<u64>>,
    urgent: Vec<Timestamp>,
    fleeting: u64,
    late: u64,
    mix: Mix,
}

impl Measuring {
    /// Takes what happened next, oldest first.
    pub fn take(&mut self, change: &AlarmTransition) {
        let event = change.event.as_str();
        // What was over before anybody knew called nobody.
        if event == "late" {
            self.late += 1;
            return;
        }
        let raises = matches!(event, "raised" | "raised_again");
        if raises || event == "relapsed" {
            let key = self.key(&change.asset, &change.class);
            key.activated(change.at);
            key.times += u64::from(raises);
        }
        if raises {
            self.raised += 1;
            self.raised_at.insert(change.alarm.0, change.at);
            self.mix.add(change.priority);
        }
        let is_quiet = |state: &str| QUIET.contains(&state);
        let is_heard_again = is_quiet(&change.from) && change.to == "active_unack";
        if (raises || is_heard_again) && !is_quiet(&change.to) {
            self.heard.push(change.at);
            if change.priority <= 2 {
                self.urgent.push(change.at);
            }
        }
        let is_over = matches!(change.to.as_str(), "rtn_unack" | "latched" | "normal");
        if is_over
            && let Some(since) = self.raised_at.remove(&change.alarm.0)
            && change.at.since(since) < FLEETING
        {
            self.fleeting += 1;
        }
        if let Some(state) = QUIET.into_iter().find(|state| *state == change.to) {
            self.been.entry(state).or_default().insert(change.alarm.0);
        }
    }

    fn key(&mut self, asset: &str, class: &str) -> &mut Key {
        let keys = self.keys.entry(asset.to_owned()).or_default();
        keys.entry(class.to_owned()).or_default()
    }

    /// The figures, with the live alarms raised a day before the end, and orders closed by decision and in all.
    pub fn finish(
        mut self,
        live: &[AlarmRow],
        (overridden, closed): (u64, u64),
        (from, to): (Timestamp, Timestamp),
        operators: u32,
    ) -> Quality {
        let operators = operators.max(1);
        self.heard.sort_unstable();
        let (most, flood) = floods(&self.heard, FLOOD * operators as usize);
        let standing: Vec<&AlarmRow> = live.iter().filter(|row| stands(row, to)).collect();
        let count = |state: &str| self.been.get(state).map_or(0, |alarms| alarms.len() as u64);
        let named = |asset: &String, class: &String, key: &Key| Frequent {
            asset: asset.clone(),
            class: class.clone(),
            times: key.times,
            chattered: key.chattered,
        };
        let keys = self.keys.iter();
        let mut top: Vec<Frequent> = keys
            .flat_map(|(asset, keys)| keys.iter().map(move |(class, key)| named(asset, class, key)))
            .collect();
        let chattering = top.iter().filter(|key| key.chattered).count() as u64;
        // Those of one number stand by asset and class, as they were put in.
        top.sort_by_key(|key| std::cmp::Reverse(key.times));
        top.truncate(TOP);
        let all = self.raised;
        let of_top: u64 = top.iter().map(|key| key.times).sum();
        let (shelved, suppressed, out_of_service) =
            (count("shelved"), count("suppressed"), count("out_of_service"));
        let values = [
            per_hour(self.heard.len() as u64, to.since(from)) / f64::from(operators),
            share(flood.as_secs(), to.since(from).as_secs()),
            most_per_hour(&self.urgent),
            to_f64(chattering),
            share(self.fleeting, all),
            to_f64(standing.len() as u64),
            // Of a handful of alarms ten kinds are always nearly all.
            if all < 100 { 0.0 } else { share(of_top, all) },
            share(self.mix.p1, all),
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
            fleeting: self.fleeting,
            late: self.late,
            standing: standing.len() as u64,
            mix: self.mix,
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

#[cfg(test)]
mod heard_tests {
    use super::*;
    use linli_domain::id::AlarmId;

    fn change(alarm: u64, seconds: i64, (from, event, to): (&str, &str, &str)) -> AlarmTransition {
        AlarmTransition {
            id: seconds,
            at: Timestamp::from_millis(seconds * 1_000),
            from: from.into(),
            to: to.into(),
            event: event.into(),
            alarm: AlarmId(alarm),
            asset: format!("asset-{alarm}"),
            class: "silent".into(),
            priority: 2,
        }
    }

    #[test]
    fn a_lost_bus_is_one_call_however_many_slaves_it_explains_and_those_that_outlive_it_are_more() {
        let mut measuring = Measuring::default();
        measuring.take(&change(0, 0, ("none", "raised", "active_unack")));
        for slave in 1..=100 {
            measuring.take(&change(slave, 1, ("none", "raised", "suppressed")));
        }
        measuring.take(&change(7, 300, ("suppressed", "unsuppressed", "active_unack")));
        let day = (Timestamp::from_millis(0), Timestamp::from_millis(86_400_000));
        let quality = measuring.finish(&[], (0, 0), day, 1);
        let value = |name: &str| quality.figures.iter().find(|f| f.figure == name).unwrap().value;
        assert_eq!((quality.raised, quality.most_in_ten_minutes), (101, 2));
        assert_eq!(quality.flood_seconds, 0);
        let rates = (value("urgent_per_hour_most"), value("alarms_per_operator_hour"));
        assert_eq!(rates, (2.0, 0.08));
        assert_eq!(quality.suppressed, 100);
    }
}
