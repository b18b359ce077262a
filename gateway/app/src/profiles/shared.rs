//! The catalogue as everybody shares it, and how it is replaced while the program runs.
//!
//! The pipeline comes first: it decodes with its own copy and takes the new one between two batches. Only then do the
//! buses and the API see it.

use super::watch::{Look, look_at};
use super::{FolderError, ProfileSet, files};
use crate::field::{Fact, Frame};
use crate::metrics::Metrics;
use crate::pipeline::{Door, Failed, Request};
use crate::profiles::Changes;
use arc_swap::ArcSwap;
use linli_decode::Catalogue;
use linli_domain::reading::Value;
use linli_domain::time::Now;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The measure of the built-in device `gateway` that says whether every profile file is in use.
const PROFILES_OK: &str = "gateway.profiles_ok";

/// Why the catalogue was not looked at again. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The pipeline.
    #[error(transparent)]
    Pipeline(#[from] Failed),
    /// The files could not be read to the end.
    #[error("the profiles were not read to the end; the log says why")]
    Broken,
}

/// The catalogue in use, and the folder it is read from.
#[derive(Debug)]
pub struct Profiles {
    folder: Option<PathBuf>,
    current: ArcSwap<ProfileSet>,
    /// The folder as it looked before it was read for the first time.
    pub(super) first_look: Look,
    /// One look at the folder at a time.
    reloading: Mutex<()>,
}

impl Profiles {
    /// Reads the folder for the first time. One that is not there may come later.
    pub fn open(folder: Option<PathBuf>) -> Result<Arc<Self>, FolderError> {
        let first_look = existing(folder.as_deref()).map(look_at).unwrap_or_default();
        let first = ProfileSet::first(files(existing(folder.as_deref()))?);
        Ok(Arc::new(Self {
            folder,
            first_look,
            current: ArcSwap::from_pointee(first),
            reloading: Mutex::new(()),
        }))
    }

    /// The state in use.
    pub fn current(&self) -> Arc<ProfileSet> {
        self.current.load_full()
    }

    /// The profiles in use.
    pub fn catalogue(&self) -> Catalogue {
        self.current.load().catalogue.clone()
    }

    /// The folder, if there is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        existing(self.folder.as_deref())
    }

    /// Reads the folder again and puts what is sound of it to use. What changed.
    pub async fn reload(&self, door: &Door, metrics: &Metrics, now: Now) -> Result<Changes, ReloadError> {
        let _one_at_a_time = self.reloading.lock().await;
        let (before, folder) = (self.current(), self.folder.clone());
        let read = {
            let before = Arc::clone(&before);
            tokio::task::spawn_blocking(move || Ok(before.next(files(existing(folder.as_deref()))?)))
        };
        let next: ProfileSet = read
            .await
            .map_err(|_| ReloadError::Broken)?
            .inspect_err(|_: &FolderError| metrics.profile_reloads.with_label_values(&["failed"]).inc())?;
        let changes = next.changes_since(&before);
        if changes != Changes::default() {
            let catalogue = next.catalogue.clone();
            door.ask(|reply| Request::Profiles { catalogue, reply }).await??;
        }
        let next = Arc::new(next);
        self.current.store(Arc::clone(&next));
        let outcome = if next.refused.is_empty() {
            "done"
        } else {
            "refused"
        };
        metrics.profile_reloads.with_label_values(&[outcome]).inc();
        tracing::info!(
            profiles = next.catalogue.len(), changed = ?changes.changed, removed = ?changes.removed,
            refused = next.refused.len(), "profiles read again"
        );
        self.tell(door, metrics, now).await;
        Ok(changes)
    }

    /// Says in the log, in the metrics and as a fact of the gateway which files are refused.
    pub async fn tell(&self, door: &Door, metrics: &Metrics, now: Now) {
        let set = self.current();
        for refused in &set.refused {
            let in_use = refused
                .in_use
                .as_ref()
                .map(|(id, version)| format!("{id} version {version}"));
            for error in &refused.errors {
                tracing::error!(file = refused.file, %error, in_use, "profile refused");
            }
        }
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.profiles_in_use.set(gauge(set.catalogue.len()));
        metrics.profiles_refused.set(gauge(set.refused.len()));
        if let Ok(measure) = PROFILES_OK.parse() {
            let fact = Fact {
                measure,
                instance: "catalogue".into(),
                value: Value::State(set.refused.is_empty()),
                received: now,
            };
            // The pipeline has ended: nobody is left to be told.
            let _ = door.push(vec![Frame::Fact(fact)]).await;
        }
    }
}

fn existing(folder: Option<&Path>) -> Option<&Path> {
    folder.filter(|folder| folder.is_dir())
}
