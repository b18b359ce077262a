//! Devices of the estate that were never heard: told as a reading of the gateway, of which a rule makes an alarm.
//!
//! A point appears when it is first heard, so no rule can wait for the silence of a device that has never spoken: a slip in
//! its address would leave its place unguarded without a word.

use super::core::Core;
use crate::field::{Fact, Frame};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::id::DeviceId;
use linli_domain::reading::Value;
use linli_domain::time::Now;

/// The instance of its point.
const INSTANCE: &str = "estate";

impl Core {
    /// Tells how many there are, when that is not what was told last.
    pub(super) fn look_for_unheard(&mut self, now: &Now) {
        let Ok(measure) = "gateway.devices_unheard".parse() else {
            return;
        };
        #[allow(clippy::cast_precision_loss, reason = "at most as many as devices")]
        let value = Value::Number(self.engine.never_heard() as f64);
        let gateway = DeviceId::new(GATEWAY).ok();
        let gateway = gateway.and_then(|id| self.engine.estate().device_by_id(&id));
        let point = gateway.and_then(|device| self.engine.point_of(device, measure, Some(INSTANCE)));
        let told = point.and_then(|point| self.engine.latest(point)?.value.clone());
        if told.unwrap_or(Value::Number(0.0)) == value {
            return;
        }
        let fact = Fact {
            measure,
            instance: INSTANCE.into(),
            value,
            received: *now,
        };
        self.frame(Frame::Fact(fact), now);
    }
}
