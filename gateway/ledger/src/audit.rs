//! The chain of the audit: each row's hash covers the row and the hash before it, from the first row on.
//!
//! A changed or removed row breaks the chain at that place. The end of the chain can be cut off unseen by the chain
//! itself; keep the end's hash elsewhere (a backup, the hub) to notice that too.

use crate::rows::AuditRow;
use sha2::{Digest, Sha256};

/// The hash of an audit row; all zero before the first.
pub type AuditHash = [u8; 32];

/// The hash of `row` after a row with hash `before`.
pub(crate) fn chain(before: &AuditHash, row: &AuditRow) -> AuditHash {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(row.at.as_millis().to_le_bytes());
    for field in [&row.actor, &row.action, &row.subject, &row.detail] {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finalize().into()
}
