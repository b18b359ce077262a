//! One conversation: bytes from a client in, bytes to it out, each with the delay its node's fault asks for.
//!
//! Pure. Not responsible for: the stream, and when it was silent; see `server`.

use std::time::Duration;

use linli_modbus_slave::mbap::{self, NotModbus};
use linli_modbus_slave::{Pdu, rtu};

use crate::Street;
use crate::reaction::{Damage, Reaction};

/// "Gateway target device failed to respond": how Modbus TCP says that nobody has this address.
const TARGET_SILENT: u8 = 0x0B;

/// Bytes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) delay: Duration,
}

/// What was heard and is not answered yet.
pub(crate) enum Session {
    /// Modbus TCP. The buffer holds less than one frame between calls.
    Tcp { buffer: Vec<u8> },
    /// RTU, on a line or through a converter.
    Rtu { receiver: Box<rtu::Receiver> },
}

impl Session {
    pub(crate) fn tcp() -> Session {
        Session::Tcp { buffer: vec![] }
    }

    pub(crate) fn rtu() -> Session {
        Session::Rtu {
            receiver: Box::default(),
        }
    }

    /// Bytes came. The error means that the stream is out of step for good.
    pub(crate) fn hear(&mut self, bytes: &[u8], street: &mut Street) -> Result<Vec<Reply>, NotModbus> {
        let mut replies = vec![];
        match self {
            Session::Tcp { buffer } => {
                buffer.extend_from_slice(bytes);
                let mut used = 0;
                while let Some((frame, length)) = mbap::parse(buffer.get(used..).unwrap_or(&[]))? {
                    used += length;
                    let reaction = street.ask(frame.unit, frame.pdu);
                    replies.extend(over_tcp(frame, reaction));
                }
                buffer.drain(..used);
            }
            Session::Rtu { receiver } => {
                for byte in bytes {
                    if let Some(frame) = receiver.push(*byte) {
                        replies.extend(over_rtu(frame.unit, street.ask(frame.unit, frame.pdu)));
                    }
                }
            }
        }
        Ok(replies)
    }

    /// True while half a frame waits on a line where silence would end it.
    pub(crate) fn awaits_silence(&self) -> bool {
        match self {
            Session::Tcp { .. } => false,
            Session::Rtu { receiver } => receiver.is_pending(),
        }
    }

    /// The line was silent.
    pub(crate) fn silence(&mut self, street: &mut Street) -> Option<Reply> {
        let Session::Rtu { receiver } = self else {
            return None;
        };
        match receiver.silence()? {
            Ok(frame) => over_rtu(frame.unit, street.ask(frame.unit, frame.pdu)),
            Err(noise) => {
                street.hear_noise(noise);
                None
            }
        }
    }
}

fn over_tcp(request: mbap::Frame<'_>, reaction: Reaction) -> Option<Reply> {
    let (mut pdu, damage, delay) = match reaction {
        Reaction::Answer { pdu, damage, delay } => (pdu, damage, delay),
        Reaction::Absent => {
            let function = request.pdu.first()?;
            (
                Box::new(Pdu::refusal(*function, TARGET_SILENT)),
                Damage::Whole,
                Duration::ZERO,
            )
        }
        Reaction::Quiet => return None,
    };
    let mut transaction = request.transaction;
    match damage {
        Damage::Whole => {}
        Damage::BadChecksum => transaction = transaction.wrapping_add(0x5555),
        Damage::Truncated => pdu.truncate(pdu.as_bytes().len().div_ceil(2)),
    }
    let mut out = [0; mbap::MAX_FRAME];
    let bytes = mbap::frame(transaction, request.unit, &pdu, &mut out).to_vec();
    Some(Reply { bytes, delay })
}

