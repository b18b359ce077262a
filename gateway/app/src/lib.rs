//! Linli 邻里: the gateway of a residential estate.
//!
//! The program around the pure core. The modules stand in the order a newcomer should read them; arrows point
//! down only: `http`, `outbox` and `field` → `pipeline` → the ledger, decode and domain crates.

pub mod cli;
pub mod config;
pub mod run;
pub mod clock;
pub mod field;
pub mod pipeline;
pub mod outbox;
pub mod http;
pub mod ops;
pub mod sim;
pub mod profiles;
pub mod messages;
pub mod metrics;
pub mod vitals;
mod disk;
mod quiet;
mod chain;
pub mod certificates;
