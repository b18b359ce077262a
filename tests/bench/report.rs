//! Figures, printed as they come and written as one JSON list.

use e2e::process::repository;
use serde::Serialize;
use std::path::PathBuf;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    scenario: &'static str,
    figure: &'static str,
    value: f64,
    unit: &'static str,
    ratio: Option<f64>,
    ratio_to: Option<&'static str>,
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    /// Names the machine, without which figures say nothing.
    pub(crate) fn new() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|l| l.strip_prefix("model name")?.split(": ").nth(1))
            .unwrap_or("unknown");
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        println!("machine: {model}, {cores} cores, load {}", load.trim());
        Self(Vec::new())
    }

    /// Adds a figure, with its ratio to a limit where it has one.
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        figure: &'static str,
        value: f64,
        unit: &'static str,
        limit: Option<(f64, &'static str)>,
    ) {
        let ratio = limit
            .filter(|(l, _)| *l > 0.0)
            .map(|(limit, _)| (value / limit * 1000.0).round() / 1000.0);
        let ratio_to = limit.map(|(_, name)| name);
        match (ratio, ratio_to) {
            (Some(ratio), Some(to)) => {
                println!("{scenario:16} {figure:32} {value:12.1} {unit:10} {ratio:.3} × {to}")
            }
            _ => println!("{scenario:16} {figure:32} {value:12.1} {unit}"),
        }
        self.0.push(Figure {
            scenario,
            figure,
            value,
            unit,
            ratio,
            ratio_to,
        });
    }

    /// Writes the list and says where.
    pub(crate) fn write(&self) -> std::io::Result<PathBuf> {
        let folder = repository().join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("results.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&self.0)?)?;
        Ok(path)
    }
}

/// The median of a few repeats.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
