//! What a device's clock can be said to do: the skew, the drift, and whether its times are to be believed.

use super::{DRIFT_OVER, DeviceClock, ENOUGH, Mark, Window};
use std::time::Duration;

impl DeviceClock {
    /// How far the device is ahead of the gateway, in milliseconds, as it reads at the gateway: the least delay of
    /// its messages makes it look later by as much. None while too little is known.
    pub fn skew_ms(&self) -> Option<i64> {
        let open = self.open.filter(|window| window.count >= ENOUGH);
        let best = |window: Window| window.best.offset_ms;
        open.map(best)
            .or_else(|| self.windows().last().map(|mark| mark.offset_ms))
            .or_else(|| self.open.map(best))
    }

    /// How fast the skew grows, in parts per million: the median of the slopes between all windows, which a few odd
    /// windows do not move. None before the windows span a day.
    pub fn drift_ppm(&self) -> Option<f64> {
        let open = self.open.filter(|window| window.count >= ENOUGH);
        let marks: Vec<Mark> = self.windows().copied().chain(open.map(|w| w.best)).collect();
        let (first, last) = (marks.first()?, marks.last()?);
        if marks.len() < ENOUGH as usize || last.at.since(first.at) < DRIFT_OVER {
            return None;
        }
        let mut slopes = Vec::new();
        for (n, a) in marks.iter().enumerate() {
            for b in marks.iter().skip(n + 1) {
                let run = b.at.as_millis().saturating_sub(a.at.as_millis());
                let rise = b.offset_ms.saturating_sub(a.offset_ms);
                if run > 0 {
                    slopes.push(as_f64(rise) / as_f64(run) * 1e6);
                }
            }
        }
        slopes.sort_unstable_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied()
    }

    /// Whether the clock counts from 1970, 2000 or the like: it was never set, or lost its time.
    pub fn is_unset(&self) -> bool {
        self.unset
    }

    /// How often it was set to another time since it is known.
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// Whether its times are not to be believed, `wrong` so far: unset, or off by more than `limit`. It is right again
    /// once it is off by less than half of that.
    pub fn is_wrong(&self, wrong: bool, limit: Duration) -> bool {
        let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        match self.skew_ms().map(i64::saturating_abs) {
            _ if self.unset => true,
            None => wrong,
            Some(skew) if wrong => skew > limit / 2,
            Some(skew) => skew > limit,
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds of centuries are exact, and a drift needs no more"
)]
fn as_f64(millis: i64) -> f64 {
    millis as f64
}

/// What is known about a device's clock, for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockView {
    /// See [`DeviceClock::skew_ms`].
    pub skew_ms: Option<i64>,
    /// See [`DeviceClock::drift_ppm`].
    pub drift_ppm: Option<f64>,
    /// See [`DeviceClock::is_unset`].
    pub unset: bool,
    /// See [`DeviceClock::resets`].
    pub resets: u32,
}

impl From<&DeviceClock> for ClockView {
    fn from(clock: &DeviceClock) -> Self {
        Self {
            skew_ms: clock.skew_ms(),
            drift_ppm: clock.drift_ppm(),
            unset: clock.is_unset(),
            resets: clock.resets(),
        }
    }
}
