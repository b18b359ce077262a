//! From the file to a running engine: the newest snapshot, and the log after it replayed with its effects
//! discarded. An empty ledger is seeded from the estate file.

use super::once::Once;
use super::requests::{ESTATE, estate_row};
use super::unknown::UnknownDevices;
use crate::clock::SharedClock;
use linli_decode::Memory;
use linli_domain::engine::{Arrival, Changes, Engine, Input, SnapshotError};
use linli_domain::estate::{EstateDoc, Problem};
use linli_domain::id::CommitId;
use linli_domain::time::Now;
use linli_ledger::{self as store, CommitError, Entry, Ledger, OpenError, Reader, Snapshot, StoreError};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// What the names of decoding's memory in the ledger begin with.
pub(super) const DECODE_MEMORY: &str = "decode/";

/// Format of the engine's snapshot as stored beside its bytes.
pub(super) const SNAPSHOT_FORMAT: u32 = 2;

/// Why the engine could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Reading the ledger.
    #[error("read the ledger to bring the engine back")]
    Store(#[from] StoreError),
    /// Opening a second connection to it.
    #[error("open the ledger for reading")]
    Open(#[from] OpenError),
    /// Writing the first commit.
    #[error("store the estate in the new ledger")]
    Commit(#[from] CommitError),
    /// The seed is needed and wrong.
    #[error("use the estate file as seed: {}", list(.0))]
    Seed(Vec<Problem>),
    /// The snapshot does not fit this program.
    #[error(
        "restore the engine from snapshot {commit}: install the version that wrote it, or restore a backup"
    )]
    Snapshot {
        /// The commit the snapshot was taken at.
        commit: CommitId,
        /// What does not fit.
        source: SnapshotError,
    },
    /// An input of the log cannot be read.
    #[error("replay commit {commit}: an input cannot be read; restore the last backup")]
    Input {
        /// The commit.
        commit: CommitId,
    },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What was brought back.
pub struct Recovered {
    /// The engine as it was after the last commit.
    pub engine: Engine,
    /// What was seen.
    pub once: Once,
    /// What decoding remembers.
    pub memory: Memory,
    /// Devices that are not in the estate, with their messages.
    pub unknown: UnknownDevices,
    /// Version of the estate in the ledger.
    pub estate_version: u32,
    /// Whether the ledger was empty and the seed was used.
    pub seeded: bool,
}

/// Brings the engine back, or seeds an empty ledger with `seed`.
pub fn recover(
    ledger: &mut Ledger,
    seed: &Arc<EstateDoc>,
    clock: &SharedClock,
) -> Result<Recovered, RecoverError> {
    let now = clock.now();
    let seeded = ledger.last_commit() == CommitId(0);
    if seeded {
        plant(ledger, seed, &now)?;
    }
    let mut marks = ledger.load_packet_marks()?;
    marks.sort_unstable_by_key(|(commit, _)| *commit);
    let once = Once::load(
        ledger
            .load_identities(now.wall)?
            .into_iter()
            .map(|i| (i.hash, i.expires)),
        marks.into_iter().map(|(_, m)| ((m.session, m.packet), m.hash)),
    );
    let reader = ledger.reader()?;
    let estate_version = reader
        .document(ESTATE, ESTATE, None)?
        .map_or(1, |newest| newest.version);
    Ok(Recovered {
        engine: replay(ledger)?,
        once,
        memory: remember(&reader)?,
        unknown: UnknownDevices::load(&reader)?,
        estate_version,
        seeded,
    })
}

/// What decoding remembers, each thing as it is stored: its name and its text.
pub type Known = Vec<(String, Vec<u8>)>;

/// What decoding remembers, as far as it is committed.
pub fn known(reader: &Reader) -> Result<Known, StoreError> {
    let stored = reader.named_values(DECODE_MEMORY)?.into_iter();
    let bare = |(name, bytes): (String, Vec<u8>)| Some((name.strip_prefix(DECODE_MEMORY)?.to_owned(), bytes));
    Ok(stored.filter_map(bare).collect())
}

/// Lets the decoding of a new ledger know what that of another gateway knew.
pub fn learn(ledger: &mut Ledger, known: &Known, now: &Now) -> Result<Memory, RecoverError> {
    let named: Vec<String> = known
        .iter()
        .map(|(name, _)| format!("{DECODE_MEMORY}{name}"))
        .collect();
    let values: Vec<store::NamedValue<'_>> = named
        .iter()
        .zip(known)
        .map(|(name, (_, bytes))| store::NamedValue {
            name,
            value: Some(bytes),
        })
        .collect();
    ledger.commit(&store::Batch {
        values: &values,
        ..store::Batch::at(*now)
    })?;
    Ok(remember(&ledger.reader()?)?)
}

/// What decoding remembered. What cannot be read (another version wrote it) is learnt anew from the field.
pub fn remember(reader: &Reader) -> Result<Memory, StoreError> {
    let (memory, unreadable) = Memory::load(known(reader)?);
    if unreadable > 0 {
        tracing::warn!(
            unreadable,
            "some of what devices announced cannot be read; they will be asked again"
        );
    }
    Ok(memory)
}

/// The first commit: the estate as version 1, and a snapshot of an engine that has heard nothing.
fn plant(ledger: &mut Ledger, seed: &Arc<EstateDoc>, now: &Now) -> Result<(), RecoverError> {
    let engine = Engine::new(Arc::clone(seed)).map_err(RecoverError::Seed)?;
    let documents = [estate_row(seed, 1, "seed", now)];
    let commit = ledger.commit(&store::Batch {
        documents: &documents,
        ..store::Batch::at(*now)
    })?;
    let bytes = engine
        .snapshot()
        .map_err(|source| RecoverError::Snapshot { commit, source })?;
    let snapshot = Snapshot {
        commit,
        format: SNAPSHOT_FORMAT,
        bytes,
    };
    ledger.seal(
        store::Budget {
            now: now.wall,
            slice: Duration::ZERO,
        },
        commit,
        Some(&snapshot),
    )?;
    Ok(())
}

/// The engine of the first version of the estate, as it was planted.
fn first_engine(ledger: &Ledger) -> Result<Engine, RecoverError> {
    let unreadable = RecoverError::Input { commit: CommitId(1) };
    let document = ledger.reader()?.document(ESTATE, ESTATE, Some(1))?;
    let document: EstateDoc = document
        .and_then(|row| serde_json::from_slice(&row.body?).ok())
        .ok_or(unreadable)?;
    Engine::new(Arc::new(document)).map_err(RecoverError::Seed)
}

/// The engine of the newest snapshot with everything committed after it.
pub fn replay(ledger: &Ledger) -> Result<Engine, RecoverError> {
    let (commit, mut engine) = match ledger.load_snapshot()? {
        Some(Snapshot { commit, bytes, .. }) => {
            let restored = Engine::restore(&bytes);
            (
                commit,
                restored.map_err(|source| RecoverError::Snapshot { commit, source })?,
            )
        }
        // The power went between the first commit and the first snapshot: the log still begins at the beginning.
        None => (CommitId(0), first_engine(ledger)?),
    };
    let (mut at, mut broken, mut effects) = (None, None, Changes::default());
    ledger.replay(commit, &mut |commit, entry| {
        match (entry, at) {
            (Entry::Now(now), _) => at = Some(now),
            (
                // What was not evaluated then (history, late, a replay) is not evaluated now; it still lets time pass
                // and shows that its device lives.
                Entry::Reading { reading, evaluated },
                Some(now),
            ) => {
                let arrival = if evaluated { Arrival::Live } else { Arrival::Stored };
                let _ = engine.step_reading(&now, reading, arrival, &mut effects);
                effects.clear();
            }
            (Entry::Reading { .. }, _) => {}
            (Entry::Input(bytes), Some(now)) => match postcard::from_bytes::<Input>(bytes) {
                Ok(input) => drop(engine.step(&now, &input)),
                Err(_) => {
                    broken = Some(commit);
                    return ControlFlow::Break(());
                }
            },
            (Entry::Input(_), None) => {
                broken = Some(commit);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    match broken {
        Some(commit) => Err(RecoverError::Input { commit }),
        None => Ok(engine),
    }
}
