//! The nouns and decisions of an estate.
//!
//! Everything here is pure: no I/O, no clock, no async, no logging. Time arrives as [`Now`]; "wake me at T" is
//! an output. The program drives one [`Engine`] through its single door, [`Engine::step`], and commits what it
//! returns. Read the modules in this order:
//!
//! 1. [`id`], [`time`], [`measure`], [`reading`]: the words.
//! 2. [`estate`]: places, assets, devices, points and rules, with every reference resolved once.
//! 3. [`rule`], [`alarm`], [`order`]: what is watched, and the two state machines that follow.
//! 4. [`command`]: what people do, and why the engine may say no.
//! 5. [`engine`]: the door, the timers, snapshot and replay.
//!
//! Two kinds of id do not mix:
//! ```compile_fail
//! use linli_domain::id::{AssetId, DeviceId};
//! let asset: AssetId = "b3-pipe".parse().unwrap();
//! let device: DeviceId = asset;
//! ```

pub mod id;
pub mod measure;
pub mod reading;
pub mod text;
pub mod time;

pub mod estate;

pub mod rule;

pub mod health;

pub mod alarm;

pub mod order;

pub mod command;

pub mod engine;

pub use engine::Engine;
pub use time::Now;
