//! How devices write times, and what becomes of each. Total: what cannot be a time is none.
//!
//! A device's local time needs a zone, and "60 seconds ago" the time of receipt; both come with the
//! [`DeviceContext`]. Whether a time is plausible is judged later ([`crate::plausible`]).

use super::document::{Node, Problems};
use crate::context::DeviceContext;
use crate::walk::Scalar;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use linli_domain::measure::nearest;
use linli_domain::time::Timestamp;

/// 2000-01-01T00:00:00Z in milliseconds since 1970: the epoch of many meters and data loggers.
const YEAR_2000_MS: f64 = 946_684_800_000.0;

/// Years 0 to 9999 in milliseconds; anything else is no time of a sensor.
const SANE_MS: std::ops::RangeInclusive<f64> = -6.3e13..=2.6e14;

/// How a device writes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Seconds since 1970, with or without a fraction.
    UnixS,
    /// Milliseconds since 1970.
    UnixMs,
    /// Seconds since 2000.
    Y2000S,
    /// Seconds before the message was received.
    AgoS,
    /// RFC 3339, which names its zone.
    Rfc3339,
    /// Either of two, as an option of a bridge decides.
    Rfc3339OrUnixMs,
    /// Date and time without a zone: that of the device.
    Local,
}

impl TimeForm {
    const NAMES: [(&'static str, Self); 7] = [
        ("unix_s", Self::UnixS),
        ("unix_ms", Self::UnixMs),
        ("seconds_since_2000", Self::Y2000S),
        ("seconds_ago", Self::AgoS),
        ("rfc3339", Self::Rfc3339),
        ("rfc3339_or_unix_ms", Self::Rfc3339OrUnixMs),
        ("local", Self::Local),
    ];

    /// Whether a number can be such a time.
    pub(crate) fn is_numeric(self) -> bool {
        !matches!(self, Self::Rfc3339 | Self::Local)
    }

    /// The form of this name.
    pub(crate) fn read_name(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let name = problems.text(node)?;
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        if let Some((_, form)) = found {
            return Some(*form);
        }
        let hint = match nearest(name, Self::NAMES.iter().map(|(known, _)| *known)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("use one of {}", Self::NAMES.map(|(known, _)| known).join(", ")),
        };
        problems.refuse(node.span(), format!("unknown time format {name:?}"), hint)
    }

    /// The time a member of a JSON text or a field stands for.
    pub(crate) fn of(self, value: Scalar<'_>, context: &DeviceContext) -> Option<Timestamp> {
        match (self, value) {
            (Self::Rfc3339 | Self::Rfc3339OrUnixMs, Scalar::Text(text)) => Timestamp::parse_rfc3339(text),
            (Self::Local, Scalar::Text(text)) => local(text, context.zone.as_ref()),
            (Self::Rfc3339 | Self::Local, _) => None,
            (_, Scalar::Int(number)) => self.of_number(number as f64, context.received),
            (_, Scalar::Float(number)) => self.of_number(number, context.received),
            (_, Scalar::Text(text)) => self.of_number(text.trim().parse().ok()?, context.received),
            _ => None,
        }
    }

    fn of_number(self, number: f64, received: Timestamp) -> Option<Timestamp> {
        let millis = match self {
            Self::UnixS => number * 1000.0,
            Self::Y2000S => number * 1000.0 + YEAR_2000_MS,
            Self::AgoS => received.as_millis() as f64 - number * 1000.0,
            _ => number,
        };
        // A fraction of a millisecond is the binary form of a decimal one, so the nearest is meant.
        let millis = millis.round();
        SANE_MS
            .contains(&millis)
            .then(|| Timestamp::from_millis(millis as i64))
    }
}

/// `2019-01-01T22:42:35`, with a space instead of the `T` too. In the hour that a change of the clocks repeats the
/// earlier one is meant, in the hour it skips the later; both are jiff's "compatible" reading (RFC 5545).
/// A text that names its zone needs no other.
fn local(text: &str, zone: Option<&TimeZone>) -> Option<Timestamp> {
    if let Some(time) = Timestamp::parse_rfc3339(text) {
        return Some(time);
    }
    let civil: DateTime = text.trim().parse().ok()?;
    let zone = zone.cloned().unwrap_or(TimeZone::UTC);
    let zoned = zone.to_zoned(civil).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(form: TimeForm, value: Scalar<'_>, zone: Option<&str>) -> Option<String> {
        let context = DeviceContext {
            zone: zone.map(|name| TimeZone::get(name).unwrap()),
            received: Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap(),
            ..DeviceContext::default()
        };
        form.of(value, &context).map(|t| t.to_string())
    }

    #[test]
    fn every_form_is_read_and_what_is_none_is_refused() {
        use Scalar::{Bool, Float, Int, Null, Text};
        let noon = "2025-03-14T07:00:00.250Z";
        for (form, value, want) in [
            (TimeForm::UnixS, Float(1_741_935_600.25), Some(noon)),
            (TimeForm::UnixS, Text("1741935600.25"), Some(noon)),
            (TimeForm::UnixMs, Int(1_741_935_600_250), Some(noon)),
            (TimeForm::Y2000S, Int(0), Some("2000-01-01T00:00:00.000Z")),
            (TimeForm::AgoS, Int(60), Some("2026-01-31T11:59:00.000Z")),
            (
                TimeForm::Rfc3339,
                Text("2025-03-14T15:00:00.250+08:00"),
                Some(noon),
            ),
            (TimeForm::Rfc3339OrUnixMs, Int(1_741_935_600_250), Some(noon)),
            (TimeForm::Rfc3339, Int(1), None),
            (TimeForm::Local, Int(1), None),
            (TimeForm::UnixS, Text("soon"), None),
            (TimeForm::UnixS, Float(1e300), None),
            (TimeForm::UnixMs, Bool(true), None),
            (TimeForm::UnixMs, Null, None),
        ] {
            assert_eq!(at(form, value, None).as_deref(), want, "{form:?} of {value:?}");
        }
    }

    #[test]
    fn a_local_time_is_that_of_the_devices_zone() {
        let local = |text, zone| at(TimeForm::Local, Scalar::Text(text), zone);
        assert_eq!(
            local("2025-03-14T15:00:00", Some("Asia/Shanghai")).as_deref(),
            Some("2025-03-14T07:00:00.000Z")
        );
        assert_eq!(
            local("2025-03-14 07:00:00", None).as_deref(),
            Some("2025-03-14T07:00:00.000Z")
        );
        // 02:30 does not exist that night in Berlin and is read as 03:30 summer time.
        assert_eq!(
            local("2025-03-30T02:30:00", Some("Europe/Berlin")).as_deref(),
            Some("2025-03-30T01:30:00.000Z")
        );
        assert_eq!(local("14.03.2025 07:00", None), None);
    }
}
