//! The loop of a board, on a board of the imagination: who is fed, who is heard, and what happens in which order.

use std::collections::VecDeque;

use linli_modbus_slave::rtu::checksum;
use linli_node::{Hardware, Line, Rounds, SAMPLE_PERIOD_MS, Samples, Settings, Station};
use linli_registers::{Kind, address};

use crate::ramflash::RamFlash;
use crate::station::start;

type Flash = RamFlash<512, 8>;

#[derive(Default)]
struct Desk {
    now_ms: u32,
    received: VecDeque<u8>,
    /// What happened, in order.
    log: Vec<String>,
    samples: u32,
    fed: u32,
}

impl Hardware for Desk {
    fn now_ms(&self) -> u32 {
        self.now_ms
    }
    fn receive(&mut self) -> Option<u8> {
        self.received.pop_front()
    }
    fn send(&mut self, bytes: &[u8]) {
        self.log.push(format!("sent {bytes:02x?}"));
    }
    fn set_line(&mut self, line: Line) {
        self.log.push(format!("line {} at {}", line.unit, line.baud()));
    }
    fn listen(&mut self) {}
    fn sample(&mut self, _: &Settings) -> Samples {
        self.samples += 1;
        Samples::NONE
    }
    fn feed_watchdog(&mut self) {
        self.fed += 1;
    }
}

impl Desk {
    fn hear(&mut self, request: &[u8]) {
        self.received.extend(request);
        self.received.extend(checksum(request).to_le_bytes());
    }
}

fn node() -> (Station<Flash>, Desk, Rounds) {
    let desk = Desk::default();
    let station = Station::start(Flash::new(4_096), &start(Kind::Leak));
    let rounds = Rounds::new(&station, &desk);
    (station, desk, rounds)
}

#[test]
fn the_watchdog_is_fed_once_for_every_sample_and_not_in_between() {
    let (mut station, mut desk, mut rounds) = node();
    for _ in 0..10 * SAMPLE_PERIOD_MS {
        desk.now_ms += 1;
        rounds.turn(&mut station, &mut desk);
    }
    assert_eq!((desk.samples, desk.fed), (10, 10));
}

#[test]
fn the_answer_leaves_before_the_uart_is_set_to_the_new_speed() {
    let (mut station, mut desk, mut rounds) = node();
    desk.hear(&[17, 6, 0, address::BAUD_CODE as u8, 0, 4]);
    rounds.turn(&mut station, &mut desk);
    assert!(
        desk.log[0].starts_with("sent [11, 06, 00, 01, 00, 04"),
        "{:?}",
        desk.log
    );
    assert_eq!(desk.log[1..], ["line 17 at 115200"]);
}

#[test]
fn two_requests_in_one_breath_are_answered_one_round_after_the_other() {
    let (mut station, mut desk, mut rounds) = node();
    desk.hear(&[17, 4, 0, 0, 0, 1]);
    desk.hear(&[17, 4, 0, 1, 0, 1]);
    rounds.turn(&mut station, &mut desk);
    assert_eq!(desk.log.len(), 1);
    rounds.turn(&mut station, &mut desk);
    assert_eq!(desk.log.len(), 2);
}
