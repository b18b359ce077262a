//! A plain list as the model of the ledger, and random days to argue with it.

use crate::estate::{Estate, at, now};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::time::Timestamp;
use linli_ledger::{Batch, Entry, StoredSample};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

#[derive(Debug, Clone)]
enum Step {
    Now(i64),
    Input(Vec<u8>),
    Reading(Reading, bool),
}

#[derive(Debug, Clone)]
enum Action {
    Commit(Vec<Step>),
    Seal { covered: u64, cursors: u64, slices: u8 },
    Restart,
    PowerCut,
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-500i32..500).prop_map(|n| Value::Number(f64::from(n) / 4.0)),
        1 => any::<f64>().prop_filter("a number", |n| n.is_finite()).prop_map(Value::Number),
        2 => any::<bool>().prop_map(Value::State),
        1 => "[a-c]{0,3}|漏水".prop_map(|text| Value::Text(text.into())),
    ]
}

fn quality() -> impl Strategy<Value = Quality> {
    let reason = (0..Reason::ALL.len()).prop_map(|n| Reason::ALL[n]);
    prop_oneof![
        4 => Just(Quality::Good),
        1 => reason.clone().prop_map(Quality::Uncertain),
        1 => reason.prop_map(Quality::Bad),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let reading = (
        0u32..4,
        -50i64..200,
        0i64..5_000,
        value(),
        quality(),
        any::<bool>(),
    );
    let reading = reading.prop_map(|(point, observed, lag, value, quality, evaluated)| {
        Step::Reading(
            Reading::new(
                PointKey(point * 1_000_003),
                at(observed),
                at(observed + lag),
                value,
                quality,
            ),
            evaluated,
        )
    });
    prop_oneof![
        1 => (-1_000i64..100_000).prop_map(Step::Now),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Input),
        8 => reading,
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => prop::collection::vec(step(), 0..30).prop_map(Action::Commit),
        3 => (0u64..30, 0u64..30, 1u8..6).prop_map(|(covered, cursors, slices)| Action::Seal { covered, cursors, slices }),
        1 => Just(Action::Restart),
        1 => Just(Action::PowerCut),
    ]
}

#[derive(Default)]
struct Model {
    commits: Vec<Vec<Step>>,
    covered: u64,
}

impl Model {
    /// Samples of a point in order of (observed, commit).
    fn samples(&self, point: PointKey) -> Vec<StoredSample> {
        let mut samples: Vec<StoredSample> = self.readings(point).map(StoredSample::from).collect();
        samples.sort_by_key(|sample| sample.observed);
        samples
    }

    /// The last evaluated one; without any the one observed last.
    fn latest(&self, point: PointKey) -> Option<StoredSample> {
        let steps = self.commits.iter().flatten();
        let of_point = steps.filter_map(|step| match step {
            Step::Reading(reading, evaluated) if reading.point == point => Some((reading, *evaluated)),
            _ => None,
        });
        let all: Vec<_> = of_point.collect();
        let evaluated = all.iter().rev().find(|(_, evaluated)| *evaluated);
        let newest = evaluated.or_else(|| all.iter().max_by_key(|(reading, _)| reading.observed));
        newest.map(|(reading, _)| StoredSample::from(*reading))
    }

    fn readings(&self, point: PointKey) -> impl Iterator<Item = &Reading> {
        self.commits.iter().flatten().filter_map(move |step| match step {
            Step::Reading(reading, _) if reading.point == point => Some(reading),
            _ => None,
        })
    }
}

fn entry(step: &Step) -> Entry<'_> {
    match step {
        Step::Now(millis) => Entry::Now(now(*millis)),
        Step::Input(bytes) => Entry::Input(bytes),
        Step::Reading(reading, evaluated) => Entry::Reading {
            reading,
            evaluated: *evaluated,
        },
    }
}

/// Sealed samples keep the time of receipt to the second.
fn same(stored: &StoredSample, model: &StoredSample) -> bool {
    let late = model.received.as_millis() - stored.received.as_millis();
    (0..1_000).contains(&late)
        && StoredSample {
            received: model.received,
            ..stored.clone()
        } == *model
}

