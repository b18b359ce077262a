//! A foreign device beside the nodes: an input module with eight dry contacts and eight relays, as they hang in every
//! second control cabinet. Its contacts are discrete inputs 0 to 7, its relays coils 0 to 7.
//!
//! Not responsible for: what closes a contact; whoever made the street does that.

use linli_modbus_slave::{Audience, Bank, Bits, Counters, Exception, Words, pdu, rtu};

use crate::Fault;
use crate::reaction::{self, Reaction};

/// How many contacts a module has, and how many relays.
pub const MODULE_CHANNELS: u8 = 8;

#[derive(Clone, Debug, Default)]
pub(crate) struct Module {
    channels: Channels,
    counters: Counters,
    pub(crate) fault: Fault,
}

#[derive(Clone, Debug, Default)]
struct Channels {
    contacts: [bool; MODULE_CHANNELS as usize],
    relays: [bool; MODULE_CHANNELS as usize],
}

impl Module {
    /// Closes or opens a contact, numbered from 1 as on the housing; false when there is none.
    pub(crate) fn set_contact(&mut self, number: u8, closed: bool) -> bool {
        let index = usize::from(number).wrapping_sub(1);
        self.channels
            .contacts
            .get_mut(index)
            .map(|contact| *contact = closed)
            .is_some()
    }

    pub(crate) fn hear_noise(&mut self, noise: rtu::Noise) {
        self.counters.hear_noise(noise);
    }

    pub(crate) fn ask(&mut self, request: &[u8], audience: Audience) -> Reaction {
        let Module {
            channels,
            counters,
            fault,
        } = self;
        reaction::to(*fault, request, audience, || {
            // Without its contacts it has nothing to tell, and says so.
            if *fault == Fault::SensorLost {
                let function = *request.first().filter(|function| **function < 0x80)?;
                return (audience == Audience::Own)
                    .then(|| pdu::Pdu::refusal(function, Exception::DeviceFailure as u8));
            }
            pdu::answer(request, audience, channels, counters)
        })
    }
}

impl Bank for Channels {
    fn input(&self, _: u16) -> Result<u16, Exception> {
        Err(Exception::IllegalAddress)
    }

    fn holding(&self, _: u16) -> Result<u16, Exception> {
        Err(Exception::IllegalAddress)
    }

    fn write_holding(&mut self, _: u16, _: Words<'_>) -> Result<(), Exception> {
        Err(Exception::IllegalAddress)
    }

    fn discrete(&self, address: u16) -> Result<bool, Exception> {
        let contact = self.contacts.get(usize::from(address));
        contact.copied().ok_or(Exception::IllegalAddress)
    }

    fn coil(&self, address: u16) -> Result<bool, Exception> {
        let relay = self.relays.get(usize::from(address));
        relay.copied().ok_or(Exception::IllegalAddress)
    }

    fn write_coils(&mut self, start: u16, values: Bits<'_>) -> Result<(), Exception> {
        let range = usize::from(start)..usize::from(start) + usize::from(values.len());
        let relays = self.relays.get_mut(range).ok_or(Exception::IllegalAddress)?;
        for (relay, on) in relays.iter_mut().zip(values.iter()) {
            *relay = on;
        }
        Ok(())
    }

    fn identity(&self, _: u8) -> Option<&str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(module: &mut Module, request: &[u8]) -> Vec<u8> {
        match module.ask(request, Audience::Own) {
            Reaction::Answer { pdu, .. } => pdu.as_bytes().to_vec(),
            Reaction::Quiet | Reaction::Absent => vec![],
        }
    }

    #[test]
    fn contacts_and_relays_are_eight_each_and_nothing_else_is_there() {
        let mut module = Module::default();
        assert!(module.set_contact(1, true) && module.set_contact(8, true));
        assert!(!module.set_contact(0, true) && !module.set_contact(9, true));
        assert_eq!(ask(&mut module, &[2, 0, 0, 0, 8]), [2, 1, 0b1000_0001]);
        assert_eq!(ask(&mut module, &[2, 0, 0, 0, 9]), [0x82, 2]);
        assert_eq!(ask(&mut module, &[5, 0, 3, 0xFF, 0]), [5, 0, 3, 0xFF, 0]);
        assert_eq!(ask(&mut module, &[1, 0, 0, 0, 8]), [1, 1, 0b0000_1000]);
        assert_eq!(
            ask(&mut module, &[15, 0, 6, 0, 3, 1, 0b111]),
            [0x8F, 2],
            "the third is not there"
        );
        assert_eq!(
            ask(&mut module, &[1, 0, 0, 0, 8]),
            [1, 1, 0b0000_1000],
            "and the others are as they were"
        );
        assert_eq!(ask(&mut module, &[4, 0, 0, 0, 1]), [0x84, 2]);
        module.fault = Fault::SensorLost;
        assert_eq!(ask(&mut module, &[2, 0, 0, 0, 8]), [0x82, 4]);
    }
}
