//! Two readers of the ledger for all of HTTP: queries run beside the asynchronous threads, never on them.
//!
//! A third query waits for one of the two. SQLite is not opened per request, and a flood of requests cannot
//! take the disk from the pipeline.

use super::problem::{Code, Problem};
use crate::chain::chain;
use crate::pipeline::Door;
use linli_ledger::{OpenError, Reader, StoreError};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Semaphore;

/// Readers of the pool.
const READERS: usize = 2;

/// The pool.
#[derive(Debug)]
pub struct Readers {
    idle: Arc<Mutex<Vec<Reader>>>,
    places: Arc<Semaphore>,
    /// Damaged chunks are told here.
    healer: OnceLock<Door>,
}

/// A reader on loan; it goes back even when the query panics.
struct Loan {
    reader: Option<Reader>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(reader);
        }
    }
}

impl Readers {
    /// A pool over the ledger in `data`.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        let readers = (0..READERS)
            .map(|_| Reader::open(data))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            places: Arc::new(Semaphore::new(readers.len())),
            idle: Arc::new(Mutex::new(readers)),
            healer: OnceLock::new(),
        })
    }

    /// Tells the pipeline of damaged pieces from now on; it sets them aside.
    pub fn heal_through(&self, door: Door) {
        let _ = self.healer.set(door);
    }

    /// Runs a query on a thread of its own.
    pub async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| Problem::new(Code::Stopping, Code::Stopping.title()))?;
        let idle = Arc::clone(&self.idle);
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            let reader = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut loan = Loan { reader, idle };
            loan.reader.as_mut().map(query)
        });
        match task.await {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(error))) => {
                tracing::error!(error = %chain(&error), "read the ledger");
                if let (Some(piece), Some(door)) = (error.damaged_piece(), self.healer.get()) {
                    door.damaged(piece);
                    return Err(Problem::new(
                        Code::StoreFailed,
                        "some readings of this range are damaged and are being set aside; ask again in a moment",
                    ));
                }
                Err(Problem::new(
                    Code::StoreFailed,
                    "the ledger could not be read; `linli doctor` looks at the file",
                ))
            }
            Ok(None) | Err(_) => Err(Problem::new(Code::Internal, "the query was not finished")),
        }
    }
}
