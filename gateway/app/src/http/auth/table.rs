//! The tokens there are, in memory, and the one place that compares what a request shows with what is stored.

use super::{PREFIX, Principal};
use crate::http::problem::{Code, Problem};
use arc_swap::ArcSwapOption;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linli_ledger::TokenRow;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Every token of the ledger, in memory: a request is checked without touching the disk.
#[derive(Debug, Default)]
pub struct Tokens {
    /// `None` until they have been read.
    rows: ArcSwapOption<FxHashMap<String, TokenRow>>,
}

impl Tokens {
    /// Knows these tokens from now on.
    pub fn replace(&self, rows: Vec<TokenRow>) {
        let rows = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        self.rows.store(Some(Arc::new(rows)));
    }

    /// One token was added or changed.
    pub fn put(&self, row: &TokenRow) {
        self.rows.rcu(|rows| {
            let mut rows = rows.as_deref().cloned().unwrap_or_default();
            rows.insert(row.id.clone(), row.clone());
            Some(Arc::new(rows))
        });
    }

    /// Whether they have been read.
    pub fn are_known(&self) -> bool {
        self.rows.load().is_some()
    }

    /// The token with this id.
    pub fn get(&self, id: &str) -> Option<TokenRow> {
        self.rows.load().as_ref()?.get(id).cloned()
    }

    /// Every token, oldest first.
    pub fn list(&self) -> Vec<TokenRow> {
        let rows = self.rows.load();
        let mut rows: Vec<TokenRow> = rows.iter().flat_map(|rows| rows.values().cloned()).collect();
        rows.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        rows
    }

    /// Whether the token behind a long stream is still good.
    pub fn still_good(&self, principal: &Principal) -> bool {
        self.get(&principal.id).is_some_and(|row| row.revoked.is_none())
    }

    /// Who shows this token; `None` without an Authorization header.
    pub fn principal(&self, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(None);
        };
        // One sentence for every way to be wrong: it says nothing about which tokens exist.
        let wrong = || {
            Problem::new(
                Code::Unauthenticated,
                "the token is unknown, revoked or not a token of this gateway",
            )
        };
        let token = header.to_str().ok().and_then(token).ok_or_else(wrong)?;
        let (id, secret) = token
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or_else(wrong)?;
        let shown: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let rows = self.rows.load();
        let Some(rows) = rows.as_ref() else {
            return Err(Problem::new(
                Code::Unavailable,
                "the tokens are being read; try again in a moment",
            ));
        };
        let row = rows.get(id);
        let stored = row.map_or([0; 32], |row| row.hash);
        let equal = bool::from(shown.ct_eq(&stored));
        let row = row
            .filter(|row| equal && row.revoked.is_none())
            .ok_or_else(wrong)?;
        Ok(Some(Principal {
            id: row.id.as_str().into(),
            name: row.name.as_str().into(),
            role: row.role.parse().map_err(|_| wrong())?,
        }))
    }
}

/// The token of an `Authorization` header: a bearer token, or the password of basic credentials, whoever the user is.
/// The latter is all that some tools can send; promtool takes it from the address.
fn token(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    credentials
        .split_once(':')
        .map(|(_, password)| password.to_owned())
}
