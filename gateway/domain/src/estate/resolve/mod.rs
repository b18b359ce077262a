//! From a document to an [`Estate`]: every reference is followed once, every problem is collected.
//!
//! It adds the built-in gateway and its rules. It knows nothing of files and nothing of profiles: whether a
//! device's profile exists is for the program that has the catalogue.

mod devices;
mod rules;

use super::builtin::{GATEWAY, gateway_name};
use super::check::{Problem, Problems};
use super::doc::EstateDoc;
use super::{Asset, AssetIndex, AssetKind, Estate, Place, PlaceIndex, Profiles};
use crate::id::{AssetId, PlaceId};
use crate::measure::nearest;
use crate::text::Text;
use devices::{index_addresses, resolve_devices};
use rules::resolve_rules;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Most points of one device, bound or heard.
pub(crate) const MAX_POINTS_PER_DEVICE: usize = 64;

pub(super) fn resolve(doc: Arc<EstateDoc>, profiles: Arc<Profiles>) -> Result<Estate, Vec<Problem>> {
    let mut problems = Problems::default();
    check_head(&doc, &mut problems);
    let (places, places_by_id) = resolve_places(&doc, &mut problems);
    let (assets, assets_by_id) = resolve_assets(&doc, &places_by_id, &mut problems);
    let (devices, devices_by_id) = resolve_devices(&doc, &profiles, &assets_by_id, &mut problems);
    let (by_mqtt, by_bus) = index_addresses(&devices, &mut problems);
    let rules = resolve_rules(&doc, &assets_by_id, &mut problems);
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    Ok(Estate {
        doc,
        profiles,
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
        for (key, geometry) in [("bin", asset.bin), ("tank", asset.tank)] {
            let sane = geometry.is_none_or(|it| {
                it.full_distance_mm >= 0.0
                    && it.empty_distance_mm.is_finite()
                    && it.empty_distance_mm > it.full_distance_mm
            });
            if !sane {
                problems.add_hint(
                    format!("assets[{n}].{key}"),
                    "the distance to the floor when it is empty must be greater than to the surface when it is full",
                    "the sensor looks down from above",
                );
            }
        }
        assets.push(Asset {
            id: asset.id.clone(),
            kind: asset.kind,
            place: problems.find(|| format!("assets[{n}].place"), "place", &asset.place, places),
            name: asset.name.clone(),
            bin: asset.bin,
            tank: asset.tank,
            branch_of: None,
            fed_by: None,
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
            tank: None,
            branch_of: None,
            fed_by: None,
        });
    }
    resolve_topology(doc, &mut assets, &by_id, problems);
    (assets, by_id)
}

/// What an asset hangs on: refused when it leads nowhere, or back to itself.
fn resolve_topology(
    doc: &EstateDoc,
    assets: &mut [Asset],
    by_id: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) {
    for (n, (asset, written)) in assets.iter_mut().zip(&doc.assets).enumerate() {
        let mut find = |key: &str, id: &Option<AssetId>| {
            let id = id.as_ref()?;
            problems.find(|| format!("assets[{n}].{key}"), "asset", id, by_id)
        };
        asset.branch_of = find("branch_of", &written.branch_of);
        asset.fed_by = find("fed_by", &written.fed_by);
    }
    type Upwards = fn(&Asset) -> Option<AssetIndex>;
    let ways = [
        ("branch_of", (|a| a.branch_of) as Upwards),
        ("fed_by", |a| a.fed_by),
    ];
    for (key, up) in ways {
        for n in 0..doc.assets.len() {
            let at = |index: AssetIndex| assets.get(index.0 as usize);
            let mut way = std::iter::successors(at(AssetIndex(index(n))), |asset| up(asset).and_then(at));
            if way.nth(assets.len()).is_some() {
                problems.add_hint(
                    format!("assets[{n}].{key}"),
                    "leads back to itself",
                    "leave it out at the end nothing else is behind",
                );
            }
        }
    }
}
