//! What is known of an edge node and its devices: their birth certificates, by which data are read.
//!
//! Names and types are only in births; data refer to them by number. What is here is kept over a restart, so that
//! data after one can be read; the running sequence number is not, since what was missed meanwhile is unknown anyway.

use super::proto::Payload;
use crate::memory::Kept;
use linli_domain::time::Timestamp;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Most devices of one node.
pub(super) const MAX_DEVICES: usize = 256;
/// A node is asked for its certificates at most this often.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// An edge node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Which life of the node its last birth certificate began; a death certificate names the life it ends.
    pub(super) bd_seq: Option<u64>,
    pub(super) online: bool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) devices: Arc<BTreeMap<String, NodeDevice>>,
    /// The sequence number the next message should have.
    #[serde(skip)]
    pub(super) next_seq: Option<u8>,
    #[serde(skip)]
    pub(super) asked: Option<Timestamp>,
}

/// A device behind a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeDevice {
    pub(super) online: bool,
    pub(super) metrics: Arc<Metrics>,
}

/// The metrics of one birth certificate.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metrics {
    names: Vec<(String, Option<u32>)>,
    aliases: FxHashMap<u64, u32>,
}

impl Metrics {
    pub(super) fn of(payload: &Payload<'_>) -> Self {
        let mut metrics = Self::default();
        for metric in &payload.metrics {
            let Some(name) = metric.name else { continue };
            let place = u32::try_from(metrics.names.len()).unwrap_or(u32::MAX);
            metrics.names.push((name.to_owned(), metric.datatype));
            if let Some(alias) = metric.alias {
                metrics.aliases.insert(alias, place);
            }
        }
        metrics
    }

    pub(super) fn by_alias(&self, alias: u64) -> Option<(&str, Option<u32>)> {
        let place = *self.aliases.get(&alias)?;
        let (name, datatype) = self.names.get(place as usize)?;
        Some((name, *datatype))
    }

    pub(super) fn datatype(&self, name: &str) -> Option<u32> {
        self.names.iter().find(|(known, _)| known == name)?.1
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

impl Kept for Node {
    fn is_stored_like(&self, old: &Self) -> bool {
        self.bd_seq == old.bd_seq
            && self.online == old.online
            && Arc::ptr_eq(&self.metrics, &old.metrics)
            && Arc::ptr_eq(&self.devices, &old.devices)
    }
}

impl Node {
    /// Takes the sequence number of a message; `false`: one before it was missed.
    pub(super) fn follows(&mut self, seq: Option<u64>) -> bool {
        let Some(seq) = seq.map(|seq| seq as u8) else {
            return true;
        };
        let expected = self.next_seq.replace(seq.wrapping_add(1));
        expected.is_none_or(|expected| expected == seq)
    }

    /// Whether it may be asked for its certificates now; notes that it is.
    pub(super) fn may_ask(&mut self, now: Timestamp) -> bool {
        let waits = self
            .asked
            .is_some_and(|at| now.since(at) < ASK_EVERY && now >= at);
        if !waits {
            self.asked = Some(now);
        }
        !waits
    }

    /// How many metrics its certificates hold.
    pub(crate) fn metric_count(&self) -> usize {
        let devices = self.devices.values().map(|device| device.metrics.len());
        self.metrics.len() + devices.sum::<usize>()
    }
}
