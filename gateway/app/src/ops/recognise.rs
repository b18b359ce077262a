//! What an unknown device may be: opens its waiting messages, asks the decoder for a guess, and shows what a profile
//! would make of them.
//!
//! Worked out when somebody asks, with the profiles of that moment and with what devices had announced by the last
//! commit. Nothing here touches the pipeline.

use crate::config::Subscription;
use crate::field::topic::Routes;
use linli_decode::{
    Body, Catalogue, ClockWindow, Clues, DeviceContext, Frame, Guess, Memory, Opened, Profile, Rejection,
    Role, Wrapping, declared, guess, plausible,
};
use linli_domain::time::Now;
use linli_ledger::{UnknownPayload, UnknownRow};
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub use crate::pipeline::{Refused, WatchedValue};

/// The subscriptions of every connection.
pub type Subscriptions = FxHashMap<Arc<str>, Vec<Subscription>>;

/// What messages are opened with.
#[derive(Debug)]
pub struct Recogniser {
    /// The profiles in use.
    pub catalogue: Catalogue,
    /// The subscriptions of every connection.
    pub subscriptions: Arc<Subscriptions>,
    /// What devices had announced: a copy, which what is opened here may change.
    pub memory: Memory,
    /// The window of plausible times.
    pub window: ClockWindow,
    /// The present, of which only the clock's trust counts.
    pub now: Now,
}

/// What a profile makes of a message.
#[derive(Debug)]
pub struct Preview {
    /// The application payload of a LoRaWAN frame, with its port.
    pub body: Option<(Option<u8>, Vec<u8>)>,
    /// Its values.
    pub values: Vec<WatchedValue>,
    /// What was noticed.
    pub noticed: Vec<linli_decode::Diagnostic>,
    /// Why there are none.
    pub refused: Option<Refused>,
}

impl Recogniser {
    /// The profiles that may be the device's, the most likely first.
    pub fn guess(&mut self, row: &UnknownRow, waiting: &[UnknownPayload]) -> Vec<Guess> {
        let mut bodies: Vec<Body<'_>> = Vec::new();
        for message in waiting {
            let opened = self.opened(&row.connection, &row.key, message);
            bodies.extend(opened.and_then(Result::ok).map(|opened| opened.body));
        }
        let mut names: Vec<String> = waiting
            .last()
            .map(|newest| declared(&newest.payload))
            .unwrap_or_default();
        if let Some(model) = &row.model {
            names.push(format!("{} {model}", row.vendor.as_deref().unwrap_or_default()));
        }
        let mut guesses = guess(&self.catalogue, &Clues { bodies, names });
        // A profile of the catalogue that knows the device by its name is better than what it says of itself, because
        // somebody has looked at it; but one that only fits is not.
        if let Some(profile) = self.memory.profile_of(&row.connection, &row.key) {
            let place = usize::from(guesses.first().is_some_and(Guess::is_by_name));
            guesses.insert(place, Guess::announced(profile));
        }
        guesses
    }

    /// What `profile` makes of a waiting message, in `role`; what the envelope alone says when there is no profile.
    pub fn preview(
        &mut self,
        profile: Option<&Profile>,
        role: Option<Role>,
        row: &UnknownRow,
        message: &UnknownPayload,
    ) -> Preview {
        let mut preview = Preview {
            body: None,
            values: Vec::new(),
            noticed: Vec::new(),
            refused: None,
        };
        let window = self.window;
        let received = Now {
            wall: message.at,
            ..self.now
        };
        let opened = match self.opened(&row.connection, &row.key, message) {
            Some(Ok(opened)) => opened,
            Some(Err(rejection)) => {
                preview.refused = Some(rejection.into());
                return preview;
            }
            None => {
                preview.refused = Some(Refused::no_subscription());
                return preview;
            }
        };
        if let Body::Bytes { f_port, bytes } = &opened.body {
            preview.body = Some((*f_port, bytes.to_vec()));
        }
        let context = DeviceContext {
            role,
            caution: opened.caution,
            received: message.at,
            ..DeviceContext::default()
        };
        let (mut observations, mut own_time) = (Vec::new(), None);
        if let Some(profile) = profile.filter(|_| opened.body != Body::None) {
            match profile.decode(&opened.body, &context, &mut observations) {
                Ok(decoded) => {
                    own_time = decoded.own_time;
                    preview.noticed = decoded.diagnostics;
                }
                Err(error) => preview.refused = Some(error.into()),
            }
        }
        let common = own_time.or(opened.observed);
        observations.extend(opened.envelope_readings);
        let value = |observation: linli_decode::Observation| {
            let claimed = observation.observed.or(common);
            let (observed, trust) = plausible(claimed, observation.historical, &received, window);
            WatchedValue {
                measure: observation.measure,
                instance: observation.instance,
                value: observation.value,
                quality: if observation.quality.is_good() {
                    trust
                } else {
                    observation.quality
                },
                observed,
                historical: observation.historical,
            }
        };
        preview.values = observations.into_iter().map(value).collect();
        preview
    }

    /// What the message says of the device with this key; `None` when no subscription has it any more.
    fn opened<'m>(
        &mut self,
        connection: &str,
        key: &str,
        message: &'m UnknownPayload,
    ) -> Option<Result<Opened<'m>, Rejection>> {
        let of_connection = self.subscriptions.get(connection)?;
        let subscription = of_connection.get(Routes::new(of_connection).subscription(&message.topic)?)?;
        let wrapping = Wrapping {
            family: subscription.family,
            pattern: &subscription.pattern,
        };
        let frame = Frame {
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
            received: message.at,
        };
        let opened = self.memory.open(connection, &wrapping, &frame);
        Some(opened.map(|mut opened| {
            // A message about several devices is opened for the one that is asked about.
            let others = std::mem::take(&mut opened.others);
            match others.into_iter().find(|other| other.address == key) {
                Some(other) if opened.address != key => other,
                _ => opened,
            }
        }))
    }
}
