//! What the result of an attempt makes of a delivery. Pure: time and chance are arguments.

use super::Outcome;
use super::policy::{CLOCK_WAIT, Lane, MAX_RETRY_AFTER, Schedule, backoff};
use linli_domain::time::Now;
use linli_ledger::{Delivery, DeliveryState, DeliveryUpdate};
use std::time::Duration;

/// How a code begins when nobody knows whether the message was taken.
const UNKNOWN: &str = "unknown:";
/// When a robot's message of unknown fate is said again, unless it is critical: late enough for a digest.
const UNKNOWN_WAIT: Duration = Duration::from_secs(300);
/// What stands as the last error while the machine's clock is wrong.
const CLOCK: &str = "clock";

/// The row to write after an attempt at `delivery` that ended at `now`.
pub(super) fn settle(
    delivery: &Delivery,
    outcome: &Outcome,
    schedule: Schedule,
    lane: Lane,
    now: Now,
    chance: u8,
) -> DeliveryUpdate {
    let attempts = delivery.attempts.saturating_add(1);
    let done = |state, last_error: Option<String>, delivered_at| DeliveryUpdate {
        id: delivery.id,
        state,
        attempts,
        next_at: delivery.next_at,
        last_error,
        delivered_at,
    };
    let (code, asked) = match outcome {
        Outcome::Delivered { .. } => return done(DeliveryState::Delivered, None, Some(now.wall)),
        Outcome::Permanent { code, .. } => return done(DeliveryState::Dead, Some(code.clone()), None),
        Outcome::Retry { code, after, .. } => (code.clone(), *after),
        Outcome::Unknown { code } => (format!("{UNKNOWN}{code}"), None),
    };
    if !now.trusted {
        return DeliveryUpdate {
            attempts: delivery.attempts,
            next_at: now.wall.plus(CLOCK_WAIT),
            ..done(DeliveryState::Pending, Some(CLOCK.into()), None)
        };
    }
    match pause(delivery, &code, asked, schedule, lane, attempts, chance) {
        Some(pause) => DeliveryUpdate {
            next_at: now.wall.plus(pause),
            ..done(DeliveryState::Pending, Some(code), None)
        },
        None => done(DeliveryState::Dead, Some(code), None),
    }
}

