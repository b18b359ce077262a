//! What decoding has to remember between messages: Sparkplug births, Home Assistant's discovery, a bridge's inventory.
//!
//! The memory belongs to the batch: what a message changes is written down with the batch's commit, and taken back
//! when that fails. It is bounded where it grows; each limit says so in its refusal.

use crate::envelope;
use crate::envelope::discovery::{Discovery, Entity};
use crate::envelope::inventory::Inventoried;
use crate::envelope::sparkplug::node::Node;
use crate::frame::{Frame, Opened, Wrapping};
use crate::profile::Profile;
use crate::refusal::Rejection;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Everything remembered, over all connections.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    nodes: Journal<Node>,
    entities: Journal<Entity>,
    inventory: Journal<Inventoried>,
    /// What follows from the entities; made anew when they change.
    discovery: Discovery,
}

/// The connection a message came on; names of one connection never meet those of another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'c> {
    pub(crate) connection: &'c str,
}

impl Scope<'_> {
    /// The key of a name of this connection.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}\n{name}", self.connection)
    }
}

impl Memory {
    /// Opens the envelope of `frame`, which arrived on `connection` on a subscription like `wrapping`.
    ///
    /// # Errors
    /// A [`Rejection`] says why the message cannot be attributed or unwrapped; the memory is as it was.
    pub fn open<'a>(
        &mut self,
        connection: &str,
        wrapping: &Wrapping<'_>,
        frame: &Frame<'a>,
    ) -> Result<Opened<'a>, Rejection> {
        let scope = Scope { connection };
        let (nodes, entities) = (&mut self.nodes, &mut self.entities);
        let state = envelope::State {
            nodes,
            entities,
            inventory: &mut self.inventory,
            discovery: &mut self.discovery,
        };
        envelope::open_with(&scope, state, wrapping, frame)
    }

    /// The profile that a self-describing device gave itself, by its address on `connection`.
    pub fn profile_of(&self, connection: &str, address: &str) -> Option<&Arc<Profile>> {
        let key = Scope { connection }.key(address);
        let inventoried = self.inventory.get(&key).and_then(|known| known.profile.as_ref());
        inventoried.or_else(|| self.discovery.profile_of(&key))
    }

    /// Vendor and model of a device that was announced, and what else is known of it.
    pub fn announced(&self, connection: &str, address: &str) -> Option<Announced<'_>> {
        let key = Scope { connection }.key(address);
        if let Some(known) = self.inventory.get(&key) {
            return Some(known.announced());
        }
        self.discovery.announced(&key)
    }

    /// The devices the bridges of `connection` list, by their addresses.
    pub fn listed(&self, connection: &str) -> impl Iterator<Item = (&str, Announced<'_>)> {
        let prefix = Scope { connection }.key("");
        self.inventory.iter().filter_map(move |(key, known)| {
            let address = key.strip_prefix(&prefix)?;
            Some((address, known.announced()))
        })
    }

    /// What the running batch must store: name and bytes, or no bytes for what is forgotten.
    pub fn changes(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut changes = Vec::new();
        self.nodes.changes("sparkplug", &mut changes);
        self.entities.changes("discovery", &mut changes);
        self.inventory.changes("inventory", &mut changes);
        changes
    }

    /// Takes what was stored; what cannot be read is left out and counted, and comes again by itself.
    pub fn load(stored: impl IntoIterator<Item = (String, Vec<u8>)>) -> (Self, usize) {
        let (mut memory, mut unreadable) = (Self::default(), 0);
        for (name, bytes) in stored {
            let read = match name.split_once('\n') {
                Some(("sparkplug", key)) => memory.nodes.restore(key, &bytes),
                Some(("discovery", key)) => memory.entities.restore(key, &bytes),
                Some(("inventory", key)) => memory.inventory.restore(key, &bytes),
                _ => false,
            };
            unreadable += usize::from(!read);
        }
        for known in memory.inventory.map.values_mut() {
            known.settle();
        }
        memory.discovery = Discovery::of(&memory.entities);
        (memory, unreadable)
    }

    /// The batch is durable.
    pub fn commit(&mut self) {
        self.nodes.commit();
        self.entities.commit();
        self.inventory.commit();
    }

    /// The batch failed: what it changed never happened.
    pub fn rollback(&mut self) {
        self.nodes.rollback();
        self.inventory.rollback();
        if self.entities.rollback() {
            self.discovery = Discovery::of(&self.entities);
        }
    }
}

/// What a device that announced itself says it is.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'m> {
    /// The maker.
    pub vendor: &'m str,
    /// The model.
    pub model: &'m str,
    /// The profile made of what it exposes; none when it exposes nothing the vocabulary knows.
    pub profile: Option<&'m Arc<Profile>>,
}

/// Values by key that remember what the running batch changed.
#[derive(Debug, Clone)]
pub(crate) struct Journal<V> {
    map: FxHashMap<String, V>,
    /// What stood under each key when the batch first touched it.
    before: FxHashMap<String, Option<V>>,
}

impl<V> Default for Journal<V> {
    fn default() -> Self {
        Self {
            map: FxHashMap::default(),
            before: FxHashMap::default(),
        }
    }
}

impl<V: Clone> Journal<V> {
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.map.get(key)
    }
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.map.values()
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.map.iter()
    }
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let value = self.map.get_mut(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(key.to_owned(), Some(value.clone()));
        }
        Some(value)
    }
    pub(crate) fn get_or_insert(&mut self, key: &str) -> &mut V
    where
        V: Default,
    {
        let known = self.map.get(key).cloned();
        self.before.entry(key.to_owned()).or_insert(known);
        self.map.entry(key.to_owned()).or_default()
    }
    pub(crate) fn insert(&mut self, key: String, value: V) {
        let old = self.map.insert(key.clone(), value);
        self.before.entry(key).or_insert(old);
    }
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let old = self.map.remove(key);
        let was_there = old.is_some();
        if was_there {
            self.before.entry(key.to_owned()).or_insert(old);
        }
        was_there
    }
    fn commit(&mut self) {
        self.before.clear();
    }
    /// Whether anything was taken back.
    fn rollback(&mut self) -> bool {
        let changed = !self.before.is_empty();
        for (key, old) in self.before.drain() {
            match old {
                Some(old) => self.map.insert(key, old),
                None => self.map.remove(&key),
            };
        }
        changed
    }
}

/// A value that is kept over a restart.
pub(crate) trait Kept: Clone + Serialize + DeserializeOwned {
    /// Whether it would be stored as `old` was; cheap, because every message asks.
    fn is_stored_like(&self, old: &Self) -> bool;
}

impl<V: Kept> Journal<V> {
    fn changes(&self, kind: &str, changes: &mut Vec<(String, Option<Vec<u8>>)>) {
        for (key, old) in &self.before {
            let now = self.map.get(key);
            let same = match (now, old) {
                (Some(now), Some(old)) => now.is_stored_like(old),
                (None, None) => true,
                _ => false,
            };
            if !same {
                let bytes = now.map(|value| serde_json::to_vec(value).unwrap_or_default());
                changes.push((format!("{kind}\n{key}"), bytes));
            }
        }
    }

    fn restore(&mut self, key: &str, bytes: &[u8]) -> bool {
        match serde_json::from_slice(bytes) {
            Ok(value) => {
                self.map.insert(key.to_owned(), value);
                true
            }
            Err(_) => false,
        }
    }
}
