//! What a back-test counts: alarms, orders and calls, and how they lie beside those there were.

use super::{BacktestError, Outcome};
use crate::outbox::plan::Planner;
use jiff::tz::TimeZone;
use linli_domain::alarm::Alarm;
use linli_domain::engine::{AlarmEvent, Changes, Notice, NoticeKind};
use linli_domain::estate::Estate;
use linli_domain::id::AlarmId;
use linli_domain::time::Timestamp;
use linli_ledger::{AlarmFilter, AlarmRow, OrderFilter, Page, Reader, StoreError};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most alarms that are listed and compared; further ones are counted.
pub(super) const MAX_LISTED: usize = 20_000;
/// Two alarms about one thing begin within so long of each other, or while the other stands.
const NEAR: Duration = Duration::from_secs(15 * 60);
/// Night: the local hours in which a call wakes somebody.
const NIGHT: (i8, i8) = (22, 6);

/// Both sides of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ByClass {
    /// The class.
    pub class: String,
    /// Alarms that would have been raised.
    pub would_be: u64,
    /// Alarms that were raised.
    pub real: u64,
    /// Those that are the same.
    pub both: u64,
}

/// How often somebody would have been called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pages {
    /// In all.
    pub total: u64,
    /// From 22:00 to 06:00 in the estate's time zone.
    pub night: u64,
    /// By priority.
    pub by_priority: BTreeMap<String, u64>,
    /// Most in one hour.
    pub busiest_hour: u64,
    /// Hours with more than six calls, which is more than one person can work on.
    pub hours_over_six: u64,
}

/// One trade or channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Called {
    /// `role` or `channel`.
    pub kind: &'static str,
    /// Its name; `everybody` for what belongs to no trade.
    pub name: String,
    /// How often.
    pub times: u64,
    /// How often at night.
    pub night: u64,
}

/// One alarm that would have been raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WouldBe {
    /// The asset.
    pub asset: String,
    /// The class.
    pub class: String,
    /// The rule.
    pub rule: String,
    /// Its priority.
    pub priority: String,
    /// When.
    pub raised_at: Timestamp,
    /// When its condition was normal for the last time; none when it was not.
    pub cleared_at: Option<Timestamp>,
    /// How often its condition became wrong.
    pub count: u32,
    /// Whether it opened an order or joined one.
    pub order: bool,
    /// Whether there really was one.
    pub real: bool,
}

/// The account of a back-test.
pub(super) struct Account<'a> {
    planner: &'a Planner,
    from: Timestamp,
    alarms: BTreeMap<AlarmId, WouldBe>,
    raised: u64,
    orders: u64,
    pages: Pages,
    hours: BTreeMap<i64, u64>,
    called: BTreeMap<(&'static str, String), (u64, u64)>,
}

impl<'a> Account<'a> {
    pub(super) fn new(planner: &'a Planner, from: Timestamp) -> Self {
        Self {
            planner,
            from,
            alarms: BTreeMap::new(),
            raised: 0,
            orders: 0,
            pages: Pages::default(),
            hours: BTreeMap::new(),
            called: BTreeMap::new(),
        }
    }

    /// Takes what a step changed. What happens before the time that is asked for is not counted.
    pub(super) fn take(&mut self, changes: &Changes, estate: &Estate, at: Timestamp) {
        if at < self.from {
            return;
        }
        for change in &changes.alarms {
            let alarm = &change.alarm;
            if alarm.raised_at < self.from || alarm.late {
                continue;
            }
            if change.event == AlarmEvent::Raised {
                self.raised += 1;
            }
            if self.alarms.len() < MAX_LISTED || self.alarms.contains_key(&alarm.id) {
                self.alarms.insert(alarm.id, would_be(alarm));
            }
        }
        self.orders += changes
            .orders
            .iter()
            .filter(|change| change.from.is_none())
            .count() as u64;
        for notice in changes.notices.iter().filter(|notice| calls(notice)) {
            self.call(notice, estate);
        }
    }

    fn call(&mut self, notice: &Notice, estate: &Estate) {
        let night = u64::from(is_night(notice.at, &estate.doc().timezone));
        self.pages.total += 1;
        self.pages.night += night;
        *self
            .pages
            .by_priority
            .entry(notice.priority.to_string())
            .or_default() += 1;
        *self
            .hours
            .entry(notice.at.as_millis().div_euclid(3_600_000))
            .or_default() += 1;
        let role = notice.role.map_or("everybody", |role| role.as_str());
        let channels = self
            .planner
            .channels_of(notice)
            .into_iter()
            .map(|channel| ("channel", channel));
        for who in std::iter::once(("role", role.to_owned())).chain(channels) {
            let (times, nights) = self.called.entry(who).or_default();
            *times += 1;
            *nights += night;
        }
    }

