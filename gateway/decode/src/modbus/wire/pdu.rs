//! Requests and replies without their frames: what a right reply to a request looks like.
//!
//! Source: MODBUS Application Protocol V1.1b3, chapters 6 and 7.

use super::Length;
use crate::modbus::{RegisterRequest, WriteRequest};

/// Bit 7 of the function code marks an exception.
const EXCEPTION: u8 = 0x80;
/// Encapsulated interface transport, and the one use of it that is known here: device identification.
const ENCAPSULATED: u8 = 0x2B;
const IDENTIFICATION: u8 = 0x0E;

/// What a right reply to one request looks like. Two requests of one shape have replies that only a transaction
/// number could tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The function asked for.
    pub function: u8,
    reply: Reply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reply {
    /// A count and that many bytes: functions 1 to 4.
    Counted(u8),
    /// The first four bytes of the request again: functions 5, 6, 15 and 16.
    Echo([u8; 4]),
    /// Objects of the device identification (function 43/14).
    Objects,
}

/// What a reply says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Answer,
    Exception,
    /// It answers something else.
    Other,
}

impl Shape {
    /// The shape of a request, from its PDU. `None`: not a request this program sends.
    pub fn of(pdu: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*pdu.get(at)?, *pdu.get(at + 1)?]));
        let function = *pdu.first()?;
        let reply = match function {
            1 | 2 => Reply::Counted(u8::try_from(word(3)?.div_ceil(8)).ok()?),
            3 | 4 => Reply::Counted(u8::try_from(word(3)?.checked_mul(2)?).ok()?),
            5 | 6 | 15 | 16 => Reply::Echo([*pdu.get(1)?, *pdu.get(2)?, *pdu.get(3)?, *pdu.get(4)?]),
            ENCAPSULATED if pdu.get(1) == Some(&IDENTIFICATION) => Reply::Objects,
            _ => return None,
        };
        let whole = request_len(pdu) == Length::Is(pdu.len());
        (whole && reply != Reply::Counted(0)).then_some(Self { function, reply })
    }

    /// The shape of a device identification.
    pub const IDENTIFY: Self = Self {
        function: ENCAPSULATED,
        reply: Reply::Objects,
    };

    /// The shape of a write.
    pub fn of_write(write: &WriteRequest) -> Option<Self> {
        let [a, b] = write.read_back.start.to_be_bytes();
        let [c, d] = match (write.function, write.words.as_slice()) {
            (5, [on]) => [if *on == 0 { 0 } else { 0xFF }, 0],
            (6, [word]) => word.to_be_bytes(),
            (16, words) => u16::try_from(words.len()).ok()?.to_be_bytes(),
            _ => return None,
        };
        Some(Self {
            function: write.function,
            reply: Reply::Echo([a, b, c, d]),
        })
    }

    /// The shape of a read.
    pub fn of_read(request: &RegisterRequest) -> Option<Self> {
        Self::of(&read_pdu(request))
    }

    /// Whether asking changes something in the device.
    pub fn is_write(self) -> bool {
        matches!(self.reply, Reply::Echo(_))
    }

    /// What `pdu`, a whole reply, says about a request of this shape.
    pub(super) fn judge(self, pdu: &[u8]) -> Judged {
        match pdu {
            [function, _] if *function == self.function | EXCEPTION => Judged::Exception,
            [function, ..]
                if *function == self.function
                    && self.begins(pdu)
                    && reply_len(pdu) == Length::Is(pdu.len()) =>
            {
                Judged::Answer
            }
            _ => Judged::Other,
        }
    }

    /// Whether a right reply, an exception included, can begin like this. What follows the reply is not looked at.
    pub(super) fn begins(self, pdu: &[u8]) -> bool {
        let Some((function, rest)) = pdu.split_first() else {
            return true;
        };
        if *function == self.function | EXCEPTION {
            return true;
        }
        *function == self.function
            && match self.reply {
                Reply::Counted(count) => rest.first().is_none_or(|given| *given == count),
                Reply::Echo(echo) => rest.iter().zip(echo).all(|(given, wanted)| *given == wanted),
                Reply::Objects => rest.first().is_none_or(|given| *given == IDENTIFICATION),
            }
    }
}

/// The PDU of a read.
pub(super) fn read_pdu(request: &RegisterRequest) -> [u8; 5] {
    let ([a, b], [c, d]) = (request.start.to_be_bytes(), request.count.to_be_bytes());
    [request.function, a, b, c, d]
}

/// How long the request is that begins like this.
pub(super) fn request_len(pdu: &[u8]) -> Length {
    match pdu.first() {
        None => Length::More,
        Some(1..=6) => Length::Is(5),
        Some(15 | 16) => pdu
            .get(5)
            .map_or(Length::More, |count| Length::Is(6 + usize::from(*count))),
        Some(&ENCAPSULATED) => Length::Is(4),
        Some(_) => Length::Unknown,
    }
}

/// How long the reply is that begins like this; replies to functions nobody here asks for included, because other
/// masters' and late ones come too.
pub(super) fn reply_len(pdu: &[u8]) -> Length {
    let counted = |at: usize| {
        pdu.get(at)
            .map_or(Length::More, |count| Length::Is(at + 1 + usize::from(*count)))
    };
    match pdu.first() {
        None => Length::More,
        Some(1..=4 | 12 | 17 | 20 | 21 | 23) => counted(1),
        Some(5 | 6 | 8 | 11 | 15 | 16) => Length::Is(5),
        Some(7) => Length::Is(2),
        Some(22) => Length::Is(7),
        Some(&ENCAPSULATED) => objects_len(pdu),
        Some(function) if *function >= EXCEPTION && *function <= (ENCAPSULATED | EXCEPTION) => Length::Is(2),
        Some(_) => Length::Unknown,
    }
}

