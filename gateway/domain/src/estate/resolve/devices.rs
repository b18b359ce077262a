//! Devices: their addresses, each used once, and the assets their points watch.

use super::{MAX_POINTS_PER_DEVICE, index};
use crate::estate::builtin::{GATEWAY, gateway_name};
use crate::estate::check::Problems;
use crate::estate::doc::{DeviceDoc, EstateDoc, HealthDoc};
use crate::estate::{Address, AssetIndex, Binding, Device, DeviceIndex, Profiles};
use crate::id::{AssetId, BusId, DeviceId, ProfileId};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// A clock that may be off by less than this could not be told from one that is right.
const LEAST_SKEW: Duration = Duration::from_secs(1);

pub(super) fn resolve_devices(
    doc: &EstateDoc,
    profiles: &Profiles,
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
        devices.push(resolve_device(n, device, doc, profiles, assets, problems));
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
            stale_limit: Duration::MAX,
            silence_limit: Duration::MAX,
            sleeps: false,
            health: HealthDoc::default(),
            role: None,
            fed_by: None,
        });
    }
    (devices, by_id)
}

fn resolve_device(
    n: usize,
    device: &DeviceDoc,
    doc: &EstateDoc,
    profiles: &Profiles,
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
    // The gateway hears itself, and speaks only when something changes; everything else is heard somewhere.
    let is_gateway = device.id.as_str() == GATEWAY && device.address.is_none();
    let address = if is_gateway {
        None
    } else {
        problems.address(&format!("devices[{n}].address"), device.address.as_ref())
    };
    let health = device.health.unwrap_or_default();
    check_health(&format!("devices[{n}].health"), &health, problems);
    let facts = profiles.get(&device.profile).copied().unwrap_or_default();
    let expected_interval = device.expected_interval.or(facts.expected_interval);
    let (stale_limit, silence_limit) = if is_gateway {
        (Duration::MAX, Duration::MAX)
    } else {
        (
            doc.silence.stale(expected_interval),
            doc.silence.limit(expected_interval),
        )
    };
    Device {
        id: device.id.clone(),
        profile: device.profile.clone(),
        name: device.name.clone(),
        address,
        asset,
        bindings,
        expected_interval,
        stale_limit,
        silence_limit,
        sleeps: facts.sleeps,
        health,
        role: device.role.as_deref().map(Arc::from),
        fed_by: device
            .fed_by
            .as_ref()
            .and_then(|feed| problems.find(|| format!("devices[{n}].fed_by"), "asset", feed, assets)),
    }
}

/// Limits that could never be met, or always, are slips of the pen.
fn check_health(path: &str, health: &HealthDoc, problems: &mut Problems) {
    let numbers = [
        ("battery", health.battery, 0.0..=100.0, "percent, 0 to 100"),
        (
            "battery_voltage",
            health.battery_voltage,
            0.0..=60.0,
            "volts, 0 to 60",
        ),
        ("rssi", health.rssi, -200.0..=0.0, "dBm, -200 to 0"),
    ];
    for (key, number, range, what) in numbers {
        if number.is_some_and(|number| !range.contains(&number)) {
            problems.add_hint(
                format!("{path}.{key}"),
                "is out of range",
                format!("give it in {what}"),
            );
        }
    }
    if health.clock_skew.is_some_and(|skew| skew < LEAST_SKEW) {
        problems.add(
            format!("{path}.clock_skew"),
            "is shorter than a second: a message takes that long to arrive",
        );
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
