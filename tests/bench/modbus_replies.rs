//! `modbus_replies`: ten million replies through the matcher, late by up to the stated lateness, twice, cut short,
//! damaged, of other units, and noise. The line is the one of the property tests.

use crate::line::{Line, Outcome};
use crate::report::Report;
use linli_decode::modbus::wire::{Framing, checksum};
use std::time::Instant;

const SCENARIO: &str = "modbus_replies";
const REPLIES: u64 = 10_000_000;

/// Runs the scenario.
pub(crate) fn run(report: &mut Report) {
    let (mut replies, mut answered, mut wrong, mut seconds) = (0, 0, 0, 0.0);
    for (framing, seed) in [(Framing::Tcp, 1), (Framing::Rtu, 2)] {
        let began = Instant::now();
        let outcome = play(framing, seed);
        seconds += began.elapsed().as_secs_f64();
        replies += outcome.frames;
        answered += outcome.answered;
        wrong += outcome.wrong;
        assert_eq!(
            outcome.wrong, 0,
            "a reply is on the wrong point: {framing:?} {outcome:?}"
        );
    }
    report.add(SCENARIO, "replies", replies as f64, "replies", None);
    let heard = (replies as f64, "all replies");
    report.add(
        SCENARIO,
        "replies_taken_for_answers",
        answered as f64,
        "replies",
        Some(heard),
    );
    report.add(
        SCENARIO,
        "replies_on_the_wrong_point",
        wrong as f64,
        "replies",
        None,
    );
    // Nobody can judge an RTU frame without its checksum: the floor, over the longest reply of the line.
    let frame = [0x5A_u8; 11];
    let began = Instant::now();
    let sums: u64 = (0..REPLIES)
        .map(|_| u64::from(checksum(std::hint::black_box(&frame))))
        .sum();
    let floor = (
        began.elapsed().as_secs_f64() / REPLIES as f64 * 1e9,
        "one checksum",
    );
    std::hint::black_box(sums);
    // The simulated line itself is in this figure.
    report.add(
        SCENARIO,
        "time_of_a_reply",
        seconds / replies as f64 * 1e9,
        "ns",
        Some(floor),
    );
}

fn play(framing: Framing, seed: u64) -> Outcome {
    let mut line = Line::new(framing, seed);
    while line.outcome.frames < REPLIES / 2 {
        line.turn();
    }
    line.outcome
}
