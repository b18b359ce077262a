//! Rises, forecasts, rest and spells, told value by value.

use super::*;
use proptest::prelude::*;

const MIN: u64 = 60_000;

fn minutes(n: u64) -> Duration {
    Duration::from_millis(n * MIN)
}

/// Values a minute apart; the verdict after each.
fn told(when: When, values: &[f64]) -> Vec<Verdict> {
    let mut trace = Trace::default();
    let mut verdicts = Vec::new();
    for (n, value) in (0..).zip(values) {
        let age = n * MIN;
        trace.take(
            when,
            &Value::Number(*value),
            Timestamp::from_millis(age as i64),
            age,
        );
        verdicts.push(trace.judge(when, age).unwrap());
    }
    verdicts
}

#[test]
fn ten_degrees_in_five_minutes_is_a_fire_and_ten_in_an_hour_is_not() {
    let when = When::Rises {
        by: 10.0,
        clear: 5.0,
        within: minutes(5),
    };
    assert_eq!(
        told(when, &[20.0, 21.0, 25.0, 31.0]).last(),
        Some(&Verdict::Wrong)
    );
    let slow: Vec<f64> = (0..60).map(|n| 20.0 + f64::from(n) / 6.0).collect();
    assert!(told(when, &slow).iter().all(|v| *v == Verdict::Right));
    let back = told(when, &[20.0, 31.0, 27.0, 27.0, 27.0, 27.0, 27.0]);
    assert_eq!((back[2], back[6]), (Verdict::Between, Verdict::Right));
}

#[test]
fn a_burst_of_old_readings_is_no_fast_change() {
    let when = When::Rises {
        by: 10.0,
        clear: 5.0,
        within: minutes(5),
    };
    let mut trace = Trace::default();
    for hour in 0..4 {
        let at = Timestamp::from_millis(hour * 3_600_000);
        trace.take(when, &Value::Number(20.0 + 10.0 * hour as f64), at, 1_000);
    }
    assert_eq!(trace.judge(when, 1_000), Some(Verdict::Right));
}

#[test]
fn a_clock_set_back_forgets_the_future() {
    let when = When::Falls {
        by: 10.0,
        clear: 0.0,
        within: minutes(5),
    };
    let mut trace = Trace::default();
    trace.take(when, &Value::Number(90.0), Timestamp::from_millis(1_000_000), 0);
    trace.take(when, &Value::Number(10.0), Timestamp::from_millis(1_000), 1);
    assert_eq!(trace.judge(when, 1), Some(Verdict::Right));
}

#[test]
fn a_bin_that_fills_steadily_is_full_soon_and_a_noisy_one_is_not() {
    let when = When::Reaches {
        level: 90.0,
        ahead: minutes(60),
        within: minutes(120),
    };
    let steady: Vec<f64> = (0..30).map(|n| 30.0 + f64::from(n)).collect();
    assert_eq!(
        told(when, &steady).last(),
        Some(&Verdict::Wrong),
        "31 minutes to go"
    );
    let slow: Vec<f64> = (0..30).map(|n| 30.0 + f64::from(n) / 10.0).collect();
    assert_eq!(told(when, &slow).last(), Some(&Verdict::Right));
    let noisy: Vec<f64> = (0..30)
        .map(|n| 50.0 + 30.0 * f64::from(n % 2) + f64::from(n) / 10.0)
        .collect();
    assert_eq!(told(when, &noisy).last(), Some(&Verdict::Right));
}

#[test]
fn a_number_that_rests_while_it_is_reported_is_stuck() {
    let when = When::Stuck {
        after: minutes(10),
        band: 0.1,
    };
    let verdicts = told(when, &[5.0; 12]);
    assert_eq!((verdicts[9], verdicts[10]), (Verdict::Right, Verdict::Wrong));
    let mut moved = vec![5.0; 12];
    moved.push(6.0);
    assert_eq!(told(when, &moved).last(), Some(&Verdict::Right));
}

