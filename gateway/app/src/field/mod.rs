//! The field: everything that brings frames in. It knows nothing of alarms.
//!
//! Each connection and each bus is a task of its own with one owner, one bounded way out ([`crate::pipeline::Door`])
//! and an end. A frame is undecoded bytes with their origin and time of receipt; decoding happens in the pipeline.

pub mod frame;

pub mod mqtt;

pub mod modbus;

pub mod broker;

pub mod topic;

mod facts;

mod backoff;

pub use frame::*;
