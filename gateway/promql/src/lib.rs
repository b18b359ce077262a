//! PromQL, the part that dashboards use, evaluated over whatever holds the samples.
//!
//! Pure: a [`Source`] hands over samples, time is an argument, nothing is logged. The grammar is `promql-parser`'s, the
//! meaning is that of Prometheus 2 (ranges include both ends, five minutes of look-back), shown by a test that asks a
//! real one the same. What is not understood is refused by its name and never guessed at: set operators, many-to-one
//! matching, subqueries, and the functions and aggregations that are not listed in [`ast`].
//!
//! Read in this order: [`ast`] (what is understood), [`eval`] (a query at one time, and over steps), then functions,
//! aggregations and operators.

pub mod ast;
pub mod eval;

mod aggregate;
mod binary;
mod functions;

pub use ast::{Matcher, Selector, parse, parse_selector};
pub use eval::{Limits, Outcome, instant, range};

use std::collections::BTreeMap;

/// The label that holds the name of a metric.
pub const NAME: &str = "__name__";

/// Labels of a series, the name among them.
pub type Labels = BTreeMap<String, String>;

/// Samples of one series in order of time: milliseconds and value.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<(i64, f64)>,
}

/// Where samples come from.
pub trait Source {
    /// What can go wrong there.
    type Error;

    /// Every series that matches, with its samples of `from <= time <= to`; milliseconds.
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Result<Vec<Series>, Self::Error>;

    /// Asked before every step of a range: an error ends the query, because it takes too long.
    fn go_on(&self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The query is not PromQL, or a part of it is not supported.
    #[error(transparent)]
    Query(#[from] Refused),
    /// The query cannot be carried out on these series.
    #[error("{0}")]
    Execution(String),
    /// The samples could not be read.
    #[error("read the samples")]
    Source(E),
}

/// A query that is refused before anything is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not follow the grammar.
    #[error("parse the query: {0}")]
    Grammar(String),
    /// A part of it is not supported.
    #[error("{0} is not supported by this subset of PromQL")]
    Unsupported(String),
    /// A part of it makes no sense.
    #[error("{0}")]
    Wrong(String),
}
