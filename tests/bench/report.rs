//! Figures, printed as they come and written as one JSON list to `target/bench/results.json`:
//!
//! ```json
//! { "scenario": "durable_ingest", "figure": "messages_per_s", "value": 24000.0, "unit": "1/s",
//!   "ratio": 0.93, "ratio_to": "null subscriber, manual acks", "goal": "ratio >= 0.85", "reached": true,
//!   "others_cores": 0.4 }
//! ```
//! `others_cores` says how many cores of the machine were busy with something else while the scenario ran.

use crate::machine::Used;
use e2e::process::repository;
use serde::Serialize;
use std::path::PathBuf;

/// How long a scenario may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// One of many, in a run of twenty minutes.
    Short,
    /// Asked for by name.
    Full,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    scenario: &'static str,
    figure: &'static str,
    value: f64,
    unit: &'static str,
    ratio: Option<f64>,
    ratio_to: Option<&'static str>,
    goal: Option<String>,
    reached: Option<bool>,
    others_cores: f64,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// The value at most.
    AtMost(f64),
    /// The ratio at least.
    RatioAtLeast(f64),
    /// The ratio at most.
    RatioAtMost(f64),
}

impl Figure {
    /// Says what the figure should be, and whether it is.
    pub(crate) fn goal(&mut self, goal: Goal) {
        let ratio = self.ratio.unwrap_or(f64::NAN);
        let (text, reached) = match goal {
            Goal::AtMost(most) => (format!("<= {most}"), self.value <= most),
            Goal::RatioAtLeast(least) => (format!("ratio >= {least}"), ratio >= least),
            Goal::RatioAtMost(most) => (format!("ratio <= {most}"), ratio <= most),
        };
        println!(
            "{:16} goal {text}: {}",
            "",
            if reached { "reached" } else { "NOT reached" }
        );
        (self.goal, self.reached) = (Some(text), Some(reached));
    }
}

/// The figures of one scenario.
#[derive(Debug)]
pub(crate) struct Report {
    length: Length,
    before: Used,
    figures: Vec<Figure>,
}

impl Report {
    /// A scenario begins.
    pub(crate) fn new(length: Length) -> Self {
        Self {
            length,
            before: Used::now(),
            figures: Vec::new(),
        }
    }

    /// How much of something to do: less in a run of everything.
    pub(crate) fn pick<T>(&self, short: T, full: T) -> T {
        match self.length {
            Length::Short => short,
            Length::Full => full,
        }
    }

    /// Adds a figure, with its ratio to a limit where it has one.
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        figure: &'static str,
        value: f64,
        unit: &'static str,
        limit: Option<(f64, &'static str)>,
    ) -> &mut Figure {
        let ratio = limit
            .filter(|(l, _)| *l > 0.0)
            .map(|(limit, _)| (value / limit * 1000.0).round() / 1000.0);
        let ratio_to = limit.map(|(_, name)| name);
        match (ratio, ratio_to) {
            (Some(ratio), Some(to)) => {
                println!("{scenario:16} {figure:36} {value:12.2} {unit:10} {ratio:.3} × {to}")
            }
            _ => println!("{scenario:16} {figure:36} {value:12.2} {unit}"),
        }
        self.figures.push(Figure {
            scenario,
            figure,
            value,
            unit,
            ratio,
            ratio_to,
            goal: None,
            reached: None,
            others_cores: 0.0,
        });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }

    /// The scenario is over.
    pub(crate) fn finish(mut self) -> Vec<Figure> {
        let others = (self.before.by_others() * 100.0).round() / 100.0;
        println!("{:16} others used {others:.2} cores meanwhile", "");
        self.figures
            .iter_mut()
            .for_each(|figure| figure.others_cores = others);
        self.figures
    }
}

/// Writes the list and says where.
pub(crate) fn write(figures: &[Figure]) -> std::io::Result<PathBuf> {
    let folder = repository().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("results.json");
    std::fs::write(&path, serde_json::to_vec_pretty(figures)?)?;
    Ok(path)
}

/// The median of a few repeats.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of the values lies.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a short list"
)]
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share) as usize;
    let last = values.len().saturating_sub(1);
    values.get(place.min(last)).copied().unwrap_or(0.0)
}
