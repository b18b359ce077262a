//! What a message says beside its values: the engine is told of reachability, joins, clocks and bridges, and a device
//! whose clock is wrong is not believed the time.

use super::core::Core;
use super::understood::{Said, Seen, Understood};
use crate::field::{Fact, Frame};
use linli_domain::engine::{DeviceNews, Input};
use linli_domain::estate::DeviceIndex;
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::time::{Now, Timestamp};
use std::sync::Arc;

impl Core {
    /// Takes what a frame says into the open batch: first what is known about the device, then its values.
    pub(super) fn take_in(&mut self, frame: &Frame, understood: &mut Understood, now: &Now) {
        let (received, retained) = match frame {
            Frame::Mqtt(message) => (message.received, message.retained),
            Frame::Modbus(answer) => (answer.received, false),
            Frame::Fact(fact) => (fact.received, false),
        };
        if let Some((bridge, up)) = understood.bridge.take() {
            // First the cause, then what it explains.
            if self.engine.bridge_is_up(&bridge) != Some(up) {
                self.tell_bridge(&bridge, up, received, now);
            }
            let input = Input::Bridge { bridge, up, retained };
            let _taken = self.input(now, &input);
        }
        self.take(&mut understood.said, &received, retained, now);
        for mut said in understood.others.drain(..) {
            self.take(&mut said, &received, retained, now);
        }
    }

    /// Takes in what a message says about one device.
    fn take(&mut self, said: &mut Said, received: &Now, retained: bool, now: &Now) {
        let Some(device) = said.device else {
            return;
        };
        if let Some(online) = said.available {
            let news = DeviceNews::Available {
                online,
                retained,
                sleeps: said.sleeps,
            };
            self.news(device, received.wall, news, now);
        }
        if said.joined && !retained {
            self.news(device, received.wall, DeviceNews::Joined, now);
        }
        let is_about_reach = said.seen.is_empty() && said.available.is_some();
        let mut is_replay = retained;
        if let Some(bridge) = said.through.take().filter(|_| !is_about_reach) {
            is_replay |= self.through(device, bridge, said, received.wall, now);
        }
        if let Some(clock) = said.clock
            && received.trusted
            && !is_replay
            && self.engine.wants_clock(device, clock, received.wall)
        {
            self.news(device, received.wall, DeviceNews::Clock(clock), now);
        }
        let doubted = self.engine.clock_is_wrong(device);
        let mut has_news = said.joined || is_about_reach;
        for mut seen in said.seen.drain(..) {
            if doubted {
                doubt(&mut seen, received.wall);
            }
            has_news |= self.seen(device, seen, received.wall, now);
        }
        // A message without a value, or one whose values all came before: the device lives.
        if !has_news && !is_replay {
            self.news(device, received.wall, DeviceNews::Heard, now);
        }
    }

    /// Something is known about a device; a refusal (it has just left the estate) changes nothing.
    pub(super) fn news(&mut self, device: DeviceIndex, received: Timestamp, news: DeviceNews, now: &Now) {
        let Some(device) = self.engine.estate().device(device).map(|d| d.id.clone()) else {
            return;
        };
        let input = Input::Device {
            device,
            received,
            news,
        };
        if let Err(refusal) = self.input(now, &input) {
            tracing::debug!(%refusal, "news of a device");
        }
    }

    /// A bridge that is lost, or back, is a reading of the gateway; rules make an alarm of it.
    fn tell_bridge(&mut self, bridge: &Arc<str>, up: bool, received: Now, now: &Now) {
        let Ok(measure) = "gateway.bridge_ok".parse() else {
            return;
        };
        let fact = Fact {
            measure,
            instance: Arc::clone(bridge),
            value: Value::State(up),
            received,
        };
        self.absorb(&Frame::Fact(fact), now);
    }

    /// The message came through a bridge; whether it is a replay: a bridge that has just come back repeats what it
    /// remembers as if it had just heard it.
    fn through(
        &mut self,
        device: DeviceIndex,
        bridge: Arc<str>,
        said: &mut Said,
        received: Timestamp,
        now: &Now,
    ) -> bool {
        let settles = self.engine.bridge_settles(&bridge, now);
        if settles {
            for seen in said.seen.iter_mut().filter(|seen| seen.quality.is_good()) {
                seen.quality = Quality::Uncertain(Reason::Retained);
            }
        }
        if self.engine.bridge_of(device) != Some(&bridge) {
            self.news(device, received, DeviceNews::Through(bridge), now);
        }
        settles
    }

    /// The catalogue's facts become part of the engine's state, so that a replay does not depend on the catalogue.
    pub(super) fn tell_profiles(&mut self, now: &Now) {
        self.profiles_told = true;
        let profiles = self.understanding.profiles();
        if **self.engine.estate().profiles() == profiles {
            return;
        }
        match self.input(now, &Input::Profiles(Arc::new(profiles))) {
            Ok(_) => {
                self.batch.estate = Some(Arc::clone(self.engine.estate()));
                self.understanding.learn(self.engine.estate());
            }
            Err(refusal) => tracing::error!(%refusal, "the engine refused what the catalogue says"),
        }
    }
}

/// A time of a clock that is known to be wrong is not believed. A live value takes its time of receipt; a record the
/// device had stored keeps its own, because nothing better is known about when it was made.
fn doubt(seen: &mut Seen, received: Timestamp) {
    if !seen.own_time {
        return;
    }
    if seen.quality.is_good() {
        seen.quality = Quality::Uncertain(Reason::ClockInvalid);
    }
    if !seen.historical {
        seen.observed = received;
        seen.own_time = false;
    }
}
