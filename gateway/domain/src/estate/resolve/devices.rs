//! Devices: their addresses, each used once, and the assets their points watch.

use super::{MAX_POINTS_PER_DEVICE, index};
use crate::estate::builtin::{GATEWAY, gateway_name};
use crate::estate::check::Problems;
use crate::estate::doc::{DeviceDoc, EstateDoc};
use crate::estate::{Address, AssetIndex, Binding, Device, DeviceIndex};
use crate::id::{AssetId, BusId, DeviceId, ProfileId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub(super) fn resolve_devices(
    doc: &EstateDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> (Vec<Device>, FxHashMap<DeviceId, DeviceIndex>) {
    let mut by_id = FxHashMap::default();
    let mut devices = Vec::with_capacity(doc.devices.len() + 1);
    for (n, device) in doc.devices.iter().enumerate() {
        problems.unique(
            || format!("devices[{n}].id"),
            &device.id,
            DeviceIndex(index(n)),
            &mut by_id,
        );
        devices.push(resolve_device(n, device, doc, assets, problems));
    }
    if let (Ok(id), Ok(profile), Ok(asset)) = (
        DeviceId::new(GATEWAY),
        ProfileId::new(GATEWAY),
        AssetId::new(GATEWAY),
    ) && !by_id.contains_key(&id)
    {
        by_id.insert(id.clone(), DeviceIndex(index(devices.len())));
        devices.push(Device {
            id,
            profile,
            name: gateway_name(),
            address: None,
            asset: assets.get(&asset).copied(),
            bindings: Vec::new(),
            expected_interval: None,
            silence_limit: doc.silence.default,
            role: None,
        });
    }
    (devices, by_id)
}

fn resolve_device(
    n: usize,
    device: &DeviceDoc,
    doc: &EstateDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> Device {
    problems.text(format!("devices[{n}].name"), &device.name);
    if device.points.len() > MAX_POINTS_PER_DEVICE {
        problems.add(
            format!("devices[{n}].points"),
            format!("more than {MAX_POINTS_PER_DEVICE} points"),
        );
    }
    let asset = device
        .asset
        .as_ref()
        .and_then(|a| problems.find(|| format!("devices[{n}].asset"), "asset", a, assets));
    let mut bindings: Vec<Binding> = Vec::with_capacity(device.points.len());
    for (p, point) in device.points.iter().enumerate() {
        let path = || format!("devices[{n}].points[{p}]");
        let again =
            |b: &Binding| b.measure == point.measure && b.instance.as_deref() == point.instance.as_deref();
        if bindings.iter().any(again) {
            problems.add(path(), format!("{} is bound twice", point.measure));
        }
        if point.instance.as_ref().is_some_and(|i| i.trim().is_empty()) {
            problems.add(format!("{}.instance", path()), "is empty");
        }
        if let Some(becomes) = point.becomes.filter(|b| b.unit() != point.measure.unit()) {
            let (from, to) = (point.measure.unit(), becomes.unit());
            problems.add(
                format!("{}.becomes", path()),
                format!(
                    "{} is in {from} and {becomes} in {to}: a value cannot change its unit",
                    point.measure
                ),
            );
        }
        if point.invert && !point.measure.is_state() {
            problems.add(
                format!("{}.invert", path()),
                format!("{} is no state, so it has no other way round", point.measure),
            );
        }
        if point.asset.is_none() && point.becomes.is_none() && !point.invert {
            problems.add(path(), "says nothing: give `asset`, `becomes` or `invert`");
        }
        let asset = point
            .asset
            .as_ref()
            .map(|asset| problems.find(|| format!("{}.asset", path()), "asset", asset, assets));
        if asset != Some(None) {
            bindings.push(Binding {
                measure: point.measure,
                instance: point.instance.as_deref().map(Arc::from),
                asset: asset.flatten(),
                becomes: point.becomes,
                invert: point.invert,
            });
        }
    }
    let silence = doc.silence;
    // The gateway hears itself; everything else is heard somewhere.
    let address = if device.id.as_str() == GATEWAY && device.address.is_none() {
        None
    } else {
        problems.address(&format!("devices[{n}].address"), device.address.as_ref())
    };
    Device {
        id: device.id.clone(),
        profile: device.profile.clone(),
        name: device.name.clone(),
        address,
        asset,
        bindings,
        expected_interval: device.expected_interval,
        silence_limit: device.expected_interval.map_or(silence.default, |interval| {
            interval.saturating_mul(silence.factor).max(silence.at_least)
        }),
        role: device.role.as_deref().map(Arc::from),
    }
}

pub(super) type ByMqtt = FxHashMap<Arc<str>, FxHashMap<Arc<str>, DeviceIndex>>;
pub(super) type ByBus = FxHashMap<BusId, FxHashMap<u8, DeviceIndex>>;

pub(super) fn index_addresses(devices: &[Device], problems: &mut Problems) -> (ByMqtt, ByBus) {
    let (mut by_mqtt, mut by_bus) = (ByMqtt::default(), ByBus::default());
    for (n, device) in devices.iter().enumerate() {
        let here = DeviceIndex(index(n));
        let before = match &device.address {
            None => None,
            Some(Address::Mqtt {
                connection,
                key,
                also,
            }) => std::iter::once(connection)
                .chain(also.iter())
                .fold(None, |before, heard| {
                    let on = by_mqtt.entry(heard.clone()).or_default();
                    on.insert(key.clone(), here).or(before)
                }),
            Some(Address::Bus { bus, unit }) => by_bus.entry(bus.clone()).or_default().insert(*unit, here),
        };
        if let Some(before) = before {
            let first = devices.get(before.as_usize()).map_or("", |d| d.id.as_str());
            problems.add(
                format!("devices[{n}].address"),
                format!("is already the address of device {first:?}"),
            );
        }
    }
    (by_mqtt, by_bus)
}
