//! "Has this been stored already?": the three identities of a message.
//!
//! A LoRaWAN identity lives until it expires, a packet id for some thousand commits, both as one blob per commit
//! that is read back only at start; a point's observed time is looked up in memory, then in the stage, then in chunks.
//! What to do with a repeat is decided by the caller.

use crate::codec::bytes::{Cursor, ascending_contains, put_varint};
use crate::codec::chunk;
use crate::codec::columns::StoredSample;
use crate::codec::log::{Decoded, Decoder};
use crate::error::{Damage, Doing, StoreError};
use crate::heads::Lookup;
use crate::ledger::Ledger;
use crate::rows::{Identity, PacketMark};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rusqlite::{OptionalExtension, params};
use rustc_hash::FxHashMap;

/// Commits for which packet marks are kept at least.
pub const PACKET_COMMITS: u64 = 1_000;

/// The observed times of the chunk that was asked last: repeats and late data come in runs.
#[derive(Debug)]
pub(crate) struct ChunkTimes {
    chunk: i64,
    times: Vec<i64>,
}

pub(crate) fn pack_identities(identities: &[Identity]) -> Vec<u8> {
    let mut out = Vec::with_capacity(identities.len() * 24);
    for identity in identities {
        out.extend_from_slice(&identity.hash.to_le_bytes());
        out.extend_from_slice(&identity.expires.as_millis().to_le_bytes());
    }
    out
}

pub(crate) fn pack_marks(marks: &[PacketMark]) -> Vec<u8> {
    let mut out = Vec::with_capacity(marks.len() * 16);
    for mark in marks {
        put_varint(&mut out, mark.session);
        put_varint(&mut out, u64::from(mark.packet));
        out.extend_from_slice(&mark.hash.to_le_bytes());
    }
    out
}

fn unpack_identities(bytes: &[u8]) -> Option<Vec<Identity>> {
    let (mut cursor, mut identities) = (Cursor::new(bytes), Vec::new());
    while !cursor.is_empty() {
        let hash = u128::from_le_bytes(cursor.array()?);
        let expires = Timestamp::from_millis(i64::from_le_bytes(cursor.array()?));
        identities.push(Identity { hash, expires });
    }
    Some(identities)
}

fn unpack_marks(bytes: &[u8]) -> Option<Vec<PacketMark>> {
    let (mut cursor, mut marks) = (Cursor::new(bytes), Vec::new());
    while !cursor.is_empty() {
        let session = cursor.varint()?;
        let packet = u16::try_from(cursor.varint()?).ok()?;
        marks.push(PacketMark {
            session,
            packet,
            hash: u64::from_le_bytes(cursor.array()?),
        });
    }
    Some(marks)
}

impl Ledger {
    /// The stored sample of `point` with exactly this observed time, wherever it lies; any one, if there are several.
    ///
    /// A time later than the point's last one is answered from memory, and so are the newest samples.
    pub fn find(&self, point: PointKey, observed: Timestamp) -> Result<Option<StoredSample>, StoreError> {
        let in_stage = match self.heads.find(point, observed) {
            Lookup::Found(sample) => return Ok(Some(sample)),
            Lookup::Absent => return Ok(None),
            Lookup::Unknown { stage } => stage,
        };
        if in_stage && let Some(sample) = self.find_in_stage(point, observed)? {
            return Ok(Some(sample));
        }
        self.find_in_chunks(point, observed)
    }

    fn find_in_stage(
        &self,
        point: PointKey,
        observed: Timestamp,
    ) -> Result<Option<StoredSample>, StoreError> {
        let sealed = self.heads.get(point).map_or(CommitId(0), |series| series.sealed);
        let rows = self
            .rows
            .iter()
            .filter(|row| row.commit > sealed && row.first <= observed && observed <= row.last);
        for row in rows {
            if let Some(sample) = self.find_in_row(row.commit, point, observed)? {
                return Ok(Some(sample));
            }
        }
        Ok(None)
    }

