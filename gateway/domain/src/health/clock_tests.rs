//! Clocks that are right, off, drifting, set, reset by a new battery, and messages that take their time.

use super::*;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const LIMIT: Duration = Duration::from_secs(120);

/// A device whose messages arrive at a gateway with a right clock.
struct Story {
    clock: DeviceClock,
    now: i64,
}

impl Story {
    fn new() -> Self {
        Self {
            clock: DeviceClock::default(),
            now: 1_770_000_000_000,
        }
    }
    fn after(&mut self, millis: i64) -> &mut Self {
        self.now += millis;
        self
    }
    /// A message of a device that is ahead by `skew`, `delay` on the way.
    fn hears(&mut self, skew: i64, delay: i64) -> &mut Self {
        let (said, received) = (self.now + skew - delay, self.now);
        self.clock
            .observe(Timestamp::from_millis(said), Timestamp::from_millis(received));
        self
    }
    fn hears_every(&mut self, pause: i64, count: usize, skew: i64) -> &mut Self {
        for n in 0..count {
            let delay = [900, 150, 4_000, 200][n % 4];
            self.after(pause).hears(skew, delay);
        }
        self
    }
    fn skew(&self) -> Option<i64> {
        self.clock.skew_ms()
    }
}

#[test]
fn a_right_clock_is_known_from_the_first_message() {
    let mut story = Story::new();
    assert_eq!(story.skew(), None);
    story.hears(0, 300);
    assert_eq!(story.skew(), Some(-300));
    story.hears_every(MINUTE, 20, 0);
    assert_eq!(story.skew(), Some(-150), "the quickest message tells best");
    assert!(!story.clock.is_wrong(false, LIMIT));
}

#[test]
fn a_zone_that_was_forgotten_shows_with_the_second_message() {
    let mut story = Story::new();
    story.hears(8 * HOUR, 100);
    assert_eq!(story.skew(), None, "one message may be a glitch");
    story.after(MINUTE).hears(8 * HOUR, 200);
    assert_eq!(story.skew(), Some(8 * HOUR - 100));
    assert!(story.clock.is_wrong(false, LIMIT));
    assert_eq!(story.clock.resets(), 0, "it was never known otherwise");
}

#[test]
fn a_clock_behind_is_told_from_late_messages_by_staying_behind() {
    let mut story = Story::new();
    story.hears_every(4 * MINUTE, 3, -3 * HOUR);
    assert_eq!(story.skew(), None, "it may still be a queue");
    story.hears_every(4 * MINUTE, 1, -3 * HOUR);
    assert!((story.skew().unwrap() + 3 * HOUR).abs() < 5_000);
    assert!(story.clock.is_wrong(false, LIMIT));
}

#[test]
fn a_queue_that_drains_after_an_outage_is_not_a_clock() {
    let mut story = Story::new();
    story.hears_every(MINUTE, 10, 0);
    let before = story.clock.skew_ms();
    // Three hours of messages arrive within a minute, the oldest first.
    for late in (1..180).rev() {
        story.after(300).hears(0, late * MINUTE);
    }
    assert_eq!(story.skew(), before);
    assert_eq!(story.clock.resets(), 0);
    story.hears_every(MINUTE, 3, 0);
    assert_eq!(story.skew(), before);
}

#[test]
fn a_clock_that_is_set_begins_anew() {
    let mut story = Story::new();
    story.hears_every(10 * MINUTE, 300, 0);
    assert!(story.clock.drift_ppm().is_some());
    story.hears_every(MINUTE, 2, HOUR);
    assert_eq!(story.clock.resets(), 1);
    assert!((story.skew().unwrap() - HOUR).abs() < 1_000);
    assert_eq!(
        story.clock.drift_ppm(),
        None,
        "what was known of the drift is void"
    );
    assert!(story.clock.is_wrong(false, LIMIT));
    story.hears_every(5 * MINUTE, 4, 0);
    assert_eq!(story.clock.resets(), 2);
    assert!(!story.clock.is_wrong(true, LIMIT));
}

#[test]
fn a_new_battery_takes_the_time_with_it_and_the_network_gives_it_back() {
    let mut story = Story::new();
    story.hears_every(MINUTE, 10, 0);
    let to_1970 = -story.now;
    story.after(MINUTE).hears(to_1970, 0);
    assert!(story.clock.is_unset() && story.clock.is_wrong(false, LIMIT));
    assert_eq!(story.skew(), None);
    story.hears_every(MINUTE, 5, to_1970);
    assert_eq!(story.clock.resets(), 1, "it is still the same loss");
    story.after(MINUTE).hears(0, 200);
    assert!(!story.clock.is_unset());
    assert!(!story.clock.is_wrong(true, LIMIT));
}

