//! When each device is read: every period of every device has its place in time, and what is due longest comes first.
//!
//! Pure: time arrives as an argument. Places are spread by the device's name, so that devices of one period do not
//! bunch and an edit of the estate moves nobody else. A bus that cannot keep up serves everybody later by the same
//! queue and leaves out what a place would have come twice for; that is counted, never made up.

use linli_domain::time::Monotonic;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

/// The first readings are wanted soon: the first round is spread over no more than this.
const FIRST: Duration = Duration::from_secs(1);

/// One period of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Index of the slave.
    pub(super) slave: usize,
    /// Which of its map's periods.
    pub(super) class: usize,
}

#[derive(Debug, Clone)]
struct Job {
    key: Key,
    period_ms: u64,
    /// Its places are at this remainder of the period.
    phase_ms: u64,
    /// The place it is served for next.
    place: Monotonic,
    due: Monotonic,
}

impl Job {
    /// Without a period every moment is a place.
    fn next_place(&self, now: Monotonic) -> Monotonic {
        if self.period_ms == 0 {
            return now;
        }
        let passed = (now.0 + self.period_ms - self.phase_ms) / self.period_ms;
        Monotonic(passed * self.period_ms + self.phase_ms)
    }
}

/// The jobs of one bus.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    jobs: Vec<Job>,
}

/// A job as the estate wants it: its key, what names it for good, its period.
pub(super) struct Wanted<N> {
    pub(super) key: Key,
    pub(super) name: N,
    pub(super) period: Duration,
}

impl Schedule {
    /// Takes over what is wanted now. A job that `was` there under another key keeps its place in time.
    pub(super) fn rebuild<N: Hash>(
        &mut self,
        wanted: impl IntoIterator<Item = Wanted<N>>,
        was: impl Fn(Key) -> Option<Key>,
        now: Monotonic,
    ) {
        let jobs = wanted.into_iter().map(|wanted| {
            let period_ms = u64::try_from(wanted.period.as_millis()).unwrap_or(u64::MAX);
            let old = was(wanted.key).and_then(|key| self.jobs.iter().find(|job| job.key == key));
            match old.filter(|job| job.period_ms == period_ms) {
                Some(job) => Job {
                    key: wanted.key,
                    ..job.clone()
                },
                None => {
                    // Fixed keys: the same name has the same place after every start.
                    let hash = rustc_hash::FxBuildHasher
                        .hash_one(&wanted.name)
                        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let spread = |over_ms: u64| ((u128::from(hash) * u128::from(over_ms)) >> 64) as u64;
                    let first = now.plus(Duration::from_millis(spread(
                        period_ms.min(FIRST.as_millis() as u64),
                    )));
                    Job {
                        key: wanted.key,
                        period_ms,
                        phase_ms: spread(period_ms),
                        place: first,
                        due: first,
                    }
                }
            }
        });
        self.jobs = jobs.collect();
    }

    /// What is served next and when. `not_before` holds back what has to wait for something else.
    pub(super) fn next(&self, not_before: impl Fn(Key) -> Monotonic) -> Option<(Key, Monotonic)> {
        let at = |job: &Job| job.due.max(not_before(job.key));
        self.jobs
            .iter()
            .min_by_key(|job| (at(job), job.due))
            .map(|job| (job.key, at(job)))
    }

    /// The next place of a job after `now`.
    pub(super) fn next_place(&self, key: Key, now: Monotonic) -> Monotonic {
        self.jobs
            .iter()
            .find(|job| job.key == key)
            .map_or(now, |job| job.next_place(now))
    }

    /// A job was served: its next place. How many places between were missed.
    pub(super) fn served(&mut self, key: Key, now: Monotonic) -> u64 {
        let Some(job) = self.jobs.iter_mut().find(|job| job.key == key) else {
            return 0;
        };
        let next = job.next_place(now);
        let missed = next.since(job.place).as_millis().saturating_sub(1) / u128::from(job.period_ms.max(1));
        let missed = if job.period_ms == 0 {
            0
        } else {
            u64::try_from(missed).unwrap_or(u64::MAX)
        };
        (job.place, job.due) = (next, next);
        missed
    }

