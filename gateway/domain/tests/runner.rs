//! The domain's tests that cross its modules: stories in domain words, wrong documents, random histories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so"
)]

#[path = "runner/estate_test.rs"]
mod estate_test;
#[path = "runner/yard.rs"]
mod yard;

#[path = "runner/alarm_model/mod.rs"]
mod alarm_model;
#[path = "runner/batch_model/mod.rs"]
mod batch_model;
#[path = "runner/batches.rs"]
mod batches;
#[path = "runner/causes.rs"]
mod causes;
#[path = "runner/advice.rs"]
mod advice;
#[path = "runner/commands.rs"]
mod commands;
#[path = "runner/crowd.rs"]
mod crowd;
#[path = "runner/edits.rs"]
mod edits;
#[path = "runner/estates.rs"]
mod estates;
#[path = "runner/flapping.rs"]
mod flapping;
#[path = "runner/health/mod.rs"]
mod health;
#[path = "runner/late.rs"]
mod late;
#[path = "runner/late_same.rs"]
mod late_same;
#[path = "runner/life.rs"]
mod life;
#[path = "runner/model.rs"]
mod model;
#[path = "runner/properties/mod.rs"]
mod properties;
#[path = "runner/readings.rs"]
mod readings;
#[path = "runner/rules.rs"]
mod rules;
#[path = "runner/speed.rs"]
mod speed;
#[path = "runner/stories.rs"]
mod stories;