fn over_rtu(unit: u8, reaction: Reaction) -> Option<Reply> {
    let Reaction::Answer { pdu, damage, delay } = reaction else {
        return None;
    };
    let mut out = [0; rtu::MAX_FRAME];
    let mut bytes = rtu::frame(unit, &pdu, &mut out).to_vec();
    match damage {
        Damage::Whole => {}
        Damage::BadChecksum => {
            if let Some(last) = bytes.last_mut() {
                *last = !*last;
            }
        }
        Damage::Truncated => bytes.truncate(bytes.len().div_ceil(2)),
    }
    Some(Reply { bytes, delay })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Fault, Kind, NodeConfig};
    use linli_modbus_slave::rtu::checksum;

    fn street() -> Street {
        let nodes = [
            NodeConfig {
                unit: 1,
                kind: Kind::Leak,
            },
            NodeConfig {
                unit: 2,
                kind: Kind::Bin,
            },
        ];
        Street::new(nodes).expect("valid")
    }

    /// Asks a unit for its map version over RTU.
    fn question(unit: u8) -> Vec<u8> {
        framed(&[unit, 4, 0, 0, 0, 1])
    }

    fn framed(request: &[u8]) -> Vec<u8> {
        let mut frame = request.to_vec();
        frame.extend(checksum(&frame).to_le_bytes());
        frame
    }

    fn ask(street: &mut Street, unit: u8) -> Vec<u8> {
        let replies = Session::rtu()
            .hear(&question(unit), street)
            .expect("RTU has no headers to break");
        replies.into_iter().flat_map(|reply| reply.bytes).collect()
    }

    #[test]
    fn one_bus_several_nodes_and_nobody_at_the_other_addresses() {
        let mut street = street();
        assert_eq!(ask(&mut street, 1)[..5], [1, 4, 2, 1, 1]);
        assert_eq!(ask(&mut street, 2)[..5], [2, 4, 2, 1, 1]);
        assert_eq!(ask(&mut street, 3), []);
    }

    #[test]
    fn a_fault_damages_the_answers_of_its_node_only() {
        let mut street = street();
        street.apply(1, Change::Fault(Fault::BadCrc));
        let damaged = ask(&mut street, 1);
        assert_eq!(damaged.len(), 7);
        assert_ne!(checksum(&damaged), 0);
        street.apply(1, Change::Fault(Fault::Truncated));
        assert_eq!(ask(&mut street, 1), [1, 4, 2, 1]);
        street.apply(1, Change::Fault(Fault::Exception(6)));
        assert_eq!(ask(&mut street, 1)[..3], [1, 0x84, 6]);
        street.apply(1, Change::Fault(Fault::Silent));
        assert_eq!(ask(&mut street, 1), []);
        assert_eq!(checksum(&ask(&mut street, 2)), 0);
    }

    #[test]
    fn a_late_answer_is_correct() {
        let mut street = street();
        let prompt = ask(&mut street, 1);
        street.apply(1, Change::Fault(Fault::Late(Duration::from_secs(2))));
        let replies = Session::rtu().hear(&question(1), &mut street);
        assert_eq!(
            replies,
            Ok(vec![Reply {
                bytes: prompt,
                delay: Duration::from_secs(2)
            }])
        );
    }

    #[test]
    fn noise_on_the_line_is_forgotten_in_silence_and_counted() {
        let mut street = street();
        let mut session = Session::rtu();
        assert_eq!(session.hear(&[1, 4, 0], &mut street), Ok(vec![]));
        assert!(session.awaits_silence());
        assert_eq!(session.silence(&mut street), None);
        assert_eq!(
            session
                .hear(&question(1), &mut street)
                .map(|replies| replies.len()),
            Ok(1)
        );
        let counted = session
            .hear(&framed(&[1, 8, 0, 0x0C, 0, 0]), &mut street)
            .expect("RTU");
        assert_eq!(counted[0].bytes[..6], [1, 8, 0, 0x0C, 0, 1]);
    }

    #[test]
    fn requests_on_tcp_may_come_in_pieces_and_in_heaps() {
        let mut street = street();
        let mut session = Session::tcp();
        let requests = [
            [0, 1, 0, 0, 0, 6, 1, 4, 0, 0, 0, 1],
            [0, 2, 0, 0, 0, 6, 9, 4, 0, 0, 0, 1],
        ]
        .concat();
        let mut heard = vec![];
        for piece in [&requests[..5], &requests[5..13], &requests[13..]] {
            heard.extend(
                session
                    .hear(piece, &mut street)
                    .expect("Modbus TCP")
                    .into_iter()
                    .map(|r| r.bytes),
            );
        }
        assert_eq!(heard[0], [0, 1, 0, 0, 0, 5, 1, 4, 2, 1, 1]);
        assert_eq!(
            heard[1],
            [0, 2, 0, 0, 0, 3, 9, 0x84, TARGET_SILENT],
            "nobody at 9, and it is said"
        );
        assert_eq!(session.hear(b"GET / HTTP/1.1\r\n", &mut street), Err(NotModbus));
    }

    #[test]
    fn a_truncated_answer_on_tcp_leaves_the_stream_in_step() {
        let mut street = street();
        street.apply(1, Change::Fault(Fault::Truncated));
        let replies = Session::tcp()
            .hear(&[0, 1, 0, 0, 0, 6, 1, 4, 0, 0, 0, 1], &mut street)
            .expect("Modbus TCP");
        assert_eq!(replies[0].bytes, [0, 1, 0, 0, 0, 3, 1, 4, 2]);
    }
}