    /// Lays it beside what really happened.
    pub(super) fn finish(
        mut self,
        reader: &Reader,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Outcome, BacktestError> {
        let real = real_alarms(reader, from, to)?;
        let mut would_be: Vec<WouldBe> = std::mem::take(&mut self.alarms).into_values().collect();
        would_be.sort_by_key(|alarm| alarm.raised_at);
        let by_class = compare(&mut would_be, &real, to);
        self.pages.busiest_hour = self.hours.values().copied().max().unwrap_or(0);
        self.pages.hours_over_six = self.hours.values().filter(|calls| **calls > 6).count() as u64;
        let called = std::mem::take(&mut self.called).into_iter();
        Ok(Outcome {
            from,
            to,
            readings: 0,
            points: 0,
            points_left_out: 0,
            alarms: self.raised,
            alarms_real: real.len() as u64,
            orders: self.orders,
            orders_real: real_orders(reader, from, to)?,
            by_class,
            pages: self.pages,
            called: called
                .map(|((kind, name), (times, night))| Called {
                    kind,
                    name,
                    times,
                    night,
                })
                .collect(),
            would_be,
        })
    }
}

fn would_be(alarm: &Alarm) -> WouldBe {
    WouldBe {
        asset: alarm.asset.to_string(),
        class: alarm.class.to_string(),
        rule: alarm.rule.to_string(),
        priority: alarm.priority.to_string(),
        raised_at: alarm.raised_at,
        cleared_at: alarm.cleared_at,
        count: alarm.count,
        order: alarm.order.is_some(),
        real: false,
    }
}

/// Whether a notice calls somebody: an alarm that is no order's and will be none's, an order to take, one that came back.
fn calls(notice: &Notice) -> bool {
    match notice.kind {
        NoticeKind::AlarmRaised => notice.order.is_none() && notice.role.is_none(),
        NoticeKind::OrderDispatched | NoticeKind::OrderReopened => true,
        _ => false,
    }
}

fn is_night(at: Timestamp, zone: &str) -> bool {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let Ok(at) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
        return false;
    };
    let hour = at.to_zoned(zone).hour();
    hour >= NIGHT.0 || hour < NIGHT.1
}

/// Marks what there really was, and counts both sides class by class.
fn compare(would_be: &mut [WouldBe], real: &[AlarmRow], to: Timestamp) -> Vec<ByClass> {
    let mut classes: BTreeMap<String, ByClass> = BTreeMap::new();
    let mut by_key: BTreeMap<(&str, &str), Vec<&AlarmRow>> = BTreeMap::new();
    for row in real {
        by_key
            .entry((row.asset.as_str(), row.class.as_str()))
            .or_default()
            .push(row);
        class(&mut classes, row.class.as_str()).real += 1;
    }
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    for alarm in would_be {
        let until = alarm.cleared_at.unwrap_or(to).plus(NEAR);
        let since = alarm.raised_at.minus(NEAR);
        let same = by_key.get(&(alarm.asset.as_str(), alarm.class.as_str()));
        let found = same
            .into_iter()
            .flatten()
            .find(|row| (since..=until).contains(&row.raised) && !taken.contains(&row.id.0));
        let counts = class(&mut classes, &alarm.class);
        counts.would_be += 1;
        if let Some(row) = found {
            taken.insert(row.id.0);
            counts.both += 1;
            alarm.real = true;
        }
    }
    classes.into_values().collect()
}

fn class<'m>(classes: &'m mut BTreeMap<String, ByClass>, name: &str) -> &'m mut ByClass {
    let new = || ByClass {
        class: name.to_owned(),
        ..ByClass::default()
    };
    classes.entry(name.to_owned()).or_insert_with(new)
}

/// Rows of one read.
const PAGE: usize = 1_000;

fn real_alarms(reader: &Reader, from: Timestamp, to: Timestamp) -> Result<Vec<AlarmRow>, StoreError> {
    let filter = AlarmFilter {
        raised_from: Some(from),
        raised_to: Some(to),
        // What was over before anybody knew called nobody.
        late: Some(false),
        ..AlarmFilter::default()
    };
    let mut all: Vec<AlarmRow> = Vec::new();
    loop {
        let before = all.last().map(|row| row.id);
        let mut page = reader.alarms(&filter, Page { before, limit: PAGE })?;
        let more = page.len() == PAGE;
        // Only what identifies them is compared.
        page.iter_mut().for_each(|row| row.document = Vec::new());
        all.append(&mut page);
        if !more {
            return Ok(all);
        }
    }
}

fn real_orders(reader: &Reader, from: Timestamp, to: Timestamp) -> Result<u64, StoreError> {
    let filter = OrderFilter {
        opened_from: Some(from),
        opened_to: Some(to),
        ..OrderFilter::default()
    };
    let (mut count, mut before) = (0, None);
    loop {
        let page = reader.orders(&filter, Page { before, limit: PAGE })?;
        count += page.len() as u64;
        before = page.last().map(|row| row.id);
        if page.len() < PAGE {
            return Ok(count);
        }
    }
}
