//! A query at one time, and a query at every step of a range. Samples are read once per selector.

use crate::ast::{At, Node, Query, Selector};
use crate::{Error, Labels, NAME, Series, Source, aggregate, binary, functions};
use std::collections::{BTreeMap, BTreeSet};

/// How long a sample speaks for its series, milliseconds.
pub const LOOK_BACK: i64 = 300_000;

/// What a query may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Steps of a range.
    pub steps: usize,
    /// Samples read by one query; past it the query is refused.
    pub samples: usize,
    /// Series of an answer.
    pub series: usize,
    /// Values of an answer, over all series and steps.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 11_000,
            samples: 5_000_000,
            series: 20_000,
            values: 500_000,
        }
    }
}

/// One value with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels; without a name after most operations.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// What a query comes to at one time.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A number.
    Scalar(f64),
    /// Values of series.
    Vector(Vec<Sample>),
    /// The samples of a range.
    Matrix(Vec<Series>),
}

/// Said of a bare range where every step has to have one value.
const NO_RANGES: &str =
    "a bare range such as x[5m] has no value at a step; ask for it at one time, or put it into a function";

/// Evaluates a query at `time`, milliseconds.
pub fn instant<S: Source>(
    source: &S,
    query: &Query,
    time: i64,
    limits: Limits,
) -> Result<Outcome, Error<S::Error>> {
    let read = read(source, query, time, time, limits)?;
    let evaluation = Evaluation {
        read: &read,
        query,
        start: time,
        end: time,
    };
    let outcome = evaluation.node(&query.root, time).map_err(Error::Execution)?;
    match &outcome {
        Outcome::Vector(samples) if samples.len() > limits.series => Err(too_many(limits.series)),
        Outcome::Matrix(series) if series.len() > limits.series => Err(too_many(limits.series)),
        Outcome::Matrix(series)
            if series.iter().map(|series| series.samples.len()).sum::<usize>() > limits.values =>
        {
            Err(too_long(limits.values))
        }
        _ => Ok(outcome),
    }
}

/// Evaluates a query at every step; series in the order of their labels.
pub fn range<S: Source>(
    source: &S,
    query: &Query,
    (start, end): (i64, i64),
    step: i64,
    limits: Limits,
) -> Result<Vec<Series>, Error<S::Error>> {
    let wrong = |text: &str| Err(Error::Query(crate::Refused::Wrong(text.into())));
    if matches!(query.root, Node::Range(_)) {
        return wrong(NO_RANGES);
    }
    if step <= 0 {
        return wrong("step must be greater than zero");
    }
    if end < start {
        return wrong("end must not be before start");
    }
    if usize::try_from((end - start) / step).unwrap_or(usize::MAX) >= limits.steps {
        return wrong("the range has more than 11,000 steps; make step larger or the range shorter");
    }
    let read = read(source, query, start, end, limits)?;
    let evaluation = Evaluation {
        read: &read,
        query,
        start,
        end,
    };
    let mut all: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    let (mut next, mut values) = (Some(start), 0);
    while let Some(time) = next.filter(|time| *time <= end) {
        source.go_on().map_err(Error::Source)?;
        match evaluation.node(&query.root, time).map_err(Error::Execution)? {
            Outcome::Scalar(value) => all.entry(Labels::new()).or_default().push((time, value)),
            Outcome::Vector(samples) => {
                values += samples.len();
                for sample in samples {
                    all.entry(sample.labels).or_default().push((time, sample.value));
                }
            }
            Outcome::Matrix(_) => return wrong(NO_RANGES),
        }
        if all.len() > limits.series {
            return Err(too_many(limits.series));
        }
        if values > limits.values {
            return Err(too_long(limits.values));
        }
        next = time.checked_add(step);
    }
    Ok(all
        .into_iter()
        .map(|(labels, samples)| Series { labels, samples })
        .collect())
}

fn too_many<E>(series: usize) -> Error<E> {
    Error::Execution(format!(
        "the answer has more than {series} series; narrow the selector or aggregate"
    ))
}