    fn find_in_row(
        &self,
        commit: CommitId,
        point: PointKey,
        observed: Timestamp,
    ) -> Result<Option<StoredSample>, StoreError> {
        let doing = "look for a sample in the log";
        let mut query = self
            .conn
            .prepare_cached("SELECT points, data FROM stage WHERE id = ?1")
            .doing(doing)?;
        let mut rows = query.query([commit.0 as i64]).doing(doing)?;
        let Some(row) = rows.next().doing(doing)? else {
            return Ok(None);
        };
        let blob = |column| {
            row.get_ref(column)
                .map(|value| value.as_blob().unwrap_or_default())
                .doing(doing)
        };
        if !ascending_contains(blob(0)?, point.0) {
            return Ok(None);
        }
        let mut log = Decoder::new(commit, blob(1)?).doing(doing)?;
        while let Some(entry) = log.next().doing(doing)? {
            if let Decoded::Reading { reading, .. } = entry
                && reading.point == point
                && reading.observed == observed
            {
                return Ok(Some(StoredSample::from(&reading)));
            }
        }
        Ok(None)
    }

    fn find_in_chunks(
        &self,
        point: PointKey,
        observed: Timestamp,
    ) -> Result<Option<StoredSample>, StoreError> {
        let doing = "look for a sample in the chunks";
        let sql = "SELECT id FROM chunk WHERE point = ?1 AND t0 <= ?2 AND t1 >= ?2 ORDER BY id";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let ids = query
            .query_map(params![point.0, observed.as_millis()], |row| row.get(0))
            .doing(doing)?;
        for id in ids {
            let id: i64 = id.doing(doing)?;
            if self.chunk_has(point, id, observed)? {
                let bytes = self.chunk_bytes(id)?;
                let columns = chunk::decode(point, &bytes)
                    .map_err(|what| Damage::Chunk {
                        point,
                        chunk: id,
                        what,
                    })
                    .doing(doing)?;
                return Ok(columns.samples().find(|sample| sample.observed == observed));
            }
        }
        Ok(None)
    }

    fn chunk_has(&self, point: PointKey, id: i64, observed: Timestamp) -> Result<bool, StoreError> {
        let mut known = self.chunk_times.borrow_mut();
        let times = match &mut *known {
            Some(times) if times.chunk == id => times,
            other => {
                let times = chunk::decode_times(point, &self.chunk_bytes(id)?)
                    .map_err(|what| Damage::Chunk {
                        point,
                        chunk: id,
                        what,
                    })
                    .doing("look for a sample in the chunks")?;
                other.insert(ChunkTimes { chunk: id, times })
            }
        };
        Ok(times.times.binary_search(&observed.as_millis()).is_ok())
    }

    pub(crate) fn chunk_bytes(&self, id: i64) -> Result<Vec<u8>, StoreError> {
        self.conn
            .prepare_cached("SELECT data FROM chunk WHERE id = ?1")
            .and_then(|mut query| query.query_row([id], |row| row.get(0)).optional())
            .doing("read a chunk")
            .map(Option::unwrap_or_default)
    }

    /// Identities that have not expired at `now`, for the caller's memory at start.
    pub fn load_identities(&self, now: Timestamp) -> Result<Vec<Identity>, StoreError> {
        let doing = "load the identities of messages";
        let mut query = self
            .conn
            .prepare("SELECT data FROM identity WHERE expires > ?1 ORDER BY id")
            .doing(doing)?;
        let mut rows = query.query([now.as_millis()]).doing(doing)?;
        let mut identities = Vec::new();
        while let Some(row) = rows.next().doing(doing)? {
            let bytes: Vec<u8> = row.get(0).doing(doing)?;
            let damage = Damage::Row {
                table: "identity",
                what: "it is cut short",
            };
            let stored = unpack_identities(&bytes).ok_or(damage).doing(doing)?;
            identities.extend(stored.into_iter().filter(|identity| identity.expires > now));
        }
        Ok(identities)
    }

    /// The last mark under each (session, packet id), in no order, for the caller's memory at start.
    pub fn load_packet_marks(&self) -> Result<Vec<(CommitId, PacketMark)>, StoreError> {
        let doing = "load the packet ids";
        let mut query = self
            .conn
            .prepare("SELECT id, data FROM packet_mark ORDER BY id")
            .doing(doing)?;
        let mut rows = query.query([]).doing(doing)?;
        let mut marks = FxHashMap::default();
        while let Some(row) = rows.next().doing(doing)? {
            let commit = CommitId(row.get::<_, i64>(0).doing(doing)? as u64);
            let bytes: Vec<u8> = row.get(1).doing(doing)?;
            let damage = Damage::Row {
                table: "packet_mark",
                what: "it is cut short",
            };
            for mark in unpack_marks(&bytes).ok_or(damage).doing(doing)? {
                marks.insert((mark.session, mark.packet), (commit, mark));
            }
        }
        Ok(marks.into_values().collect())
    }
}
