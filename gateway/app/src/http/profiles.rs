//! The device catalogue: listed with who uses what, and read again.

use super::Http;
use super::extract::{Body, Unkeyed};
use super::problem::{Code, Problem};
use super::wire::order::Plain;
use super::wire::profile::{Profile, Profiles, Reloaded, refused};
use crate::profiles::ReloadError;
use axum::Json;
use axum::extract::State;
use linli_domain::id::ProfileId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The profiles in use, by id, and the files that are refused
#[utoipa::path(get, path = "/profiles", tag = "onboarding", responses((status = 200, body = Profiles)))]
pub async fn list(State(http): State<Arc<Http>>) -> Json<Profiles> {
    let (set, estate) = (
        http.profiles.current(),
        Arc::clone(&http.progress.borrow().estate),
    );
    let mut users: BTreeMap<&ProfileId, usize> = BTreeMap::new();
    for device in estate.devices() {
        *users.entry(&device.profile).or_default() += 1;
    }
    let mut items: Vec<Profile> = set
        .iter()
        .map(|(file, source, profile)| {
            let devices = users.get(profile.id()).copied().unwrap_or(0);
            Profile::new(file, source, profile, devices)
        })
        .collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    Json(Profiles {
        items,
        refused: refused(&set),
    })
}

/// Read the folder of profiles again
///
/// A file that fails its own tests is refused with the difference, and the version in use stays. Devices of changed
/// profiles are understood by the new version from the next message on; Modbus devices are asked by it from the next
/// cycle on.
#[utoipa::path(post, path = "/profiles/reload", tag = "onboarding", request_body = Plain,
    responses((status = 200, body = Reloaded)))]
pub async fn reload(
    State(http): State<Arc<Http>>,
    _: Unkeyed,
    _: Body<Plain>,
) -> Result<Json<Reloaded>, Problem> {
    let now = http.clock.now();
    let changes = http
        .profiles
        .reload(&http.door, &http.metrics, now)
        .await
        .map_err(|error| match &error {
            ReloadError::Folder(_) => Problem::new(Code::Refused, said(&error)),
            ReloadError::Pipeline(failed) => super::command::failed(failed),
            ReloadError::Broken => Problem::new(Code::Internal, said(&error)),
        })?;
    let set = http.profiles.current();
    let ids = |ids: Vec<ProfileId>| ids.iter().map(ToString::to_string).collect();
    Ok(Json(Reloaded {
        profiles: set.catalogue.len(),
        changed: ids(changes.changed),
        removed: ids(changes.removed),
        refused: refused(&set),
    }))
}

/// An error with what lies beneath it.
fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
