//! The field against real peers: mosquitto, MQTT clients, Modbus nodes. The pipeline is a fake that holds what the
//! test wants held.
//!
//! Peers that are programs must be installed (`make test` does it); a missing one fails the test and says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail a test by panicking"
)]

mod broker;
mod certificates;
mod converter;
mod dtu;
mod errands;
mod modbus;
mod modbus_tcp;
mod mosquitto;
mod mqtt;
mod pipeline;
mod tls;
mod update;
