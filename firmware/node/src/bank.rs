//! The node as registers.
//!
//! Not responsible for: where the registers lie. Addresses come from `linli-registers`; the tests show that
//! every register of the table answers and that none answers beyond it.

use linli_modbus_slave::{Bank, Bits, Exception, Words};
use linli_registers::{INPUT_BLOCK, Kind, MAP_VERSION, NO_TEMPERATURE, address as at};

use crate::{Node, State, Watch};

impl<W: Watch> Bank for Node<W> {
    fn input(&self, address: u16) -> Result<u16, Exception> {
        if !INPUT_BLOCK.contains(&address) {
            return Err(Exception::IllegalAddress);
        }
        if address >= at::PARKING_STATE {
            Ok(self.measured(address))
        } else {
            Ok(self.common(address))
        }
    }

    fn holding(&self, address: u16) -> Result<u16, Exception> {
        self.settings.read(address).ok_or(Exception::IllegalAddress)
    }

    fn write_holding(&mut self, start: u16, values: Words<'_>) -> Result<(), Exception> {
        let acknowledged = self.settings.write(start, values)?;
        self.acknowledge(acknowledged);
        Ok(())
    }

    fn discrete(&self, address: u16) -> Result<bool, Exception> {
        match address {
            at::STATE_ON => Ok(self.state() == State::On),
            at::STATE_KNOWN => Ok(self.state() != State::Unknown),
            at::FAULT => Ok(self.faults() != 0),
            _ => Err(Exception::IllegalAddress),
        }
    }

    fn coil(&self, address: u16) -> Result<bool, Exception> {
        match (self.watch.is_learning(), address) {
            (Some(learning), at::LEARN_BASELINE) => Ok(learning),
            _ => Err(Exception::IllegalAddress),
        }
    }

    fn write_coils(&mut self, start: u16, values: Bits<'_>) -> Result<(), Exception> {
        // The only coil there is; a request for it and more is refused whole.
        match (self.watch.is_learning(), start, values.len()) {
            (Some(_), at::LEARN_BASELINE, 1) => {
                self.watch.learn(values.iter().next() == Some(true));
                Ok(())
            }
            _ => Err(Exception::IllegalAddress),
        }
    }

    fn identity(&self, object: u8) -> Option<&str> {
        match object {
            0 => Some("Linli"),
            1 => Some(match self.kind() {
                Kind::Parking => "linli-node-parking",
                Kind::Bin => "linli-node-bin",
                Kind::Leak => "linli-node-leak",
            }),
            2 => Some(self.identity.revision),
            4 => Some(match self.kind() {
                Kind::Parking => "Parking bay sensor",
                Kind::Bin => "Waste bin sensor",
                Kind::Leak => "Leak detector",
            }),
            _ => None,
        }
    }
}

impl<W: Watch> Node<W> {
    /// The block every kind has; holes read 0.
    fn common(&self, address: u16) -> u16 {
        const UPTIME_LOW: u16 = at::UPTIME_S + 1;
        match address {
            at::MAP_VERSION => MAP_VERSION,
            at::NODE_KIND => self.kind() as u16,
            at::FIRMWARE_VERSION => self.identity.version,
            at::RESET_CAUSE => self.cause as u16,
            at::UPTIME_S => high(self.uptime.seconds()),
            UPTIME_LOW => low(self.uptime.seconds()),
            at::FAULTS => self.faults(),
            at::ALARMS_LATCHED => self.alarms.bits(),
            at::EVENT_COUNT => self.events,
            at::BUS_REQUESTS => self.bus.requests,
            at::BUS_CRC_ERRORS => self.bus.crc_errors,
            at::BUS_EXCEPTIONS => self.bus.exceptions,
            at::BUS_OVERRUNS => self.bus.overruns,
            at::SUPPLY_MV => self.supply_mv,
            at::STATE_AGE_S => self.uptime.since(self.changed_s, u16::MAX),
            _ => 0,
        }
    }

    /// The block of what this kind measures; holes read 0.
    fn measured(&self, address: u16) -> u16 {
        match address {
            at::PARKING_STATE => self.state().raw(),
            at::FAULTY => u16::from(self.faults() != 0),
            at::HOUSING_TEMPERATURE => self
                .temperature
                .value()
                .map_or(NO_TEMPERATURE, |centi| centi as u16),
            _ => self.watch.input(address, self.heat.state()).unwrap_or(0),
        }
    }
}

const fn high(value: u32) -> u16 {
    (value >> 16) as u16
}

const fn low(value: u32) -> u16 {
    value as u16
}

// The kinds share these addresses; `measured` names each once.
const _: () = assert!(
    at::PARKING_STATE == at::BIN_STATE
        && at::PARKING_STATE == at::LEAK_STATE
        && at::HOUSING_TEMPERATURE == at::BIN_TEMPERATURE
);
