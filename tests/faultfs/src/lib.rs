//! A disk that fails on purpose: a file system for SQLite that forgets, tears and refuses as a test says.
//!
//! [`Disk::under`] takes a folder into its care. From then on every call SQLite makes on a file below it is counted,
//! can be made to fail ([`Fault`]), and is remembered as a real disk would: what was written but not synced may be
//! lost, in whole or by sectors of 512 bytes, and in any order. [`Disk::cut_power`] writes down one of the states in
//! which the files may be found afterwards.
//!
//! ```text
//!   SQLite ── vfs (the only unsafe code) ── Disk: plan (which call fails) + files (what is durable)
//!                                             └── the real file system, which always does what it is told
//! ```
//!
//! Files outside such folders go straight through. The shared-memory index of the write-ahead log is not modelled: it
//! does not outlive the machine. Calls the program makes itself (renames, copies) do not come by here.

mod disk;
mod files;
mod plan;
mod vfs;

pub use disk::Disk;
pub use plan::{Call, Calls, Fault, How, Lasting};