/// How long to wait, or `None` to give up.
fn pause(
    delivery: &Delivery,
    code: &str,
    asked: Option<Duration>,
    schedule: Schedule,
    lane: Lane,
    attempts: u32,
    chance: u8,
) -> Option<Duration> {
    let regular = backoff(schedule, lane, attempts, asked, chance)?;
    if schedule == Schedule::Webhook {
        return Some(regular);
    }
    // A robot has no idea of repetitions: what may have been said is said again once, not more.
    if code.starts_with(UNKNOWN) {
        let was_unknown = delivery
            .last_error
            .as_deref()
            .is_some_and(|e| e.starts_with(UNKNOWN));
        let again = if lane == Lane::Critical {
            regular
        } else {
            UNKNOWN_WAIT
        };
        return (!was_unknown).then_some(again);
    }
    // A robot that names a time knows it better than our table.
    Some(asked.map_or(regular, |asked| asked.min(MAX_RETRY_AFTER)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::time::{BootId, Monotonic, Timestamp};
    use linli_ledger::NewDelivery;

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn now(trusted: bool) -> Now {
        Now {
            wall: AT,
            monotonic: Monotonic(5),
            boot: BootId(1),
            trusted,
        }
    }

    fn tried(attempts: u32, last_error: Option<&str>) -> Delivery {
        Delivery {
            id: 7,
            message: NewDelivery {
                channel: "wecom".into(),
                subject_kind: "order".into(),
                subject: "WO-1".into(),
                payload: Vec::new(),
                idempotency: "wecom/x".into(),
                created: AT,
                next_at: AT,
            },
            state: DeliveryState::Pending,
            attempts,
            next_at: AT,
            last_error: last_error.map(str::to_owned),
            delivered_at: None,
        }
    }

    /// State, attempts, seconds until the next one, error.
    fn after(
        delivery: &Delivery,
        outcome: Outcome,
        schedule: Schedule,
        lane: Lane,
    ) -> (DeliveryState, u32, u64, String) {
        let row = settle(delivery, &outcome, schedule, lane, now(true), 0);
        assert_eq!(row.id, 7);
        (
            row.state,
            row.attempts,
            row.next_at.since(AT).as_secs(),
            row.last_error.unwrap_or_default(),
        )
    }

    #[test]
    fn delivered_and_refused_are_ends() {
        let taken = Outcome::Delivered { provider_id: None };
        let row = settle(
            &tried(2, Some("x")),
            &taken,
            Schedule::Webhook,
            Lane::Rest,
            now(true),
            0,
        );
        assert_eq!(
            (row.state, row.attempts, row.last_error, row.delivered_at),
            (DeliveryState::Delivered, 3, None, Some(AT))
        );
        let refused = after(
            &tried(0, None),
            Outcome::permanent("http_410"),
            Schedule::Webhook,
            Lane::Rest,
        );
        assert_eq!(refused, (DeliveryState::Dead, 1, 0, "http_410".into()));
    }

    #[test]
    fn a_webhook_is_retried_by_its_table_and_then_given_up() {
        let retry = || Outcome::retry("http_500");
        let result = after(&tried(1, None), retry(), Schedule::Webhook, Lane::Rest);
        assert_eq!(result, (DeliveryState::Pending, 2, 300, "http_500".into()));
        let result = after(&tried(9, None), retry(), Schedule::Webhook, Lane::Rest);
        assert_eq!((result.0, result.1), (DeliveryState::Dead, 10));
        let unknown = || Outcome::Unknown {
            code: "timed_out".into(),
        };
        let result = after(
            &tried(1, Some("unknown:timed_out")),
            unknown(),
            Schedule::Webhook,
            Lane::Rest,
        );
        assert_eq!(
            result,
            (DeliveryState::Pending, 2, 300, "unknown:timed_out".into())
        );
    }

    #[test]
    fn a_robots_message_of_unknown_fate_is_said_again_once() {
        let unknown = || Outcome::Unknown {
            code: "timed_out".into(),
        };
        let first = |lane| after(&tried(0, None), unknown(), Schedule::Robot, lane);
        assert_eq!(
            first(Lane::Critical),
            (DeliveryState::Pending, 1, 2, "unknown:timed_out".into())
        );
        assert_eq!(
            first(Lane::Rest),
            (DeliveryState::Pending, 1, 300, "unknown:timed_out".into())
        );
        let second = after(
            &tried(1, Some("unknown:broken")),
            unknown(),
            Schedule::Robot,
            Lane::Critical,
        );
        assert_eq!(second.0, DeliveryState::Dead);
    }

    #[test]
    fn a_robot_that_names_a_time_is_believed() {
        let asked = Outcome::Retry {
            code: "wecom_45033".into(),
            after: Some(Duration::from_secs(3)),
            whole_channel: false,
        };
        let result = after(&tried(0, None), asked, Schedule::Robot, Lane::Rest);
        assert_eq!(result, (DeliveryState::Pending, 1, 3, "wecom_45033".into()));
    }

    #[test]
    fn while_our_clock_is_wrong_nothing_is_used_up() {
        let outcome = Outcome::retry("not_sent");
        let row = settle(
            &tried(8, None),
            &outcome,
            Schedule::Webhook,
            Lane::Critical,
            now(false),
            0,
        );
        assert_eq!((row.state, row.attempts), (DeliveryState::Pending, 8));
        assert_eq!(row.last_error.as_deref(), Some("clock"));
        assert_eq!(row.next_at, AT.plus(CLOCK_WAIT));
    }
}
