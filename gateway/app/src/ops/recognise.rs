//! What an unknown device may be: opens its waiting messages, asks the decoder for a guess, and shows what a profile
//! would make of them.
//!
//! Worked out when somebody asks, with the profiles of that moment. Nothing here touches the pipeline.

use crate::config::Subscription;
use linli_decode::{
    Body, Catalogue, ClockWindow, Clues, DeviceContext, Frame, Guess, Opened, Profile, Rejection, Role,
    declared, guess, open, plausible,
};
use linli_ledger::{UnknownPayload, UnknownRow};
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub use crate::pipeline::{Refused, SaidValue};

/// The subscriptions of every connection.
pub type Subscriptions = FxHashMap<Arc<str>, Vec<Subscription>>;

/// What a profile makes of a message.
#[derive(Debug)]
pub struct Preview {
    /// The application payload of a LoRaWAN frame, with its port.
    pub body: Option<(Option<u8>, Vec<u8>)>,
    /// Its values.
    pub values: Vec<SaidValue>,
    /// What was noticed.
    pub noticed: Vec<linli_decode::Diagnostic>,
    /// Why there are none.
    pub refused: Option<Refused>,
}

/// The profiles that may be the device's, the most likely first.
pub fn recognise(
    catalogue: &Catalogue,
    subscriptions: &Subscriptions,
    row: &UnknownRow,
    waiting: &[UnknownPayload],
) -> Vec<Guess> {
    let opened = waiting
        .iter()
        .filter_map(|message| opened(subscriptions, &row.connection, message)?.ok());
    let bodies: Vec<Body<'_>> = opened.map(|opened| opened.body).collect();
    let mut names: Vec<String> = waiting
        .last()
        .map(|newest| declared(&newest.payload))
        .unwrap_or_default();
    if let Some(model) = &row.model {
        names.push(format!("{} {model}", row.vendor.as_deref().unwrap_or_default()));
    }
    guess(catalogue, &Clues { bodies, names })
}

/// What `profile` makes of a waiting message, in `role`; what the envelope alone says when there is no profile.
pub fn preview(
    profile: Option<&Profile>,
    role: Option<Role>,
    subscriptions: &Subscriptions,
    window: ClockWindow,
    connection: &str,
    message: &UnknownPayload,
) -> Preview {
    let mut preview = Preview {
        body: None,
        values: Vec::new(),
        noticed: Vec::new(),
        refused: None,
    };
    let opened = match opened(subscriptions, connection, message) {
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
        let (observed, trust) = plausible(observation.observed.or(common), message.at, window);
        SaidValue {
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

/// The message out of its envelope; `None` when no subscription has it any more.
fn opened<'m>(
    subscriptions: &Subscriptions,
    connection: &str,
    message: &'m UnknownPayload,
) -> Option<Result<Opened<'m>, Rejection>> {
    let of_connection = subscriptions.get(connection)?;
    let subscription = of_connection
        .iter()
        .find(|s| s.pattern.capture(&message.topic).is_some())?;
    let frame = Frame {
        topic: &message.topic,
        payload: &message.payload,
        retained: message.retained,
        received: message.at,
    };
    Some(open(subscription.family, &subscription.pattern, &frame))
}
