//! Stories about the ledger, told against a real file in a temporary folder.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod estate;

mod buckets;
mod care;
mod chunks;
mod crash;
mod damage;
mod faults;
mod model;
mod once;
mod open;
mod questions;
mod records;
mod rollup;
mod rot;
mod samples;
mod seal;
mod space;
mod unknown;
