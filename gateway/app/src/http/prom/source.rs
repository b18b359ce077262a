//! Points as series: their labels, and their samples out of the ledger.

use crate::http::view::Names;
use linli_domain::id::PointKey;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use linli_ledger::{Reader, StoreError};
use linli_promql::{Labels, Matcher, NAME, Series, Source};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The metric of numbers.
pub(super) const VALUE: &str = "linli_value";
/// The metric of states.
pub(super) const STATE: &str = "linli_state";
/// Samples one query may read. About 100 bytes each while they are read.
const MAX_SAMPLES: usize = 2_000_000;
/// How long one query may take.
const PATIENCE: Duration = Duration::from_secs(5);
pub(super) const QUALITY: &str = "quality";
/// Its values; readings without a value are no series.
pub(super) const QUALITIES: [&str; 2] = ["good", "uncertain"];

/// Why reading stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Store(StoreError),
    TooMuch(usize),
    TooLong,
}

/// Every point with its labels, without quality.
#[derive(Debug)]
pub(super) struct Points(Vec<(PointKey, Labels)>);

impl Points {
    pub(super) fn new(names: &Names) -> Self {
        let labels = |row: &linli_ledger::PointRow| {
            let measure = row.measure.parse::<Measure>().ok();
            // Texts are no series.
            let name = match measure {
                Some(measure) if measure.is_state() => STATE,
                Some(measure) if measure.may_rest() => return None,
                _ => VALUE,
            };
            let asset = names.asset_of(row);
            let place = asset.and_then(|asset| names.estate.place(asset.place?));
            let all = [
                (NAME, Some(name)),
                ("estate", Some(names.estate.id().as_str())),
                ("place", place.map(|place| place.id.as_str())),
                ("asset", asset.map(|asset| asset.id.as_str())),
                ("device", Some(row.device.as_str())),
                ("point", Some(row.id.as_str())),
                ("measure", Some(row.measure.as_str())),
                ("instance", row.instance.as_deref()),
                ("unit", measure.map(|measure| measure.unit().symbol())),
            ];
            let given = all
                .into_iter()
                .filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned())));
            Some(given.collect::<Labels>())
        };
        let rows = names.points.all();
        Self(
            rows.iter()
                .filter_map(|row| Some((row.key, labels(row)?)))
                .collect(),
        )
    }

    /// Label sets that pass: as good readings have them, and as uncertain ones where quality is asked for.
    pub(super) fn label_sets<'a>(&'a self, matchers: &'a [Matcher]) -> impl Iterator<Item = Labels> + 'a {
        let of = |labels: &Labels, quality: &&'static str| {
            let mut labels = labels.clone();
            labels.insert(QUALITY.to_owned(), (*quality).to_owned());
            labels
        };
        let points = self.0.iter().filter(|(_, labels)| pass(labels, matchers, false));
        points.flat_map(move |(_, labels)| {
            let all: Vec<Labels> = wanted(matchers)
                .iter()
                .map(|quality| of(labels, quality))
                .collect();
            all
        })
    }

    /// With a reader for their samples.
    pub(super) fn with<'a>(&'a self, reader: &'a Reader) -> Samples<'a> {
        Samples {
            points: self,
            reader,
            read: Cell::new(0),
            until: Instant::now() + PATIENCE,
        }
    }
}

fn pass(labels: &Labels, matchers: &[Matcher], quality: bool) -> bool {
    let value = |label: &str| labels.get(label).map_or("", String::as_str);
    matchers
        .iter()
        .filter(|matcher| quality || matcher.label() != QUALITY)
        .all(|matcher| matcher.matches(value(matcher.label())))
}

/// The qualities a selector means: good ones, unless it says something about it.
fn wanted(matchers: &[Matcher]) -> Vec<&'static str> {
    let named: Vec<&Matcher> = matchers
        .iter()
        .filter(|matcher| matcher.label() == QUALITY)
        .collect();
    QUALITIES
        .into_iter()
        .filter(|quality| match named.is_empty() {
            true => *quality == QUALITIES[0],
            false => named.iter().all(|matcher| matcher.matches(quality)),
        })
        .collect()
}

/// Samples of the points.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    points: &'a Points,
    reader: &'a Reader,
    read: Cell<usize>,
    until: Instant,
}

impl Source for Samples<'_> {
    type Error = Stop;

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Result<Vec<Series>, Stop> {
        let wanted = wanted(matchers);
        let mut found = Vec::new();
        for (point, labels) in self
            .points
            .0
            .iter()
            .filter(|(_, labels)| pass(labels, matchers, false))
        {
            self.go_on()?;
            let room = MAX_SAMPLES.saturating_sub(self.read.get());
            let (from, to) = (
                Timestamp::from_millis(from),
                Timestamp::from_millis(to.saturating_add(1)),
            );
            let samples = self
                .reader
                .range(*point, from, to, room + 1)
                .map_err(Stop::Store)?;
            if samples.len() > room {
                return Err(Stop::TooMuch(MAX_SAMPLES));
            }
            self.read.set(self.read.get() + samples.len());
            for quality in &wanted {
                let mut series: Vec<(i64, f64)> = Vec::new();
                for sample in &samples {
                    let of = match sample.quality {
                        Quality::Good => "good",
                        Quality::Uncertain(_) => "uncertain",
                        Quality::Bad(_) => continue,
                    };
                    let value = match &sample.value {
                        Some(Value::Number(number)) => *number,
                        Some(Value::State(state)) => f64::from(u8::from(*state)),
                        _ => continue,
                    };
                    let at = sample.observed.as_millis();
                    match series.last_mut() {
                        _ if of != *quality => {}
                        // Of several with the same time the last committed one stands.
                        Some(last) if last.0 == at => last.1 = value,
                        _ => series.push((at, value)),
                    }
                }
                if !series.is_empty() {
                    let mut labels = labels.clone();
                    labels.insert(QUALITY.to_owned(), (*quality).to_owned());
                    found.push(Series {
                        labels,
                        samples: series,
                    });
                }
            }
        }
        Ok(found)
    }

    fn go_on(&self) -> Result<(), Stop> {
        if Instant::now() > self.until {
            return Err(Stop::TooLong);
        }
        Ok(())
    }
}
