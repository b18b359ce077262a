//! The machine a figure comes from, and how much of it others used meanwhile: without that a figure says little.

use std::time::Instant;

/// Ticks of `/proc` in a second.
const TICKS: f64 = 100.0;

/// Processor, cores, kernel and load in one line.
pub(crate) fn described() -> String {
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{model}, {cores} cores, Linux {}, load {}",
        kernel.trim(),
        load.trim()
    )
}

/// CPU that was used so far: by the whole machine, and by this run with all that it started.
#[derive(Debug)]
pub(crate) struct Used {
    at: Instant,
    machine: f64,
    ours: f64,
}

impl Used {
    /// As of now.
    pub(crate) fn now() -> Self {
        let stat = read("/proc/stat");
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = first
            .split_whitespace()
            .skip(1)
            .filter_map(|n| n.parse().ok())
            .collect();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let busy = [0, 1, 2, 5, 6, 7]
            .iter()
            .filter_map(|n| ticks.get(*n))
            .sum::<f64>();
        Self {
            at: Instant::now(),
            machine: busy / TICKS,
            ours: ours(),
        }
    }

    /// Cores that others used since: everything that is not a process of this run.
    pub(crate) fn by_others(&self) -> f64 {
        let now = Self::now();
        let seconds = (now.at - self.at).as_secs_f64().max(0.1);
        ((now.machine - self.machine - (now.ours - self.ours)) / seconds).max(0.0)
    }
}

/// CPU seconds of the processes of our group, and of those of them that have ended.
fn ours() -> f64 {
    let group = fields("self").get(2).cloned();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return 0.0;
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .map(|pid| fields(&pid))
        .filter(|fields| fields.get(2) == group.as_ref())
        .map(|fields| {
            // utime, stime, and those of children that were waited for
            [11, 12, 13, 14]
                .iter()
                .filter_map(|n| fields.get(*n)?.parse::<f64>().ok())
                .sum::<f64>()
        })
        .sum::<f64>()
        / TICKS
}

/// Fields of a process after its name: state, parent, group …
fn fields(pid: &str) -> Vec<String> {
    let stat = read(&format!("/proc/{pid}/stat"));
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
