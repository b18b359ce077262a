//! A probe that froze, one that rests as it always did, broken ones that jump, levels that tremble at their limit.

use super::*;
use proptest::prelude::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: Duration = Duration::from_secs(24 * 3600);
const INDOORS: Jump = Jump {
    at_once: 5.0,
    per_second: 0.5,
    falls: true,
};
const METER: Jump = Jump {
    at_once: 1.0,
    per_second: 0.028,
    falls: false,
};

fn seconds(n: i64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + n * 1_000)
}

#[test]
fn a_frozen_probe_is_stuck_after_its_limit_and_moves_again_at_once() {
    let mut rest = Rest::default();
    let mut stuck_at = None;
    for n in 0..400u64 {
        if rest.observe(21.5, n * 10 * MINUTE, DAY) {
            stuck_at.get_or_insert(n);
        }
    }
    assert_eq!(stuck_at, Some(144), "after a day, not before");
    assert!(!rest.observe(21.6, 4_000 * MINUTE, DAY));
}

#[test]
fn a_sensor_that_always_rests_long_is_not_stuck_when_it_does_so_again() {
    let mut rest = Rest::default();
    let mut stuck = false;
    // A coarse thermometer in a cellar: one step in thirty hours.
    for n in 0..20_000u64 {
        let age = n * 15 * MINUTE;
        let step = age / (30 * HOUR);
        let now = rest.observe(if step.is_multiple_of(2) { 12.0 } else { 13.0 }, age, DAY);
        stuck |= now && age > 60 * HOUR;
    }
    assert!(!stuck, "thirty hours are usual for it");
}

#[test]
fn a_few_equal_values_are_not_enough() {
    let mut rest = Rest::default();
    for n in 0..11u64 {
        assert!(
            !rest.observe(3.0, n * 48 * HOUR, DAY),
            "a device that reports every other day"
        );
    }
    assert!(rest.observe(3.0, 11 * 48 * HOUR, DAY));
}

#[test]
fn a_broken_probe_jumps_and_the_next_true_value_is_no_jump() {
    let mut steady = Steady::default();
    assert!(
        !steady.observe(21.0, seconds(0), INDOORS),
        "the first value is all there is"
    );
    assert!(steady.observe(85.0, seconds(60), INDOORS));
    assert!(!steady.observe(21.2, seconds(120), INDOORS));
    assert!(steady.observe(-127.0, seconds(130), INDOORS));
    assert!(!steady.observe(21.2, seconds(140), INDOORS));
}

#[test]
fn a_fire_is_no_jump() {
    let mut steady = Steady::default();
    for n in 0..20 {
        let heat = 20.0 + 25.0 * f64::from(n);
        assert!(
            !steady.observe(heat, seconds(i64::from(n) * 60), INDOORS),
            "{heat}"
        );
    }
}

#[test]
fn a_sensor_that_was_moved_is_believed_at_its_third_value() {
    let mut steady = Steady::default();
    steady.observe(21.0, seconds(0), INDOORS);
    let moved = [60, 70, 80, 90].map(|at| steady.observe(-80.0, seconds(at), INDOORS));
    assert_eq!(moved, [true, true, false, false]);
    let mut noise = Steady::default();
    noise.observe(21.0, seconds(0), INDOORS);
    let noise = [85.0, -127.0, 85.0, -127.0].map(|value| noise.observe(value, seconds(10), INDOORS));
    assert_eq!(noise, [true; 4], "they do not agree with each other");
}

#[test]
fn a_register_does_not_run_back() {
    let mut steady = Steady::default();
    steady.observe(1_500.0, seconds(0), METER);
    assert!(!steady.observe(1_499.5, seconds(60), METER), "rounding");
    assert!(steady.observe(12.0, seconds(120), METER));
    assert!(!steady.observe(1_500.2, seconds(180), METER));
    assert!(steady.observe(1_600.0, seconds(240), METER), "100 m3 in a minute");
    assert!(
        !steady.observe(1_600.0, seconds(240 + 7_200), METER),
        "in two hours"
    );
}

#[test]
fn a_level_at_its_limit_does_not_flap() {
    let mut run = Run::default();
    let mut low = false;
    let told: Vec<bool> = [2.5, 2.39, 2.41, 2.4, 2.38, 2.41, 2.5, 2.41, 2.55, 2.6]
        .into_iter()
        .map(|volts| {
            low = run.observe(low, volts, 2.4, 2.55, 2);
            low
        })
        .collect();
    assert_eq!(
        told,
        [false, false, false, false, true, true, true, true, true, false]
    );
}

proptest! {
    #[test]
    fn a_level_changes_only_after_a_run_past_the_limit(
        values in prop::collection::vec(-130.0f64..-100.0, 1..200),
    ) {
        let (mut run, mut low) = (Run::default(), false);
        for (n, value) in values.iter().enumerate() {
            let next = run.observe(low, *value, -117.0, -112.0, 3);
            if next != low {
                let last = &values[n.saturating_sub(2)..=n];
                prop_assert_eq!(last.len(), 3);
                prop_assert!(last.iter().all(|v| if next { *v <= -117.0 } else { *v >= -112.0 }), "{:?}", last);
            }
            low = next;
        }
    }

    #[test]
    fn stuck_means_equal_for_as_long_as_the_limit(
        steps in prop::collection::vec((0u8..3, 1u64..30), 1..300),
    ) {
        let mut rest = Rest::default();
        let (mut age, mut changed, mut equal, mut before) = (0, 0, 0, None);
        for (value, hours) in steps {
            age += hours * HOUR;
            if before != Some(value) {
                (before, changed, equal) = (Some(value), age, 0);
            }
            equal += 1;
            let stuck = rest.observe(f64::from(value), age, DAY);
            if stuck {
                prop_assert!(equal >= EQUAL && age - changed >= 24 * HOUR);
            }
        }
    }

    #[test]
    fn what_changes_within_its_rate_never_jumps(
        steps in prop::collection::vec((1i64..3_600, -1.0f64..1.0), 1..100),
    ) {
        let mut steady = Steady::default();
        let (mut value, mut at) = (20.0, 0);
        for (pause, share) in steps {
            at += pause;
            value += share * INDOORS.per_second * pause as f64;
            prop_assert!(!steady.observe(value, seconds(at), INDOORS));
        }
    }
}
