//! A clock that never shows less than what is known: the time the ledger saved last, and [`BUILT`].
//!
//! A box without a battery wakes up in 1970, or in the month its system was made. How long it was off nobody knows, but
//! not less than no time at all: until somebody sets its clock the gateway goes by the saved time, plus the time the
//! machine has been on. That is too early by as long as it was off, so it is not believed ([`Now::trusted`]) and the
//! gateway says so; but nothing it dates or decides comes before what it has dated and decided already.
//!
//! | the machine shows | it is lifted | until |
//! |---|---|---|
//! | a time before [`BUILT`] | always | it shows one after it: somebody has set it |
//! | a time after [`BUILT`] but before the saved one, in another boot | always | it reaches the saved time, is set, the system says that the network has told it the time, or a person says that it is right |
//! | the same in the same boot, and what was saved was not believed | always | the same |
//! | anything else | no | |
//!
//! The second row is for machines that restore a time of their own at their start, hours old, or whose battery is empty: a
//! clock that is days behind looks as good as one that is right. It may also be the saved time that was wrong. A clock that
//! once showed 2036 must not hold the gateway there, so it is enough that somebody who knows says so: the network, or a
//! person ([`Clock::believe`]).

use super::{BUILT, Clock, SET, SharedClock, boot_began};
use linli_domain::time::{Now, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A boot begins this much later than the saved time: what was dated before it stays apart from what is dated in it.
const APART: Duration = Duration::from_secs(2);

/// The machine's clock, never before `saved`, the time of the last step in the ledger, nor before [`BUILT`].
pub fn never_before(machine: SharedClock, saved: Option<Now>) -> SharedClock {
    let start = machine.now();
    match lift(&start, saved) {
        None => machine,
        Some(lift) => Arc::new(Lifted {
            machine,
            lift,
            over: AtomicBool::new(false),
        }),
    }
}

#[derive(Debug, Clone, Copy)]
struct Lift {
    /// What it shows at the beginning of the boot.
    boot_at: Timestamp,
    /// What the machine's clock shows less the time it has run, at the start.
    offset: i64,
    /// From when on the machine's own clock is believed again.
    reaches: Timestamp,
}

fn lift(start: &Now, saved: Option<Now>) -> Option<Lift> {
    let lifted_to = |boot_at, reaches| Lift {
        boot_at,
        offset: boot_began(start),
        reaches,
    };
    let goes_on = |saved: Now| match saved.boot == start.boot {
        // The program was started again: its time goes on.
        true => Timestamp::from_millis(boot_began(&saved)),
        false => saved.wall.plus(APART),
    };
    if start.trusted {
        let saved = saved.filter(|saved| saved.wall > start.wall)?;
        // In one boot a clock that was believed and shows less was set back by somebody.
        let doubted = saved.boot != start.boot || !saved.trusted;
        return doubted.then(|| lifted_to(goes_on(saved), saved.wall));
    }
    Some(lifted_to(saved.map_or(BUILT, goes_on).max(BUILT), BUILT))
}

impl Lift {
    fn shown(&self, machine: &Now) -> Now {
        Now {
            wall: self.boot_at.plus(Duration::from_millis(machine.monotonic.0)),
            trusted: false,
            ..*machine
        }
    }

    fn is_over(&self, machine: &Now) -> bool {
        let was_set = boot_began(machine).abs_diff(self.offset) >= SET.as_millis() as u64;
        machine.trusted && (machine.wall >= self.reaches || was_set)
    }
}

struct Lifted {
    machine: SharedClock,
    lift: Lift,
    /// The machine's clock was believed: from then on it is.
    over: AtomicBool,
}

impl Clock for Lifted {
    fn now(&self) -> Now {
        let machine = self.machine.now();
        if self.over.load(Ordering::Relaxed) {
            return machine;
        }
        if self.lift.is_over(&machine) || (machine.trusted && self.machine.is_synchronised()) {
            self.over.store(true, Ordering::Relaxed);
            tracing::info!(machine = %machine.wall, "the machine's clock is believed again");
            return machine;
        }
        self.lift.shown(&machine)
    }

    fn nap(&self, pause: Duration) -> Duration {
        self.machine.nap(pause)
    }

    fn is_synchronised(&self) -> bool {
        self.machine.is_synchronised()
    }

    fn believe(&self) -> bool {
        // A time before the program was made is wrong, whoever says what.
        self.machine.now().trusted && !self.over.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::time::{BootId, Monotonic};
    use std::sync::Mutex;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 3_600;
    /// When the ledger was written last.
    const SAVED: &str = "2026-06-11T02:00:00Z";

    /// A machine whose clock the test sets; what the gateway shows by it.
    struct Box {
        machine: Arc<Machine>,
        gateway: SharedClock,
    }

    struct Machine(Mutex<Now>, AtomicBool);

    impl Clock for Machine {
        fn now(&self) -> Now {
            *self.0.lock().unwrap()
        }
        fn is_synchronised(&self) -> bool {
            self.1.load(Ordering::Relaxed)
        }
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn at(shows: Timestamp, ran: u64, boot: u64) -> Now {
        Now {
            wall: shows,
            monotonic: Monotonic(ran * 1_000),
            boot: BootId(boot),
            trusted: shows >= BUILT,
        }
    }

    /// What was saved before power went, in boot 1.
    fn saved() -> Option<Now> {
        Some(at(time(SAVED), 9_000, 1))
    }

    impl Box {
        /// Starts in boot 2, twenty seconds after power came.
        fn wakes(shows: &str, saved: Option<Now>) -> Self {
            Self::started(at(time(shows), 20, 2), saved)
        }

        fn started(now: Now, saved: Option<Now>) -> Self {
            let machine = Arc::new(Machine(Mutex::new(now), AtomicBool::new(false)));
            let gateway = never_before(machine.clone(), saved);
            Self { machine, gateway }
        }

        fn lives(&self, seconds: u64) {
            let mut now = self.machine.0.lock().unwrap();
            *now = at(
                now.wall.plus(Duration::from_secs(seconds)),
                now.monotonic.0 / 1_000 + seconds,
                now.boot.0,
            );
        }

        fn is_set(&self, to: &str) {
            let mut now = self.machine.0.lock().unwrap();
            *now = at(time(to), now.monotonic.0 / 1_000, now.boot.0);
        }

        /// What the gateway shows, and whether it believes it.
        fn shows(&self) -> (String, bool) {
            let now = self.gateway.now();
            (now.wall.to_string(), now.trusted)
        }
    }

    fn shown(text: &str, trusted: bool) -> (String, bool) {
        (time(text).to_string(), trusted)
    }

    #[test]
    fn a_box_that_wakes_up_in_1970_goes_on_from_the_saved_time_until_it_is_set() {
        let gateway = Box::wakes("1970-01-01T00:00:20Z", saved());
        assert_eq!(gateway.shows(), shown("2026-06-11T02:00:22Z", false));
        gateway.lives(HOUR);
        assert_eq!(gateway.shows(), shown("2026-06-11T03:00:22Z", false));
        gateway.is_set("2026-06-14T08:00:00Z");
        assert_eq!(gateway.shows(), shown("2026-06-14T08:00:00Z", true));
        // It was believed; a clock that is set wrong afterwards shows what it shows.
        gateway.is_set("1970-01-01T00:00:00Z");
        assert_eq!(gateway.shows(), shown("1970-01-01T00:00:00Z", false));
    }

    #[test]
    fn a_clock_that_was_set_is_believed_even_when_the_saved_time_was_ahead_of_it() {
        let ahead = at(time("2036-01-01T00:00:00Z"), 9_000, 1);
        let gateway = Box::wakes("1970-01-01T00:00:20Z", Some(ahead));
        assert_eq!(gateway.shows(), shown("2036-01-01T00:00:22Z", false));
        gateway.is_set("2026-06-14T08:00:00Z");
        assert_eq!(gateway.shows(), shown("2026-06-14T08:00:00Z", true));
    }

    #[test]
    fn a_clock_that_is_days_behind_is_not_believed_until_the_network_or_a_person_says_that_it_is_right() {
        let behind = "2026-06-04T02:00:00Z";
        let gateway = Box::wakes(behind, saved());
        assert_eq!(gateway.shows(), shown("2026-06-11T02:00:22Z", false));
        gateway.is_set("2026-06-11T05:00:00Z");
        assert_eq!(gateway.shows(), shown("2026-06-11T05:00:00Z", true));

        // The saved time was the wrong one: whoever knows says so.
        let ahead = at(time("2036-01-01T00:00:00Z"), 9_000, 1);
        let right = "2026-06-14T08:00:00Z";
        let gateway = Box::wakes(right, Some(ahead));
        assert_eq!(gateway.shows(), shown("2036-01-01T00:00:22Z", false));
        gateway.machine.1.store(true, Ordering::Relaxed);
        assert_eq!(gateway.shows(), shown(right, true));
        let gateway = Box::wakes(right, Some(ahead));
        assert!(gateway.gateway.believe());
        assert_eq!(gateway.shows(), shown(right, true));
        assert!(!gateway.gateway.believe(), "it is believed already");
        let unset = Box::wakes("1970-01-01T00:00:20Z", Some(ahead));
        assert!(!unset.gateway.believe(), "nobody can mean 1970");
        assert_eq!(unset.shows(), shown("2036-01-01T00:00:22Z", false));
    }

    #[test]
    fn neither_another_start_nor_another_boot_makes_a_clock_right_that_is_behind() {
        let behind = "2026-06-04T02:00:00Z";
        let first = Box::wakes(behind, saved());
        first.lives(HOUR);
        let last = first.gateway.now();
        first.lives(MINUTE);
        let expected = first.shows();
        assert!(!expected.1);
        let again = Box::started(first.machine.now(), Some(last));
        assert_eq!(again.shows(), expected, "the program was started again");
        let power = at(time("2026-06-04T04:00:00Z"), 20, 3);
        assert!(!Box::started(power, Some(last)).shows().1, "the machine was");
        // Set right while the program was not there.
        let set = at(time("2026-06-14T08:00:00Z"), 4_000, 2);
        assert_eq!(
            Box::started(set, Some(last)).shows(),
            shown("2026-06-14T08:00:00Z", true)
        );
    }

    #[test]
    fn a_machine_that_restores_a_time_of_its_own_is_lifted_until_it_reaches_the_saved_one() {
        let gateway = Box::wakes("2026-06-11T01:30:00Z", saved());
        assert_eq!(gateway.shows(), shown("2026-06-11T02:00:22Z", false));
        gateway.lives(29 * MINUTE);
        assert_eq!(gateway.shows(), shown("2026-06-11T02:29:22Z", false));
        gateway.lives(MINUTE);
        assert_eq!(gateway.shows(), shown(SAVED, true));
        let gateway = Box::wakes("2026-06-11T01:30:00Z", saved());
        gateway.is_set("2026-06-11T01:45:00Z");
        assert_eq!(
            gateway.shows(),
            shown("2026-06-11T01:45:00Z", true),
            "the network knows"
        );
    }

    #[test]
    fn a_clock_that_is_right_is_left_alone() {
        for now in [
            at(time("2026-06-11T02:10:00Z"), 20, 2),
            at(time("2026-06-11T01:10:00Z"), 9_010, 1),
        ] {
            let gateway = Box::started(now, saved());
            assert_eq!(gateway.shows(), (now.wall.to_string(), true), "{now:?}");
        }
    }

    #[test]
    fn without_a_saved_time_it_is_not_before_the_release_of_the_program() {
        let gateway = Box::wakes("1970-01-01T00:00:20Z", None);
        let begins = BUILT.plus(Duration::from_secs(20));
        assert_eq!(gateway.shows(), (begins.to_string(), false));
        // What an older program saved in 1970 is no better.
        let old = at(time("1970-01-01T04:00:00Z"), 9_000, 1);
        let gateway = Box::wakes("1970-01-01T00:00:20Z", Some(old));
        assert_eq!(gateway.shows(), (begins.to_string(), false));
    }

    #[test]
    fn a_program_that_is_started_again_goes_on_in_its_own_time() {
        let before = Box::wakes("1970-01-01T00:00:20Z", saved());
        before.lives(HOUR);
        let last = before.gateway.now();
        before.lives(MINUTE);
        let expected = before.shows();
        let again = Box::started(before.machine.now(), Some(last));
        assert_eq!(again.shows(), expected);
    }
}
