//! `store`: a year of a mixed estate in the ledger of a gateway: what it takes on disk, how fast it is sealed, asked,
//! and started with.
//!
//! The limit of a year in 500 buckets is the bare decoding of the same samples out of columns of the same length; of
//! sealing, the bare encoding of them; of the start, a start of the same gateway before it had a year.

use crate::load::resident_mb;
use crate::report::{Goal, Report, median, quantile};
use crate::year::{self, Counts, DAY, DAYS, Kind};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::wait::until;
use linli::clock::{Clock, SystemClock};
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::Timestamp;
use linli_ledger::{Batch, Entry, HOUR, Ledger, Options, Reader, StoredSample};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const SCENARIO: &str = "store";
/// Samples of a chunk, about.
const CHUNK: usize = 2_000;
const ASKED: usize = 101;

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let counts: Counts = report.pick([13, 6, 3, 3], [50, 26, 12, 12]);
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::start(&Site {
        estate: year::estate(counts),
        broker: Some(broker.port),
        profiles: vec![("bench-mixed.toml".into(), year::PROFILE.into())],
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let all = counts.iter().sum::<usize>();
    let hello = year::devices(counts).map(|(kind, id)| year::hello(kind, &id));
    e2e::burst::publish(broker.port, "bench-hello", hello).await;
    until("every device to be known", || async {
        let stored = gateway.metric("linli_readings_stored_total").await;
        #[allow(clippy::cast_precision_loss, reason = "a count")]
        let wanted = all as f64;
        if stored >= wanted {
            Ok(())
        } else {
            Err(format!("{stored}"))
        }
    })
    .await;
    gateway.terminate().await;
    let empty = started(&mut gateway, broker.port).await;
    gateway.terminate().await;

    let end = SystemClock::new().now().wall.as_millis() - DAY;
    let dir = gateway.data();
    let points = points(&dir, counts);
    let task = tokio::task::spawn_blocking({
        let (dir, points) = (dir.clone(), points.clone());
        move || year::fill(&dir, &points, end)
    });
    let filled = task.await.expect("a year");
    let temperature = points.iter().find(|(_, kind)| *kind == Kind::Temperature);
    let (temperature, _) = *temperature.expect("a temperature");
    let reader = Reader::open(&dir).expect("a reader");
    let samples = all_of(&reader, temperature, end);
    let (encode, decode) = bare(&samples);
    room(report, &dir, &reader, &filled, encode);
    questions(report, &reader, &points, temperature, end, decode);
    drop(reader);
    report.add(SCENARIO, "latest_of_5000_ms_p50", latest(), "ms", None);

    let started = started(&mut gateway, broker.port).await;
    let before = |value| Some((value, "the same gateway without a year"));
    report.add(
        SCENARIO,
        "start_to_ready_ms",
        started.ready,
        "ms",
        before(empty.ready),
    );
    report
        .add(
            SCENARIO,
            "start_to_first_reading_ms",
            started.reading,
            "ms",
            before(empty.reading),
        )
        .goal(Goal::AtMost(1_000.0));
    report.add(
        SCENARIO,
        "resident_mb_after_start",
        started.resident,
        "MB",
        before(empty.resident),
    );
    over_http(report, &gateway, end).await;
}

/// What it takes on disk, and what writing and sealing took.
#[allow(clippy::cast_precision_loss, reason = "figures")]
fn room(report: &mut Report, dir: &Path, reader: &Reader, filled: &year::Filled, encode: f64) {
    let each = |time: Duration, count: u64| count as f64 / time.as_secs_f64();
    report.add(SCENARIO, "samples", filled.samples as f64, "samples", None);
    let committed = each(filled.committing, filled.samples);
    report.add(SCENARIO, "committed_readings_per_s", committed, "1/s", None);
    report.add(
        SCENARIO,
        "sealed_samples_per_s",
        each(filled.sealing, filled.sealed),
        "1/s",
        Some((1e9 / encode, "bare encoding of two columns")),
    );
    let longest = filled.longest_slice.as_secs_f64() * 1_000.0;
    report.add(SCENARIO, "longest_sealing_slice_ms", longest, "ms", None);
    let began = Instant::now();
    let ledger = Ledger::open(dir, &Options::default()).expect("open");
    let opened = began.elapsed().as_secs_f64() * 1_000.0;
    report.add(SCENARIO, "open_ledger_ms", opened, "ms", None);
    let used = ledger.used_bytes().expect("a size") as f64;
    let chunks: u64 = reader.kept().expect("chunks").iter().map(|kept| kept.bytes).sum();
    let samples = filled.samples as f64;
    let limit = Some((chunks as f64 / samples, "the compressed columns alone"));
    report
        .add(SCENARIO, "bytes_per_sample", used / samples, "B", limit)
        .goal(Goal::AtMost(2.0));
}

/// One point over a year, a hundred over a day.
fn questions(
    report: &mut Report,
    reader: &Reader,
    points: &[(PointKey, Kind)],
    point: PointKey,
    end: i64,
    decode: f64,
) {
    let at = Timestamp::from_millis;
    let from = (end - DAYS * DAY).div_euclid(HOUR) * HOUR;
    // 18 hours are answered out of sums of hours; a millisecond more fits no sums and asks the chunks.
    let even = Duration::from_secs(18 * 3_600);
    let odd = even + Duration::from_millis(1);
    let rolled = ask(|| {
        let spans = reader.spans(point, at(from), at(end), even);
        spans.expect("an answer").spans.len()
    });
    let chunks = ask(|| {
        let spans = reader.spans(point, at(from), at(end), odd);
        spans.expect("an answer").spans.len()
    });
    let limit = Some((decode, "bare decoding of the same samples"));
    for (name, times) in [
        (["year_to_500_ms_p50", "year_to_500_ms_p99"], rolled),
        (
            ["year_to_500_from_chunks_ms_p50", "year_to_500_from_chunks_ms_p99"],
            chunks,
        ),
    ] {
        let half = median(times.clone());
        report
            .add(SCENARIO, name[0], half, "ms", limit)
            .goal(Goal::RatioAtMost(2.0));
        report
            .add(
                SCENARIO,
                name[1],
                quantile(times, 0.99),
                "ms",
                Some((10.0, "goal")),
            )
            .goal(Goal::AtMost(10.0));
    }
    let quarter = Duration::from_secs(900);
    let day = (end - 30 * DAY).div_euclid(DAY) * DAY;
    let many = ask(|| {
        let hundred = points.iter().cycle().take(100);
        let spans = hundred.map(|(point, _)| reader.spans(*point, at(day), at(day + DAY), quarter));
        spans.map(|spans| spans.expect("an answer").spans.len()).sum()
    });
    report.add(
        SCENARIO,
        "hundred_points_a_day_ms_p50",
        median(many.clone()),
        "ms",
        None,
    );
    report.add(
        SCENARIO,
        "hundred_points_a_day_ms_p99",
        quantile(many, 0.99),
        "ms",
        None,
    );
}

/// Milliseconds of a question, asked again and again.
fn ask(mut question: impl FnMut() -> usize) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let began = Instant::now();
        assert!(question() > 0, "the question has an answer");
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    // The first one finds nothing in memory.
    times.split_off(1)
}

