//! Notices that the folder of profiles has changed, by the names, sizes and times of its files.
//!
//! A folder is read once it has looked the same twice, so that a file is not read while it is being written.

use super::Profiles;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::pipeline::Door;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Time between two looks at the folder.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Name, size and time of change of every profile file.
pub(super) type Look = Vec<(String, u64, Option<SystemTime>)>;

/// Looks at the folder until `stop` and reloads the catalogue when it has changed.
pub async fn watch(
    profiles: Arc<Profiles>,
    door: Door,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    profiles.tell(&door, &metrics, clock.now()).await;
    let mut read = profiles.first_look.clone();
    let mut before = look(&profiles).await;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let now = look(&profiles).await;
        if now != read && now == before {
            match profiles.reload(&door, &metrics, clock.now()).await {
                Ok(_) => read.clone_from(&now),
                Err(error) => {
                    tracing::error!(%error, "the profiles could not be read again; they are tried again")
                }
            }
        }
        before = now;
    }
}

async fn look(profiles: &Arc<Profiles>) -> Look {
    let profiles = Arc::clone(profiles);
    let look = tokio::task::spawn_blocking(move || profiles.folder().map(look_at).unwrap_or_default());
    look.await.unwrap_or_default()
}

/// A file that cannot be looked at counts by its name; reading it says what is wrong.
pub(super) fn look_at(folder: &Path) -> Look {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut look: Look = entries
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "toml")
        })
        .take(super::MAX_FILES + 1)
        .map(|entry| {
            let meta = std::fs::metadata(entry.path()).ok();
            let changed = meta.as_ref().and_then(|meta| meta.modified().ok());
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, meta.map_or(0, |meta| meta.len()), changed)
        })
        .collect();
    look.sort();
    look
}
