//! What the broker says about itself under `$SYS`: its version, and how many messages it has dropped.
//!
//! Mosquitto's default queue (1,000 messages) drops silently: the publisher got its PUBACK, the gateway sees
//! nothing. The counter is the only trace, so a rise is a fact of the gateway. Pure; nothing here is ever decoded.

use linli_domain::time::Monotonic;
use std::time::Duration;

/// The topics, subscribed at QoS 0: the broker retains them and a lost one comes again.
pub(super) const TOPICS: [&str; 2] = [VERSION, DROPPED];
const VERSION: &str = "$SYS/broker/version";
const DROPPED: &str = "$SYS/broker/publish/messages/dropped";

/// After this long without a rise the loss counts as over.
pub(super) const QUIET: Duration = Duration::from_secs(600);

/// What a `$SYS` message meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// The broker's name and version.
    Version(String),
    /// The counter stands here; `rise` is what was dropped since it was last seen, `None` the first time.
    Dropped {
        /// The broker's own count.
        total: u64,
        /// What is new.
        rise: Option<u64>,
    },
    /// Nothing that is watched.
    Nothing,
}

/// Watches the counter over reconnects and broker restarts.
#[derive(Debug, Clone, Default)]
pub(super) struct SysWatch {
    seen: Option<u64>,
    risen: Option<Monotonic>,
}

impl SysWatch {
    /// Reads one message of a `$SYS` topic.
    pub(super) fn read(&mut self, topic: &str, payload: &[u8], now: Monotonic) -> News {
        let text = String::from_utf8_lossy(&payload[..payload.len().min(200)]);
        match topic {
            VERSION => News::Version(text.trim().to_owned()),
            DROPPED => match text.trim().parse::<u64>() {
                Ok(total) => self.count(total, now),
                Err(_) => News::Nothing,
            },
            _ => News::Nothing,
        }
    }

    fn count(&mut self, total: u64, now: Monotonic) -> News {
        let rise = match self.seen {
            // What was dropped before this program started is history, not news.
            None => None,
            // A smaller number means that the broker restarted and counts from zero.
            Some(seen) if total < seen => Some(total),
            Some(seen) => Some(total - seen),
        };
        self.seen = Some(total);
        if rise.is_some_and(|r| r > 0) {
            self.risen = Some(now);
        }
        News::Dropped { total, rise }
    }

    /// When the caller should ask [`SysWatch::is_over`] again.
    pub(super) fn wake(&self) -> Option<Monotonic> {
        self.risen.map(|t| t.plus(QUIET))
    }

    /// Whether a rise has just become old; true once per rise.
    pub(super) fn is_over(&mut self, now: Monotonic) -> bool {
        let over = self.wake().is_some_and(|at| now >= at);
        if over {
            self.risen = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(watch: &mut SysWatch, total: &str, at: u64) -> Option<u64> {
        match watch.read(DROPPED, total.as_bytes(), Monotonic(at)) {
            News::Dropped { rise, .. } => rise,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_dropped_from_now_on_counts() {
        let mut watch = SysWatch::default();
        assert_eq!(dropped(&mut watch, "900", 0), None);
        assert_eq!(dropped(&mut watch, "900", 1), Some(0));
        assert_eq!(watch.wake(), None);
        assert_eq!(dropped(&mut watch, "907", 2), Some(7));
    }

    #[test]
    fn a_restarted_broker_counts_from_zero() {
        let mut watch = SysWatch::default();
        dropped(&mut watch, "900", 0);
        assert_eq!(dropped(&mut watch, "3", 1), Some(3));
    }

    #[test]
    fn a_rise_is_over_after_ten_quiet_minutes_and_said_once() {
        let mut watch = SysWatch::default();
        dropped(&mut watch, "0", 0);
        dropped(&mut watch, "5", 1_000);
        dropped(&mut watch, "6", 2_000);
        assert!(!watch.is_over(Monotonic(601_999)));
        assert!(watch.is_over(Monotonic(602_000)));
        assert!(!watch.is_over(Monotonic(9_999_999)));
    }

    #[test]
    fn other_topics_and_nonsense_are_nothing() {
        let mut watch = SysWatch::default();
        assert_eq!(watch.read(DROPPED, b"many", Monotonic(0)), News::Nothing);
        assert_eq!(
            watch.read("$SYS/broker/uptime", b"1", Monotonic(0)),
            News::Nothing
        );
        assert_eq!(
            watch.read(VERSION, b"mosquitto version 2.0.11", Monotonic(0)),
            News::Version("mosquitto version 2.0.11".to_owned())
        );
    }
}
