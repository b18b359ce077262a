//! From a document to an [`Estate`]: every reference is followed once, every problem is collected.
//!
//! It adds the built-in gateway and its rules. It knows nothing of files and nothing of profiles: whether a
//! device's profile exists is for the program that has the catalogue.

use super::builtin::{GATEWAY, builtin_rules, gateway_name};
use super::check::{Problem, Problems};
use super::doc::{AppliesToDoc, DeviceDoc, EstateDoc, RuleDoc};
use super::{
    Address, Asset, AssetIndex, AssetKind, Binding, Device, DeviceIndex, Estate, OrderPlan, Place, PlaceIndex,
};
use crate::id::{AssetId, DeviceId, OrderProfileId, PlaceId, ProfileId, RuleId};
use crate::measure::nearest;
use crate::order::OrderProfile;
use crate::rule::{AppliesTo, Rule};
use crate::text::Text;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// Longest delay of a rule or profile.
const MAX_DELAY: Duration = Duration::from_secs(7 * 86_400);
/// Most points of one device, bound or heard.
pub(crate) const MAX_POINTS_PER_DEVICE: usize = 64;

pub(super) fn resolve(doc: Arc<EstateDoc>) -> Result<Estate, Vec<Problem>> {
    let mut problems = Problems::default();
    check_head(&doc, &mut problems);
    let (places, places_by_id) = resolve_places(&doc, &mut problems);
    let (assets, assets_by_id) = resolve_assets(&doc, &places_by_id, &mut problems);
    let (devices, devices_by_id) = resolve_devices(&doc, &assets_by_id, &mut problems);
    let (by_mqtt, by_bus) = index_addresses(&devices, &mut problems);
    let rules = resolve_rules(&doc, &assets_by_id, &mut problems);
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    Ok(Estate {
        doc,
        places,
        assets,
        devices,
        rules,
        assets_by_id,
        devices_by_id,
        by_mqtt,
        by_bus,
    })
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn check_head(doc: &EstateDoc, problems: &mut Problems) {
    problems.text("name".into(), &doc.name);
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    if zones.get(&doc.timezone).is_err() {
        let known: Vec<String> = zones.available().map(|z| z.to_string()).collect();
        let message = format!("unknown time zone {:?}", doc.timezone);
        let hint = nearest(&doc.timezone, known.iter().map(String::as_str))
            .map_or("write an IANA name such as \"Asia/Shanghai\"".to_owned(), |z| {
                format!("did you mean {z:?}?")
            });
        problems.add_hint("timezone", message, hint);
    }
    if doc.silence.factor == 0 {
        problems.add("silence.factor", "must be 1 or more");
    }
}

fn resolve_places(doc: &EstateDoc, problems: &mut Problems) -> (Vec<Place>, FxHashMap<PlaceId, PlaceIndex>) {
    let mut by_id = FxHashMap::default();
    for (n, place) in doc.places.iter().enumerate() {
        problems.unique(
            || format!("places[{n}].id"),
            &place.id,
            PlaceIndex(index(n)),
            &mut by_id,
        );
        problems.text(format!("places[{n}].name"), &place.name);
    }
    let parents: Vec<Option<PlaceIndex>> = doc
        .places
        .iter()
        .enumerate()
        .map(|(n, place)| {
            let parent = place.parent.as_ref()?;
            problems.find(|| format!("places[{n}].parent"), "place", parent, &by_id)
        })
        .collect();
    let places = doc
        .places
        .iter()
        .enumerate()
        .map(|(n, place)| Place {
            id: place.id.clone(),
            parent: parents[n],
            kind: place.kind.clone(),
            name: place.name.clone(),
            path: path_of(n, doc, &parents).unwrap_or_else(|| {
                problems.add(format!("places[{n}].parent"), "lies inside itself");
                Text::default()
            }),
        })
        .collect();
    (places, by_id)
}

/// The names from the root to a place; `None` when the way up never ends.
fn path_of(start: usize, doc: &EstateDoc, parents: &[Option<PlaceIndex>]) -> Option<Text> {
    let mut way = vec![start];
    let mut at = start;
    while let Some(parent) = parents[at] {
        at = parent.0 as usize;
        if way.len() > doc.places.len() {
            return None;
        }
        way.push(at);
    }
    let join = |pick: fn(&Text) -> &str| {
        let names: Vec<&str> = way.iter().rev().map(|n| pick(&doc.places[*n].name)).collect();
        names.join(" / ")
    };
    Some(Text {
        zh: join(|t| &t.zh),
        en: join(|t| &t.en),
    })
}

fn resolve_assets(
    doc: &EstateDoc,
    places: &FxHashMap<PlaceId, PlaceIndex>,
    problems: &mut Problems,
) -> (Vec<Asset>, FxHashMap<AssetId, AssetIndex>) {
    let mut by_id = FxHashMap::default();
    let mut assets = Vec::with_capacity(doc.assets.len() + 1);
    for (n, asset) in doc.assets.iter().enumerate() {
        problems.unique(
            || format!("assets[{n}].id"),
            &asset.id,
            AssetIndex(index(n)),
            &mut by_id,
        );
        problems.text(format!("assets[{n}].name"), &asset.name);
        if let Some(bin) = asset.bin {
            let sane = bin.full_distance_mm >= 0.0
                && bin.empty_distance_mm.is_finite()
                && bin.empty_distance_mm > bin.full_distance_mm;
            if !sane {
                problems.add_hint(
                    format!("assets[{n}].bin"),
                    "the distance to the empty bin's floor must be greater than to a full bin's surface",
                    "the sensor looks down from the lid",
                );
            }
        }
        assets.push(Asset {
            id: asset.id.clone(),
            kind: asset.kind,
            place: problems.find(|| format!("assets[{n}].place"), "place", &asset.place, places),
            name: asset.name.clone(),
            bin: asset.bin,
        });
    }
    if let Ok(id) = AssetId::new(GATEWAY)
        && !by_id.contains_key(&id)
    {
        by_id.insert(id.clone(), AssetIndex(index(assets.len())));
        assets.push(Asset {
            id,
            kind: AssetKind::Gateway,
            place: None,
            name: gateway_name(),
            bin: None,
        });
    }
    (assets, by_id)
}

fn resolve_devices(
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
        if let Some(asset) = problems.find(|| format!("{}.asset", path()), "asset", &point.asset, assets) {
            bindings.push(Binding {
                measure: point.measure,
                instance: point.instance.as_deref().map(Arc::from),
                asset,
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

type ByMqtt = FxHashMap<Arc<str>, FxHashMap<Arc<str>, DeviceIndex>>;
type ByBus = FxHashMap<crate::id::BusId, FxHashMap<u8, DeviceIndex>>;

fn index_addresses(devices: &[Device], problems: &mut Problems) -> (ByMqtt, ByBus) {
    let (mut by_mqtt, mut by_bus) = (ByMqtt::default(), ByBus::default());
    for (n, device) in devices.iter().enumerate() {
        let here = DeviceIndex(index(n));
        let before = match &device.address {
            None => None,
            Some(Address::Mqtt { connection, key }) => by_mqtt
                .entry(connection.clone())
                .or_default()
                .insert(key.clone(), here),
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

fn resolve_rules(
    doc: &EstateDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> Vec<Arc<Rule>> {
    let mut positions: FxHashMap<OrderProfileId, usize> = FxHashMap::default();
    let mut profiles: Vec<Arc<OrderProfile>> = Vec::with_capacity(doc.order_profiles.len());
    for (n, profile) in doc.order_profiles.iter().enumerate() {
        problems.unique(
            || format!("order_profiles[{n}].id"),
            &profile.id,
            n,
            &mut positions,
        );
        problems.text(format!("order_profiles[{n}].name"), &profile.name);
        for (part, delay) in [("hold", profile.verify.hold), ("grace", profile.verify.grace)] {
            check_delay(format!("order_profiles[{n}].verify.{part}"), delay, problems);
        }
        profiles.push(Arc::new(OrderProfile {
            id: profile.id.clone(),
            name: profile.name.clone(),
            verify: profile.verify,
            auto_close: profile.auto_close,
            guards: profile.guards,
        }));
    }
    let mut known: FxHashMap<RuleId, ()> = FxHashMap::default();
    let mut rules = Vec::with_capacity(doc.rules.len() + 3);
    for (n, rule) in doc.rules.iter().enumerate() {
        let path = format!("rules[{n}]");
        problems.unique(|| format!("{path}.id"), &rule.id, (), &mut known);
        let order = rule.order.as_ref().and_then(|plan| {
            let found = problems.find(
                || format!("{path}.order.profile"),
                "order profile",
                &plan.profile,
                &positions,
            )?;
            Some(OrderPlan {
                role: plan.role,
                profile: profiles.get(found)?.clone(),
            })
        });
        rules.extend(resolve_rule(&path, rule, order, assets, problems));
    }
    let builtin = builtin_rules().unwrap_or_default();
    for rule in builtin.iter().filter(|r| !known.contains_key(&r.id)) {
        rules.extend(resolve_rule("builtin", rule, None, assets, problems));
    }
    rules
}

fn resolve_rule(
    path: &str,
    rule: &RuleDoc,
    order: Option<OrderPlan>,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> Option<Arc<Rule>> {
    if rule.response.is_incomplete() {
        problems.add_hint(
            format!("{path}.response"),
            "is missing in one language",
            "say what the person must do: what needs no response is an event, not an alarm",
        );
    }
    check_delay(format!("{path}.on_delay"), rule.on_delay, problems);
    check_delay(format!("{path}.off_delay"), rule.off_delay, problems);
    let applies_to = resolve_applies_to(path, &rule.applies_to, assets, problems);
    let when = problems.when(&format!("{path}.when"), rule.when, rule.measure);
    Some(Arc::new(Rule {
        id: rule.id.clone(),
        version: 1,
        name: rule.name.clone(),
        class: rule.class.clone(),
        fault: rule.fault.clone(),
        measure: rule.measure,
        applies_to: applies_to?,
        when: when?,
        on_delay: rule.on_delay,
        off_delay: rule.off_delay,
        latch: rule.latch,
        priority: rule.priority,
        cause: rule.cause.clone(),
        consequence: rule.consequence.clone(),
        response: rule.response.clone(),
        order,
    }))
}

fn resolve_applies_to(
    path: &str,
    doc: &AppliesToDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> Option<AppliesTo> {
    match (doc.kind, &doc.assets) {
        (Some(kind), None) => Some(AppliesTo::Kind(kind)),
        (None, Some(named)) if !named.is_empty() => {
            for (n, id) in named.iter().enumerate() {
                problems.find(|| format!("{path}.applies_to.assets[{n}]"), "asset", id, assets);
            }
            Some(AppliesTo::Assets(named.iter().cloned().collect()))
        }
        _ => {
            problems.add_hint(
                format!("{path}.applies_to"),
                "names no assets",
                "write { kind = \"bin\" } or { assets = [\"bin-1\"] }",
            );
            None
        }
    }
}

fn check_delay(path: String, delay: Duration, problems: &mut Problems) {
    if delay > MAX_DELAY {
        problems.add(path, "is longer than 7 days");
    }
}