/// The same year as a chart gets it.
async fn over_http(report: &mut Report, gateway: &Gateway, end: i64) {
    let at = Timestamp::from_millis;
    let path = format!(
        "/api/v1/points/thermo-0%2Ftemperature/buckets?from={}&to={}&max_buckets=500",
        at(end - DAYS * DAY),
        at(end)
    );
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let began = Instant::now();
        let answer = gateway.get(&path).await.expect("an answer");
        assert!(answer["t"].as_array().is_some_and(|t| t.len() > 400), "{answer}");
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let times = times.split_off(1);
    report.add(
        SCENARIO,
        "year_to_500_http_ms_p50",
        median(times.clone()),
        "ms",
        None,
    );
    report.add(
        SCENARIO,
        "year_to_500_http_ms_p99",
        quantile(times, 0.99),
        "ms",
        None,
    );
    let resident = resident_mb(gateway.pid());
    report.add(SCENARIO, "resident_mb_after_questions", resident, "MB", None);
}

/// How a gateway started.
struct Started {
    /// Until it answers that it is ready, milliseconds.
    ready: f64,
    /// Until the message that waited for it at the broker is stored.
    reading: f64,
    /// Megabytes.
    resident: f64,
}

/// Starts a gateway that has a message waiting.
async fn started(gateway: &mut Gateway, port: u16) -> Started {
    let waiting = year::hello(Kind::Leak, "rope-0");
    e2e::burst::publish(port, "bench-waiting", [waiting]).await;
    let began = Instant::now();
    gateway.run().await;
    let ready = began.elapsed().as_secs_f64() * 1_000.0;
    let this = &*gateway;
    until("the first reading", || async {
        let committed = this.metric("linli_ingest_lag_seconds_count").await;
        if committed > 0.0 {
            Ok(())
        } else {
            Err("nothing from the field is committed".to_owned())
        }
    })
    .await;
    Started {
        ready,
        reading: began.elapsed().as_secs_f64() * 1_000.0,
        resident: resident_mb(this.pid()),
    }
}