fn too_long<E>(values: usize) -> Error<E> {
    Error::Execution(format!(
        "the answer has more than {values} values; make step larger, the range shorter, or aggregate"
    ))
}

/// What every selector reads.
fn read<S: Source>(
    source: &S,
    query: &Query,
    start: i64,
    end: i64,
    limits: Limits,
) -> Result<Vec<Vec<Series>>, Error<S::Error>> {
    let mut read = Vec::new();
    let mut samples = 0;
    for selector in &query.selectors {
        let (first, last) = match selector.at {
            At::Step => (start, end),
            At::Start => (start, start),
            At::End => (end, end),
            At::Time(time) => (time, time),
        };
        let back = selector.range.unwrap_or(LOOK_BACK);
        let from = first.saturating_sub(selector.offset).saturating_sub(back);
        let found = source
            .select(&selector.matchers, from, last.saturating_sub(selector.offset))
            .map_err(Error::Source)?;
        samples += found.iter().map(|series| series.samples.len()).sum::<usize>();
        if samples > limits.samples {
            return Err(Error::Execution(format!(
                "the query reads more than {} samples; shorten the range or narrow the selector",
                limits.samples
            )));
        }
        read.push(found);
    }
    Ok(read)
}

/// One evaluation under way.
pub(crate) struct Evaluation<'a> {
    read: &'a [Vec<Series>],
    query: &'a Query,
    start: i64,
    end: i64,
}

