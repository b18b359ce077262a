//! Forwarders: copies of the readings in other stores, InfluxDB or VictoriaMetrics.
//!
//! A forwarder is a cursor per target on the commits of the ledger, which is the only buffer: a target that is away for
//! days costs nothing but its place. Read in this order: [`line`] (what a reading looks like), [`verdict`] (what an
//! answer means), [`sink`] (one POST) with [`pack`] (its body), [`cursor`] (what was taken), [`feed`] (what comes next),
//! [`survey`] (where a target stands), [`lane`] (its pace), [`health`] (what is told of a target), [`forwarder`] (the
//! loops). Delivery is at least once; a point and a time make a line, so a repetition writes the same again.
//!
//! It never writes the ledger: cursors and parked lines commit with the pipeline's next batch.

pub mod cursor;
mod deliver;
mod feed;
mod forwarder;
mod health;
mod lane;
pub mod line;
mod pack;
mod sink;
mod survey;
pub mod verdict;

#[cfg(test)]
mod sink_tests;
#[cfg(test)]
mod tests;

pub use cursor::Cursors;
pub use forwarder::{Surroundings, run};
pub use sink::try_out;
