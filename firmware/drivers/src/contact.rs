//! A spot probe with a dry contact: closed to ground by water, open with a pull-up when dry.
//!
//! Not responsible for: a cut cable; without a resistor at its end a contact looks the same dry and cut.

use embedded_hal::digital::{Error, InputPin};

use crate::SensorError;

/// A contact between a pin with a pull-up and ground.
#[derive(Debug)]
pub struct ContactProbe<P> {
    pin: P,
}

impl<P: InputPin> ContactProbe<P> {
    /// Takes the pin.
    pub const fn new(pin: P) -> Self {
        Self { pin }
    }

    /// True when water closes the contact.
    pub fn is_wet(&mut self) -> Result<bool, SensorError> {
        self.pin.is_low().map_err(|error| SensorError::Pin(error.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::digital::ErrorKind;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    #[test]
    fn a_closed_contact_is_wet_and_a_broken_pin_is_neither() {
        let broken = MockError::Io(std::io::ErrorKind::Other);
        let mut pin = Mock::new(&[
            Transaction::get(State::Low),
            Transaction::get(State::High),
            Transaction::get(State::High).with_error(broken),
        ]);
        let mut probe = ContactProbe::new(pin.clone());
        assert_eq!(probe.is_wet(), Ok(true));
        assert_eq!(probe.is_wet(), Ok(false));
        assert_eq!(probe.is_wet(), Err(SensorError::Pin(ErrorKind::Other)));
        pin.done();
    }
}
