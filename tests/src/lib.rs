//! The harness of the stories: the real program, real peers, and the words the stories are told in.
//!
//! Every peer gets a free loopback port and a folder of its own and is stopped by pid when it goes out of scope.
//! Nothing here sleeps to be on the safe side: [`wait::until`] polls a condition and reports its last answer.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness: what fails here fails the story"
)]

pub mod alarm_rounds;
pub mod burst;
pub mod certificates;
pub mod clock;
pub mod disk;
pub mod gateway;
pub mod influx;
pub mod modbus;
pub mod mosquitto;
pub mod mqtt;
pub mod process;
pub mod proxy;
pub mod publisher;
pub mod qemu;
pub mod robot;
pub mod store;
pub mod talker;
pub mod wait;
pub mod webhook;
