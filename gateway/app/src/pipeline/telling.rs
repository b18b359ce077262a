//! What a frame says, put into words for those who watch. Only called while somebody does.

use super::core::Core;
use super::refused::Refused;
use super::understood::{Said, Understood};
use super::watched::{Fate, HEAD_BYTES, Watched, WatchedValue};
use crate::field::{Frame, ModbusFrame};
use linli_decode::RegisterData;
use linli_domain::estate::Address;

impl Core {
    /// Tells of a frame and what was made of it, once its batch has committed.
    pub(super) fn tell(&mut self, frame: &Frame, understood: &Understood, result: &Result<bool, Refused>) {
        for said in understood.everybody() {
            self.tell_of(said, frame, understood, result);
        }
    }

    /// Tells what a frame says about one device.
    fn tell_of(
        &mut self,
        said: &Said,
        frame: &Frame,
        understood: &Understood,
        result: &Result<bool, Refused>,
    ) {
        let estate = self.engine.estate();
        let known = said.device.and_then(|device| estate.device(device));
        let (device, key) = match (known, frame) {
            (Some(device), _) => {
                let key = match &device.address {
                    Some(Address::Mqtt { key, .. }) => Some(key.to_string()),
                    Some(Address::Bus { bus, unit }) => Some(format!("{bus}/{unit}")),
                    None => None,
                };
                (Some(device.id.to_string()), key)
            }
            (None, Frame::Mqtt(message)) => {
                let speaker = match &said.stranger {
                    Some(stranger) => Some(stranger.key.to_string()),
                    None => self.understanding.speaker(message, estate),
                };
                (speaker.clone(), speaker)
            }
            (None, Frame::Modbus(answer)) => (Some(answer.device.to_string()), None),
            (None, Frame::Fact(_)) => (None, None),
        };
        let fate = match result {
            Err(refused) => Fate::Refused(refused.clone()),
            Ok(false) => Fate::Repeated,
            Ok(true) if said.stranger.is_some() => Fate::Unknown,
            Ok(true) if said.device.is_none() => Fate::Nothing,
            Ok(true) => Fate::Read,
        };
        // Taken apart from the rest of `self` by field, because the batch is filled while the tap is asked.
        let (tap, told) = (&self.tap, &mut self.batch.told);
        tap.take(told, device.as_deref(), key.as_deref(), || {
            let origin = frame.origin();
            let (head, bytes) = match frame {
                Frame::Modbus(answer) => registers(answer),
                _ => (origin.payload.to_vec(), origin.bytes),
            };
            Watched {
                at: frame.received(),
                connection: origin.connection.to_owned(),
                origin: origin.from.into_owned(),
                device: device.clone(),
                key: key.clone(),
                retained: matches!(frame, Frame::Mqtt(message) if message.retained),
                head: head.get(..HEAD_BYTES).unwrap_or(&head).into(),
                bytes,
                body: body(said, understood),
                fate,
                values: said.seen.iter().map(WatchedValue::from).collect(),
                noticed: said.noticed.clone(),
            }
        });
    }
}

/// The application payload of a LoRaWAN frame, known or not.
fn body(said: &Said, understood: &Understood) -> Option<(Option<u8>, Box<[u8]>)> {
    let of_stranger = || {
        let stranger = said.stranger.as_ref()?;
        let (port, bytes) = stranger.body.as_ref()?;
        Some((*port, bytes.as_slice()))
    };
    let of_device = || {
        let (identity, bytes) = understood.identity.as_ref()?;
        Some((Some(identity.f_port), bytes.as_slice()))
    };
    let (port, bytes) = of_device().or_else(of_stranger)?;
    Some((port, bytes.into()))
}

/// The registers of an answer as they stood on the wire; a bit is a byte of its own.
pub(super) fn registers(answer: &ModbusFrame) -> (Vec<u8>, usize) {
    let bytes: Vec<u8> = match &answer.answer {
        Ok(RegisterData::Words(words)) => words.iter().flat_map(|word| word.to_be_bytes()).collect(),
        Ok(RegisterData::Bits(bits)) => bits.iter().map(|bit| u8::from(*bit)).collect(),
        Err(_) => Vec::new(),
    };
    let length = bytes.len();
    (bytes, length)
}
