//! Measures the ledger on this machine: cost of a commit per reading, of sealing, of opening and of reading back.
//!
//! `cargo run --release -p linli-ledger --example pace [folder]`; numbers are only worth comparing within one run.

use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, Entry, Ledger, Options, Snapshot};
use std::error::Error;
use std::time::{Duration, Instant};

const POINTS: u32 = 4_000;
const BATCH: usize = 2_000;
const BATCHES: usize = 2_000;
const YEAR_MINUTES: i64 = 525_600;

fn now(millis: i64) -> Now {
    let wall = Timestamp::from_millis(1_767_225_600_000 + millis);
    Now {
        wall,
        monotonic: Monotonic(millis as u64),
        boot: BootId(1),
        trusted: true,
    }
}

/// Values like those of an estate: temperatures to a hundredth, levels in whole percent, states.
fn reading(point: u32, n: i64, millis: i64) -> Reading {
    let at = now(millis).wall;
    let value = match point % 4 {
        0 => Value::Number((2_000 + n * 7 % 300) as f64 / 100.0),
        1 => Value::Number((n / 50 % 100) as f64),
        2 => Value::State(n % 97 == 0),
        _ => Value::Number((n as f64).sin()),
    };
    Reading::new(PointKey(point), at, at, value, Quality::Good)
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn seal_all(ledger: &mut Ledger, at: Now) -> Result<(usize, usize, Duration), Box<dyn Error>> {
    let last = ledger.last_commit();
    let snapshot = Snapshot {
        commit: last,
        format: 1,
        bytes: Vec::new(),
    };
    let (mut samples, mut slices, mut longest) = (0, 0, Duration::ZERO);
    loop {
        let began = Instant::now();
        let budget = Budget {
            now: at.wall,
            slice: Duration::from_millis(20),
        };
        let sealed = ledger.seal(budget, last, Some(&snapshot).filter(|_| slices == 0))?;
        longest = longest.max(began.elapsed());
        samples += sealed.samples;
        slices += 1;
        if !sealed.more {
            return Ok((samples, slices, longest));
        }
    }
}

fn flat_out(ledger: &mut Ledger) -> Result<(), Box<dyn Error>> {
    let (began, began_cpu, mut commit_cpu, mut seal_cpu) =
        (Instant::now(), cpu(), Duration::ZERO, Duration::ZERO);
    let mut longest = Duration::ZERO;
    for batch in 0..BATCHES {
        let millis = batch as i64 * 20;
        let readings: Vec<Reading> = (0..BATCH)
            .map(|k| {
                reading(
                    ((batch * BATCH + k) % POINTS as usize) as u32,
                    batch as i64,
                    millis,
                )
            })
            .collect();
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        let before = cpu();
        ledger.commit(&Batch {
            entries: &entries,
            ..Batch::at(now(millis))
        })?;
        ledger.checkpoint_if_large()?;
        commit_cpu += cpu() - before;
        let before = cpu();
        let (last, snapshot) = (ledger.last_commit(), batch % 500 == 499);
        let snapshot = Snapshot {
            commit: last,
            format: 1,
            bytes: vec![0; if snapshot { 100_000 } else { 0 }],
        };
        let stored = Some(&snapshot).filter(|snapshot| !snapshot.bytes.is_empty());
        let sliced = Instant::now();
        ledger.seal(
            Budget {
                now: now(millis).wall,
                slice: Duration::from_millis(20),
            },
            last,
            stored,
        )?;
        longest = longest.max(sliced.elapsed());
        seal_cpu += cpu() - before;
    }
    let readings = (BATCHES * BATCH) as f64;
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / readings;
    println!(
        "commit   {:.3} us CPU per reading, batches of {BATCH}",
        each(commit_cpu)
    );
    println!(
        "sealing  {:.3} us CPU per reading beside it, longest slice {longest:?}",
        each(seal_cpu)
    );
    println!(
        "total    {:.0} readings/s wall, {:.3} us CPU",
        readings / began.elapsed().as_secs_f64(),
        each(cpu() - began_cpu)
    );
    Ok(())
}

fn year_of_minutes(ledger: &mut Ledger) -> Result<(), Box<dyn Error>> {
    let point = POINTS + 4;
    for chunk in 0..YEAR_MINUTES / 1_460 {
        let readings: Vec<Reading> = (chunk * 1_460..(chunk + 1) * 1_460)
            .map(|n| reading(point, n, n * 60_000 + n * 7_919 % 400))
            .collect();
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        ledger.commit(&Batch {
            entries: &entries,
            ..Batch::at(now(chunk))
        })?;
        seal_all(ledger, now(chunk))?;
    }
    let reader = ledger.reader()?;
    let file = rusqlite::Connection::open(ledger.dir().join(linli_ledger::DATABASE_FILE))?;
    let sql = "SELECT count(*), sum(length(data)) FROM chunk WHERE point = ?1";
    let (chunks, bytes): (i64, i64) = file.query_row(sql, [point], |row| Ok((row.get(0)?, row.get(1)?)))?;
    println!(
        "year     {chunks} chunks, {:.2} bytes per sample",
        bytes as f64 / YEAR_MINUTES as f64
    );
    let (from, to) = (now(0).wall, now(YEAR_MINUTES * 60_000).wall);
    for round in ["cold", "warm", "warm"] {
        let began = Instant::now();
        let answer = reader.spans(
            PointKey(point),
            from,
            to,
            Duration::from_millis((YEAR_MINUTES * 60_000 / 500) as u64),
        )?;
        println!(
            "year     {} buckets in {:?}, {round}",
            answer.spans.len(),
            began.elapsed()
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .map_or_else(|| folder.path().join("pace"), Into::into);
    let mut ledger = Ledger::open(&dir, &Options::default())?;
    flat_out(&mut ledger)?;
    let began = Instant::now();
    let latest = ledger.reader()?.latest_all()?.len();
    println!("latest   {latest} points in {:?} from the file", began.elapsed());
    let began = Instant::now();
    drop(ledger);
    let mut ledger = Ledger::open(&dir, &Options::default())?;
    println!(
        "open     {:?} with {} commits",
        began.elapsed(),
        ledger.last_commit().0
    );
    let began = Instant::now();
    let (samples, slices, longest) = seal_all(&mut ledger, now(8 * 86_400_000))?;
    println!(
        "seal     {samples} samples in {slices} slices, {:?}, longest {longest:?}",
        began.elapsed()
    );
    year_of_minutes(&mut ledger)?;
    let began = Instant::now();
    let mut replayed = 0u64;
    ledger.replay(CommitId(0), &mut |_, _| {
        replayed += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    println!("replay   {replayed} entries in {:?}", began.elapsed());
    let status = std::fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .filter(|line| line.starts_with("VmHWM"))
        .for_each(|line| println!("memory   {line}"));
    Ok(())
}