/// Everything of every point at once is what is stored of each.
fn check_sweep(estate: &mut Estate) {
    let mut swept: BTreeMap<u32, Vec<StoredSample>> = BTreeMap::new();
    let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    let take = &mut |point: PointKey, sample| swept.entry(point.0).or_default().push(sample);
    estate.reader().sweep(from, to, take).unwrap();
    for (point, samples) in &mut swept {
        samples.sort_by_key(|sample| sample.observed);
        let mut stored = estate.all_samples(*point);
        // Equal times come in no order.
        let key = |sample: &StoredSample| (sample.observed, format!("{sample:?}"));
        samples.sort_by_key(key);
        stored.sort_by_key(key);
        assert_eq!(*samples, stored, "{point}");
    }
}

fn check(estate: &mut Estate, model: &Model) {
    check_sweep(estate);
    for point in (0..4).map(|n| PointKey(n * 1_000_003)) {
        let (stored, expected) = (estate.all_samples(point.0), model.samples(point));
        assert_eq!(stored.len(), expected.len(), "{point}");
        for (stored, expected) in stored.iter().zip(&expected) {
            assert!(same(stored, expected), "{stored:?} is not {expected:?}");
            let found = estate.ledger().find(point, expected.observed).unwrap();
            assert_eq!(found.map(|found| found.observed), Some(expected.observed));
        }
        let observed = expected.last().map(|sample| sample.observed);
        assert_eq!(estate.ledger().last_observed(point), observed);
        let latest = model.latest(point);
        let latest = latest.as_ref();
        assert_eq!(estate.ledger().latest(point).map(|latest| &latest.sample), latest);
        assert_eq!(
            estate
                .reader()
                .latest(point)
                .unwrap()
                .as_ref()
                .map(|latest| &latest.sample),
            latest
        );
        for free in [-60, 201] {
            assert_eq!(estate.ledger().find(point, at(free)).unwrap(), None);
        }
    }
    let reader = estate.reader();
    let mut from_memory: Vec<_> = estate.ledger().latest_all().cloned().collect();
    from_memory.sort_by_key(|latest| latest.point);
    assert_eq!(reader.latest_all().unwrap(), from_memory);
    check_replay(estate, model);
}

fn check_replay(estate: &mut Estate, model: &Model) {
    let mut expected = model
        .commits
        .iter()
        .enumerate()
        .skip(model.covered as usize)
        .flat_map(|(n, steps)| {
            steps
                .iter()
                .map(move |step| (CommitId(n as u64 + 1), entry(step)))
        });
    let replayed = estate
        .ledger()
        .replay(CommitId(model.covered), &mut |commit, entry| {
            assert_eq!(Some((commit, entry)), expected.next());
            ControlFlow::Continue(())
        });
    replayed.unwrap();
    assert!(expected.next().is_none(), "the replay is complete");
}

fn act(estate: &mut Estate, model: &mut Model, n: usize, action: &Action) {
    match action {
        Action::Commit(steps) => {
            let entries: Vec<Entry<'_>> = steps.iter().map(entry).collect();
            let at = estate.now();
            let commit = estate
                .ledger()
                .commit(&Batch {
                    entries: &entries,
                    ..Batch::at(at)
                })
                .unwrap();
            model.commits.push(steps.clone());
            assert_eq!(commit.0 as usize, model.commits.len());
        }
        Action::Seal {
            covered,
            cursors,
            slices,
        } => {
            let last = estate.ledger().last_commit().0;
            model.covered = model.covered.max(*covered).min(last);
            let snapshot = linli_ledger::Snapshot {
                commit: CommitId(model.covered),
                format: 1,
                bytes: vec![1, 2],
            };
            let slice = std::time::Duration::from_micros(50);
            for _ in 0..*slices {
                let budget = linli_ledger::Budget {
                    now: estate.now().wall,
                    slice,
                };
                estate
                    .ledger()
                    .seal(budget, CommitId(*cursors), Some(&snapshot))
                    .unwrap();
            }
            assert_eq!(estate.ledger().load_snapshot().unwrap(), Some(snapshot));
        }
        Action::Restart => estate.restart(),
        Action::PowerCut => {
            let elsewhere = estate.folder.path().join(format!("cut{n}"));
            let copy = estate.after_power_cut(&elsewhere);
            assert_eq!(copy.last_commit(), CommitId(model.commits.len() as u64));
        }
    }
    estate.clock += 1_000;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_a_list_that_survives(actions in prop::collection::vec(action(), 1..25)) {
        let mut estate = Estate::small();
        let mut model = Model::default();
        for (n, action) in actions.iter().enumerate() {
            act(&mut estate, &mut model, n, action);
        }
        check(&mut estate, &model);
        estate.restart();
        check(&mut estate, &model);
    }
}
