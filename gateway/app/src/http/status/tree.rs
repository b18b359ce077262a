//! The place tree of the status page: every place with its assets, every asset with its values.

use super::Writing;
use super::lists::{AlarmLine, Listed};
use crate::http::Http;
use crate::http::devices::freshness;
use crate::http::status_text::{code, unit};
use crate::http::view::Names;
use crate::http::wire::point::{Quality, Reading, Value};
use crate::messages;
use linli_domain::estate::{Asset, Place};
use linli_domain::health::Freshness;
use linli_domain::id::{AssetId, PlaceId};
use linli_domain::measure::Measure;
use linli_domain::reading::Reading as DomainReading;
use linli_ledger::PointRow;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Most values on one page.
const MAX_VALUES: usize = 2_000;
/// Deepest place that is still drawn one step further in.
const MAX_DEPTH: usize = 8;

/// One value of one point.
pub(super) struct ValueLine {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) unit: &'static str,
    pub(super) age: String,
    /// `good`, `uncertain`, `bad`: the class of the mark beside the word.
    pub(super) quality: &'static str,
    pub(super) quality_word: String,
}

/// One asset with its values.
pub(super) struct AssetBlock {
    pub(super) name: String,
    pub(super) id: String,
    /// Class and word of its most urgent alarm.
    pub(super) alarm: Option<(&'static str, String)>,
    pub(super) values: Vec<ValueLine>,
}

/// One place with its assets.
pub(super) struct PlaceBlock {
    pub(super) depth: usize,
    pub(super) name: String,
    pub(super) assets: Vec<AssetBlock>,
}

/// The whole tree, parents before their children.
pub(super) struct Tree {
    pub(super) places: Vec<PlaceBlock>,
    /// Whether values were left out.
    pub(super) cut: bool,
}

impl Tree {
    pub(super) async fn read(
        http: &Http,
        names: &Names,
        alarms: &Listed<AlarmLine>,
        writing: &Writing,
    ) -> Self {
        let mut rows = names.points.all();
        let cut = rows.len() > MAX_VALUES;
        rows.truncate(MAX_VALUES);
        let latest = http.live.latest(rows.iter().map(|row| row.key));
        let freshness = freshness(http, rows.iter().map(|row| row.key).collect()).await;
        let mut by_asset: FxHashMap<&AssetId, Vec<ValueLine>> = FxHashMap::default();
        for row in &rows {
            if let Some(asset) = names.asset_of(row) {
                let line = line(row, latest.get(&row.key), freshness.get(&row.key), writing);
                by_asset.entry(&asset.id).or_default().push(line);
            }
        }
        let estate = &names.estate;
        let mut assets: FxHashMap<Option<&PlaceId>, Vec<AssetBlock>> = FxHashMap::default();
        for asset in estate.assets() {
            let values = by_asset.remove(&asset.id).unwrap_or_default();
            let place = asset
                .place
                .and_then(|place| estate.place(place))
                .map(|place| &place.id);
            assets
                .entry(place)
                .or_default()
                .push(block(asset, values, alarms, writing));
        }
        let mut children: FxHashMap<Option<&PlaceId>, Vec<&Place>> = FxHashMap::default();
        for place in estate.places().iter().rev() {
            let parent = place
                .parent
                .and_then(|parent| estate.place(parent))
                .map(|parent| &parent.id);
            children.entry(parent).or_default().push(place);
        }
        let mut places = Vec::new();
        let below = |parent: Option<&PlaceId>, depth: usize| {
            let children = children.get(&parent).into_iter().flatten();
            children.map(move |place| (*place, depth)).collect::<Vec<_>>()
        };
        let mut open = below(None, 0);
        while let Some((place, depth)) = open.pop() {
            places.push(PlaceBlock {
                depth: depth.min(MAX_DEPTH),
                name: writing.text(&place.name),
                assets: assets.remove(&Some(&place.id)).unwrap_or_default(),
            });
            open.extend(below(Some(&place.id), depth + 1));
        }
        if let Some(assets) = assets.remove(&None) {
            places.push(PlaceBlock {
                depth: 0,
                name: writing.words.unplaced.to_owned(),
                assets,
            });
        }
        Self { places, cut }
    }
}

fn block(asset: &Asset, values: Vec<ValueLine>, alarms: &Listed<AlarmLine>, writing: &Writing) -> AssetBlock {
    // The list begins with the most urgent.
    let alarm = alarms
        .lines
        .iter()
        .find(|line| line.asset_id == asset.id.as_str());
    AssetBlock {
        alarm: alarm.map(|line| (line.class, line.priority.clone())),
        name: writing.text(&asset.name),
        id: asset.id.to_string(),
        values,
    }
}

fn line(
    row: &Arc<PointRow>,
    latest: Option<&DomainReading>,
    freshness: Option<&Freshness>,
    writing: &Writing,
) -> ValueLine {
    let language = writing.language;
    let symbol = row
        .measure
        .parse::<Measure>()
        .map_or("", |measure| measure.unit().symbol());
    let mut label = messages::word(language, "measure", &row.measure).to_owned();
    if let Some(instance) = &row.instance {
        label = format!("{label} {instance}");
    }
    let Some(latest) = latest else {
        return ValueLine {
            label,
            value: "–".into(),
            unit: "",
            age: String::new(),
            quality: "uncertain",
            quality_word: writing.words.nothing_heard.into(),
        };
    };
    let reading = Reading::from(latest);
    let quiet = match freshness {
        Some(Freshness::Stale) => Some("stale"),
        Some(Freshness::Silent) => Some("silent"),
        Some(Freshness::Fresh | Freshness::Unheard) | None => None,
    };
    let (quality, word) = match reading.quality {
        Quality::Bad => ("bad", "bad"),
        Quality::Uncertain => ("uncertain", "uncertain"),
        Quality::Good if quiet.is_some() => ("uncertain", "uncertain"),
        Quality::Good => ("good", "good"),
    };
    let reason = match reading.reason.map(serde_json::to_value) {
        Some(Ok(serde_json::Value::String(reason))) => Some(reason),
        _ => quiet.map(str::to_owned),
    };
    let mut quality_word = code(language, word).to_owned();
    if let Some(reason) = &reason {
        quality_word = format!("{quality_word}: {}", code(language, reason));
    }
    ValueLine {
        label,
        value: reading
            .value
            .as_ref()
            .map_or_else(|| "–".into(), |value| show(value, row, writing)),
        unit: if reading.value.is_some() { unit(symbol) } else { "" },
        age: writing.ago(writing.now.since(latest.received)),
        quality,
        quality_word,
    }
}

fn show(value: &Value, row: &PointRow, writing: &Writing) -> String {
    match value {
        Value::State(state) => {
            let own = format!("{}={state}", row.measure);
            match code(writing.language, &own) {
                word if word == own => {
                    code(writing.language, if *state { "true" } else { "false" }).to_owned()
                }
                word => word.to_owned(),
            }
        }
        Value::Number(number) if number.abs() >= 1e6 => format!("{number:.0}"),
        // Three decimals at most, without trailing zeros.
        Value::Number(number) => {
            let text = format!("{number:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Text(text) => text.chars().take(120).collect(),
    }
}