impl Evaluation<'_> {
    fn selector(&self, place: usize, time: i64) -> Option<(&Selector, &[Series], i64)> {
        let selector = self.query.selectors.get(place)?;
        let at = match selector.at {
            At::Step => time,
            At::Start => self.start,
            At::End => self.end,
            At::Time(time) => time,
        };
        Some((
            selector,
            self.read.get(place)?,
            at.saturating_sub(selector.offset),
        ))
    }

    pub(crate) fn node(&self, node: &Node, time: i64) -> Result<Outcome, String> {
        Ok(match node {
            Node::Number(number) => Outcome::Scalar(*number),
            #[allow(clippy::cast_precision_loss, reason = "seconds with milliseconds fit")]
            Node::Time => Outcome::Scalar(time as f64 / 1_000.0),
            Node::Select(place) => Outcome::Vector(self.newest(*place, time)),
            Node::Range(place) => Outcome::Matrix(self.inside(*place, time)),
            Node::Negate(inner) => self.each(inner, time, |value| -value)?,
            Node::Abs(inner) => self.each(inner, time, f64::abs)?,
            Node::Round(inner, to) => {
                let to = match to {
                    Some(to) => self.scalar(to, time)?,
                    None => 1.0,
                };
                let inverse = 1.0 / to;
                self.each(inner, time, |value| (value * inverse + 0.5).floor() / inverse)?
            }
            Node::Clamp { of, min, max } => {
                let bound = |bound: &Option<Box<Node>>, none: f64| match bound {
                    Some(bound) => self.scalar(bound, time),
                    None => Ok(none),
                };
                let (min, max) = (bound(min, f64::NEG_INFINITY)?, bound(max, f64::INFINITY)?);
                if max < min {
                    return Ok(Outcome::Vector(Vec::new()));
                }
                let clamp = |value: f64| {
                    if min.is_nan() || max.is_nan() || value.is_nan() {
                        f64::NAN
                    } else {
                        value.min(max).max(min)
                    }
                };
                self.each(of, time, clamp)?
            }
            Node::Absent(inner, labels) => Outcome::Vector(match self.vector(inner, time)?.is_empty() {
                true => vec![Sample {
                    labels: labels.iter().cloned().collect(),
                    value: 1.0,
                }],
                false => Vec::new(),
            }),
            Node::Scalar(inner) => Outcome::Scalar(match self.vector(inner, time)?.as_slice() {
                [one] => one.value,
                _ => f64::NAN,
            }),
            Node::Vector(inner) => Outcome::Vector(vec![Sample {
                labels: Labels::new(),
                value: self.scalar(inner, time)?,
            }]),
            Node::OverTime {
                function,
                selector,
                parameter,
            } => {
                let parameter = match parameter {
                    Some(parameter) => self.scalar(parameter, time)?,
                    None => f64::NAN,
                };
                let Some((selector, series, at)) = self.selector(*selector, time) else {
                    return Ok(Outcome::Vector(Vec::new()));
                };
                let range = selector.range.unwrap_or(LOOK_BACK);
                let samples = series.iter().filter_map(|series| {
                    let inside = within(&series.samples, at.saturating_sub(range), at);
                    let value =
                        functions::over_time(*function, inside, at.saturating_sub(range), at, parameter)?;
                    let mut labels = series.labels.clone();
                    if *function != crate::ast::OverTime::Last {
                        labels.remove(NAME);
                    }
                    Some(Sample { labels, value })
                });
                Outcome::Vector(unique(samples.collect())?)
            }
            Node::Aggregate {
                by,
                of,
                parameter,
                grouping,
            } => {
                let parameter = match parameter {
                    Some(parameter) => self.scalar(parameter, time)?,
                    None => f64::NAN,
                };
                Outcome::Vector(aggregate::aggregate(
                    *by,
                    self.vector(of, time)?,
                    parameter,
                    grouping,
                ))
            }
            Node::Binary {
                operator,
                left,
                right,
                bool,
                matching,
            } => {
                let (left, right) = (self.node(left, time)?, self.node(right, time)?);
                binary::operate(*operator, left, right, *bool, matching)?
            }
        })
    }

    /// The newest sample of every series that is not too old.
    fn newest(&self, place: usize, time: i64) -> Vec<Sample> {
        let Some((_, series, at)) = self.selector(place, time) else {
            return Vec::new();
        };
        series
            .iter()
            .filter_map(|series| {
                let (_, value) = within(&series.samples, at.saturating_sub(LOOK_BACK), at).last()?;
                Some(Sample {
                    labels: series.labels.clone(),
                    value: *value,
                })
            })
            .collect()
    }

    /// Every sample of the range, by series.
    fn inside(&self, place: usize, time: i64) -> Vec<Series> {
        let Some((selector, series, at)) = self.selector(place, time) else {
            return Vec::new();
        };
        let from = at.saturating_sub(selector.range.unwrap_or(LOOK_BACK));
        let cut = series.iter().map(|series| Series {
            labels: series.labels.clone(),
            samples: within(&series.samples, from, at).to_vec(),
        });
        cut.filter(|series| !series.samples.is_empty()).collect()
    }

    fn vector(&self, node: &Node, time: i64) -> Result<Vec<Sample>, String> {
        match self.node(node, time)? {
            Outcome::Vector(samples) => Ok(samples),
            Outcome::Scalar(_) => Err("a vector is needed where the query has a number".into()),
            Outcome::Matrix(_) => Err("a vector is needed where the query has a range".into()),
        }
    }

    fn scalar(&self, node: &Node, time: i64) -> Result<f64, String> {
        match self.node(node, time)? {
            Outcome::Scalar(value) => Ok(value),
            Outcome::Vector(_) => Err("a number is needed where the query has a vector".into()),
            Outcome::Matrix(_) => Err("a number is needed where the query has a range".into()),
        }
    }

    fn each(&self, node: &Node, time: i64, make: impl Fn(f64) -> f64) -> Result<Outcome, String> {
        Ok(match self.node(node, time)? {
            Outcome::Scalar(value) => Outcome::Scalar(make(value)),
            Outcome::Vector(samples) => {
                let made = samples.into_iter().map(|mut sample| {
                    sample.labels.remove(NAME);
                    sample.value = make(sample.value);
                    sample
                });
                Outcome::Vector(unique(made.collect())?)
            }
            Outcome::Matrix(_) => return Err("a vector is needed where the query has a range".into()),
        })
    }
}

