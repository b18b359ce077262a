//! What is known of the samples of a stretch of time, in a form in which two neighbouring stretches make one.
//!
//! Numbers are counted and summed, states have durations and transitions: a mean of "occupied" says nothing, how long
//! and how often does. A stretch knows only what lies between its own first and last sample; the time from the last
//! sample of one to the first of the next is added when they are joined, so a minute, an hour and any width of whole
//! hours come out the same from samples and from sums.

use crate::codec::walk::Alike;
use crate::summary::Summary;
use linli_domain::reading::Value;

/// Which state a sample showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// None: it was a number, a text, or there was no value.
    #[default]
    None,
    /// False.
    Off,
    /// True.
    On,
}

impl Edge {
    pub(crate) fn of(value: Option<&Value>) -> Self {
        match value {
            Some(Value::State(true)) => Self::On,
            Some(Value::State(false)) => Self::Off,
            _ => Self::None,
        }
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Off,
            2 => Self::On,
            _ => Self::None,
        }
    }
}

/// Samples of one point over a stretch of time. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stretch {
    /// Counts, extremes, sum, ends.
    pub summary: Summary,
    /// Observed time of the first sample; of no meaning for numbers that come from a rollup.
    pub first_at: i64,
    /// Observed time of the last sample; likewise.
    pub last_at: i64,
    /// The state of the first sample.
    pub starts: Edge,
    /// The state of the last sample, which holds until the next.
    pub ends: Edge,
    /// For how long the state was true between the first and the last sample.
    pub true_ms: u64,
    /// For how long it was known at all.
    pub known_ms: u64,
    /// How often it changed.
    pub changes: u64,
}

impl Stretch {
    /// Whether a state was known in it. It may begin and end with nobody knowing, and know one in between.
    pub fn knows_a_state(&self) -> bool {
        self.starts != Edge::None || self.ends != Edge::None || self.known_ms > 0
    }

    /// One sample by its number, which is finite, and its state.
    pub(crate) fn of_look(at: i64, number: Option<f64>, edge: Edge) -> Self {
        let mut summary = Summary::default();
        summary.add(number);
        Self {
            summary,
            first_at: at,
            last_at: at,
            starts: edge,
            ends: edge,
            ..Self::default()
        }
    }

    /// Adds samples that came after those they stand among were let go: what can be added is.
    pub(crate) fn add_late(&mut self, late: &Stretch) {
        let (first, last) = (self.summary.first, self.summary.last);
        self.summary.join(&late.summary);
        (self.summary.first, self.summary.last) = (first, last);
    }

    /// Joins the stretch that follows. Nothing of it may lie before the end of this one.
    pub(crate) fn join(&mut self, next: &Stretch) {
        if self.summary.samples == 0 {
            *self = *next;
            return;
        }
        if next.summary.samples == 0 {
            return;
        }
        self.follow(next.first_at, next.starts);
        self.summary.join(&next.summary);
        self.true_ms += next.true_ms;
        self.known_ms += next.known_ms;
        self.changes += next.changes;
        self.last_at = next.last_at;
        self.ends = next.ends;
    }

    /// Joins samples in order of time that are alike, with the same outcome as if each was joined alone.
    pub(crate) fn extend(&mut self, times: &[i64], alike: Alike<'_>) {
        let Some((first, last)) = times.first().zip(times.last()) else {
            return;
        };
        if self.summary.samples == 0 {
            (self.first_at, self.starts) = (*first, alike.edge());
        } else {
            self.follow(*first, alike.edge());
        }
        match alike {
            Alike::Numbers(numbers) => self.summary.add_numbers(numbers),
            Alike::State(state) => {
                self.summary.add_state(state, times.len());
                self.lasts(state, *first, *last);
            }
            Alike::Nothing => self.summary.samples += times.len() as u64,
        }
        self.last_at = *last;
        self.ends = alike.edge();
    }

    /// Lets what held at the end hold until the next sample, which shows `edge`.
    fn follow(&mut self, at: i64, edge: Edge) {
        if self.ends != Edge::None {
            self.lasts(self.ends == Edge::On, self.last_at, at);
            self.changes += u64::from(edge != Edge::None && edge != self.ends);
        }
    }

    fn lasts(&mut self, state: bool, from: i64, to: i64) {
        let time = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        self.known_ms += time;
        self.true_ms += if state { time } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::seen::Look;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            4 => any::<bool>().prop_map(|state| Some(Value::State(state))),
            2 => (-50i32..50).prop_map(|number| Some(Value::Number(f64::from(number)))),
            1 => Just(None),
        ]
    }

    fn fold(samples: &[(i64, Option<Value>)]) -> Stretch {
        let mut whole = Stretch::default();
        samples
            .iter()
            .for_each(|(at, value)| whole.join(&Look::of(*at, value.as_ref()).stretch()));
        whole
    }

    proptest! {
        #[test]
        fn wherever_a_stretch_is_cut_its_parts_make_the_whole(
            steps in prop::collection::vec((0i64..500, value()), 1..40), cut in any::<prop::sample::Index>()
        ) {
            let mut at = 0;
            let samples: Vec<_> = steps.into_iter().map(|(step, value)| { at += step; (at, value) }).collect();
            let (left, right) = samples.split_at(cut.index(samples.len()));
            let mut joined = fold(left);
            joined.join(&fold(right));
            prop_assert_eq!(joined, fold(&samples));
        }
    }

    #[test]
    fn a_parking_bay_is_measured_in_hours_not_in_means() {
        let minute = 60_000;
        let day = [
            (0, false),
            (10 * minute, true),
            (40 * minute, false),
            (41 * minute, true),
            (60 * minute, true),
        ];
        let samples: Vec<_> = day
            .iter()
            .map(|(at, state)| (*at, Some(Value::State(*state))))
            .collect();
        let bay = fold(&samples);
        assert_eq!(bay.true_ms, 49 * 60_000);
        assert_eq!((bay.known_ms, bay.changes), (60 * 60_000, 3));
    }

    #[test]
    fn nobody_knows_the_state_while_the_value_is_missing() {
        let lost = fold(&[
            (0, Some(Value::State(true))),
            (10, None),
            (50, Some(Value::State(false))),
        ]);
        assert_eq!((lost.true_ms, lost.known_ms, lost.changes), (10, 10, 0));
    }
}
