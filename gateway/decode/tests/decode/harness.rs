//! What the fuzz targets of `tests/fuzz` and the property tests of `hostile` put the decoder through: any bytes in,
//! no panic, refusals that say something, readings that are readings, and no more kept than was said.

use linli_decode::modbus::wire::{Framing, Heard, Matcher, Question, rtu_frame, tcp_frame};
use linli_decode::{
    Body, Catalogue, DeviceContext, Family, Frame, Memory, Observation, Opened, Profile, RegisterData,
    RegisterRequest, TopicPattern, Wrapping, run_cases,
};
use linli_domain::reading::{Quality, Value};
use linli_domain::time::{Monotonic, Timestamp};
use std::time::Duration;

/// Most bytes decoding keeps for each byte it was told, and what it may keep in any case.
const KEPT_PER_BYTE: usize = 32;
const KEPT_AT_LEAST: usize = 4096;
/// Most values of one message.
const MAX_VALUES: usize = 4096;

/// One message of a sequence.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) family: Family,
    pub(crate) retained: bool,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// The bytes [`messages`] reads it from: family and the retain flag, length of the topic, length of the payload
    /// (little endian), topic, payload.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let family = Family::ALL.iter().position(|f| *f == self.family).unwrap_or(0);
        out.push(family as u8 | if self.retained { 0x80 } else { 0 });
        out.push(self.topic.len().min(255) as u8);
        out.extend_from_slice(&(self.payload.len().min(65_535) as u16).to_le_bytes());
        out.extend(self.topic.bytes().take(255));
        out.extend(self.payload.iter().take(65_535));
    }
}

/// The messages a sequence of bytes stands for; there is always one more to be made of the rest.
pub(crate) fn sequence(mut data: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let [head, topic, low, high, rest @ ..] = data {
        let (topic, rest) = rest.split_at(usize::from(*topic).min(rest.len()));
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        messages.push(Message {
            family: Family::ALL[usize::from(head & 0x7F) % Family::ALL.len()],
            retained: head & 0x80 != 0,
            topic: String::from_utf8_lossy(topic).into_owned(),
            payload: payload.to_vec(),
        });
        data = rest;
    }
    messages
}

/// A connection that hears these messages one after the other, with a catalogue of profiles to read each by.
pub(crate) fn messages(messages: &[Message], catalogue: &Catalogue) {
    let mut memory = Memory::default();
    let mut told = 0;
    for message in messages {
        let pattern: TopicPattern = message
            .family
            .default_pattern()
            .unwrap_or("application/{device...}")
            .parse()
            .expect("a pattern");
        let frame = Frame {
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
            received: Timestamp::from_millis(1_741_932_433_137),
        };
        let wrapping = Wrapping {
            family: message.family,
            pattern: &pattern,
        };
        told += message.topic.len() + message.payload.len();
        match memory.open("main", &wrapping, &frame) {
            Ok(opened) => {
                let announced = memory.profile_of("main", &opened.address).cloned();
                all_of(&opened, catalogue);
                if let Some(profile) = announced {
                    read(&opened.body, &profile);
                }
            }
            Err(refusal) => assert!(!refusal.to_string().is_empty() && !refusal.reason().label().is_empty()),
        }
    }
    let changes = memory.changes();
    let kept: usize = changes
        .iter()
        .map(|(name, bytes)| name.len() + bytes.as_ref().map_or(0, Vec::len))
        .sum();
    assert!(
        kept <= told * KEPT_PER_BYTE + KEPT_AT_LEAST,
        "{kept} bytes kept of {told}"
    );
    let stored = changes
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes?)));
    let (_, lost) = Memory::load(stored);
    assert_eq!(lost, 0, "what was stored can be read again");
}

fn all_of(opened: &Opened<'_>, catalogue: &Catalogue) {
    sound(&opened.envelope_readings);
    for profile in catalogue.iter() {
        read(&opened.body, profile);
    }
    for other in &opened.others {
        all_of(other, catalogue);
    }
}

