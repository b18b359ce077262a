//! What left the configuration is not lost any more: a connection, a bus or a bridge nobody is configured to hear.
//!
//! Its last word was that it is lost, and nothing will ever say another. So the gateway takes that back when it is started
//! with a configuration without it. What hung on it stays what it is: a device that was heard through it is silent, and
//! people hear of that.

use super::core::Core;
use crate::field::{Fact, Frame};
use linli_domain::engine::Input;
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::reading::Value;
use linli_domain::time::Now;
use std::sync::Arc;

/// Bridges are told to the engine beside.
const BRIDGE: &str = "gateway.bridge_ok";
/// What a link says about itself, by the name of the link.
const OF_LINKS: [&str; 4] = [
    BRIDGE,
    "gateway.bus_ok",
    "gateway.broker_connected",
    "gateway.subscriptions_ok",
];

impl Core {
    /// Takes back that something is lost which is not configured any more.
    pub(super) fn let_go_of_gone(&mut self, now: &Now) {
        let Some(links) = &self.links else {
            return;
        };
        let points = self.engine.points().iter().filter(|def| {
            let is_link = def.device.as_str() == GATEWAY && OF_LINKS.contains(&def.measure.name());
            let is_there =
                |name: &Arc<str>| links.contains(name) || self.understanding.bridges().any(|b| b == name);
            is_link && def.instance.as_ref().is_some_and(|name| !is_there(name))
        });
        let lost = points.filter(|def| {
            let latest = self.engine.latest(def.key);
            latest.is_some_and(|reading| reading.value == Some(Value::State(false)))
        });
        let gone: Vec<_> = lost.cloned().collect();
        for def in gone {
            let Some(name) = def.instance.clone() else {
                continue;
            };
            tracing::info!(%name, measure = def.measure.name(), "is not configured any more, so it is not lost");
            let fact = Fact {
                measure: def.measure,
                instance: Arc::clone(&name),
                value: Value::State(true),
                received: *now,
            };
            self.frame(Frame::Fact(fact), now);
            if def.measure.name() == BRIDGE {
                let up = Input::Bridge {
                    bridge: name,
                    up: true,
                    retained: false,
                };
                let _taken = self.input(now, &up);
            }
        }
    }
}
