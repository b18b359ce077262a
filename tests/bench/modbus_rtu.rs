//! `modbus_rtu`: a line at 9600 baud with 32 slaves, eight of them dead and one late, behind a converter; the master beside
//! a loop over tokio-modbus with one timeout for each request, both at the same time on lines of their own.

use crate::modbus_master::{Task, run as master};
use crate::report::Report;
use linli_decode::modbus::wire::checksum;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tokio_modbus::client::Reader;
use tokio_modbus::slave::{Slave, SlaveContext};

const SCENARIO: &str = "modbus_rtu";
const SLAVES: usize = 32;
/// The last ones.
const DEAD: usize = 8;
/// The one before those.
const LATE: usize = 1;
const HEALTHY: usize = SLAVES - DEAD - LATE;
/// Two blocks of one form: on RTU only time tells their answers apart.
const STARTS: [u16; 2] = [0, 100];
const REGISTERS: u16 = 5;
const PERIOD: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_millis(500);
const LATE_BY: Duration = Duration::from_millis(700);
/// One character of ten bits.
const CHARACTER: Duration = Duration::from_micros(1_042);
/// A slave thinks this long.
const TURNAROUND: Duration = Duration::from_millis(20);

/// Serves the line behind a converter: one frame at a time, as slowly as the wire; what comes late goes to whoever is
/// connected by then.
async fn line() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (wire, speaker) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(None)));
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("no delay");
            let (mut read, write) = stream.into_split();
            *speaker.lock().await = Some(write);
            let (wire, speaker) = (Arc::clone(&wire), Arc::clone(&speaker));
            tokio::spawn(async move {
                let mut request = [0; 8];
                while read.read_exact(&mut request).await.is_ok() {
                    let busy = wire.lock().await;
                    sleep(CHARACTER * 8).await;
                    drop(busy);
                    let device = usize::from(request[0]) - 1;
                    if device >= SLAVES - DEAD {
                        continue;
                    }
                    let thought = if device >= HEALTHY { LATE_BY } else { TURNAROUND };
                    let (wire, speaker) = (Arc::clone(&wire), Arc::clone(&speaker));
                    tokio::spawn(async move {
                        sleep(thought).await;
                        let frame = reply(request);
                        let _busy = wire.lock().await;
                        sleep(CHARACTER * frame.len() as u32).await;
                        if let Some(stream) = speaker.lock().await.as_mut() {
                            let _ = stream.write_all(&frame).await;
                        }
                    });
                }
            });
        }
    });
    address
}

fn reply(request: [u8; 8]) -> Vec<u8> {
    let (start, count) = (u16::from_be_bytes([request[2], request[3]]), request[5]);
    let mut frame = vec![request[0], request[1], count * 2];
    let device = u16::from(request[0]) - 1;
    (start..start + u16::from(count))
        .for_each(|address| frame.extend((device * 256 + address).to_be_bytes()));
    frame.extend(checksum(&frame).to_le_bytes());
    frame
}

/// What the loop saw: polls of healthy slaves, the 99th percentile between two of them, values of another register.
struct Naive {
    polls: u64,
    gap_p99_ms: f64,
    wrong: u64,
}

/// Everybody in turn, a timeout for each request, and on with the next one.
async fn naive(address: String, counted: Duration) -> Naive {
    let stream = TcpStream::connect(address).await.expect("the line");
    stream.set_nodelay(true).expect("no delay");
    let mut client = tokio_modbus::client::rtu::attach_slave(stream, Slave(1));
    let mut naive = Naive {
        polls: 0,
        gap_p99_ms: 0.0,
        wrong: 0,
    };
    let mut last = vec![None; SLAVES * STARTS.len()];
    let mut gaps = Vec::new();
    let began = Instant::now();
    let mut ticks = tokio::time::interval(PERIOD);
    while began.elapsed() < counted {
        ticks.tick().await;
        for device in 0..SLAVES {
            for (block, start) in STARTS.iter().enumerate() {
                client.set_slave(Slave(device as u8 + 1));
                let asked = client.read_holding_registers(*start, REGISTERS);
                let Ok(Ok(Ok(words))) = timeout(TIMEOUT, asked).await else {
                    continue;
                };
                let right = (*start..)
                    .zip(&words)
                    .all(|(a, w)| usize::from(*w) == device * 256 + usize::from(a));
                naive.wrong += u64::from(!right);
                if right && device < HEALTHY && began.elapsed() < counted {
                    naive.polls += 1;
                    let before = last[device * STARTS.len() + block].replace(Instant::now());
                    gaps.extend(before.map(|before: Instant| before.elapsed().as_secs_f64() * 1000.0));
                }
            }
        }
    }
    gaps.sort_by(f64::total_cmp);
    naive.gap_p99_ms = gaps.get(gaps.len() * 99 / 100).copied().unwrap_or(0.0);
    naive
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let counted = Duration::from_secs(report.pick(60, 120));
    let task = Task {
        addresses: vec![line().await],
        line: SLAVES,
        starts: STARTS.to_vec(),
        registers: REGISTERS,
        period_ms: PERIOD.as_millis() as u64,
        timeout_ms: TIMEOUT.as_millis() as u64,
        warm_up_ms: 0,
        counted_ms: counted.as_millis() as u64,
        healthy: HEALTHY,
    };
    let (ours, theirs) = tokio::join!(master(&task), async { naive(line().await, counted).await });
    assert_eq!(ours.wrong, 0, "a value is on the wrong point: {ours:?}");
    let due = (HEALTHY * STARTS.len()) as f64 * counted.as_secs_f64() / PERIOD.as_secs_f64();
    let all = Some((due, "polls that were due"));
    let nominal = Some((PERIOD.as_secs_f64() * 1000.0, "nominal period"));
    report.add(
        SCENARIO,
        "polls_of_healthy_slaves",
        ours.polls as f64,
        "polls",
        all,
    );
    report.add(SCENARIO, "gap_p99", ours.gap_p99_ms, "ms", nominal);
    report.add(
        SCENARIO,
        "values_on_the_wrong_point",
        ours.wrong as f64,
        "values",
        None,
    );
    report.add(
        SCENARIO,
        "naive_polls_of_healthy_slaves",
        theirs.polls as f64,
        "polls",
        all,
    );
    report.add(SCENARIO, "naive_gap_p99", theirs.gap_p99_ms, "ms", nominal);
    report.add(
        SCENARIO,
        "naive_values_on_the_wrong_point",
        theirs.wrong as f64,
        "values",
        None,
    );
}