#[test]
fn one_glitch_ahead_is_forgotten() {
    let mut story = Story::new();
    story.hears_every(MINUTE, 5, 0);
    story.after(MINUTE).hears(300 * 24 * HOUR, 0);
    story.hears_every(MINUTE, 5, 0);
    story.after(MINUTE).hears(2 * HOUR, 0);
    story.hears_every(MINUTE, 1, 0);
    assert_eq!(story.clock.resets(), 0);
    assert_eq!(story.skew(), Some(-150));
}

#[test]
fn a_wrong_clock_is_right_again_only_at_half_the_limit() {
    let mut story = Story::new();
    story.hears_every(MINUTE, 5, 121_000 + 150);
    assert!(story.clock.is_wrong(false, LIMIT));
    let mut near = Story::new();
    near.hears_every(MINUTE, 5, 90_000);
    assert!(!near.clock.is_wrong(false, LIMIT) && near.clock.is_wrong(true, LIMIT));
}

#[test]
fn when_the_gateways_clock_is_set_the_device_does_not_look_set() {
    let mut story = Story::new();
    story.hears_every(10 * MINUTE, 200, 5_000);
    let (skew, drift) = (story.skew().unwrap(), story.clock.drift_ppm().unwrap());
    // The gateway was an hour behind and is right now: the device turns out to be an hour less ahead.
    story.clock.gateway_jumped(HOUR);
    story.after(HOUR);
    assert_eq!(story.skew(), Some(skew - HOUR));
    assert!((story.clock.drift_ppm().unwrap() - drift).abs() < 1e-9);
    story.hears_every(10 * MINUTE, 3, 5_000 - HOUR);
    assert_eq!(story.clock.resets(), 0);
}

#[test]
fn a_chatty_device_is_asked_now_and_then_but_a_surprise_at_once() {
    let at = |millis| Timestamp::from_millis(1_770_000_000_000 + millis);
    let mut clock = DeviceClock::default();
    assert!(clock.wants(at(0), at(0)));
    clock.observe(at(0), at(0));
    assert!(!clock.wants(at(50), at(50)));
    assert!(!clock.wants(at(50 - HOUR), at(50)), "late, as messages are");
    assert!(clock.wants(at(HOUR), at(50)));
    assert!(clock.wants(at(10_000), at(10_000)));
    assert!(clock.wants(Timestamp::from_millis(5_000), at(50)));
    clock.observe(Timestamp::from_millis(5_000), at(50));
    assert!(!clock.wants(Timestamp::from_millis(6_000), at(60)));
    assert!(
        clock.wants(at(10), at(10)),
        "a gateway clock that went back asks again"
    );
}

/// Delays as networks have them: mostly short, now and then very long, but not for many messages on end: that is
/// how a clock that was set looks.
fn delays(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<i64>> {
    let delay = prop_oneof![
        8 => 0i64..3_000,
        2 => 3_000i64..60_000,
        1 => 60_000i64..7_200_000,
    ];
    prop::collection::vec(delay, count).prop_map(|mut delays| {
        for n in (3..delays.len()).step_by(4) {
            delays[n] = delays[n].min(20_000);
        }
        delays
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_estimate_is_the_skew_less_the_least_delay(
        skew in -20_000i64..20_000,
        delays in delays(30..200),
    ) {
        let mut story = Story::new();
        for delay in &delays {
            story.after(MINUTE).hears(skew, *delay);
        }
        let estimate = story.skew().unwrap();
        prop_assert!(estimate <= skew, "a delay never makes a clock look ahead");
        prop_assert!(skew - estimate < 10_000, "{estimate} for {skew}");
    }

    #[test]
    fn the_drift_is_found_whatever_the_delays(
        ppm in -80i64..80,
        delays in delays(300..400),
    ) {
        let mut story = Story::new();
        for (n, delay) in delays.iter().enumerate() {
            let age = n as i64 * 15 * MINUTE;
            story.after(15 * MINUTE).hears(age * ppm / 1_000_000, *delay);
        }
        // Windows of six hours, whose least delays differ by a second or two.
        let drift = story.clock.drift_ppm().unwrap();
        prop_assert!((drift - ppm as f64).abs() < 60.0, "{drift} for {ppm}");
    }

    #[test]
    fn nothing_makes_it_grow_or_fail(times in prop::collection::vec((any::<i64>(), any::<i64>()), 0..60)) {
        let mut clock = DeviceClock::default();
        for (said, received) in times {
            let (said, received) = (Timestamp::from_millis(said), Timestamp::from_millis(received));
            let _ = clock.wants(said, received);
            clock.observe(said, received);
            clock.gateway_jumped(said.as_millis());
            let _ = (clock.skew_ms(), clock.drift_ppm(), clock.is_wrong(false, LIMIT));
        }
        prop_assert!(postcard::to_allocvec(&clock).unwrap().len() < 320);
    }
}
