//! What can be wrong with a node or its place on the bus.
//!
//! Not responsible for: carrying it out; `sim_node` and `session` do.

use std::str::FromStr;
use std::time::Duration;

/// A fault of one node. Other nodes on the bus are not touched by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Works.
    #[default]
    None,
    /// Unplugged from the bus: hears nothing, says nothing.
    Silent,
    /// Refuses every request with this exception code.
    Exception(u8),
    /// Answers damaged: a wrong checksum on RTU; on Modbus TCP, which has none, a foreign transaction number.
    BadCrc,
    /// Answers half a frame. On Modbus TCP the header announces the half, so that the stream stays in step.
    Truncated,
    /// Answers correctly, this much later; meanwhile the bus goes on, and the answer meets whatever is then.
    Late(Duration),
    /// Every sensor is unplugged from the node; the node answers and says so.
    SensorLost,
}

/// The text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown fault \"{0}\"; known are none, silent, bad-crc, truncated, sensor-lost, exception:<1-255>, late:<duration>"
)]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    /// ```
    /// use linli_node_sim::Fault;
    /// assert_eq!("exception:6".parse(), Ok(Fault::Exception(6)));
    /// assert_eq!("late:1500ms".parse(), Ok(Fault::Late(std::time::Duration::from_millis(1500))));
    /// assert!("tired".parse::<Fault>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Fault, UnknownFault> {
        let unknown = || UnknownFault(text.to_owned());
        match text.split_once(':') {
            None => match text {
                "none" => Ok(Fault::None),
                "silent" => Ok(Fault::Silent),
                "bad-crc" => Ok(Fault::BadCrc),
                "truncated" => Ok(Fault::Truncated),
                "sensor-lost" => Ok(Fault::SensorLost),
                _ => Err(unknown()),
            },
            Some(("exception", code)) => match code.parse() {
                Ok(code) if code > 0 => Ok(Fault::Exception(code)),
                _ => Err(unknown()),
            },
            Some(("late", delay)) => duration(delay).map(Fault::Late).ok_or_else(unknown),
            Some(_) => Err(unknown()),
        }
    }
}

/// `500ms`, `5s`, `2m` or `1h`, whole numbers.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number.into())),
        "s" => Some(Duration::from_secs(number.into())),
        "m" => Some(Duration::from_secs(u64::from(number) * 60)),
        "h" => Some(Duration::from_secs(u64::from(number) * 3_600)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "-1s", "1.5s", "5 s", "99999999999s", "5d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
