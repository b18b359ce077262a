//! Where packets begin and end in a stream of bytes, without looking into them.
//!
//! Pure. Knows the fixed header of MQTT 3.1.1 and 5 (section 2.1 of both): what kind a packet is, how long it is, and
//! whether a client may send it at all. What is inside a packet is the library's affair.

/// Bytes of the length field at most, so a packet is at most 256 MiB.
const LENGTH_BYTES: u32 = 4;

/// Kinds of packets, as the upper half of their first byte.
pub(in crate::field::broker) mod kind {
    pub(in crate::field::broker) const CONNECT: u8 = 1;
    pub(in crate::field::broker) const CONNACK: u8 = 2;
    pub(in crate::field::broker) const PUBLISH: u8 = 3;
    pub(in crate::field::broker) const PUBREL: u8 = 6;
    pub(in crate::field::broker) const SUBSCRIBE: u8 = 8;
    pub(in crate::field::broker) const UNSUBSCRIBE: u8 = 10;
    pub(in crate::field::broker) const PINGREQ: u8 = 12;
    pub(in crate::field::broker) const DISCONNECT: u8 = 14;
    pub(in crate::field::broker) const AUTH: u8 = 15;
}

/// What a client sent that it may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A packet longer than allowed.
    TooLarge {
        /// How long it says it is, its fixed header not counted.
        bytes: u32,
    },
    /// A first byte or a length that is none.
    Malformed,
    /// A packet only brokers send, or a second CONNECT.
    NotForClients,
}

/// What went by in one piece of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Packets that began and count as a message: PUBLISH and requests. Acknowledgements answer what we sent.
    pub(super) messages: u32,
    /// Packets that ended.
    pub(super) ended: u32,
    /// Bytes up to the first packet that is wrong, or all.
    pub(super) bytes: usize,
}

/// Follows one direction of a connection from packet to packet.
#[derive(Debug, Clone)]
pub(super) struct Packets {
    /// Longest packet; `None`: any, and any kind (what the broker itself sends).
    max_bytes: Option<u32>,
    place: Place,
    /// Kind of the packet that began last.
    last: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Length { so_far: u32, digits: u32 },
    Body { left: u32 },
}

impl Packets {
    /// What a client sends after its CONNECT.
    pub(super) fn of_client(max_bytes: u32) -> Self {
        Self {
            max_bytes: Some(max_bytes),
            place: Place::Start,
            last: 0,
        }
    }

    /// What the broker sends.
    pub(super) fn of_broker() -> Self {
        Self {
            max_bytes: None,
            place: Place::Start,
            last: 0,
        }
    }

    /// Kind of the packet that began last; 0 before the first.
    pub(super) fn last(&self) -> u8 {
        self.last
    }

    /// Whether no packet is half through.
    pub(super) fn between(&self) -> bool {
        self.place == Place::Start
    }

    /// Follows the stream through `bytes`, up to the first packet that is wrong.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> (Seen, Option<Wrong>) {
        let (mut seen, mut began, mut at) = (Seen::default(), 0, 0);
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::Start => {
                    began = at;
                    self.last = byte >> 4;
                    if let Some(wrong) = self.max_bytes.and_then(|_| first_byte(byte)) {
                        seen.bytes = at;
                        return (seen, Some(wrong));
                    }
                    seen.messages += u32::from(counts(self.last));
                    self.place = Place::Length { so_far: 0, digits: 0 };
                    at += 1;
                }
                Place::Length { so_far, digits } => {
                    let length = so_far | u32::from(byte & 0x7F) << (7 * digits);
                    let more = byte & 0x80 != 0;
                    let wrong = if more && digits + 1 == LENGTH_BYTES {
                        Some(Wrong::Malformed)
                    } else {
                        self.max_bytes
                            .filter(|max| !more && length > *max)
                            .map(|_| Wrong::TooLarge { bytes: length })
                    };
                    if let Some(wrong) = wrong {
                        seen.bytes = began;
                        return (seen, Some(wrong));
                    }
                    at += 1;
                    self.place = match (more, length) {
                        (true, _) => Place::Length {
                            so_far: length,
                            digits: digits + 1,
                        },
                        (false, 0) => {
                            seen.ended += 1;
                            Place::Start
                        }
                        (false, left) => Place::Body { left },
                    };
                }
                Place::Body { left } => {
                    let here = u32::try_from(bytes.len() - at).unwrap_or(u32::MAX).min(left);
                    at += here as usize;
                    self.place = if here == left {
                        seen.ended += 1;
                        Place::Start
                    } else {
                        Place::Body { left: left - here }
                    };
                }
            }
        }
        seen.bytes = bytes.len();
        (seen, None)
    }
}

