//! The estate as everybody outside the pipeline sees it: replaced in one move after the commit of an edit.

use arc_swap::ArcSwap;
use linli_domain::estate::Estate;
use std::sync::Arc;

/// One committed version of the estate.
#[derive(Debug, Clone)]
pub struct EstateView {
    /// Counts the edits; version of the document in the ledger.
    pub version: u32,
    /// The estate, with its document.
    pub estate: Arc<Estate>,
}

/// The newest committed version. The pipeline stores, everybody else loads.
pub type SharedEstate = Arc<ArcSwap<EstateView>>;
