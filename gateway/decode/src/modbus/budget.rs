//! What a bus needs: how long a request and its answer take on a line, and the share of time a plan asks for.
//!
//! Source of the frame lengths: MODBUS over Serial Line V1.02, chapter 2.5.1. Pure arithmetic; nothing is measured here.

use super::{Read, RegisterMap, RegisterRequest};
use std::time::Duration;

/// How fast bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSpeed {
    /// Bits per second.
    pub baud: u32,
    /// Bits of a character on the line: 10 for 8N1, 11 with parity or a second stop bit.
    pub bits_per_character: u8,
}

impl LineSpeed {
    /// Time that `characters` take.
    pub fn time_of(&self, characters: u32) -> Duration {
        let bits = u64::from(characters) * u64::from(self.bits_per_character);
        Duration::from_nanos(bits * 1_000_000_000 / u64::from(self.baud.max(1)))
    }

    /// The silence between two frames: 3.5 characters, and above 19,200 baud a fixed 1.75 ms.
    pub fn silence(&self) -> Duration {
        if self.baud > 19_200 {
            Duration::from_micros(1750)
        } else {
            self.time_of(7) / 2
        }
    }
}

/// What is known of a line before anything is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// How fast bytes travel; `None` where they cost next to nothing (Modbus TCP).
    pub speed: Option<LineSpeed>,
    /// From the end of a question to the beginning of its answer.
    pub turnaround: Duration,
    /// Pause before each request.
    pub pause: Duration,
}

impl Line {
    /// How long `request` keeps the line busy, from its pause to the end of its answer.
    pub fn cost(&self, request: &RegisterRequest, pause: Duration) -> Duration {
        let data = if request.is_bits() {
            u32::from(request.count).div_ceil(8)
        } else {
            u32::from(request.count) * 2
        };
        // Address, function, start, count and checksum; address, function, count, data and checksum.
        let characters = 8 + 5 + data;
        let on_the_line = self.speed.map_or(Duration::ZERO, |speed| {
            speed.time_of(characters) + speed.silence()
        });
        let pause = pause
            .max(self.pause)
            .max(self.speed.map_or(Duration::ZERO, |speed| speed.silence()));
        on_the_line + self.turnaround + pause
    }

    /// Share of the line's time that reading `map` once a period asks for; 1 is all of it.
    pub fn share(&self, map: &RegisterMap, bus_period: Duration) -> f64 {
        map.plan()
            .reads
            .iter()
            .map(|read| self.share_of(map, read, bus_period))
            .sum()
    }

    fn share_of(&self, map: &RegisterMap, read: &Read, bus_period: Duration) -> f64 {
        let period = map
            .period(read)
            .unwrap_or(bus_period)
            .max(Duration::from_millis(1));
        self.cost(&read.request, map.manners().pause).as_secs_f64() / period.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_registers_at_9600_baud_take_about_a_twelfth_of_a_second() {
        let line = Line {
            speed: Some(LineSpeed {
                baud: 9_600,
                bits_per_character: 10,
            }),
            turnaround: Duration::from_millis(20),
            pause: Duration::from_millis(5),
        };
        let request = RegisterRequest {
            function: 3,
            start: 0,
            count: 20,
        };
        // 53 characters of 1.042 ms, 3.6 ms of silence, 20 ms of thought, 5 ms of pause.
        let cost = line.cost(&request, Duration::ZERO);
        assert!((83..85).contains(&cost.as_millis()), "{cost:?}");
        let slow = Line {
            pause: Duration::ZERO,
            speed: Some(LineSpeed {
                baud: 2_400,
                bits_per_character: 11,
            }),
            ..line
        };
        let bits = RegisterRequest {
            function: 2,
            start: 0,
            count: 9,
        };
        // 15 characters of 4.58 ms, 16 ms of silence twice, 20 ms of thought.
        let cost = slow.cost(&bits, Duration::ZERO);
        assert!((120..122).contains(&cost.as_millis()), "{cost:?}");
    }

    #[test]
    fn a_network_line_costs_thought_and_pauses() {
        let line = Line {
            speed: None,
            turnaround: Duration::from_millis(10),
            pause: Duration::from_millis(5),
        };
        let request = RegisterRequest {
            function: 3,
            start: 0,
            count: 125,
        };
        assert_eq!(
            line.cost(&request, Duration::from_millis(50)),
            Duration::from_millis(60)
        );
    }
}
