//! Who hangs on a bus: the estate's devices with an address there, and their profiles.
//!
//! Follows the committed estate and the profiles in use; a profile decides what is asked, nothing here does.

use crate::config::ModbusBus;
use crate::pipeline::Progress;
use crate::profiles::{ProfileSet, Profiles};
use linli_decode::{Catalogue, Profile};
use linli_domain::estate::{Address, Estate};
use linli_domain::id::{BusId, DeviceId};
use std::sync::Arc;
use tokio::sync::watch;

/// One slave of a bus.
#[derive(Debug, Clone)]
pub struct Slave {
    /// The device its answers belong to.
    pub device: DeviceId,
    /// Its address on the bus.
    pub unit: u8,
    /// What to ask and what the answers mean; it has a register map.
    pub profile: Arc<Profile>,
}

impl Slave {
    /// Whether it is the same device, asked in the same way at the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.device == other.device && self.unit == other.unit && Arc::ptr_eq(&self.profile, &other.profile)
    }
}

/// The slaves of one bus, as the estate names them at this moment.
#[derive(Debug)]
pub struct Devices {
    slaves: Arc<[Slave]>,
    source: Option<Source>,
}

#[derive(Debug)]
struct Source {
    bus: BusId,
    progress: watch::Receiver<Progress>,
    profiles: Arc<Profiles>,
    /// The estate and the profiles `slaves` was made from.
    made_from: (Arc<Estate>, Arc<ProfileSet>),
}

/// The devices of `bus`, now and after every edit of the estate or of their profiles.
pub fn devices(bus: &ModbusBus, progress: watch::Receiver<Progress>, profiles: Arc<Profiles>) -> Devices {
    let made_from = (Arc::clone(&progress.borrow().estate), profiles.current());
    Devices {
        slaves: slaves_of(&bus.bus, &made_from.0, &made_from.1.catalogue),
        source: Some(Source {
            bus: bus.bus.clone(),
            progress,
            profiles,
            made_from,
        }),
    }
}

impl Devices {
    /// Slaves that never change: tests.
    pub fn fixed(slaves: impl Into<Arc<[Slave]>>) -> Self {
        Self {
            slaves: slaves.into(),
            source: None,
        }
    }

    /// The slaves now; the same `Arc` as long as the estate and the profiles are the same.
    pub(crate) fn now(&mut self) -> Arc<[Slave]> {
        if let Some(source) = &mut self.source {
            let now = (
                Arc::clone(&source.progress.borrow().estate),
                source.profiles.current(),
            );
            let (estate, profiles) = &source.made_from;
            if !(Arc::ptr_eq(&now.0, estate) && Arc::ptr_eq(&now.1, profiles)) {
                self.slaves = slaves_of(&source.bus, &now.0, &now.1.catalogue);
                source.made_from = now;
            }
        }
        Arc::clone(&self.slaves)
    }
}

fn slaves_of(bus: &BusId, estate: &Estate, catalogue: &Catalogue) -> Arc<[Slave]> {
    let mut slaves = Vec::new();
    for device in estate.devices() {
        let Some(Address::Bus { bus: its, unit }) = &device.address else {
            continue;
        };
        if its != bus {
            continue;
        }
        match catalogue.get(&device.profile).filter(|p| p.modbus().is_some()) {
            Some(profile) => slaves.push(Slave {
                device: device.id.clone(),
                unit: *unit,
                profile,
            }),
            None => tracing::warn!(
                %bus, device = %device.id, profile = %device.profile,
                "the device cannot be asked: its profile is missing or has no register map"
            ),
        }
    }
    // By address: the order of an operator who walks along the line with a list.
    slaves.sort_by_key(|s| s.unit);
    slaves.into()
}
