//! How things are at a moment: a function of the script and the time, nothing else.

use crate::dice::Dice;
use crate::plan::Plan;
use crate::truth::{Happening, Kind};

const MINUTE: i64 = 60_000;
const HOUR: f64 = 3_600_000.0;
/// A drip wets the sensor for 20 s in a minute.
pub(crate) const DRIP_MS: (i64, i64) = (20_000, MINUTE);
/// What is hot is cold again so long after it.
pub(crate) const COOLING_MS: i64 = 20 * MINUTE;

/// The world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) happenings: Vec<Happening>,
    of_asset: Vec<Vec<usize>>,
    of_device: Vec<Vec<usize>>,
    /// How each bin is filled on an ordinary day: hours from empty to empty, and where in that it begins.
    bins: Vec<(f64, f64)>,
}

impl World {
    pub(crate) fn new(plan: &Plan, happenings: Vec<Happening>, seed: u64) -> Self {
        let mut of_asset = vec![Vec::new(); plan.assets.len()];
        let mut of_device = vec![Vec::new(); plan.devices.len()];
        let assets: std::collections::BTreeMap<&str, usize> = plan
            .assets
            .iter()
            .enumerate()
            .map(|(n, asset)| (asset.id.as_str(), n))
            .collect();
        let devices: std::collections::BTreeMap<&str, usize> = plan
            .devices
            .iter()
            .enumerate()
            .map(|(n, device)| (device.id.as_str(), n))
            .collect();
        for (n, happening) in happenings.iter().enumerate() {
            let ill = matches!(happening.kind, Kind::Dead | Kind::Frozen);
            let device = happening
                .device
                .as_deref()
                .filter(|_| ill)
                .and_then(|id| devices.get(id));
            let asset = happening
                .asset
                .as_deref()
                .filter(|_| !ill)
                .and_then(|id| assets.get(id));
            if let Some(list) = device.and_then(|d| of_device.get_mut(*d)) {
                list.push(n);
            }
            if let Some(list) = asset.and_then(|a| of_asset.get_mut(*a)) {
                list.push(n);
            }
        }
        let bins = plan
            .assets
            .iter()
            .map(|asset| {
                let mut dice = Dice::of(seed, &asset.id);
                (10.0 + 4.0 * dice.fraction(), dice.fraction())
            })
            .collect();
        Self {
            happenings,
            of_asset,
            of_device,
            bins,
        }
    }

    /// What happens to an asset at some time.
    pub(crate) fn about_asset(&self, asset: usize) -> impl Iterator<Item = usize> + '_ {
        self.of_asset.get(asset).into_iter().flatten().copied()
    }

    /// What ails a device at some time.
    pub(crate) fn about_device(&self, device: usize) -> impl Iterator<Item = usize> + '_ {
        self.of_device.get(device).into_iter().flatten().copied()
    }

    fn at_asset(&self, asset: usize) -> impl Iterator<Item = &Happening> + '_ {
        self.about_asset(asset).filter_map(|n| self.happenings.get(n))
    }

    fn at_device(&self, device: usize, kind: Kind, at: i64) -> Option<&Happening> {
        self.about_device(device)
            .filter_map(|n| self.happenings.get(n))
            .find(|h| h.kind == kind && (h.from..h.to).contains(&at))
    }

    pub(crate) fn is_dead(&self, device: usize, at: i64) -> bool {
        self.at_device(device, Kind::Dead, at).is_some()
    }

    /// The moment a device that is frozen shows, or the moment itself.
    pub(crate) fn shown(&self, device: usize, at: i64) -> i64 {
        self.at_device(device, Kind::Frozen, at).map_or(at, |h| h.from)
    }

    pub(crate) fn is_wet(&self, asset: usize, at: i64) -> bool {
        self.at_asset(asset).any(|h| {
            (h.from..h.to).contains(&at)
                && match h.kind {
                    Kind::Water => true,
                    Kind::Drip => (at - h.from).rem_euclid(DRIP_MS.1) < DRIP_MS.0,
                    _ => false,
                }
        })
    }

    pub(crate) fn is_parked(&self, asset: usize, at: i64) -> bool {
        self.at_asset(asset)
            .any(|h| h.kind == Kind::Vehicle && (h.from..h.to).contains(&at))
    }

    /// How full a bin is, in percent.
    pub(crate) fn fill(&self, asset: usize, at: i64) -> f64 {
        let (hours, phase) = self.bins.get(asset).copied().unwrap_or((12.0, 0.0));
        let day = 15.0 + 55.0 * (as_f64(at - crate::BEGINS_MS) / (hours * HOUR) + phase).rem_euclid(1.0);
        let surge = self
            .at_asset(asset)
            .filter(|h| h.kind == Kind::Waste && at >= h.from)
            .last();
        match surge {
            Some(h) if at < h.certain => {
                let before = self.fill_before(asset, h.from);
                before + (90.0 - before) * part(at, h.from, h.certain)
            }
            Some(h) if at < h.to => 90.5 + 6.5 * part(at, h.certain, h.certain + 10 * MINUTE),
            Some(h) => day.min(8.0 + 5.0 * as_f64(at - h.to) / HOUR),
            None => day,
        }
    }

    fn fill_before(&self, asset: usize, at: i64) -> f64 {
        self.fill(asset, at - 1)
    }

    /// How warm it is in a bin, in degrees Celsius.
    pub(crate) fn celsius(&self, asset: usize, at: i64) -> f64 {
        let day = 12.0 - 6.0 * (as_f64(at - crate::BEGINS_MS) / (24.0 * HOUR) * std::f64::consts::TAU).cos();
        let fire = self
            .at_asset(asset)
            .filter(|h| h.kind == Kind::Heat && at >= h.from)
            .last();
        match fire {
            Some(h) if at < h.certain => day + (60.5 - day) * part(at, h.from, h.certain),
            Some(h) if at < h.to => {
                // It gets hotter for three minutes and cooler in the last five.
                let up = part(at, h.certain, h.certain + 3 * MINUTE);
                let down = part(at, h.to - 5 * MINUTE, h.to);
                61.0 + 24.0 * up.min(1.0 - down)
            }
            Some(h) => day + (59.0 - day) * (1.0 - part(at, h.to, h.to + COOLING_MS)),
            None => day,
        }
    }
}

/// How much of a stretch is over, 0 to 1.
fn part(at: i64, from: i64, to: i64) -> f64 {
    (as_f64(at - from) / as_f64((to - from).max(1))).clamp(0.0, 1.0)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a few days in milliseconds fit a double"
)]
fn as_f64(ms: i64) -> f64 {
    ms as f64
}
