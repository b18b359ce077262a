//! Durations and transitions of a state over months, argued with by a plain list: whatever is sealed, summed, sent
//! late or restarted, each hour and day says what the list says, and nothing is known where nobody said anything.

use super::series::Buckets;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, DAY, Entry, HOUR, Ledger, Options, Snapshot};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const POINT: PointKey = PointKey(7);
/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000;
const MONTHS: i64 = 90 * DAY;

/// What was observed when: occupied, free, or nobody knows.
type Told = BTreeMap<i64, Option<bool>>;

#[derive(Debug, Clone)]
enum Step {
    Hear(Vec<(i64, Option<bool>)>),
    Seal,
    Restart,
}

fn state() -> impl Strategy<Value = Option<bool>> {
    prop::option::weighted(0.8, any::<bool>())
}

fn step() -> impl Strategy<Value = Step> {
    // Scattered over the months in any order, or close together in one day.
    let scattered = prop::collection::vec((0..MONTHS, state()), 1..40);
    let close = (0..90i64, prop::collection::vec((0..DAY, state()), 1..60)).prop_map(|(day, told)| {
        told.into_iter()
            .map(|(at, state)| (day * DAY + at, state))
            .collect()
    });
    prop_oneof![
        2 => scattered.prop_map(Step::Hear),
        2 => close.prop_map(Step::Hear),
        2 => Just(Step::Seal),
        1 => Just(Step::Restart),
    ]
}

struct Site {
    folder: tempfile::TempDir,
    ledger: Option<Ledger>,
}

impl Site {
    fn new() -> Self {
        let mut site = Self {
            folder: tempfile::tempdir().unwrap(),
            ledger: None,
        };
        site.restart();
        site
    }

    fn restart(&mut self) {
        self.ledger = None;
        let options = Options {
            seal_samples: 25,
            stage_target: 2_000,
            ..Options::default()
        };
        self.ledger = Some(Ledger::open(self.folder.path(), &options).unwrap());
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    fn hear(&mut self, told: &[(i64, Option<bool>)]) {
        let readings = told.iter().map(|(at, state)| {
            let at = Timestamp::from_millis(NEW_YEAR + at);
            match state {
                Some(state) => Reading::new(POINT, at, at, Value::State(*state), Quality::Good),
                None => Reading::missing(POINT, at, at, Reason::CommTimeout),
            }
        });
        let readings: Vec<Reading> = readings.collect();
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        let batch = Batch {
            entries: &entries,
            ..Batch::at(now())
        };
        self.ledger().commit(&batch).unwrap();
    }

    fn seal(&mut self) {
        let commit = self.ledger().last_commit();
        let snapshot = Snapshot {
            commit,
            format: 1,
            bytes: vec![1],
        };
        let budget = Budget {
            now: now().wall.plus(Duration::from_secs(86_400 * 8)),
            slice: Duration::from_millis(20),
        };
        while self
            .ledger()
            .seal(budget, CommitId(u64::MAX), Some(&snapshot))
            .unwrap()
            .more
        {}
    }

    fn buckets(&mut self, from: i64, to: i64, width: i64, holds_until: i64) -> Buckets {
        let at = |millis: i64| Timestamp::from_millis(NEW_YEAR + millis);
        let reader = self.ledger().reader().unwrap();
        let width = Duration::from_millis(width.unsigned_abs());
        let spans = reader.spans(POINT, at(from), at(to), width).unwrap();
        let holds_until = if spans.goes_on { to } else { holds_until.min(to) };
        Buckets::new(at(from), at(to), at(holds_until), &spans)
    }
}

fn now() -> Now {
    Now {
        wall: Timestamp::from_millis(NEW_YEAR + MONTHS),
        monotonic: Monotonic(0),
        boot: BootId(1),
        trusted: true,
    }
}

/// Seconds true, seconds known and changes of one bucket, straight from the list.
fn plain(told: &Told, start: i64, end: i64, holds_until: i64) -> (f64, f64, u64) {
    let (mut on, mut known, mut changes) = (0, 0, 0);
    let mut before: Option<bool> = None;
    let mut next = told.keys().skip(1).copied().chain([holds_until]);
    for (at, state) in told {
        let until = next.next().unwrap_or(holds_until).max(*at);
        let within = (until.min(end) - (*at).max(start)).max(0);
        known += if state.is_some() { within } else { 0 };
        on += if *state == Some(true) { within } else { 0 };
        let turned = matches!((before, state), (Some(before), Some(state)) if before != *state);
        changes += u64::from(turned && (start..end).contains(at));
        before = *state;
    }
    #[allow(clippy::cast_precision_loss, reason = "seconds with milliseconds fit")]
    (on as f64 / 1e3, known as f64 / 1e3, changes)
}

fn agree(site: &mut Site, told: &Told, (from, to): (i64, i64), width: i64, holds_until: i64) {
    let buckets = site.buckets(from, to, width, holds_until);
    for n in 0..buckets.t.len() {
        let start = from + n as i64 * width;
        let end = (start + width).min(to);
        let found = (
            buckets.true_seconds[n].unwrap_or(0.0),
            buckets.known_seconds[n].unwrap_or(0.0),
            buckets.changes[n].unwrap_or(0),
        );
        let expected = plain(told, start, end, holds_until);
        assert_eq!(
            found, expected,
            "bucket {n} of {width} ms from {from} to {to}: {told:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_hour_and_day_says_what_the_list_says(
        steps in prop::collection::vec(step(), 1..10), part in (0..80i64, 1..10i64), after in 0..5 * DAY,
    ) {
        let (mut site, mut told) = (Site::new(), Told::new());
        for step in steps {
            match step {
                Step::Hear(heard) => {
                    let mut new = Vec::new();
                    for (at, state) in heard {
                        if let std::collections::btree_map::Entry::Vacant(free) = told.entry(at) {
                            free.insert(state);
                            new.push((at, state));
                        }
                    }
                    site.hear(&new);
                }
                Step::Seal => site.seal(),
                Step::Restart => site.restart(),
            }
        }
        let last = told.keys().next_back().copied().unwrap_or(0);
        let (from, to) = (part.0 * DAY, (part.0 + part.1) * DAY);
        for holds_until in [last, last + after] {
            for width in [HOUR, DAY] {
                agree(&mut site, &told, (0, MONTHS + 5 * DAY), width, holds_until);
                // A part of it says the same as the whole.
                agree(&mut site, &told, (from, to), width, holds_until);
            }
            agree(&mut site, &told, (from + 17, to), 5 * HOUR + 1, holds_until);
        }
    }
}
