//! A small bank and a bus to ask over, for the tests of this crate.

use crate::rtu::{MAX_FRAME, checksum};
use crate::{Bank, Bits, Exception, Slave, Words};

/// Four registers of each table; holding registers take values up to 1000.
pub(crate) struct FourRegisters {
    pub(crate) holding: [u16; 4],
    pub(crate) coils: [bool; 4],
}

impl FourRegisters {
    pub(crate) fn new() -> FourRegisters {
        FourRegisters {
            holding: [7; 4],
            coils: [false; 4],
        }
    }
}

impl Bank for FourRegisters {
    fn input(&self, address: u16) -> Result<u16, Exception> {
        if address < 4 {
            Ok(address + 100)
        } else {
            Err(Exception::IllegalAddress)
        }
    }
    fn holding(&self, address: u16) -> Result<u16, Exception> {
        self.holding
            .get(usize::from(address))
            .copied()
            .ok_or(Exception::IllegalAddress)
    }
    fn write_holding(&mut self, start: u16, values: Words<'_>) -> Result<(), Exception> {
        let mut next = self.holding;
        for (address, value) in (usize::from(start)..).zip(values.iter()) {
            *next.get_mut(address).ok_or(Exception::IllegalAddress)? = value;
            if value > 1000 {
                return Err(Exception::IllegalValue);
            }
        }
        self.holding = next;
        Ok(())
    }
    fn discrete(&self, address: u16) -> Result<bool, Exception> {
        Ok(address.is_multiple_of(3))
    }
    fn coil(&self, address: u16) -> Result<bool, Exception> {
        self.coils
            .get(usize::from(address))
            .copied()
            .ok_or(Exception::IllegalAddress)
    }
    fn write_coils(&mut self, start: u16, values: Bits<'_>) -> Result<(), Exception> {
        let mut next = self.coils;
        for (address, on) in (usize::from(start)..).zip(values.iter()) {
            *next.get_mut(address).ok_or(Exception::IllegalAddress)? = on;
        }
        self.coils = next;
        Ok(())
    }
    fn identity(&self, object: u8) -> Option<&str> {
        ["acme", "node", "1.0"].get(usize::from(object)).copied()
    }
}

/// Unit 1 with four registers, alone on a line.
pub(crate) struct Bus {
    pub(crate) slave: Slave,
    pub(crate) bank: FourRegisters,
}

impl Bus {
    pub(crate) fn new() -> Bus {
        Bus {
            slave: Slave::new(1),
            bank: FourRegisters::new(),
        }
    }

    /// Sends raw bytes; all that came back.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        let mut answers = vec![];
        for byte in bytes {
            answers.extend_from_slice(
                self.slave
                    .push(*byte, &mut self.bank, &mut out)
                    .unwrap_or_default(),
            );
        }
        answers
    }

    pub(crate) fn silence(&mut self) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        self.slave
            .silence(&mut self.bank, &mut out)
            .unwrap_or_default()
            .to_vec()
    }

    /// Sends a request with its checksum, then silence; the answer without its checksum, which is checked.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let mut answer = self.hear(&with_checksum(request));
        answer.extend(self.silence());
        if answer.is_empty() {
            return answer;
        }
        assert_eq!(checksum(&answer), 0, "an answer with a bad checksum");
        answer.truncate(answer.len() - 2);
        answer
    }
}

pub(crate) fn with_checksum(frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    bytes.extend(checksum(frame).to_le_bytes());
    bytes
}
