//! The node as registers.
//!
//! Not responsible for: where the registers lie. Addresses come from `linli-registers`; the tests show that
//! every register of the table answers and that none answers beyond it.

use linli_modbus_slave::{Bank, Bits, Exception, Words};
use linli_registers::{INPUT_BLOCK, Kind, MAP_VERSION, NO_TEMPERATURE, NO_VALUE, address as at};

use crate::kinds::{Baseline, Learning, Watch};
use crate::{Node, State};

impl Bank for Node {
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
        match (&self.watch, address) {
            (Watch::Parking(parking), at::LEARN_BASELINE) => Ok(parking.learning.is_some()),
            _ => Err(Exception::IllegalAddress),
        }
    }

    fn write_coils(&mut self, start: u16, values: Bits<'_>) -> Result<(), Exception> {
        // The only coil there is; a request for it and more is refused whole.
        match (&mut self.watch, start, values.len()) {
            (Watch::Parking(parking), at::LEARN_BASELINE, 1) => {
                let on = values.iter().next() == Some(true);
                parking.learning = on.then(Learning::default);
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

impl Node {
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
        const ARRIVALS_LOW: u16 = at::PARKING_VEHICLE_COUNT + 1;
        match (&self.watch, address) {
            (_, at::PARKING_STATE) => self.state().raw(),
            (_, at::FAULTY) => u16::from(self.faults() != 0),
            (_, at::HOUSING_TEMPERATURE) => self
                .temperature
                .value()
                .map_or(NO_TEMPERATURE, |centi| centi as u16),

            (Watch::Parking(parking), at::PARKING_VEHICLE_COUNT) => high(parking.arrivals()),
            (Watch::Parking(parking), ARRIVALS_LOW) => low(parking.arrivals()),
            (Watch::Parking(parking), at::PARKING_FIELD_CHANGE_MG) => parking.change_mg.unwrap_or(NO_VALUE),
            (Watch::Parking(parking), at::PARKING_DISTANCE_MM) => parking.distance_mm.unwrap_or(NO_VALUE),
            (Watch::Parking(parking), at::PARKING_DRIFT_MG) => {
                parking.baseline.as_ref().map_or(NO_VALUE, Baseline::drift_mg)
            }

            (Watch::Bin(bin), at::BIN_DISTANCE_MM) => bin.distance_mm.unwrap_or(NO_VALUE),
            (Watch::Bin(bin), at::BIN_TILT) => bin.tilt.state().raw(),
            (Watch::Bin(_), at::BIN_FIRE) => self.heat.state().raw(),

            (Watch::Leak(leak), at::LEAK_SIGNAL) => leak.signal.unwrap_or(NO_VALUE),
            (Watch::Leak(leak), at::LEAK_CABLE) => leak.cable.raw(),
            (Watch::Leak(leak), at::LEAK_COUNT) => leak.leaks(),
            (Watch::Leak(leak), at::LEAK_LAST_DURATION_S) => leak.last_duration_s.unwrap_or(NO_VALUE),
            _ => 0,
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
