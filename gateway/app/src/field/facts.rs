//! Facts about the gateway's own surroundings, as readings of the `gateway` device.
//!
//! Whether a fact is an alarm is decided by rules, not here.

use super::{Fact, Frame};
use crate::clock::SharedClock;
use linli_domain::measure::Measure;
use linli_domain::reading::Value;
use std::sync::Arc;

/// States a link reports about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The connection to a broker is up.
    BrokerConnected,
    /// Messages the broker has dropped since it was last asked.
    BrokerDropped,
    /// The broker still had our session after a reconnect.
    SessionKept,
    /// The broker granted every subscription.
    SubscriptionsOk,
    /// A Modbus bus can be reached and at least one slave answers.
    BusOk,
}

impl About {
    fn measure(self) -> Option<Measure> {
        let name = match self {
            Self::BrokerConnected => "gateway.broker_connected",
            Self::BrokerDropped => "gateway.broker_dropped",
            Self::SessionKept => "gateway.session_kept",
            Self::SubscriptionsOk => "gateway.subscriptions_ok",
            Self::BusOk => "gateway.bus_ok",
        };
        name.parse().ok()
    }
}

/// Makes the facts of one connection or bus.
#[derive(Clone)]
pub(super) struct Facts {
    instance: Arc<str>,
    clock: SharedClock,
}

impl Facts {
    pub(super) fn new(instance: Arc<str>, clock: SharedClock) -> Self {
        Self { instance, clock }
    }

    pub(super) fn state(&self, about: About, value: bool) -> Vec<Frame> {
        self.fact(about, Value::State(value))
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "a count of messages past 2^53 is not met"
    )]
    pub(super) fn count(&self, about: About, value: u64) -> Vec<Frame> {
        self.fact(about, Value::Number(value as f64))
    }

    fn fact(&self, about: About, value: Value) -> Vec<Frame> {
        about
            .measure()
            .map(|measure| {
                Frame::Fact(Fact {
                    measure,
                    instance: Arc::clone(&self.instance),
                    value,
                    received: self.clock.now(),
                })
            })
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_a_measure() {
        for about in [
            About::BrokerConnected,
            About::BrokerDropped,
            About::SessionKept,
            About::SubscriptionsOk,
            About::BusOk,
        ] {
            assert!(about.measure().is_some(), "{about:?}");
        }
    }
}