/// The points the devices got.
fn points(dir: &Path, counts: Counts) -> Vec<(PointKey, Kind)> {
    let reader = Reader::open(dir).expect("a reader");
    let rows = reader.points().expect("points");
    year::devices(counts)
        .map(|(kind, id)| {
            let row = rows.iter().find(|row| row.device.as_str() == id);
            (row.expect("a point of each device").key, kind)
        })
        .collect()
}

fn all_of(reader: &Reader, point: PointKey, end: i64) -> Vec<StoredSample> {
    let (from, to) = (
        Timestamp::from_millis(end - DAYS * DAY),
        Timestamp::from_millis(end),
    );
    reader
        .range(point, from, to, usize::MAX)
        .expect("a year of samples")
}

/// Bare encoding in nanoseconds a sample, and bare decoding of all of them in milliseconds: times and numbers, which are
/// hundredths, as two columns of whole numbers, in pieces as long as chunks are.
#[allow(clippy::cast_precision_loss, reason = "figures")]
fn bare(samples: &[StoredSample]) -> (f64, f64) {
    let times: Vec<i64> = samples.iter().map(|sample| sample.observed.as_millis()).collect();
    #[allow(clippy::cast_possible_truncation, reason = "a temperature in hundredths")]
    let numbers: Vec<i64> = samples
        .iter()
        .filter_map(|sample| match sample.value {
            Some(Value::Number(number)) => Some((number * 100.0).round() as i64),
            _ => None,
        })
        .collect();
    assert!(
        times.len() > 500_000 && times.len() == numbers.len(),
        "{}",
        times.len()
    );
    let config = ChunkConfig::default();
    let began = Instant::now();
    let pieces: Vec<(Vec<u8>, Vec<u8>)> = times
        .chunks(CHUNK)
        .zip(numbers.chunks(CHUNK))
        .map(|(times, numbers)| {
            let times = simple_compress(times, &config).expect("times");
            (times, simple_compress(numbers, &config).expect("numbers"))
        })
        .collect();
    let encode = began.elapsed().as_secs_f64() * 1e9 / times.len() as f64;
    let decode = ask(|| {
        let whole = pieces.iter().map(|(times, numbers)| {
            let times = simple_decompress::<i64>(times).expect("times");
            let numbers = simple_decompress::<i64>(numbers).expect("numbers");
            let numbers: Vec<f64> = numbers
                .iter()
                .map(|hundredths| *hundredths as f64 / 100.0)
                .collect();
            times.len().min(black_box(numbers).len())
        });
        whole.sum()
    });
    (encode, median(decode))
}

/// The newest reading of 5,000 points out of the file, milliseconds.
fn latest() -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut ledger = Ledger::open(folder.path(), &Options::default()).expect("open");
    for round in 0..4 {
        let now = year::now(1_767_225_600_000 + round * 10 * year::MINUTE);
        let readings: Vec<Reading> = (1..=5_000u32)
            .map(|point| {
                let value = Value::Number(f64::from(point));
                Reading::new(PointKey(point), now.wall, now.wall, value, Quality::Good)
            })
            .collect();
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        let batch = Batch {
            entries: &entries,
            ..Batch::at(now)
        };
        ledger.commit(&batch).expect("commit");
    }
    let reader = Reader::open(folder.path()).expect("a reader");
    median(ask(|| reader.latest_all().expect("an answer").len()))
}
