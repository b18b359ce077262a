//! Which MQTT version to speak: 5 first, 3.1.1 when the broker does not understand it, remembered.
//!
//! Pure. A broker of the 3.1.1 age answers a version 5 CONNECT with a CONNACK that has no properties, or simply
//! closes; the first is proof, the second also happens while a broker restarts and must repeat to count.

use crate::config::MqttProtocol;

/// Closed connections before CONNACK, in a row, that count as "does not speak version 5".
const SILENT_CLOSES: u8 = 2;

/// The protocol of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// MQTT 5.
    V5,
    /// MQTT 3.1.1.
    V311,
}

/// How an attempt to connect ended, as far as the version is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// CONNACK accepted the client.
    Accepted,
    /// The broker said that it does not know this version.
    WrongVersion,
    /// The connection ended before CONNACK without a reason.
    ClosedSilently,
    /// Anything else: not reachable, wrong password, TLS.
    Other,
}

/// What is known about the broker's versions.
#[derive(Debug, Clone)]
pub(super) struct Negotiation {
    configured: MqttProtocol,
    current: Version,
    /// Set once a version was accepted or refused by name: never changed again while the program runs.
    settled: bool,
    silent: u8,
}

impl Negotiation {
    pub(super) fn new(configured: MqttProtocol) -> Self {
        Self {
            configured,
            current: match configured {
                MqttProtocol::V311 => Version::V311,
                MqttProtocol::Auto | MqttProtocol::V5 => Version::V5,
            },
            settled: false,
            silent: 0,
        }
    }

    /// The version of the next attempt.
    pub(super) fn version(&self) -> Version {
        self.current
    }

    /// Learns from an attempt. `true`: the version changed and the next attempt need not wait.
    pub(super) fn learn(&mut self, outcome: Outcome) -> bool {
        if self.configured != MqttProtocol::Auto {
            return false;
        }
        match outcome {
            Outcome::Accepted => {
                self.settled = true;
                self.silent = 0;
                false
            }
            Outcome::WrongVersion if self.current == Version::V5 => {
                self.settled = true;
                self.current = Version::V311;
                true
            }
            Outcome::ClosedSilently if !self.settled => {
                self.silent += 1;
                if self.silent < SILENT_CLOSES {
                    return false;
                }
                self.silent = 0;
                self.current = match self.current {
                    Version::V5 => Version::V311,
                    Version::V311 => Version::V5,
                };
                false
            }
            Outcome::WrongVersion | Outcome::ClosedSilently | Outcome::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_name_is_remembered() {
        let mut broker = Negotiation::new(MqttProtocol::Auto);
        assert_eq!(broker.version(), Version::V5);
        assert!(broker.learn(Outcome::WrongVersion));
        assert_eq!(broker.version(), Version::V311);
        for outcome in [Outcome::ClosedSilently; 5] {
            broker.learn(outcome);
        }
        assert_eq!(broker.version(), Version::V311);
    }

    #[test]
    fn one_silent_close_is_a_restart_two_are_an_old_broker() {
        let mut broker = Negotiation::new(MqttProtocol::Auto);
        broker.learn(Outcome::ClosedSilently);
        assert_eq!(broker.version(), Version::V5);
        broker.learn(Outcome::ClosedSilently);
        assert_eq!(broker.version(), Version::V311);
        broker.learn(Outcome::Accepted);
        for _ in 0..5 {
            broker.learn(Outcome::ClosedSilently);
        }
        assert_eq!(broker.version(), Version::V311);
    }

    #[test]
    fn a_broker_once_met_in_version_5_is_never_downgraded_by_silence() {
        let mut broker = Negotiation::new(MqttProtocol::Auto);
        broker.learn(Outcome::Accepted);
        for _ in 0..5 {
            broker.learn(Outcome::ClosedSilently);
        }
        assert_eq!(broker.version(), Version::V5);
    }

    #[test]
    fn a_fixed_version_stays() {
        let mut broker = Negotiation::new(MqttProtocol::V5);
        broker.learn(Outcome::WrongVersion);
        assert_eq!(broker.version(), Version::V5);
        assert_eq!(Negotiation::new(MqttProtocol::V311).version(), Version::V311);
    }
}
