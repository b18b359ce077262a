//! The hours in which a rule watches: days of the week, a time of day, in the estate's own time zone.
//!
//! Outside of them what is wrong counts as right. A clock that is not trusted tells no hours, so the rule then watches
//! all the time. Public holidays are not known here: a holiday is the weekday it falls on.

use crate::time::Now;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// The hours. A span that ends before it begins goes over midnight and belongs to the day on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct During {
    zone: TimeZone,
    /// Bit 0 is Monday.
    days: u8,
    from_min: u16,
    to_min: u16,
}

/// The clock is looked at at least this often: it may be set.
const LOOK: Duration = Duration::from_secs(600);
const DAY_MIN: u16 = 24 * 60;

impl During {
    /// The hours on some days (all when empty), from one minute of the day to another; equal ones mean the whole day.
    pub fn new(zone: TimeZone, days: &[Weekday], from_min: u16, to_min: u16) -> Self {
        let bits = days.iter().fold(0, |bits, day| bits | 1 << (*day as u8));
        Self {
            zone,
            days: if days.is_empty() { 0x7f } else { bits },
            from_min: from_min % DAY_MIN,
            to_min: to_min % DAY_MIN,
        }
    }
    /// Whether the rule watches now.
    pub fn covers(&self, now: &Now) -> bool {
        let Some((day, minute)) = self.local(now).filter(|_| now.trusted) else {
            return true;
        };
        let on = |day: u8| self.days & (1 << day) != 0;
        let (from, to) = (self.from_min, self.to_min);
        if from == to {
            on(day)
        } else if from < to {
            on(day) && (from..to).contains(&minute)
        } else {
            (on(day) && minute >= from) || (on((day + 6) % 7) && minute < to)
        }
    }
    /// The longest time it watches in one piece.
    pub fn longest(&self) -> Duration {
        let minutes = |minutes: u16| Duration::from_secs(u64::from(minutes) * 60);
        if self.from_min != self.to_min {
            return minutes((self.to_min + DAY_MIN - self.from_min) % DAY_MIN);
        }
        if self.days == 0x7f {
            return Duration::MAX;
        }
        // Whole days in a row, over the end of the week too.
        let run = (0..7u32).map(|first| {
            (0..7u32)
                .take_while(|n| self.days & (1 << ((first + n) % 7)) != 0)
                .count()
        });
        let days = run.max().unwrap_or(0);
        minutes(DAY_MIN) * u32::try_from(days).unwrap_or(0)
    }
    /// How long from now it wants to be asked again: at the next full minute that is a border, or soon.
    pub fn look_again(&self, now: &Now) -> Duration {
        let Some((_, minute)) = self.local(now) else {
            return LOOK;
        };
        let into = u64::try_from(now.wall.as_millis().rem_euclid(60_000)).unwrap_or(0);
        let borders = [self.from_min, self.to_min, 0].map(|border| {
            let ahead = (border + DAY_MIN - minute - 1) % DAY_MIN + 1;
            Duration::from_millis(u64::from(ahead) * 60_000 - into)
        });
        borders.into_iter().fold(LOOK, Duration::min)
    }
    fn local(&self, now: &Now) -> Option<(u8, u16)> {
        let at = jiff::Timestamp::from_millisecond(now.wall.as_millis()).ok()?;
        let local = at.to_zoned(self.zone.clone());
        let day = u8::try_from(local.weekday().to_monday_zero_offset()).ok()?;
        Some((day, minute_of(local.time())))
    }
}

fn minute_of(time: Time) -> u16 {
    let part = |n: i8| u16::try_from(n).unwrap_or(0);
    part(time.hour()) * 60 + part(time.minute())
}

/// As people write it: `mon,tue 22:00-06:00`.
impl Serialize for During {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days: Vec<&str> = (0..7)
            .filter(|n| self.days & (1 << n) != 0)
            .map(|n| NAMES[n])
            .collect();
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        s.collect_str(&format_args!(
            "{} {}-{}",
            days.join(","),
            time(self.from_min),
            time(self.to_min)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{BootId, Monotonic, Timestamp};

    fn at(text: &str) -> Now {
        Now {
            wall: Timestamp::parse_rfc3339(text).unwrap(),
            monotonic: Monotonic(0),
            boot: BootId(1),
            trusted: true,
        }
    }

    #[test]
    fn a_night_belongs_to_the_evening_it_begins() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let night = During::new(zone, &[Weekday::Fri], 22 * 60, 6 * 60);
        // 2026-03-06 is a Friday.
        for (time, watches) in [
            ("2026-03-06T21:59:59+08:00", false),
            ("2026-03-06T22:00:00+08:00", true),
            ("2026-03-07T05:59:59+08:00", true),
            ("2026-03-07T06:00:00+08:00", false),
            ("2026-03-06T03:00:00+08:00", false),
        ] {
            assert_eq!(night.covers(&at(time)), watches, "{time}");
        }
        let untrusted = Now {
            trusted: false,
            ..at("2026-03-03T12:00:00+08:00")
        };
        assert!(night.covers(&untrusted), "a clock nobody set tells no hours");
    }

    #[test]
    fn it_asks_again_at_the_border() {
        let night = During::new(TimeZone::UTC, &[], 22 * 60, 6 * 60);
        assert_eq!(
            night.look_again(&at("2026-03-06T21:58:30Z")),
            Duration::from_secs(90)
        );
        assert_eq!(night.look_again(&at("2026-03-06T12:00:00Z")), LOOK);
        assert_eq!(night.look_again(&at("2026-03-06T22:00:00Z")), LOOK);
    }
}