/// What is wrong with the first byte of a client's packet after its CONNECT.
fn first_byte(byte: u8) -> Option<Wrong> {
    let (packet, flags) = (byte >> 4, byte & 0x0F);
    let right = match packet {
        kind::PUBLISH => flags & 0b0110 != 0b0110,
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => flags == 0b0010,
        _ => flags == 0,
    };
    match packet {
        0 => Some(Wrong::Malformed),
        kind::CONNECT | kind::CONNACK | 9 | 11 | 13 => Some(Wrong::NotForClients),
        _ if !right => Some(Wrong::Malformed),
        _ => None,
    }
}

fn counts(packet: u8) -> bool {
    matches!(
        packet,
        kind::PUBLISH | kind::SUBSCRIBE | kind::UNSUBSCRIBE | kind::PINGREQ | kind::AUTH
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with `length` bytes of body.
    fn packet(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        let mut left = length;
        loop {
            let digit = (left % 128) as u8;
            left /= 128;
            bytes.push(if left > 0 { digit | 0x80 } else { digit });
            if left == 0 {
                break;
            }
        }
        bytes.resize(bytes.len() + length, 0xFF);
        bytes
    }

    const PUBLISH: u8 = 0x32;
    const PINGREQ: u8 = 0xC0;
    const PUBACK: u8 = 0x40;

    #[test]
    fn packets_are_counted_and_the_one_that_is_too_large_is_named_before_its_body_comes() {
        let mut packets = Packets::of_client(1_000);
        let mut stream = [packet(PUBLISH, 1_000), packet(PUBACK, 2), packet(PINGREQ, 0)].concat();
        let good = stream.len();
        stream.extend_from_slice(&packet(PUBLISH, 1_001)[..3]);
        let (seen, wrong) = packets.follow(&stream);
        assert_eq!(wrong, Some(Wrong::TooLarge { bytes: 1_001 }));
        assert_eq!((seen.ended, seen.bytes), (3, good));
        assert_eq!(seen.messages, 3, "the PUBACK answers us; the last began");
    }

    #[test]
    fn what_a_client_may_not_send_is_told_from_what_is_broken() {
        for (first, expected) in [
            (0x00, Some(Wrong::Malformed)),
            (0x10, Some(Wrong::NotForClients)),
            (0x20, Some(Wrong::NotForClients)),
            (0x30, None),
            (0x3D, None),
            (0x36, Some(Wrong::Malformed)),
            (0x40, None),
            (0x41, Some(Wrong::Malformed)),
            (0x62, None),
            (0x60, Some(Wrong::Malformed)),
            (0x82, None),
            (0x80, Some(Wrong::Malformed)),
            (0x90, Some(Wrong::NotForClients)),
            (0xA2, None),
            (0xB0, Some(Wrong::NotForClients)),
            (0xC0, None),
            (0xD0, Some(Wrong::NotForClients)),
            (0xE0, None),
            (0xE1, Some(Wrong::Malformed)),
            (0xF0, None),
        ] {
            let (seen, wrong) = Packets::of_client(100).follow(&[first, 0]);
            assert_eq!(wrong, expected, "{first:#04x}");
            assert_eq!(seen.bytes, if expected.is_some() { 0 } else { 2 });
        }
        let endless = [PUBLISH, 0x80, 0x80, 0x80, 0x80, 0x01];
        assert_eq!(Packets::of_client(100).follow(&endless).1, Some(Wrong::Malformed));
        assert_eq!(
            Packets::of_broker().follow(&[0x20, 0]).1,
            None,
            "ours is not judged"
        );
    }

    proptest! {
        /// However the stream is cut, the same packets are seen.
        #[test]
        fn cuts_do_not_matter(lengths in prop::collection::vec(0usize..400, 1..20), cuts in prop::collection::vec(1usize..300, 1..60)) {
            let stream: Vec<u8> = lengths.iter().flat_map(|length| packet(PUBLISH, *length)).collect();
            let mut packets = Packets::of_client(400);
            let (mut ended, mut messages, mut rest, mut cuts) = (0, 0, &stream[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                let (seen, wrong) = packets.follow(piece);
                prop_assert_eq!((wrong, seen.bytes), (None, piece.len()));
                ended += seen.ended;
                messages += seen.messages;
                rest = after;
            }
            prop_assert_eq!((ended as usize, messages as usize), (lengths.len(), lengths.len()));
            prop_assert!(packets.between());
        }

        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..2_000), max in 0u32..100_000) {
            let (seen, wrong) = Packets::of_client(max).follow(&bytes);
            prop_assert!(seen.bytes <= bytes.len());
            prop_assert!(wrong.is_some() || seen.bytes == bytes.len());
            Packets::of_broker().follow(&bytes);
        }
    }
}
