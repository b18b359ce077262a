//! Devices and their health, asked of the engine between two commits.

use super::Http;
use super::command::failed;
use super::extract::Query;
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::device::DeviceHealth;
use axum::Json;
use axum::extract::{Path, State};
use linli_domain::engine::{DeviceHealth as DomainHealth, Engine};
use linli_domain::estate::{Device, DeviceIndex};
use linli_domain::health::{FlagKind, Freshness};
use linli_domain::id::{AssetId, DeviceId, PointKey, ProfileId};
use linli_domain::time::Now;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which devices.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DevicesQuery {
    /// With this flag: `silent`, `stale`, `stuck`, `jump`, `low_battery`, `poor_signal`, `clock`, `conflict`; `any`
    /// for all with something wrong.
    pub flag: Option<String>,
    /// Of this profile.
    #[param(value_type = Option<String>)]
    pub profile: Option<ProfileId>,
    /// On this asset.
    #[param(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Which flags are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Flagged,
    With(FlagKind),
}

impl Wanted {
    fn read(text: Option<&str>) -> Result<Self, Problem> {
        match text {
            None => Ok(Self::All),
            Some("any") => Ok(Self::Flagged),
            Some(name) => FlagKind::from_name(name).map(Self::With).ok_or_else(|| {
                let known = FlagKind::ALL.map(FlagKind::name).join(", ");
                let shown: String = name.chars().take(64).collect();
                Problem::new(
                    Code::BadQuery,
                    format!("flag {shown:?} does not exist; the choices: any, {known}"),
                )
            }),
        }
    }

    fn passes(self, engine: &Engine, device: DeviceIndex) -> bool {
        let flags = engine.device_flags(device);
        match self {
            Self::All => true,
            Self::Flagged => !flags.is_empty(),
            Self::With(kind) => flags.has(kind),
        }
    }
}

/// The health of at most `most` devices after `after`, in the order of the estate.
pub(super) fn healths(
    engine: &Engine,
    now: &Now,
    wanted: Wanted,
    after: Option<&str>,
    most: usize,
    passes: impl Fn(&Device) -> bool,
) -> Vec<DomainHealth> {
    let estate = engine.estate();
    let place = |id: &DeviceId| estate.device_by_id(id).map(|index| index.as_usize());
    // A cursor of a device that has left the estate begins anew: nothing is left out, some come twice.
    let from = after
        .and_then(|after| after.parse().ok())
        .and_then(|id| place(&id))
        .map_or(0, |n| n + 1);
    let devices = estate.devices().iter().skip(from).filter(|device| passes(device));
    devices
        .filter_map(|device| estate.device_by_id(&device.id))
        .filter(|device| wanted.passes(engine, *device))
        .filter_map(|device| engine.device_health(device, now))
        .take(most)
        .collect()
}

/// Devices with their health, in the order of the estate
#[utoipa::path(get, path = "/devices", tag = "devices", params(DevicesQuery),
    responses((status = 200, body = Page<DeviceHealth>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<DevicesQuery>,
) -> Result<Json<Page<DeviceHealth>>, Problem> {
    let filter = format!("devices {:?} {:?} {:?}", query.flag, query.profile, query.asset);
    let ask = Ask::new(query.limit, query.cursor.as_deref(), &filter)?;
    let wanted = Wanted::read(query.flag.as_deref())?;
    let (after, most) = (ask.after.clone(), ask.limit + 1);
    let found = http
        .door
        .look(move |engine, now| {
            let estate = engine.estate();
            let passes = |device: &Device| {
                let asset = device.asset.and_then(|asset| estate.asset(asset));
                query
                    .profile
                    .as_ref()
                    .is_none_or(|profile| device.profile == *profile)
                    && query
                        .asset
                        .as_ref()
                        .is_none_or(|wanted| asset.is_some_and(|asset| asset.id == *wanted))
            };
            healths(engine, now, wanted, after.as_deref(), most, passes)
        })
        .await
        .map_err(|e| failed(&e))?;
    let page = ask.page(found, |health| health.device.to_string());
    Ok(Json(Page {
        items: wire(&http, &page.items).await?,
        next_cursor: page.next_cursor,
    }))
}

/// One device with its health
#[utoipa::path(get, path = "/devices/{device}", tag = "devices",
    params(("device" = String, Path, description = "Its id")),
    responses((status = 200, body = DeviceHealth)))]
pub async fn show(
    State(http): State<Arc<Http>>,
    Path(device): Path<String>,
) -> Result<Json<DeviceHealth>, Problem> {
    let unknown = || Problem::not_found("device", &device);
    let id: DeviceId = device.parse().map_err(|_| unknown())?;
    let health = http
        .door
        .look(move |engine, now| {
            let index = engine.estate().device_by_id(&id)?;
            engine.device_health(index, now)
        })
        .await
        .map_err(|e| failed(&e))?;
    let health = health.ok_or_else(unknown)?;
    wire(&http, &[health]).await?.pop().map(Json).ok_or_else(unknown)
}

async fn wire(http: &Http, healths: &[DomainHealth]) -> Result<Vec<DeviceHealth>, Problem> {
    let points = healths.iter().flat_map(|health| health.points.iter());
    let points: Vec<PointKey> = points.map(|(key, _)| *key).collect();
    let latest = http.live.latest(points.iter().copied());
    let names = http.names_of(&points).await?;
    let shown = healths
        .iter()
        .filter_map(|health| DeviceHealth::new(health, &names, &latest));
    Ok(shown.collect())
}

/// How recently points were heard; empty when the engine cannot be asked, which is no reason to show nothing.
pub(super) async fn freshness(http: &Http, keys: Vec<PointKey>) -> FxHashMap<PointKey, Freshness> {
    let look = move |engine: &Engine, now: &Now| {
        let known = keys.into_iter();
        known.map(|key| (key, engine.point_freshness(key, now))).collect()
    };
    http.door.look(look).await.unwrap_or_default()
}
