//! Care for the file as a whole: looking at every byte of it, copying it while it is in use, putting a copy in its
//! place, and moving what is damaged out of the way.
//!
//! Reading here goes in short pieces beside the writer; only a backup holds one read transaction, because a copy must
//! be of one moment. Nothing here decides when it is time.

mod aside;
mod backup;
mod examine;
mod restore;

pub use aside::{Aside, AsideKind, Mended};
pub use backup::{Backup, BackupError};
pub use examine::{Examination, Finding};
pub use restore::{RestoreError, Restored, UNFINISHED};

pub(crate) use aside::stumbled;
pub(crate) use restore::refuse_unfinished;