/// One body read by one profile.
pub(crate) fn read(body: &Body<'_>, profile: &Profile) {
    let mut out = Vec::new();
    match profile.decode(body, &DeviceContext::default(), &mut out) {
        Ok(_) => sound(&out),
        Err(refusal) => assert!(out.is_empty() && !refusal.to_string().is_empty()),
    }
}

/// Observations are bounded in number, finite, and bad exactly when they have no value.
pub(crate) fn sound(observations: &[Observation]) {
    assert!(observations.len() <= MAX_VALUES);
    for observation in observations {
        let bad = matches!(observation.quality, Quality::Bad(_));
        assert_eq!(observation.value.is_none(), bad, "{observation:?}");
        let number = observation.value.as_ref().and_then(Value::as_number);
        assert!(number.is_none_or(f64::is_finite), "{observation:?}");
    }
}

/// A text as a profile: refused with places in it, or a profile whose own tests pass.
pub(crate) fn profile(text: &str) {
    match Profile::parse(text, "any.toml") {
        Ok(profile) => assert!(!profile.id().as_str().is_empty()),
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|e| e.line >= 1 && e.column >= 1));
        }
    }
}

/// A text as a case file.
pub(crate) fn case(text: &[u8], catalogue: &Catalogue) {
    match run_cases(text, catalogue) {
        Ok(reports) => assert!(reports.iter().all(|report| report.ok() == report.diff.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A line on which bytes come in pieces, between questions of one master. The first byte is the framing; each piece
/// is the length of the pause before it in steps of 4 ms, what happens then, its length, and its bytes.
pub(crate) fn replies(data: &[u8]) {
    let [head, data @ ..] = data else { return };
    let framing = if head & 1 == 0 { Framing::Rtu } else { Framing::Tcp };
    let mut matcher = Matcher::new(framing).ignoring([Box::from(&b"ping"[..])]);
    let requests = [(1, 3, 0x101, 1), (1, 3, 0x201, 3), (2, 4, 0, 125), (2, 1, 0, 19)];
    let requests = requests.map(|(unit, function, start, count)| {
        let request = RegisterRequest {
            function,
            start,
            count,
        };
        (unit, request)
    });
    let (mut now, mut asked, mut rest) = (Monotonic(0), 0_u16, data);
    while let [pause, kind, length, after @ ..] = rest {
        now = now.plus(Duration::from_millis(4 * u64::from(*pause)));
        let (unit, request) = &requests[usize::from(kind & 3)];
        let frame = match framing {
            Framing::Rtu => rtu_frame(*unit, request),
            Framing::Tcp => tcp_frame(asked, *unit, request),
        };
        let window = Duration::from_millis(500);
        let question = Question {
            frame: &frame,
            window,
            lateness: window * 3,
        };
        asked = asked.wrapping_add(u16::from(matcher.asked(question, now).is_ok()));
        let (piece, after) = after.split_at(usize::from(*length).min(after.len()));
        let heard = matcher.hear(piece, now);
        if heard == Heard::Answer {
            for (_, request) in &requests {
                // Whatever it answers, reading it as registers is refused or gives what was asked for, never more.
                match RegisterData::of_frame(framing, matcher.answer(), request) {
                    Some(RegisterData::Words(words)) => assert_eq!(words.len(), usize::from(request.count)),
                    Some(RegisterData::Bits(bits)) => assert_eq!(bits.len(), usize::from(request.count)),
                    None => {}
                }
            }
        }
        if kind & 0x40 != 0 {
            let _ = matcher.give_up(now);
        }
        if kind & 0x80 != 0 {
            // What is left behind an outcome is drained before the next question.
            let outcome = matcher.silence(now);
            assert!(!matcher.awaits_silence() || (outcome != Heard::Nothing && matcher.is_odd()));
        }
        if matcher.is_odd() {
            matcher.settled();
        }
        rest = after;
    }
}
