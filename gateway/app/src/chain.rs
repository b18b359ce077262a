//! Errors with what caused them, in one line.

use std::error::Error;

/// An error with everything beneath it: "open the ledger: read page 7: no such device".
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