fn objects_len(pdu: &[u8]) -> Length {
    if pdu.get(1).is_some_and(|kind| *kind != IDENTIFICATION) {
        return Length::Unknown;
    }
    let Some(count) = pdu.get(6) else {
        return Length::More;
    };
    let mut at = 7;
    for _ in 0..*count {
        match pdu.get(at + 1) {
            Some(length) => at += 2 + usize::from(*length),
            None => return Length::More,
        }
    }
    Length::Is(at)
}

/// What a device says about itself (function 43/14): vendor, product code, revision, and what follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification {
    /// Object number and text; bytes that are no text are replaced, texts are cut at 64 characters.
    pub objects: Vec<(u8, String)>,
}

impl Identification {
    /// From objects as they were read.
    pub fn new<'a>(objects: impl IntoIterator<Item = (u8, &'a [u8])>) -> Self {
        let text = |bytes: &[u8]| {
            let text: String = String::from_utf8_lossy(bytes).chars().take(64).collect();
            text.replace(char::is_control, " ").trim().to_owned()
        };
        Self {
            objects: objects
                .into_iter()
                .take(16)
                .map(|(id, bytes)| (id, text(bytes)))
                .collect(),
        }
    }

    /// The text of object `id`: 0 vendor, 1 product code, 2 revision.
    pub fn object(&self, id: u8) -> Option<&str> {
        self.objects
            .iter()
            .find(|(object, text)| *object == id && !text.is_empty())
            .map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(pdu: &[u8]) -> Shape {
        Shape::of(pdu).expect("a request")
    }

    #[test]
    fn a_right_reply_has_the_function_the_count_and_the_length() {
        let two = shape(&[3, 0, 16, 0, 2]);
        for (pdu, expected) in [
            (&[3, 4, 1, 2, 3, 4][..], Judged::Answer),
            (&[0x83, 2], Judged::Exception),
            (&[4, 4, 1, 2, 3, 4], Judged::Other),
            (&[3, 2, 1, 2], Judged::Other),
            (&[3, 4, 1, 2, 3], Judged::Other),
            (&[3, 4, 1, 2, 3, 4, 5], Judged::Other),
            (&[0x83, 2, 0], Judged::Other),
            (&[0x84, 2], Judged::Other),
            (&[], Judged::Other),
        ] {
            assert_eq!(two.judge(pdu), expected, "{pdu:?}");
        }
        let nine_bits = shape(&[1, 0, 0, 0, 9]);
        assert_eq!(nine_bits.judge(&[1, 2, 0xFF, 1]), Judged::Answer);
        assert_eq!(nine_bits.judge(&[1, 1, 0xFF]), Judged::Other);
    }

    #[test]
    fn a_write_is_confirmed_by_its_own_address_and_value() {
        let on = shape(&[5, 0, 7, 0xFF, 0]);
        assert!(on.is_write());
        assert_eq!(on.judge(&[5, 0, 7, 0xFF, 0]), Judged::Answer);
        assert_eq!(on.judge(&[5, 0, 8, 0xFF, 0]), Judged::Other);
        let two_words = shape(&[16, 0, 1, 0, 2, 4, 0, 1, 0, 2]);
        let read_back = RegisterRequest {
            function: 3,
            start: 1,
            count: 2,
        };
        let write = WriteRequest {
            function: 16,
            read_back,
            words: vec![1, 2],
        };
        assert_eq!(Shape::of_write(&write), Some(two_words));
        let read_back = RegisterRequest {
            function: 1,
            start: 7,
            count: 1,
        };
        let write = WriteRequest {
            function: 5,
            read_back,
            words: vec![1],
        };
        assert_eq!(Shape::of_write(&write), Some(on));
        assert_eq!(two_words.judge(&[16, 0, 1, 0, 2]), Judged::Answer);
    }

    #[test]
    fn identification_is_as_long_as_its_objects() {
        let asked = shape(&[0x2B, 0x0E, 1, 0]);
        let reply = [0x2B, 0x0E, 1, 1, 0, 0, 2, 0, 3, b'A', b'B', b'C', 1, 1, b'x'];
        assert_eq!(asked.judge(&reply), Judged::Answer);
        for cut in 1..reply.len() {
            assert_eq!(asked.judge(&reply[..cut]), Judged::Other, "{cut}");
        }
        let found = Identification::new([(0, &b"ACME\0"[..]), (1, b"")]);
        assert_eq!((found.object(0), found.object(1)), (Some("ACME"), None));
    }

    #[test]
    fn what_this_program_never_sends_has_no_shape() {
        for pdu in [
            &[][..],
            &[3, 0, 0],
            &[3, 0, 0, 0, 0],
            &[3, 0, 0, 1, 0],
            &[23, 0, 0, 0, 1],
            &[3, 0, 0, 0, 1, 9],
            &[0x2B, 0x0D, 0, 0],
        ] {
            assert_eq!(Shape::of(pdu), None, "{pdu:?}");
        }
    }
}
