//! A whole serial node: it hears every byte on the bus and answers what was meant for it.
//!
//! Not responsible for: the transmitter. The caller sends what is returned, all of it, before it listens again.

use crate::pdu;
use crate::rtu::{self, Frame, MAX_FRAME, Receiver};
use crate::{Audience, Bank, Counters};

/// The address every node listens to.
pub const BROADCAST: u8 = 0;

/// One node on a serial bus.
#[derive(Clone, Debug)]
pub struct Slave {
    unit: u8,
    receiver: Receiver,
    counters: Counters,
}

impl Slave {
    /// A node with this address, 1 to 247.
    pub const fn new(unit: u8) -> Slave {
        Slave {
            unit,
            receiver: Receiver::new(),
            counters: Counters::new(),
        }
    }

    /// Its address.
    pub const fn unit(&self) -> u8 {
        self.unit
    }

    /// From now on it has this address, 1 to 247.
    pub fn set_unit(&mut self, unit: u8) {
        self.unit = unit;
    }

    /// What it saw of the bus.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// True while a frame is under way: report the next silence with [`Slave::silence`].
    pub const fn is_pending(&self) -> bool {
        self.receiver.is_pending()
    }

    /// One byte came. `Some`: send these bytes.
    pub fn push<'a>(
        &mut self,
        byte: u8,
        bank: &mut impl Bank,
        out: &'a mut [u8; MAX_FRAME],
    ) -> Option<&'a [u8]> {
        let frame = self.receiver.push(byte)?;
        let (unit, function) = (frame.unit, frame.pdu.first().copied().unwrap_or(0));
        let answer = respond(self.unit, frame, bank, &mut self.counters, out);
        if unit != self.unit && unit != BROADCAST {
            self.receiver.expect_answer(unit, function);
        }
        answer
    }

    /// The line was silent for 3.5 characters or longer. `Some`: send these bytes.
    pub fn silence<'a>(&mut self, bank: &mut impl Bank, out: &'a mut [u8; MAX_FRAME]) -> Option<&'a [u8]> {
        match self.receiver.silence()? {
            Ok(frame) => respond(self.unit, frame, bank, &mut self.counters, out),
            Err(noise) => {
                self.counters.hear_noise(noise);
                None
            }
        }
    }
}

fn respond<'a>(
    unit: u8,
    frame: Frame<'_>,
    bank: &mut impl Bank,
    counters: &mut Counters,
    out: &'a mut [u8; MAX_FRAME],
) -> Option<&'a [u8]> {
    counters.messages = counters.messages.wrapping_add(1);
    let audience = match frame.unit {
        BROADCAST => Audience::Everyone,
        own if own == unit => Audience::Own,
        _ => return None,
    };
    let answer = pdu::answer(frame.pdu, audience, bank, counters)?;
    Some(rtu::frame(unit, &answer, out))
}

#[cfg(test)]
mod tests {
    use crate::testbank::{Bus, with_checksum};

