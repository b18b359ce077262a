//! Bodies packed with gzip: lines repeat their tags, so they shrink to about an eighth. A target that does not take them so is
//! written to plainly from then on.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bodies below this many bytes are sent as they are: packing would save less than a packet.
const WORTH_PACKING: usize = 1_024;

/// What is known of a target and packed bodies.
#[derive(Debug, Default)]
pub(super) struct Packing {
    /// It has taken a packed body: what it refuses from now on is not the packing.
    proven: AtomicBool,
    /// It takes none.
    off: AtomicBool,
}

impl Packing {
    /// A body packed, when that is worth while and the target may take it.
    pub(super) async fn pack(&self, lines: &Bytes) -> Option<Bytes> {
        if lines.len() < WORTH_PACKING || self.off.load(Ordering::Relaxed) {
            return None;
        }
        let lines = lines.clone();
        // Milliseconds on a small machine: not on a thread others wait for.
        let packed = tokio::task::spawn_blocking(move || gzip(&lines));
        packed.await.ok()?.ok().map(Bytes::from)
    }

    /// A packed body was taken.
    pub(super) fn was_taken(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// Whether an answer to a packed body may be about the packing and not about the lines.
    pub(super) fn may_be_why(&self, status: u16) -> bool {
        status == 415 || (status == 400 && !self.proven.load(Ordering::Relaxed))
    }

    /// Packs no more; says whether that is news.
    pub(super) fn give_up(&self) -> bool {
        !self.off.swap(true, Ordering::Relaxed)
    }
}

fn gzip(lines: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
    packed.write_all(lines)?;
    packed.finish()
}