    /// A job goes on at `until`; its place stays.
    pub(super) fn postpone(&mut self, key: Key, until: Monotonic) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.key == key) {
            job.due = until;
        }
    }

    /// All jobs of a slave are due now: it is back.
    pub(super) fn hurry(&mut self, slave: usize, now: Monotonic) {
        for job in self.jobs.iter_mut().filter(|job| job.key.slave == slave) {
            job.due = job.due.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn key(slave: usize) -> Key {
        Key { slave, class: 0 }
    }

    fn schedule(periods_ms: &[u64], now: u64) -> Schedule {
        let mut schedule = Schedule::default();
        let wanted = periods_ms.iter().enumerate().map(|(slave, period)| Wanted {
            key: key(slave),
            name: format!("device-{slave}"),
            period: Duration::from_millis(*period),
        });
        schedule.rebuild(wanted, |_| None, Monotonic(now));
        schedule
    }

    /// Serves what is due for `span_ms`, each taking `cost_ms`. Visits and missed places, and the longest pause.
    fn run(schedule: &mut Schedule, slaves: usize, span_ms: u64, cost_ms: u64) -> Vec<(u64, u64, u64)> {
        let (start, mut now) = (1_000_000, 1_000_000);
        let mut told = vec![(0, 0, 0); slaves];
        let mut last = vec![None; slaves];
        while let Some((key, due)) = schedule.next(|_| Monotonic(0)) {
            now = due.0.max(now) + cost_ms;
            if now > start + span_ms {
                break;
            }
            let told = &mut told[key.slave];
            told.0 += 1;
            told.1 += schedule.served(key, Monotonic(now));
            told.2 = told.2.max(last[key.slave].map_or(0, |last| now - last));
            last[key.slave] = Some(now);
        }
        told
    }

    #[test]
    fn devices_of_one_period_do_not_bunch() {
        let mut schedule = schedule(&[5_000; 40], 1_000_000);
        for slave in 0..40 {
            schedule.served(key(slave), Monotonic(1_002_000));
        }
        let mut tenths = [0; 10];
        for job in &schedule.jobs {
            tenths[(job.due.0 % 5_000 / 500) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (1..=10).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_bus_with_room_serves_every_place() {
        let told = run(&mut schedule(&[1_000, 1_000, 5_000], 1_000_000), 3, 60_000, 20);
        for (slave, visits) in [(0, 59..=61), (1, 59..=61), (2, 11..=13)] {
            assert!(visits.contains(&told[slave].0), "{told:?}");
            assert_eq!(told[slave].1, 0, "{told:?}");
        }
    }

    #[test]
    fn a_bus_without_room_makes_everybody_wait_alike_and_counts_what_it_leaves_out() {
        // Twenty devices a second, a tenth of a second each: twice what fits.
        let told = run(&mut schedule(&[1_000; 20], 1_000_000), 20, 100_000, 100);
        for (visits, missed, longest) in &told {
            assert!((48..=52).contains(visits), "{told:?}");
            assert!((46..=52).contains(missed), "{told:?}");
            assert!(*longest <= 2_200, "{told:?}");
        }
    }

    #[test]
    fn an_edit_keeps_everybody_elses_place() {
        let mut schedule = schedule(&[5_000, 5_000], 1_000_000);
        schedule.served(key(1), Monotonic(1_001_500));
        let before = schedule.jobs[1].due;
        let wanted = [Wanted {
            key: key(0),
            name: "device-1",
            period: Duration::from_secs(5),
        }];
        schedule.rebuild(wanted, |_| Some(key(1)), Monotonic(1_003_000));
        assert_eq!((schedule.jobs.len(), schedule.jobs[0].due), (1, before));
    }

    proptest! {
        #[test]
        fn nobody_is_starved_and_nothing_is_counted_twice(
            periods in vec(prop_oneof![Just(100u64), Just(1_000), Just(7_000)], 1..20),
            cost_ms in 1u64..200,
        ) {
            let mut schedule = schedule(&periods, 1_000_000);
            let told = run(&mut schedule, periods.len(), 200_000, cost_ms);
            let queue = periods.len() as u64 * cost_ms;
            for ((visits, missed, longest), period) in told.iter().zip(&periods) {
                let places = 200_000 / period;
                // The last place may still be open, and the first one stands before the phase.
                prop_assert!((visits + missed).abs_diff(places) <= 2 + (queue + period) / period, "{visits} {missed} {places}");
                prop_assert!(*longest <= 2 * period + queue, "{longest} of {period}");
            }
        }
    }
}
