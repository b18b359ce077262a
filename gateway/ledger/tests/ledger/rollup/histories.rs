//! Random histories: late samples, and a clock that is set while the ledger seals.

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Hear(Vec<(i64, Option<Value>)>),
    Seal,
    Restart,
}

/// Samples of a point that has states, or of one that has numbers; either may be missing now and then.
///
/// Within `reach` times seven seconds: within half a day there is enough for its hours to be kept, over three days not.
fn step(states: bool, reach: i64) -> impl Strategy<Value = Step> {
    let value = if states {
        any::<bool>().prop_map(Value::State).boxed()
    } else {
        (-40i32..40)
            .prop_map(|number| Value::Number(f64::from(number)))
            .boxed()
    };
    let value = prop::option::weighted(0.8, value);
    // Times over three days in steps of seven seconds, in any order: late data is the rule here.
    let sample = (0..reach, value).prop_map(|(at, value)| (at * 7_000, value));
    prop_oneof![
        4 => prop::collection::vec(sample, 1..90).prop_map(Step::Hear),
        3 => Just(Step::Seal),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_samples_under_late_data(
        steps in (any::<bool>(), prop::sample::select(vec![37_000i64, 6_000]))
            .prop_flat_map(|(states, reach)| prop::collection::vec(step(states, reach), 1..18))
    ) {
        let mut estate = rolling();
        let mut samples: Vec<(i64, Option<Value>)> = Vec::new();
        for step in steps {
            match step {
                Step::Hear(new) => {
                    let readings: Vec<Reading> = new
                        .iter()
                        .filter(|(time, _)| samples.iter().all(|(known, _)| known != time))
                        .map(|(time, value)| Reading {
                            point: PointKey(1),
                            observed: at(*time),
                            received: at(*time),
                            value: value.clone(),
                            quality: if value.is_some() { Quality::Good } else { Quality::Bad(Reason::CommTimeout) },
                        })
                        .collect();
                    let mut seen = std::collections::BTreeSet::new();
                    let readings: Vec<Reading> =
                        readings.into_iter().filter(|reading| seen.insert(reading.observed)).collect();
                    samples.extend(readings.iter().map(|r| (r.observed.as_millis() - NEW_YEAR, r.value.clone())));
                    estate.hear(&readings);
                    samples.sort_by_key(|(time, _)| *time);
                }
                Step::Seal => seal(&mut estate),
                Step::Restart => estate.restart(),
            }
        }
        for width in [MINUTE, 7 * MINUTE, HOUR, 5 * HOUR, DAY, 61_234] {
            let expected = plain(&samples, 0, 3 * DAY, width);
            let found = told(&spans(&mut estate, 1, 0, 3 * DAY, width));
            prop_assert_eq!(&found, &expected, "width {}", width);
        }
        let odd = spans(&mut estate, 1, 12_345, 2 * DAY + 777, HOUR);
        prop_assert_eq!(told(&odd), plain(&samples, 12_345, 2 * DAY + 777, HOUR));
    }
}

/// What happens while somebody sets the gateway's clock.
#[derive(Debug, Clone)]
enum Moment {
    /// So many readings, ten seconds apart by the clock as it is.
    Hear(u8),
    /// The clock is set by so many minutes.
    Step(i64),
    /// Some slices of sealing without time: a pass stays open over what follows.
    Slices(u8),
    Restart,
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        5 => (1u8..40).prop_map(Moment::Hear),
        3 => prop::sample::select(vec![-120i64, 120, -61, 59]).prop_map(Moment::Step),
        4 => (1u8..20).prop_map(Moment::Slices),
        1 => Just(Moment::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_set_by_two_hours_while_it_seals_loses_and_doubles_nothing(
        moments in prop::collection::vec(moment(), 1..40)
    ) {
        let mut estate = rolling();
        estate.clock = DAY;
        let mut heard: Vec<(i64, Option<Value>)> = Vec::new();
        for moment in moments {
            match moment {
                Moment::Hear(count) => for _ in 0..count {
                    estate.clock += 10_000;
                    let wet = heard.len().is_multiple_of(3);
                    heard.push((estate.clock, Some(Value::State(wet))));
                    let reading = Reading::new(
                        PointKey(1), at(estate.clock), at(estate.clock), Value::State(wet), Quality::Good,
                    );
                    estate.hear(&[reading]);
                },
                Moment::Step(minutes) => estate.clock += minutes * MINUTE,
                Moment::Slices(count) => for _ in 0..count {
                    let last = estate.ledger().last_commit();
                    let snapshot = linli_ledger::Snapshot { commit: last, format: 1, bytes: Vec::new() };
                    let budget = linli_ledger::Budget { now: estate.now().wall, slice: Duration::ZERO };
                    estate.ledger().seal(budget, last, Some(&snapshot)).unwrap();
                },
                Moment::Restart => estate.restart(),
            }
        }
        // By time, and of equal times the one that came first.
        heard.sort_by_key(|(time, _)| *time);
        for sealed in [false, true] {
            if sealed {
                estate.clock = 20 * DAY;
                seal(&mut estate);
            }
            let stored: Vec<_> = estate
                .all_samples(1)
                .into_iter()
                .map(|sample| (sample.observed.as_millis() - NEW_YEAR, sample.value))
                .collect();
            prop_assert_eq!(&stored, &heard);
            for width in [MINUTE, HOUR, DAY] {
                let found = told(&spans(&mut estate, 1, 0, 9 * DAY, width));
                prop_assert_eq!(&found, &plain(&heard, 0, 9 * DAY, width), "width {}", width);
            }
        }
    }
}
