//! `linli.toml`: read, checked, and turned into the [`Config`] the program uses.
//!
//! Two stages: [`raw`] mirrors the file, [`model`] is what cannot hold a bad value. Every problem is collected
//! with file, line, column, the line itself, a caret and a hint. This module does not touch the network.

pub mod model;

pub use model::*;
