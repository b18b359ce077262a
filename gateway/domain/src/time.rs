//! Time as an argument. The core never asks a clock.
//!
//! Wall time may jump; monotonic time may not, but restarts with the machine. A running delay is therefore kept
//! as a [`Deadline`] in monotonic time of one boot and re-based by the remaining time when the boot changes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A UTC instant in milliseconds since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// This instant plus `by`, saturating.
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }
    /// This instant minus `by`, saturating.
    pub fn minus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }
    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// Reads an RFC 3339 time with any number of fraction digits; finer than milliseconds is cut.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|t| Self(t.as_millisecond()))
    }
}

/// 2015, the year of the first LoRaWAN specification. A device that claims an earlier time has a clock that was never
/// set: it counts from 1970, 1980 or 2000.
pub const CLOCKS_BEGIN: Timestamp = Timestamp(1_420_070_400_000);

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds and `Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Human formats carry RFC 3339 text, binary ones the number.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_str(self)
        } else {
            s.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return i64::deserialize(d).map(Self);
        }
        let text = String::deserialize(d)?;
        Self::parse_rfc3339(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not an RFC 3339 time such as 2026-01-31T19:02:11Z"
            ))
        })
    }
}

/// Milliseconds of a clock that only runs forward and restarts with the machine (Linux `CLOCK_BOOTTIME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This instant plus `by`, saturating.
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)),
        )
    }
    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Which boot of the machine a [`Monotonic`] belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub u64);

/// The time at which a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// UTC, as the machine believes.
    pub wall: Timestamp,
    /// Time that cannot jump.
    pub monotonic: Monotonic,
    /// The boot `monotonic` belongs to.
    pub boot: BootId,
    /// Whether `wall` comes from a disciplined clock; false right after a boot without a battery clock.
    pub trusted: bool,
}

impl Now {
    /// The deadline `after` from now.
    pub fn after(&self, after: Duration) -> Deadline {
        Deadline {
            at: self.monotonic.plus(after),
        }
    }
}

/// When a running delay ends, in monotonic time of the engine's current boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Deadline {
    /// The instant at which the delay is over.
    pub at: Monotonic,
}

impl Deadline {
    /// Whether the delay is over.
    pub fn is_due(&self, now: &Now) -> bool {
        now.monotonic >= self.at
    }
    /// Moves the deadline to a new boot: what remained at `last` of the old boot still remains at `now`.
    pub fn rebase(&self, last: Monotonic, now: &Now) -> Self {
        now.after(self.at.since(last))
    }
}

/// A duration written for people: `500ms`, `10s`, `5m`, `2h`, `7d`, or a sum such as `1h30m`.
pub mod duration_text {
    use super::*;

    /// Reads the text form. The error names what is wrong and shows the forms.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let wrong = || {
            format!(
                "{text:?} is not a duration: write for example \"500ms\", \"10s\", \"5m\", \"2h\", \"7d\" or \"1h30m\""
            )
        };
        let (mut rest, mut total) = (text.trim(), 0u64);
        if rest == "0" {
            return Ok(Duration::ZERO);
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit_end = rest[digits..]
                .find(|c: char| c.is_ascii_digit())
                .map_or(rest.len(), |n| digits + n);
            let unit = match &rest[digits..unit_end] {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            total = count
                .checked_mul(unit)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(wrong)?;
            rest = &rest[unit_end..];
        }
        Ok(Duration::from_millis(total))
    }

    /// Writes the shortest exact text form.
    pub fn format(duration: Duration) -> String {
        let mut millis = duration.as_millis();
        if millis == 0 {
            return "0s".into();
        }
        let mut text = String::new();
        for (size, unit) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
            (1, "ms"),
        ] {
            if millis >= size {
                text.push_str(&format!("{}{unit}", millis / size));
                millis %= size;
            }
        }
        text
    }

    /// For `#[serde(with = …)]`: text in human formats, milliseconds in binary ones.
    pub fn serialize<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_str(&format(*duration))
        } else {
            s.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
        }
    }

    /// For `#[serde(with = …)]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        if !d.is_human_readable() {
            return u64::deserialize(d).map(Duration::from_millis);
        }
        parse(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }

    /// The same for an optional duration.
    pub mod option {
        use super::*;

        /// For `#[serde(with = …)]`.
        pub fn serialize<S: Serializer>(duration: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
            #[derive(Serialize)]
            struct Wrap(#[serde(with = "super")] Duration);
            duration.map(Wrap).serialize(s)
        }

        /// For `#[serde(with = …)]`.
        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
            #[derive(Deserialize)]
            struct Wrap(#[serde(with = "super")] Duration);
            Ok(Option::<Wrap>::deserialize(d)?.map(|w| w.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_the_same_text() {
        for text in ["500ms", "10s", "5m", "1h30m", "7d", "0s"] {
            assert_eq!(duration_text::format(duration_text::parse(text).unwrap()), text);
        }
        for bad in ["", "10", "5 m", "x", "-3s", "99999999999999999999s"] {
            assert!(duration_text::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nine_fraction_digits_are_cut_to_milliseconds() {
        let t = Timestamp::parse_rfc3339("2022-07-18T09:34:15.775023242+00:00").unwrap();
        assert_eq!(t.to_string(), "2022-07-18T09:34:15.775Z");
    }

    #[test]
    fn clocks_begin_with_2015() {
        assert_eq!(CLOCKS_BEGIN.to_string(), "2015-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_delay_keeps_what_remained_when_the_machine_reboots() {
        let before = Monotonic(50_000);
        let deadline = Deadline {
            at: Monotonic(70_000),
        };
        let now = Now {
            wall: Timestamp::from_millis(0),
            monotonic: Monotonic(900),
            boot: BootId(2),
            trusted: true,
        };
        assert_eq!(deadline.rebase(before, &now).at, Monotonic(20_900));
    }
}
