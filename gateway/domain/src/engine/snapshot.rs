//! The engine's state as bytes, and back.
//!
//! A snapshot and the inputs after it are all that has to be kept. It holds only what cannot be derived, so two
//! engines in the same state have the same snapshot, byte by byte. It begins with its format number; another
//! format is refused, never guessed at.

use super::state::{
    AlarmKey, BatchKey, Bridge, Counters, Crowd, DeviceState, FlagKey, Flap, Gathering, Heard, PointState,
    State, Track, Vital,
};
use super::store::Store;
use super::{Engine, PointDef};
use crate::alarm::{Alarm, OutOfService, Serviced, Watch};
use crate::estate::{Estate, EstateDoc, Problem, Profiles};
use crate::health::Flag;
use crate::health::clock::DeviceClock;
use crate::id::{AlarmId, DeviceId, OrderId, PointKey, RuleId};
use crate::order::Order;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The format this program writes and reads.
const FORMAT: u16 = 7;

/// Why bytes are not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// They were written by another version of the program.
    #[error("the snapshot has format {found}, this program reads format {FORMAT}")]
    Format {
        /// The number found.
        found: u16,
    },
    /// They are damaged.
    #[error("the snapshot cannot be decoded")]
    Decode(#[from] postcard::Error),
    /// The estate in it makes no sense to this program.
    #[error("the estate in the snapshot has {} problem(s), the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Estate(Vec<Problem>),
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    doc: Arc<EstateDoc>,
    profiles: Arc<Profiles>,
    rule_versions: BTreeMap<RuleId, u32>,
    counters: Counters,
    defs: Vec<Arc<PointDef>>,
    points: Vec<PointState>,
    vitals: Vec<Vital>,
    heard: Vec<Heard>,
    devices: Vec<DeviceState>,
    flags: BTreeMap<FlagKey, Flag>,
    clocks: BTreeMap<DeviceId, DeviceClock>,
    through: BTreeMap<DeviceId, Arc<str>>,
    bridges: BTreeMap<Arc<str>, Bridge>,
    /// The rules `watches` counts by.
    rules: Vec<RuleId>,
    watches: Vec<(u32, PointKey, Watch)>,
    tracks: Vec<(u32, PointKey, Arc<Track>)>,
    flaps: BTreeMap<AlarmKey, Flap>,
    crowd: Arc<Crowd>,
    out_of_service: BTreeMap<Serviced, Arc<OutOfService>>,
    alarms: BTreeMap<AlarmId, Arc<Alarm>>,
    orders: BTreeMap<OrderId, Arc<Order>>,
    gatherings: BTreeMap<BatchKey, Gathering>,
}

impl Engine {
    /// The state as bytes.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let state = self.store.state();
        let rules: Vec<RuleId> = state.estate.rules().iter().map(|r| r.id.clone()).collect();
        let positions: FxHashMap<&RuleId, u32> = rules.iter().zip(0..).collect();
        let watches = state.watches.iter().zip(&self.store.index().watches);
        let tracks = state.tracks.iter();
        let snapshot = Snapshot {
            doc: state.estate.doc().clone(),
            profiles: state.estate.profiles().clone(),
            rule_versions: state.rule_versions.clone(),
            counters: state.counters,
            defs: state.defs.clone(),
            points: state.points.clone(),
            vitals: state.vitals.clone(),
            heard: state.heard.clone(),
            devices: state.devices.clone(),
            flags: state.flags.clone(),
            clocks: state.clocks.clone(),
            through: state.through.clone(),
            bridges: state.bridges.clone(),
            watches: watches
                .filter_map(|(w, def)| Some((*positions.get(&def.rule.id)?, def.point, *w)))
                .collect(),
            tracks: tracks
                .filter_map(|(n, track)| {
                    let def = self.store.index().watches.get(*n)?;
                    Some((*positions.get(&def.rule.id)?, def.point, track.clone()))
                })
                .collect(),
            flaps: state.flaps.clone(),
            crowd: state.crowd.clone(),
            out_of_service: state.out_of_service.clone(),
            alarms: state.alarms.clone(),
            orders: state.orders.clone(),
            gatherings: state.gatherings.clone(),
            rules,
        };
        let bytes = FORMAT.to_le_bytes().to_vec();
        Ok(postcard::to_extend(&snapshot, bytes)?)
    }

    /// The engine whose snapshot these bytes are.
    pub fn restore(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let Some((format, body)) = bytes.split_first_chunk() else {
            return Err(postcard::Error::DeserializeUnexpectedEnd.into());
        };
        let found = u16::from_le_bytes(*format);
        if found != FORMAT {
            return Err(SnapshotError::Format { found });
        }
        let snapshot: Snapshot = postcard::from_bytes(body)?;
        let mut estate =
            Estate::resolve_with(snapshot.doc, snapshot.profiles).map_err(SnapshotError::Estate)?;
        for rule in &mut estate.rules {
            if let Some(version) = snapshot.rule_versions.get(&rule.id) {
                Arc::make_mut(rule).version = *version;
            }
        }
        let points = snapshot.defs.len();
        let devices = estate.devices().len();
        let fits = [
            (snapshot.points.len(), points),
            (snapshot.vitals.len(), points),
            (snapshot.heard.len(), devices),
            (snapshot.devices.len(), devices),
        ];
        if fits.iter().any(|(found, expected)| found != expected) {
            return Err(postcard::Error::DeserializeBadEncoding.into());
        }
        let mut store = Store::new(State {
            estate: Arc::new(estate),
            rule_versions: snapshot.rule_versions,
            defs: snapshot.defs,
            points: snapshot.points,
            vitals: snapshot.vitals,
            heard: snapshot.heard,
            devices: snapshot.devices,
            flags: snapshot.flags,
            clocks: snapshot.clocks,
            through: snapshot.through,
            bridges: snapshot.bridges,
            watches: Vec::new(),
            tracks: BTreeMap::new(),
            flaps: snapshot.flaps,
            crowd: snapshot.crowd,
            out_of_service: snapshot.out_of_service,
            alarms: snapshot.alarms,
            orders: snapshot.orders,
            gatherings: snapshot.gatherings,
            counters: snapshot.counters,
        });
        let saved: FxHashMap<(&RuleId, PointKey), Watch> = snapshot
            .watches
            .iter()
            .filter_map(|(rule, point, watch)| Some(((snapshot.rules.get(*rule as usize)?, *point), *watch)))
            .collect();
        let tracks: FxHashMap<(&RuleId, PointKey), &Arc<Track>> = snapshot
            .tracks
            .iter()
            .filter_map(|(rule, point, track)| Some(((snapshot.rules.get(*rule as usize)?, *point), track)))
            .collect();
        for n in 0..store.index().watches.len() {
            let key = store.index().watches.get(n).map(|d| (d.rule.clone(), d.point));
            if let Some((rule, point)) = key
                && let Some(watch) = saved.get(&(&rule.id, point))
            {
                store.set_watch(n, *watch);
                if let Some(track) = tracks.get(&(&rule.id, point)) {
                    store.set_track(n, track.as_ref().clone());
                }
            }
        }
        Ok(Self { store })
    }
}
