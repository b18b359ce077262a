//! When to try again, when to give up, and how fast a channel may speak. Pure: time and chance are arguments.
//!
//! It does not send and does not know what a message says.

use std::collections::VecDeque;
use std::time::Duration;

/// Which lane of a channel a message takes: the urgent one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// P1: somebody must come now.
    Critical,
    /// P2.
    Urgent,
    /// Everything else.
    Rest,
}

/// Which table of delays a channel follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// Standard Webhooks: ten attempts over some three days.
    Webhook,
    /// Group robots: a message that is late is of little use.
    Robot,
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The pause after the first, second … failed attempt. When the table ends, the delivery is dead.
const WEBHOOK: &[Duration] = &[
    seconds(5),
    seconds(5 * 60),
    seconds(30 * 60),
    seconds(2 * 3600),
    seconds(5 * 3600),
    seconds(10 * 3600),
    seconds(14 * 3600),
    seconds(20 * 3600),
    seconds(24 * 3600),
];
const ROBOT_CRITICAL: &[Duration] = &[seconds(2), seconds(5), seconds(15), seconds(60)];
const ROBOT_REST: &[Duration] = &[seconds(60), seconds(5 * 60), seconds(30 * 60)];

/// Longest wait a receiver may ask for with `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = seconds(3600);
/// Wait while the machine's clock is not trusted: certificates and signatures cannot be right. Such tries do not
/// count as attempts, because the fault is ours.
pub const CLOCK_WAIT: Duration = seconds(60);

/// The pause before the next try after `failed` failed attempts (1 or more), or `None` to give up.
///
/// `asked` is what the receiver asked for; the longer pause wins. `chance` spreads the pause by up to a tenth,
/// 0 adds nothing and 255 adds all of it.
pub fn backoff(
    schedule: Schedule,
    lane: Lane,
    failed: u32,
    asked: Option<Duration>,
    chance: u8,
) -> Option<Duration> {
    let table = match (schedule, lane) {
        (Schedule::Webhook, _) => WEBHOOK,
        (Schedule::Robot, Lane::Critical) => ROBOT_CRITICAL,
        (Schedule::Robot, Lane::Urgent | Lane::Rest) => ROBOT_REST,
    };
    let index = usize::try_from(failed).ok()?.checked_sub(1)?;
    let pause = *table.get(index)?;
    let spread = pause.mul_f64(f64::from(chance) / 2550.0);
    Some((pause + spread).max(asked.unwrap_or_default().min(MAX_RETRY_AFTER)))
}

/// How many messages a robot takes in any 60 seconds.
pub const ROBOT_PER_MINUTE: usize = 20;
/// How many of them are kept for critical messages.
pub const ROBOT_RESERVED: usize = 2;
const WINDOW: Duration = Duration::from_secs(60);

/// What a channel with a limit may still say. It counts the sends of the last 60 seconds, so that the limit holds
/// for every window and not only on average.
///
/// It starts empty with the program; after a restart the robot's own limit (45009) speaks for the first minute.
#[derive(Debug)]
pub struct Allowance {
    /// Whether there is a limit at all; a pause holds either way.
    limited: bool,
    /// Times of the sends of the last window, oldest first; never more than [`ROBOT_PER_MINUTE`].
    sent: VecDeque<Duration>,
    /// Until when the channel asked for silence.
    paused_until: Duration,
}

impl Allowance {
    /// The allowance of a channel with a limit, or without one.
    pub fn new(limited: bool) -> Self {
        Self {
            limited,
            sent: VecDeque::new(),
            paused_until: Duration::ZERO,
        }
    }