/// Samples of `from <= time <= to`.
fn within(samples: &[(i64, f64)], from: i64, to: i64) -> &[(i64, f64)] {
    let first = samples.partition_point(|(time, _)| *time < from);
    let last = samples.partition_point(|(time, _)| *time <= to);
    samples.get(first..last).unwrap_or_default()
}

/// Refuses two series with the same labels: without their names they cannot be told apart.
pub(crate) fn unique(samples: Vec<Sample>) -> Result<Vec<Sample>, String> {
    let mut seen = BTreeSet::new();
    if samples.iter().all(|sample| seen.insert(&sample.labels)) {
        return Ok(samples);
    }
    Err("vector cannot contain metrics with the same labelset".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Matcher, parse};
    use std::cell::Cell;

    /// A hundred points that speak once a minute; it has no patience left after some steps.
    struct Bins(Cell<usize>);

    impl Source for Bins {
        type Error = &'static str;

        fn select(&self, _: &[Matcher], from: i64, to: i64) -> Result<Vec<Series>, Self::Error> {
            let series = |n: usize| Series {
                labels: Labels::from([("device".to_owned(), format!("bin-{n}"))]),
                samples: (from..=to).step_by(60_000).map(|at| (at, 1.0)).collect(),
            };
            Ok((0..100).map(series).collect())
        }

        fn go_on(&self) -> Result<(), Self::Error> {
            let left = self.0.get();
            self.0.set(left.saturating_sub(1));
            if left == 0 {
                Err("it took too long")
            } else {
                Ok(())
            }
        }
    }

    fn ask(patience: usize, end: i64, step: i64) -> Result<Vec<Series>, Error<&'static str>> {
        let query = parse("x").unwrap();
        range(
            &Bins(Cell::new(patience)),
            &query,
            (0, end),
            step,
            Limits::default(),
        )
    }

    #[test]
    fn an_answer_is_bounded_however_many_series_and_steps_there_are() {
        assert_eq!(ask(usize::MAX, 4_990_000, 1_000).unwrap().len(), 100);
        let refused = ask(usize::MAX, 10_000_000, 1_000).unwrap_err().to_string();
        assert!(refused.contains("500000 values"), "{refused}");
    }

    #[test]
    fn a_bare_range_is_the_samples_in_it_and_bounded_as_they_are_elsewhere() {
        let bins = Bins(Cell::new(usize::MAX));
        let at = |text: &str| {
            let query = parse(text).unwrap();
            instant(&bins, &query, 3_600_000, Limits::default())
        };
        let Outcome::Matrix(series) = at("(x[5m] offset 10m)").unwrap() else {
            panic!("it is a matrix")
        };
        assert_eq!(series.len(), 100);
        let times: Vec<i64> = series[0].samples.iter().map(|(at, _)| *at).collect();
        // Both ends are in it.
        let minutes = |minutes: std::ops::RangeInclusive<i64>| minutes.map(|n| n * 60_000);
        assert_eq!(times, minutes(45..=50).collect::<Vec<_>>());
        let refused = at("x[4d]").unwrap_err().to_string();
        assert!(refused.contains("500000 values"), "{refused}");
        let everywhere = parse("x[5m]").unwrap();
        let steps = range(&bins, &everywhere, (0, 1_000), 1_000, Limits::default());
        assert!(matches!(steps, Err(Error::Query(_))), "{steps:?}");
        assert!(parse("x[5m] + 1").is_err() && parse("sum(x[5m])").is_err() && parse("-x[5m]").is_err());
    }

    #[test]
    fn a_query_ends_when_its_source_has_had_enough() {
        assert!(matches!(
            ask(3, 10_000, 1_000),
            Err(Error::Source("it took too long"))
        ));
        assert!(ask(11, 10_000, 1_000).is_ok());
    }

    #[test]
    fn a_step_longer_than_time_itself_is_one_step() {
        assert_eq!(ask(9, 1_000, i64::MAX).unwrap()[0].samples.len(), 1);
    }
}
