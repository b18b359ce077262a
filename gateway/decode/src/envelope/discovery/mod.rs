//! Home Assistant's MQTT discovery: entities announce where their state is published and what it means.
//!
//! `<prefix>/<component>/[<node>/]<object>/config` announces one entity; an empty payload removes it. The entities
//! of one device together make its profile. States arrive on topics of any form, so a message is looked up by its
//! whole topic.

mod entity;
mod template;

use super::auto::{self, Head};
use crate::frame::{Body, Event, Frame, Opened};
use crate::memory::{Announced, Journal, Scope};
use crate::profile::Profile;
use crate::refusal::Rejection;
pub(crate) use entity::Entity;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Most entities remembered, and most devices that may hear one topic.
const MAX_ENTITIES: usize = 4096;
const MAX_LISTENERS: usize = 16;

/// What follows from the entities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Discovery {
    devices: FxHashMap<String, Described>,
    /// Which devices a topic speaks for, by scope and topic.
    topics: FxHashMap<String, Vec<String>>,
}

/// A device made of its entities.
#[derive(Debug, Clone, Default)]
struct Described {
    vendor: String,
    model: String,
    topics: Vec<String>,
    profile: Option<Arc<Profile>>,
}

impl Discovery {
    /// Everything that follows from `entities`.
    pub(crate) fn of(entities: &Journal<Entity>) -> Self {
        let mut discovery = Self::default();
        let mut devices: Vec<String> = entities
            .iter()
            .filter_map(|(key, entity)| Some(device_key(key.split_once('\n')?.0, entity)))
            .collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            discovery.describe(&device, entities);
        }
        discovery
    }

    pub(crate) fn profile_of(&self, key: &str) -> Option<&Arc<Profile>> {
        self.devices.get(key)?.profile.as_ref()
    }

    pub(crate) fn announced(&self, key: &str) -> Option<Announced<'_>> {
        let known = self.devices.get(key)?;
        Some(Announced {
            vendor: &known.vendor,
            model: &known.model,
            profile: known.profile.as_ref(),
        })
    }

    /// Makes one device anew of its entities.
    fn describe(&mut self, key: &str, entities: &Journal<Entity>) {
        self.forget(key);
        let Some((connection, device)) = key.split_once('\n') else {
            return;
        };
        let mut own: Vec<(&String, &Entity)> = entities
            .iter()
            .filter(|(known, entity)| known.starts_with(connection) && device_key(connection, entity) == key)
            .filter(|(known, _)| known.as_bytes().get(connection.len()) == Some(&b'\n'))
            .collect();
        let Some((_, first)) = own.first() else { return };
        let (vendor, model) = (first.vendor.clone(), first.model.clone());
        own.sort_by(|a, b| a.0.cmp(b.0));
        let exposed: Vec<_> = own.iter().filter_map(|(_, entity)| entity.exposed()).collect();
        let wills: Vec<_> = own
            .iter()
            .flat_map(|(_, entity)| entity.wills.iter().map(|will| will.reachability()))
            .collect();
        let title = format!("{vendor} {model}");
        let title = if title.trim().is_empty() {
            device
        } else {
            title.trim()
        };
        let head = Head {
            id: format!("home-assistant.{}", auto::id_part(device)),
            title: title.to_owned(),
            // Discovery does not tell; a device that has a will and sleeps needs a profile that says so.
            sleeps: false,
        };
        let text = auto::text(&head, &exposed, &wills);
        let mut topics: Vec<String> = exposed.iter().map(|value| value.topic.clone()).collect();
        topics.extend(wills.iter().map(|will| will.topic.clone()));
        topics.sort_unstable();
        topics.dedup();
        for topic in &topics {
            let listeners = self.topics.entry(format!("{connection}\n{topic}")).or_default();
            if listeners.len() < MAX_LISTENERS && !listeners.iter().any(|known| known == device) {
                listeners.push(device.to_owned());
            }
        }
        let described = Described {
            vendor,
            model,
            topics,
            profile: text.as_deref().and_then(auto::profile),
        };
        self.devices.insert(key.to_owned(), described);
    }

    fn forget(&mut self, key: &str) {
        let Some(old) = self.devices.remove(key) else {
            return;
        };
        let Some((connection, device)) = key.split_once('\n') else {
            return;
        };
        for topic in old.topics {
            let topic = format!("{connection}\n{topic}");
            if let Some(listeners) = self.topics.get_mut(&topic) {
                listeners.retain(|known| known != device);
                if listeners.is_empty() {
                    self.topics.remove(&topic);
                }
            }
        }
    }
}

fn device_key(connection: &str, entity: &Entity) -> String {
    format!("{connection}\n{}", entity.device)
}

/// Opens an announcement; `rest` is the topic behind the prefix.
pub(super) fn announce<'a>(
    scope: &Scope<'_>,
    entities: &mut Journal<Entity>,
    discovery: &mut Discovery,
    rest: &'a str,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let ignored = || Ok(Opened::of(Cow::Borrowed(rest), Event::Ignored, frame));
    let levels: Vec<&str> = rest.split('/').collect();
    let (component, object) = match levels.as_slice() {
        [component, object, "config"] | [component, _, object, "config"] => (*component, *object),
        // Some publish their states below the prefix too.
        _ if discovery.topics.contains_key(&scope.key(frame.topic)) => return state(scope, discovery, frame),
        _ => return ignored(),
    };
    let key = scope.key(rest);
    let old = entities
        .get(&key)
        .map(|entity| device_key(scope.connection, entity));
    let read = if frame.payload.is_empty() {
        None
    } else {
        Entity::read(component, object, frame.payload)?
    };
    let Some(entity) = read else {
        if entities.remove(&key)
            && let Some(device) = old
        {
            discovery.describe(&device, entities);
        }
        return ignored();
    };
    if old.is_none() && entities.len() >= MAX_ENTITIES {
        return Err(Rejection::TooMany {
            what: "announced entities",
            limit: MAX_ENTITIES,
        });
    }
    let device = device_key(scope.connection, &entity);
    // Announced at every connect of the device.
    if entities.get(&key) != Some(&entity) {
        entities.insert(key, entity);
        if let Some(old) = old.filter(|old| *old != device) {
            discovery.describe(&old, entities);
        }
        discovery.describe(&device, entities);
    }
    let address = device
        .split_once('\n')
        .map(|(_, device)| device.to_owned())
        .unwrap_or_default();
    Ok(Opened::of(Cow::Owned(address), Event::Inventory, frame))
}

/// Opens a state, whatever its topic looks like.
pub(super) fn state<'a>(
    scope: &Scope<'_>,
    discovery: &Discovery,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    let listeners = discovery.topics.get(&scope.key(frame.topic));
    let mut opened = listeners.into_iter().flatten().map(|device| {
        let mut opened = Opened::of(Cow::Owned(device.clone()), Event::Uplink, frame);
        if frame.payload.is_empty() {
            opened.event = Event::Ignored;
        } else {
            opened.body = Body::message_on(frame.topic, frame.payload);
        }
        opened
    });
    let Some(mut first) = opened.next() else {
        return Err(Rejection::Unannounced {
            what: format!(
                "no entity announced the topic {:?}; is the discovery prefix subscribed too?",
                frame.topic.chars().take(120).collect::<String>()
            ),
        });
    };
    first.others = opened.collect();
    Ok(first)
}

#[cfg(test)]
mod tests;
