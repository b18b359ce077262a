//! From a number to a yes or no that does not flutter.
//!
//! ```text
//!             ┌──── lost ─────┐┌──── lost ────┐
//!             ▼               ││              │
//!         Unknown ─ held ─▶  Off ◀─ held ─▶  On
//! ```
//!
//! "Held" means: past its threshold for the whole debounce time. `Unknown` is left the same way, so that a
//! sensor that comes back is believed no sooner than one that changes. Not responsible for: deciding that a
//! sensor is lost; see `channel`.

use linli_registers::meaning::state;

/// What a node knows about a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No sensor stands behind a statement.
    #[default]
    Unknown,
    /// Known to be absent: free, dry, upright.
    Off,
    /// Known to be present: occupied, wet, tilted.
    On,
}

impl State {
    /// The value of a state register.
    pub const fn raw(self) -> u16 {
        match self {
            State::Unknown => state::UNKNOWN,
            State::Off => state::OFF,
            State::On => state::ON,
        }
    }
}

/// Two thresholds, and how long a value must stay past one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// On at or above.
    pub(crate) on: i32,
    /// Off at or below; below `on`.
    pub(crate) off: i32,
    /// Debounce time.
    pub(crate) hold_ms: u32,
}

/// A condition with hysteresis and debounce.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    state: State,
    /// The state that wants to be, and since when.
    candidate: Option<(State, u32)>,
}

impl Gate {
    pub(crate) const NEW: Gate = Gate {
        state: State::Unknown,
        candidate: None,
    };

    /// What is known now.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A value was measured.
    pub(crate) fn measured(&mut self, now_ms: u32, value: i32, limits: Limits) -> bool {
        let wanted = match self.state {
            State::On if value <= limits.off => State::Off,
            State::On => State::On,
            State::Off | State::Unknown if value >= limits.on => State::On,
            State::Off | State::Unknown => State::Off,
        };
        if wanted == self.state {
            self.candidate = None;
            return false;
        }
        let since_ms = match self.candidate {
            Some((candidate, since_ms)) if candidate == wanted => since_ms,
            _ => now_ms,
        };
        if now_ms.wrapping_sub(since_ms) < limits.hold_ms {
            self.candidate = Some((wanted, since_ms));
            return false;
        }
        self.candidate = None;
        self.state = wanted;
        true
    }

    /// The sensor is lost; true when the state changed.
    pub(crate) fn lost(&mut self) -> bool {
        self.candidate = None;
        core::mem::replace(&mut self.state, State::Unknown) != State::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        on: 150,
        off: 90,
        hold_ms: 300,
    };

    #[test]
    fn a_change_must_hold() {
        let mut gate = Gate::default();
        gate.measured(0, 0, LIMITS);
        assert_eq!(gate.state(), State::Unknown, "nothing is known at first");
        gate.measured(300, 0, LIMITS);
        assert_eq!(gate.state(), State::Off);
        gate.measured(400, 200, LIMITS);
        gate.measured(500, 0, LIMITS);
        gate.measured(750, 200, LIMITS);
        assert_eq!(
            gate.state(),
            State::Off,
            "the pulse in between starts the time again"
        );
        assert!(gate.measured(1_050, 200, LIMITS));
        assert_eq!(gate.state(), State::On);
    }

    #[test]
    fn between_the_thresholds_nothing_changes() {
        let mut gate = Gate {
            state: State::On,
            candidate: None,
        };
        for t in 0..100 {
            assert!(!gate.measured(t * 50, 91, LIMITS));
        }
        gate.measured(5_000, 90, LIMITS);
        assert!(gate.measured(5_300, 90, LIMITS));
        assert_eq!(gate.state(), State::Off);
    }

    proptest! {
        #[test]
        fn a_lost_sensor_is_never_off(values in prop::collection::vec(prop::option::of(0i32..400), 1..200)) {
            let mut gate = Gate::default();
            let mut now_ms = u32::MAX - 2_000;
            for value in values {
                now_ms = now_ms.wrapping_add(50);
                match value {
                    Some(value) => { gate.measured(now_ms, value, LIMITS); }
                    None => {
                        gate.lost();
                        prop_assert_eq!(gate.state(), State::Unknown);
                    }
                }
            }
        }

        /// Whenever a state begins, every sample of the whole debounce time before it was on its side, and none was lost.
        #[test]
        fn no_state_is_reported_that_the_samples_do_not_support(
            samples in prop::collection::vec((0u32..200, prop::option::weighted(0.97, 0i32..260)), 1..300),
        ) {
            let mut gate = Gate::default();
            let mut now_ms = u32::MAX - 2_000;
            let mut past: Vec<(u32, Option<i32>)> = vec![];
            for (passed_ms, sample) in samples {
                now_ms = now_ms.wrapping_add(passed_ms);
                past.push((now_ms, sample));
                let before = gate.state();
                let changed = match sample {
                    Some(value) => gate.measured(now_ms, value, LIMITS),
                    None => gate.lost(),
                };
                prop_assert_eq!(changed, before != gate.state());
                if !changed || gate.state() == State::Unknown {
                    continue;
                }
                let supports = |value: i32| match (before, gate.state()) {
                    (_, State::On) => value >= LIMITS.on,
                    (State::Unknown, _) => value < LIMITS.on,
                    _ => value <= LIMITS.off,
                };
                let run: Vec<_> = past
                    .iter()
                    .rev()
                    .take_while(|(_, sample)| sample.is_some_and(supports))
                    .collect();
                let held_ms = run.last().map_or(0, |(since_ms, _)| now_ms.wrapping_sub(*since_ms));
                prop_assert!(held_ms >= LIMITS.hold_ms, "{:?} after {} ms", gate.state(), held_ms);
            }
        }
    }
}