    #[test]
    fn it_answers_reads_and_refuses_what_is_not_there() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[1, 4, 0, 1, 0, 2]), [1, 4, 4, 0, 101, 0, 102]);
        assert_eq!(bus.ask(&[1, 4, 0, 3, 0, 2]), [1, 0x84, 2], "past the end");
        assert_eq!(bus.ask(&[1, 4, 0, 0, 0, 126]), [1, 0x84, 3], "too many");
        assert_eq!(bus.ask(&[1, 4, 0, 0, 0, 0]), [1, 0x84, 3], "none");
        assert_eq!(
            bus.ask(&[1, 3, 0xFF, 0xFF, 0, 2]),
            [1, 0x83, 2],
            "past the last address"
        );
        assert_eq!(bus.ask(&[1, 2, 0, 0, 0, 10]), [1, 2, 2, 0b0100_1001, 0b10]);
        assert_eq!(bus.ask(&[1, 0x63, 0, 0, 0, 1]), [1, 0xE3, 1], "unknown function");
    }

    #[test]
    fn it_keeps_quiet_when_another_node_is_asked() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[2, 4, 0, 0, 0, 1]), []);
        assert_eq!(bus.slave.counters().requests, 0);
        assert_eq!(bus.slave.counters().messages, 1);
    }

    #[test]
    fn it_understands_the_request_that_follows_another_nodes_answer_without_a_pause() {
        let answers: [&[u8]; 4] = [
            &[2, 4, 4, 0, 1, 0, 2],
            &[2, 0x84, 2],
            &[2, 4, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            &[],
        ];
        for answer in answers {
            let mut bus = Bus::new();
            let mut heard = with_checksum(&[2, 4, 0, 0, 0, 2]);
            if !answer.is_empty() {
                heard.extend(with_checksum(answer));
            }
            heard.extend(with_checksum(&[1, 4, 0, 1, 0, 1]));
            assert_eq!(bus.hear(&heard), with_checksum(&[1, 4, 2, 0, 101]), "{answer:?}");
            assert_eq!(bus.slave.counters().requests, 1);
        }
    }

    #[test]
    fn a_node_that_was_renamed_answers_to_its_new_address_only() {
        let mut bus = Bus::new();
        bus.slave.set_unit(9);
        assert_eq!(bus.ask(&[1, 4, 0, 1, 0, 1]), []);
        assert_eq!(bus.ask(&[9, 4, 0, 1, 0, 1]), [9, 4, 2, 0, 101]);
    }

    #[test]
    fn a_bad_value_anywhere_in_a_request_writes_nothing() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[1, 16, 0, 0, 0, 2, 4, 0, 9, 0xFF, 0xFF]), [1, 0x90, 3]);
        assert_eq!(bus.bank.holding, [7; 4]);
        assert_eq!(
            bus.ask(&[1, 16, 0, 3, 0, 2, 4, 0, 9, 0, 9]),
            [1, 0x90, 2],
            "the second register is not there"
        );
        assert_eq!(bus.bank.holding, [7; 4]);
        assert_eq!(bus.ask(&[1, 16, 0, 0, 0, 2, 4, 0, 9, 0, 8]), [1, 16, 0, 0, 0, 2]);
        assert_eq!(bus.bank.holding, [9, 8, 7, 7]);
    }

    #[test]
    fn a_count_that_disagrees_with_its_bytes_is_refused() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[1, 16, 0, 0, 0, 2, 2, 0, 9]), [1, 0x90, 3]);
        assert_eq!(bus.ask(&[1, 15, 0, 0, 0, 9, 1, 0xFF]), [1, 0x8F, 3]);
        assert_eq!(bus.bank.holding, [7; 4]);
        assert_eq!(bus.bank.coils, [false; 4]);
    }

    #[test]
    fn coils_are_written_one_or_many() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[1, 5, 0, 1, 0xFF, 0]), [1, 5, 0, 1, 0xFF, 0]);
        assert_eq!(bus.bank.coils, [false, true, false, false]);
        assert_eq!(
            bus.ask(&[1, 5, 0, 1, 0x12, 0x34]),
            [1, 0x85, 3],
            "neither on nor off"
        );
        assert_eq!(bus.ask(&[1, 15, 0, 0, 0, 3, 1, 0b101]), [1, 15, 0, 0, 0, 3]);
        assert_eq!(bus.bank.coils, [true, false, true, false]);
        assert_eq!(bus.ask(&[1, 1, 0, 0, 0, 4]), [1, 1, 1, 0b101]);
    }

    #[test]
    fn a_broadcast_acts_and_nobody_answers() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[0, 6, 0, 0, 0, 5]), []);
        assert_eq!(bus.bank.holding[0], 5);
        assert_eq!(
            bus.ask(&[0, 3, 0, 0, 0, 1]),
            [],
            "a broadcast read is meaningless"
        );
        assert_eq!(
            bus.ask(&[0, 6, 0, 0, 0xFF, 0xFF]),
            [],
            "a refused broadcast is silent too"
        );
        assert_eq!(bus.bank.holding[0], 5);
    }

    #[test]
    fn after_noise_and_silence_the_next_frame_is_heard() {
        let mut bus = Bus::new();
        bus.hear(&[1, 4, 0, 0, 0, 1, 0xDE, 0xAD]);
        assert_eq!(bus.silence(), []);
        assert_eq!(bus.slave.counters().crc_errors, 1);
        assert_eq!(bus.ask(&[1, 4, 0, 0, 0, 1]), [1, 4, 2, 0, 100]);
    }

    #[test]
    fn a_babbling_line_is_counted_and_survived() {
        let mut bus = Bus::new();
        bus.hear(&[0x55; 700]);
        assert_eq!(bus.silence(), []);
        assert_eq!(bus.slave.counters().overruns, 1);
        assert_eq!(bus.ask(&[1, 4, 0, 0, 0, 1]), [1, 4, 2, 0, 100]);
    }

    #[test]
    fn diagnostics_echo_count_and_clear() {
        let mut bus = Bus::new();
        assert_eq!(bus.ask(&[1, 8, 0, 0, 0xAB, 0xCD]), [1, 8, 0, 0, 0xAB, 0xCD]);
        bus.ask(&[1, 0x63, 0, 0]);
        assert_eq!(
            bus.ask(&[1, 8, 0, 0x0D, 0, 0]),
            [1, 8, 0, 0x0D, 0, 1],
            "one refusal so far"
        );
        assert_eq!(
            bus.ask(&[1, 8, 0, 0x0E, 0, 0]),
            [1, 8, 0, 0x0E, 0, 4],
            "four requests, this one included"
        );
        assert_eq!(bus.ask(&[1, 8, 0, 0x0A, 0, 0]), [1, 8, 0, 0x0A, 0, 0]);
        assert_eq!(bus.ask(&[1, 8, 0, 0x0D, 0, 0]), [1, 8, 0, 0x0D, 0, 0]);
        assert_eq!(
            bus.ask(&[1, 8, 0, 0x04, 0, 0]),
            [1, 0x88, 1],
            "listen-only mode is not offered"
        );
    }

    #[test]
    fn it_tells_who_it_is() {
        let mut bus = Bus::new();
        assert_eq!(
            bus.ask(&[1, 43, 14, 1, 0]),
            b"\x01\x2b\x0e\x01\x82\0\0\x03\0\x04acme\x01\x04node\x02\x031.0"
        );
        assert_eq!(
            bus.ask(&[1, 43, 14, 4, 1]),
            b"\x01\x2b\x0e\x04\x82\0\0\x01\x01\x04node"
        );
        assert_eq!(bus.ask(&[1, 43, 14, 4, 9]), [1, 0xAB, 2]);
        assert_eq!(
            bus.ask(&[1, 43, 13, 0, 0]),
            [1, 0xAB, 1],
            "another encapsulated interface"
        );
    }
}
