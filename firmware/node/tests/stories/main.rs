//! Stories of nodes: what they know of their samples, and how the whole of one behaves on its bus and in its flash.
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

mod frames;
mod harness;
mod nodes;
#[allow(dead_code, reason = "shared with the tests of the update; each uses a part")]
#[path = "../../../update/src/ramflash.rs"]
mod ramflash;
mod rounds;
mod station;
