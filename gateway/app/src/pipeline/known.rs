//! A device of the estate with what its decoding needs: looked up once when the estate or the catalogue changes.

use crate::profiles::ANNOUNCED;
use jiff::tz::TimeZone;
use linli_decode::{Catalogue, DeviceContext, Profile, Role, Wiring};
use linli_domain::estate::{Device, Estate};
use std::sync::Arc;

/// A device with its profile and the facts its decoding needs.
#[derive(Debug)]
pub(super) struct Known {
    /// None for a device that describes itself.
    pub(super) profile: Option<Arc<Profile>>,
    context: DeviceContext,
    /// What its asset makes of it, when its own document does not say.
    asset_role: Option<Role>,
}

impl Known {
    /// What the estate and the catalogue say of a device; `None` when its profile is missing.
    pub(super) fn of(
        device: &Device,
        estate: &Estate,
        catalogue: &Catalogue,
        zone: Option<&TimeZone>,
    ) -> Option<Self> {
        let profile = catalogue.get(&device.profile);
        if profile.is_none() && device.profile.as_str() != ANNOUNCED {
            return None;
        }
        let asset = device.asset.and_then(|asset| estate.asset(asset));
        let geometry = |of: Option<linli_domain::estate::BinGeometry>| {
            of.map(|it| linli_decode::BinGeometry {
                empty_distance_mm: it.empty_distance_mm,
                full_distance_mm: it.full_distance_mm,
            })
        };
        let wiring = device.bindings.iter().filter(|b| b.invert || b.becomes.is_some());
        Some(Self {
            profile,
            asset_role: asset.and_then(|asset| Role::on(asset.kind)),
            context: DeviceContext {
                role: device.role.as_deref().and_then(Role::from_name),
                bin: geometry(asset.and_then(|asset| asset.bin)),
                tank: geometry(asset.and_then(|asset| asset.tank)),
                zone: zone.cloned(),
                wiring: wiring
                    .map(|b| Wiring {
                        measure: b.measure,
                        instance: b.instance.clone(),
                        becomes: b.becomes,
                        invert: b.invert,
                    })
                    .collect(),
                ..DeviceContext::default()
            },
        })
    }

    /// The facts for decoding with `profile`: what the asset suggests counts where the profile knows that use.
    pub(super) fn context(&self, profile: &Profile) -> DeviceContext {
        let suggested = || self.asset_role.filter(|role| profile.roles().contains(role));
        DeviceContext {
            role: self.context.role.or_else(suggested),
            ..self.context.clone()
        }
    }
}
