//! A ball switch that opens when the bin leans.
//!
//! Not responsible for: bounce; the node debounces.

use embedded_hal::digital::{Error, InputPin};

use crate::SensorError;

/// A tilt switch to ground with a pull-up: closed (low) while upright.
#[derive(Debug)]
pub struct TiltSwitch<P> {
    pin: P,
}

impl<P: InputPin> TiltSwitch<P> {
    /// Takes the pin.
    pub const fn new(pin: P) -> Self {
        Self { pin }
    }

    /// True when the bin leans, or when the wire is broken: the safe side.
    pub fn is_tilted(&mut self) -> Result<bool, SensorError> {
        self.pin.is_high().map_err(|error| SensorError::Pin(error.kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::digital::ErrorKind;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    #[test]
    fn an_open_switch_is_a_tilted_bin_and_a_broken_pin_is_neither() {
        let broken = MockError::Io(std::io::ErrorKind::Other);
        let mut pin = Mock::new(&[
            Transaction::get(State::Low),
            Transaction::get(State::High),
            Transaction::get(State::High).with_error(broken),
        ]);
        let mut switch = TiltSwitch::new(pin.clone());
        assert_eq!(switch.is_tilted(), Ok(false));
        assert_eq!(switch.is_tilted(), Ok(true));
        assert_eq!(switch.is_tilted(), Err(SensorError::Pin(ErrorKind::Other)));
        pin.done();
    }
}