    /// Takes one send at `now` (time since any fixed instant, never backwards), or says how long to wait.
    pub fn take(&mut self, lane: Lane, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(lane, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        if self.limited {
            if self.sent.len() == ROBOT_PER_MINUTE {
                self.sent.pop_front();
            }
            self.sent.push_back(now);
        }
        Ok(())
    }

    /// How long a message of this lane has to wait; zero when it may go.
    pub fn wait(&self, lane: Lane, now: Duration) -> Duration {
        let limit = match lane {
            Lane::Critical => ROBOT_PER_MINUTE,
            Lane::Urgent | Lane::Rest => ROBOT_PER_MINUTE - ROBOT_RESERVED,
        };
        let paused = self.paused_until.saturating_sub(now);
        // With `limit` sends behind it, the next may go once the oldest of those has left the window.
        let oldest = self.sent.len().checked_sub(limit).and_then(|i| self.sent.get(i));
        let full = oldest.map_or(Duration::ZERO, |&at| (at + WINDOW).saturating_sub(now));
        paused.max(full)
    }

    /// The channel asked for silence.
    pub fn pause(&mut self, now: Duration, pause: Duration) {
        self.paused_until = self.paused_until.max(now + pause.min(MAX_RETRY_AFTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(schedule: Schedule, lane: Lane) -> Vec<u64> {
        (1..)
            .map_while(|failed| backoff(schedule, lane, failed, None, 0))
            .map(|pause| pause.as_secs())
            .collect()
    }

    #[test]
    fn a_webhook_is_tried_ten_times_over_three_days() {
        let expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for lane in [Lane::Critical, Lane::Urgent, Lane::Rest] {
            assert_eq!(table(Schedule::Webhook, lane), expected);
        }
    }

    #[test]
    fn a_robot_gives_up_early_so_that_another_channel_may_speak() {
        assert_eq!(table(Schedule::Robot, Lane::Critical), [2, 5, 15, 60]);
        assert_eq!(table(Schedule::Robot, Lane::Urgent), [60, 300, 1800]);
        assert_eq!(table(Schedule::Robot, Lane::Rest), [60, 300, 1800]);
    }

    #[test]
    fn the_receiver_may_ask_for_more_time_but_not_for_ever() {
        let pause = |asked| {
            backoff(
                Schedule::Webhook,
                Lane::Rest,
                1,
                Some(Duration::from_secs(asked)),
                0,
            )
        };
        assert_eq!(pause(1), Some(Duration::from_secs(5)));
        assert_eq!(pause(40), Some(Duration::from_secs(40)));
        assert_eq!(pause(10_000_000), Some(MAX_RETRY_AFTER));
        let late = backoff(Schedule::Webhook, Lane::Rest, 10, Some(Duration::from_secs(1)), 0);
        assert_eq!(late, None);
    }

    #[test]
    fn chance_adds_a_tenth_at_most() {
        let pause = |chance| backoff(Schedule::Robot, Lane::Rest, 1, None, chance).unwrap();
        assert_eq!(pause(0), Duration::from_secs(60));
        assert_eq!(pause(255), Duration::from_secs(66));
        assert_eq!(backoff(Schedule::Robot, Lane::Rest, 0, None, 0), None);
    }

    #[test]
    fn two_sends_of_a_minute_are_kept_for_critical_messages() {
        let mut allowance = Allowance::new(true);
        let now = Duration::from_secs(1000);
        for _ in 0..18 {
            allowance.take(Lane::Rest, now).unwrap();
        }
        assert_eq!(allowance.take(Lane::Rest, now), Err(Duration::from_secs(60)));
        allowance.take(Lane::Critical, now).unwrap();
        allowance.take(Lane::Critical, now).unwrap();
        assert_eq!(allowance.take(Lane::Critical, now), Err(Duration::from_secs(60)));
        allowance
            .take(Lane::Critical, now + Duration::from_secs(60))
            .unwrap();
    }

    #[test]
    fn a_pause_holds_every_lane() {
        let mut allowance = Allowance::new(true);
        allowance.pause(Duration::ZERO, Duration::from_secs(60));
        let at = Duration::from_secs(10);
        assert_eq!(allowance.take(Lane::Critical, at), Err(Duration::from_secs(50)));
        allowance.take(Lane::Rest, Duration::from_secs(60)).unwrap();
    }

    proptest! {
        #[test]
        fn no_window_of_a_minute_holds_more_than_twenty(
            steps in prop::collection::vec((0u64..9_000, any::<bool>()), 1..400),
        ) {
            let (mut allowance, mut now) = (Allowance::new(true), Duration::ZERO);
            let mut sent: Vec<Duration> = Vec::new();
            for (step, critical) in steps {
                now += Duration::from_millis(step);
                let lane = if critical { Lane::Critical } else { Lane::Rest };
                match allowance.take(lane, now) {
                    Ok(()) => sent.push(now),
                    Err(wait) => {
                        prop_assert!(wait > Duration::ZERO && wait <= WINDOW);
                        // Who waits as told is let through.
                        prop_assert_eq!(allowance.wait(lane, now + wait), Duration::ZERO);
                    }
                }
                let window = sent.iter().filter(|&&at| at + WINDOW > now).count();
                prop_assert!(window <= ROBOT_PER_MINUTE);
            }
        }
    }
}
