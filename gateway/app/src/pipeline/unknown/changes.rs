//! What a batch changed about one unknown device, as the ledger must store it.

use super::device::Device;
use linli_ledger::{UnknownChange, UnknownPayload, UnknownRow, UnknownState};
use std::sync::Arc;
use std::time::Duration;

/// The count of an ignored device is written at most so often; a crash may lose what came after.
const IGNORED_WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// From what was before to what is now; nothing when both are the same to the ledger.
pub(super) fn between(before: Option<&Device>, now: Option<&Device>) -> Vec<UnknownChange> {
    let gone = |device: &Device| UnknownChange {
        id: device.row.id,
        row: None,
        dropped: Vec::new(),
        added: Vec::new(),
    };
    match (before, now) {
        (None, None) => Vec::new(),
        (Some(before), None) => vec![gone(before)],
        (None, Some(now)) => vec![put(None, now)],
        (Some(before), Some(now)) if before.row.id != now.row.id => vec![gone(before), put(None, now)],
        (Some(before), Some(now)) if can_wait(before, now) => Vec::new(),
        (Some(before), Some(now)) => vec![put(Some(before), now)],
    }
}

/// Whether only the count of an ignored device has changed, and it was written not long ago.
pub(super) fn can_wait(before: &Device, now: &Device) -> bool {
    let counted = UnknownRow {
        heard: now.row.heard,
        last_seen: now.row.last_seen,
        ..before.row.clone()
    };
    now.row.state == UnknownState::Ignored
        && now.row == counted
        && now.row.last_seen.since(now.written) < IGNORED_WRITTEN_EVERY
}

fn put(before: Option<&Device>, now: &Device) -> UnknownChange {
    let before = || before.into_iter().flat_map(|device| &device.kept);
    let gone = |old: &&Arc<UnknownPayload>| !now.kept.iter().any(|kept| kept.number == old.number);
    let is_new = |kept: &&Arc<UnknownPayload>| !before().any(|old| Arc::ptr_eq(old, kept));
    UnknownChange {
        id: now.row.id,
        row: Some(now.row.clone()),
        dropped: before().filter(gone).map(|old| old.number).collect(),
        added: now
            .kept
            .iter()
            .filter(is_new)
            .map(|kept| UnknownPayload::clone(kept))
            .collect(),
    }
}
