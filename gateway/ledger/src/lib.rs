//! The file that holds everything: readings, alarms, orders, outbox and audit of one estate.
//!
//! One SQLite file, one writer, one transaction per batch. What a batch holds becomes true together or not at all,
//! and once [`Ledger::commit`] returns it survives a power cut. The ledger stores and finds; it does not know what
//! an alarm means, decides nothing, runs nothing by itself and asks no clock.
//!
//! ```text
//!            Batch ──▶ Ledger::commit ──▶ stage row (log blob) + rows of state, outbox, audit …   one transaction
//!                                            │
//!   pipeline ◀── heads in memory ◀───────────┤                      Reader (own connection, any thread)
//!   (find, latest)                           │                        samples · spans · latest  
//!                                            ▼                        = chunks + log, merged by (observed, commit)
//!            Ledger::seal ──▶ chunk rows (pco) + series watermark
//!                             − log rows: sealed, in the engine's snapshot, passed by every cursor
//!
//!   readings   stage(id = commit, log)  chunk(point, t0, t1, summary, data)  series(point, sealed up to, latest)
//!   engine     snapshot(commit, bytes); replay of the log after it
//!   state      alarm · work_order · order_asset · transition · document · point · named_value
//!   outside    delivery (outbox) · retained · reject · unknown_device · answer (idempotency) · token
//!   once       identity (LoRaWAN) · packet_mark;  (point, observed) through find
//!   proof      audit, hash-chained from its first row
//! ```
//!
//! The log of a commit is one compact blob (no row per reading); that is what makes a commit of thousands of readings
//! cost about a microsecond each. A per-point watermark says what is sealed, so samples move into chunks without
//! touching the log, in slices short enough to fit between commits.
//!
//! Read the modules in this order: [`Batch`] and its rows, [`Ledger`], the stage, the sealer, [`Reader`].

mod batch;
mod outbox_rows;
mod rows;
mod unknown_rows;

mod heads;
mod ledger;
mod once;
mod prune;
mod reader;
mod remember;
mod retain;
mod rollup;
mod seal;
mod stage;
mod write;

mod care;

mod audit;
mod codec;
mod error;
mod lock;
mod schema;
mod stretch;
mod summary;

pub use audit::AuditHash;
pub use batch::{Batch, Entry, NamedValue, Subject, TransitionRow};
pub use care::{
    Aside, AsideKind, Backup, BackupError, Examination, Finding, Mended, RestoreError, Restored, UNFINISHED,
};
pub use codec::columns::StoredSample;
pub use error::{CommitError, Damage, OpenError, Piece, StoreError, Trouble};
pub use heads::Latest;
pub use ledger::{Ledger, Options};
pub use lock::LOCK_FILE;
pub use once::PACKET_COMMITS;
pub use outbox_rows::{Delivery, DeliveryState, DeliveryUpdate, NewDelivery};
pub use reader::{
    AlarmFilter, AlarmTransition, AuditEnd, AuditEntry, Counts, Effort, FileSizes, Kept, MAX_PAGE,
    OrderFilter, Page, Reader, Reject, RejectCount, RejectFilter, SampleCursor, SamplePage, Span, Spans,
    Transition,
};
pub use retain::{Age, Keep, LetGo};
pub use rollup::{DAY, HOUR, MINUTE};
pub use rows::{
    AlarmRow, AuditRow, DocumentRow, IdempotentAnswer, Identity, MAX_PARKED, MAX_REJECT_PAYLOAD, MAX_REJECTS,
    OrderRow, PacketMark, ParkedRow, PointRow, RejectRow, RetainedRow, TokenRow,
};
pub use schema::DATABASE_FILE;
pub use seal::{Budget, Sealed};
pub use stage::{Feed, Snapshot};
pub use stretch::{Edge, Stretch};
pub use summary::Summary;
pub use unknown_rows::{UnknownChange, UnknownPayload, UnknownRow, UnknownState};
