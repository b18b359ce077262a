//! Stories: the real program against real peers, told in the words of the estate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod alarm;
mod bad_input;
mod batch;
mod broker;
mod care;
mod closed_loop;
mod demo;
mod disk;
mod embedded;
mod estate;
mod field;
mod firmware;
mod forward;
mod grafana;
mod health;
mod kill;
mod modbus;
mod modbus_line;
mod modbus_work;
mod onboarding;
mod outage;
mod own;
mod promql;
mod rules;
mod scenarios;
