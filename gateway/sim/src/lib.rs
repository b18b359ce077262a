//! A simulated residential estate: what happens in it, what its devices say about it, and the truth about both.
//!
//! It depends on nothing of ours. Rules, alarms and the engine are not known here, so a truth made here can judge them:
//! it speaks of water in a zone, waste in a bin, a vehicle in a lane, a device that is dead. A test reads `Cargo.toml` and
//! refuses a dependency on a crate of the workspace.
//!
//! ```
//! use linli_sim::{FaultKind, Plan, Play, Size};
//!
//! let plan = Plan::of_size(Size::Small, 7);
//! let mut play = Play::new(plan, &FaultKind::ALL, 7, std::time::Duration::from_secs(24 * 3600))?;
//! let messages = play.by_ref().count();
//! let truth = play.truth();
//! assert!(messages > 1_000 && truth.happenings.iter().any(|h| h.heard.is_some()));
//! # Ok::<(), linli_sim::PlayError>(())
//! ```
//!
//! Read in this order: [`Plan`], what there is; `script`, what goes wrong, by dice; `world`, how things are at a time;
//! [`Play`], what devices say then; [`Truth`]. The same seed gives the same bytes.

mod plan;
mod file;
mod write;
mod script;
mod world;
mod says;
mod play;
mod truth;
mod dice;
pub mod payload;

pub use dice::Dice;
pub use file::FileError;
pub use plan::{Address, Asset, AssetKind, Device, Make, Plan, Size};
pub use play::{Event, Image, Play, PlayError, Timed};
pub use script::FaultKind;
pub use truth::{Happening, Kind, Truth};

/// The moment every play begins: Monday 2 March 2026, midnight UTC, in milliseconds since 1970.
pub const BEGINS_MS: i64 = 1_772_409_600_000;

/// RFC 3339 in UTC with milliseconds, as devices and truth files write it.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => format!("{at_ms} ms"),
    }
}