#[test]
fn a_door_that_opens_five_times_in_ten_minutes_is_too_often_until_the_first_is_over() {
    let when = When::Often {
        state: true,
        times: 5,
        within: minutes(10),
    };
    let mut trace = Trace::default();
    for n in 0..10 {
        trace.take(when, &Value::State(n % 2 == 0), Timestamp::default(), n * MIN);
    }
    assert_eq!(trace.judge(when, 9 * MIN), Some(Verdict::Wrong));
    let look = trace.next_look(when, 9 * MIN).unwrap();
    assert_eq!(look, 10 * MIN + 1);
    assert_eq!(trace.judge(when, look - 1), Some(Verdict::Wrong));
    assert_eq!(trace.judge(when, look), Some(Verdict::Right));
}

#[test]
fn a_pump_that_runs_twenty_minutes_of_an_hour_is_too_long_at_the_twentieth() {
    let when = When::Long {
        state: true,
        total: minutes(20),
        within: minutes(60),
    };
    let mut trace = Trace::default();
    trace.take(when, &Value::State(true), Timestamp::default(), 0);
    trace.take(when, &Value::State(false), Timestamp::default(), 15 * MIN);
    trace.take(when, &Value::State(true), Timestamp::default(), 30 * MIN);
    let look = trace.next_look(when, 30 * MIN).unwrap();
    assert_eq!(look, 35 * MIN);
    assert_eq!(trace.judge(when, look - 1), Some(Verdict::Right));
    assert_eq!(trace.judge(when, look), Some(Verdict::Wrong));
    trace.take(when, &Value::State(false), Timestamp::default(), 36 * MIN);
    let look = trace.next_look(when, 36 * MIN).unwrap();
    assert_eq!(trace.judge(when, look - 1), Some(Verdict::Wrong));
    assert_eq!(trace.judge(when, look), Some(Verdict::Right));
}

fn kinds() -> impl Strategy<Value = When> {
    prop_oneof![
        (2u16..6, 1u64..20).prop_map(|(times, m)| When::Often {
            state: true,
            times,
            within: minutes(m)
        }),
        (1u64..20, 20u64..40).prop_map(|(t, m)| When::Long {
            state: true,
            total: minutes(t),
            within: minutes(m)
        }),
    ]
}

proptest! {
    /// Between two values the verdict changes exactly when the trace asked to be looked at, and the plain model that
    /// keeps every value agrees with it.
    #[test]
    fn spells_agree_with_a_plain_model(when in kinds(), steps in prop::collection::vec((1u64..400, any::<bool>()), 1..60)) {
        let (mut trace, mut age, mut said) = (Trace::default(), 0, Vec::new());
        for (seconds, state) in steps {
            let end = age + seconds * 1_000;
            let mut verdict = trace.judge(when, age);
            for second in (age..=end).step_by(1_000) {
                let now = trace.judge(when, second);
                if now != verdict {
                    // The last look that was asked for is not later than the change.
                    let look = trace.next_look(when, second.saturating_sub(1_000).max(age)).unwrap();
                    prop_assert!(look <= second, "{when:?} changed at {second}, look at {look}");
                    verdict = now;
                }
            }
            age = end;
            said.push((age, state));
            trace.take(when, &Value::State(state), Timestamp::default(), age);
            let expected = match when {
                When::Often { times, within, .. } => begun(&said, age, within) >= usize::from(times),
                When::Long { total, within, .. } => lasted(&said, age, within) >= total.as_millis() as u64,
                _ => unreachable!(),
            };
            if begun(&said, age, minutes(1_000_000)) <= MAX_SAMPLES {
                prop_assert_eq!(trace.judge(when, age) == Some(Verdict::Wrong), expected);
            }
        }
    }
}

fn begun(said: &[(u64, bool)], age: u64, within: Duration) -> usize {
    let oldest = age.saturating_sub(within.as_millis() as u64);
    let first = said
        .first()
        .filter(|(at, state)| *state && *at >= oldest)
        .into_iter()
        .count();
    first
        + said
            .windows(2)
            .filter(|w| !w[0].1 && w[1].1 && w[1].0 >= oldest)
            .count()
}

fn lasted(said: &[(u64, bool)], age: u64, within: Duration) -> u64 {
    let oldest = age.saturating_sub(within.as_millis() as u64);
    said.windows(2)
        .filter(|w| w[0].1)
        .map(|w| w[1].0.saturating_sub(w[0].0.max(oldest)))
        .sum()
}
