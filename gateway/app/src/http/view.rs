//! What the handlers look names up in: the estate as it is now, and the points that have spoken.
//!
//! The estate arrives from the pipeline after each committed edit. A [`Names`] is both for the length of one
//! answer, so that an answer never mixes two versions.

use super::problem::Problem;
use super::readers::Readers;
use super::wire::Text;
use arc_swap::ArcSwap;
use linli_domain::estate::{Asset, Device, Estate};
use linli_domain::id::{AssetId, CommitId, DeviceId, PointId, PointKey};
use linli_domain::measure::Measure;
use linli_ledger::PointRow;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// The points, by number and by id.
#[derive(Debug, Default)]
pub struct PointTable {
    by_key: FxHashMap<PointKey, Arc<PointRow>>,
    by_id: FxHashMap<PointId, PointKey>,
}

impl PointTable {
    /// A table of these points.
    pub fn new(rows: Vec<PointRow>) -> Self {
        let mut table = Self::default();
        for row in rows {
            table.by_id.insert(row.id.clone(), row.key);
            table.by_key.insert(row.key, Arc::new(row));
        }
        table
    }

    /// The point with this number.
    pub fn get(&self, key: PointKey) -> Option<&Arc<PointRow>> {
        self.by_key.get(&key)
    }

    /// The point with this id, or with this number written as `P12`.
    pub fn find(&self, text: &str) -> Option<&Arc<PointRow>> {
        let by_id = text.parse::<PointId>().ok().and_then(|id| self.by_id.get(&id));
        let key = by_id
            .copied()
            .or_else(|| text.strip_prefix('P')?.parse().ok().map(PointKey));
        key.and_then(|key| self.get(key))
    }

    /// Every point, by number.
    pub fn all(&self) -> Vec<Arc<PointRow>> {
        let mut rows: Vec<_> = self.by_key.values().map(Arc::clone).collect();
        rows.sort_unstable_by_key(|row| row.key);
        rows
    }
}

/// The points that have spoken, kept in step with the ledger.
#[derive(Debug, Default)]
pub struct Points {
    table: ArcSwap<PointTable>,
    /// The commit they were read after.
    read_after: AtomicU64,
    /// Held while they are read and put in place: who reads earlier must not put his in place later.
    reading: Mutex<()>,
}

impl Points {
    /// Reads them from the ledger, which is at least at `commit`.
    pub async fn refresh(&self, readers: &Readers, commit: CommitId) -> Result<(), Problem> {
        let _reading = self.reading.lock().await;
        let rows = readers.query(|reader| reader.points()).await?;
        self.table.store(Arc::new(PointTable::new(rows)));
        self.read_after.fetch_max(commit.0, Ordering::Relaxed);
        Ok(())
    }

    /// Reads them again unless that was done after `commit`: for a point that is asked for and not here.
    pub async fn catch_up(&self, readers: &Readers, commit: CommitId) -> Result<(), Problem> {
        if self.read_after.load(Ordering::Relaxed) >= commit.0 {
            return Ok(());
        }
        self.refresh(readers, commit).await
    }

    /// As they are now.
    pub fn table(&self) -> Arc<PointTable> {
        self.table.load_full()
    }
}

/// Every name one answer needs.
#[derive(Debug, Clone)]
pub struct Names {
    /// The estate.
    pub estate: Arc<Estate>,
    /// The points.
    pub points: Arc<PointTable>,
}

impl Names {
    /// Name of an asset and the path of its place.
    pub fn asset(&self, id: &AssetId) -> (Text, Text) {
        let (name, place) = self.estate.texts_of(id);
        (Text::from(&name), Text::from(&place))
    }

    /// The id of a point; its number when it is not known.
    pub fn point(&self, key: PointKey) -> String {
        self.points
            .get(key)
            .map_or_else(|| key.to_string(), |row| row.id.to_string())
    }

    /// A device of the estate.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.estate.device(self.estate.device_by_id(id)?)
    }

    /// The asset a point watches.
    pub fn asset_of(&self, row: &PointRow) -> Option<&Asset> {
        let measure: Measure = row.measure.parse().ok()?;
        let index = self
            .device(&row.device)?
            .asset_of(measure, row.instance.as_deref())?;
        self.estate.asset(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use futures_util::FutureExt;
    use linli_ledger::{Batch, Ledger, Options};
    use std::sync::Barrier;
    use std::time::Duration;

    #[tokio::test]
    async fn who_has_read_the_points_earlier_does_not_put_them_in_place_later() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path(), &Options::default()).unwrap();
        let readers = Readers::open(folder.path()).unwrap();
        let points = Points::default();
        // One begins to read, and is not looked after until the end.
        let mut early = Box::pin(points.refresh(&readers, ledger.last_commit()));
        assert!(early.as_mut().now_or_never().is_none());
        // Both readers are free again: it has read.
        let both = Arc::new(Barrier::new(2));
        let free = || {
            let both = Arc::clone(&both);
            readers.query(move |_| Ok(both.wait()))
        };
        let (one, other) = tokio::join!(free(), free());
        assert!(one.is_ok() && other.is_ok());
        let rows = [PointRow {
            key: PointKey(7),
            id: "bin-7/bin.fill".parse().unwrap(),
            device: "bin-7".parse().unwrap(),
            measure: "bin.fill".into(),
            instance: None,
        }];
        let commit = ledger
            .commit(&Batch {
                points: &rows,
                ..Batch::at(SystemClock::new().now())
            })
            .unwrap();
        let mut late = Box::pin(points.refresh(&readers, commit));
        // The later one waits for the earlier one; if it does not, the earlier one ends last.
        match tokio::time::timeout(Duration::from_millis(200), late.as_mut()).await {
            Ok(done) => {
                done.unwrap();
                early.await.unwrap();
            }
            Err(_) => {
                let (one, other) = tokio::join!(early, late);
                assert!(one.is_ok() && other.is_ok());
            }
        }
        assert!(points.table().get(PointKey(7)).is_some());
    }
}
