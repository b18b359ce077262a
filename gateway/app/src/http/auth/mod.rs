//! Tokens: how they are made, where the first one is written, and how a request shows one.
//!
//! A token is `linli_<id>_<secret>`; the prefix lets scanners find a leaked one, the id finds the row, the
//! secret is 256 random bits. The ledger keeps its SHA-256 only. What a role may do stands in
//! [`permission`](super::permission).

mod table;

#[cfg(test)]
mod tests;

pub use table::Tokens;

use crate::clock::SharedClock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linli_domain::time::Timestamp;
use linli_ledger::{Reader, StoreError, TokenRow};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

/// File in the data folder that holds the first token, readable by its owner only.
pub const FIRST_TOKEN_FILE: &str = "admin.token";
/// Most tokens that are not revoked.
pub const MAX_TOKENS: usize = 256;
const PREFIX: &str = "linli_";
const SECRET_BYTES: usize = 32;

/// What a token is allowed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, acknowledges, accepts, starts, completes.
    Staff,
    /// Overrides, cancels, edits the estate and the tokens as well.
    Manager,
}

impl Role {
    /// The stored label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Manager => "manager",
        }
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "staff" => Ok(Self::Staff),
            "manager" => Ok(Self::Manager),
            _ => Err(format!("{text:?} is not a role: staff or manager")),
        }
    }
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's id.
    pub id: Arc<str>,
    /// The token's name: the person's name in the history.
    pub name: Arc<str>,
    /// What it may be.
    pub role: Role,
}

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The system gave no random bytes.
    #[error("draw random bytes for a token")]
    Random(#[source] getrandom::Error),
    /// The tokens there are could not be read.
    #[error("look for tokens in the ledger")]
    Ledger(#[source] StoreError),
    /// The file of the first token could not be written.
    #[error("write the first token to {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes a new token: the row to store, and the text that is shown once.
pub fn mint(name: &str, role: Role, now: Timestamp) -> Result<(TokenRow, SecretString), MintError> {
    let mut id = [0u8; 8];
    getrandom::fill(&mut id).map_err(MintError::Random)?;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let (hash, text) = secret(&id)?;
    let row = TokenRow {
        id,
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        hash,
        created: now,
        rotated: None,
        revoked: None,
    };
    Ok((row, text))
}

/// Gives a token a new secret; the old one ends with the commit of the row.
pub fn rotate(row: &TokenRow, now: Timestamp) -> Result<(TokenRow, SecretString), MintError> {
    let (hash, text) = secret(&row.id)?;
    let mut row = row.clone();
    (row.hash, row.rotated) = (hash, Some(now));
    Ok((row, text))
}

fn secret(id: &str) -> Result<([u8; 32], SecretString), MintError> {
    let mut bytes = [0u8; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(MintError::Random)?;
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    Ok((
        Sha256::digest(secret.as_bytes()).into(),
        format!("{PREFIX}{id}_{secret}").into(),
    ))
}

/// A ledger without tokens gets its first one, named `admin`, written to `<data>/admin.token`. The row is to be
/// committed by the caller: the file comes first, so that a crash in between leaves an empty ledger and the next
/// start writes another one.
pub fn first_token(reader: &Reader, data: &Path, clock: &SharedClock) -> Result<Option<TokenRow>, MintError> {
    if !reader.tokens().map_err(MintError::Ledger)?.is_empty() {
        return Ok(None);
    }
    let (row, text) = mint("admin", Role::Manager, clock.now().wall)?;
    let path = data.join(FIRST_TOKEN_FILE);
    write_private(data, &path, &text).map_err(|source| MintError::File { path, source })?;
    Ok(Some(row))
}

/// A temporary file (0600 from its first byte), renamed over the old one.
fn write_private(folder: &Path, path: &Path, text: &SecretString) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    std::fs::File::open(folder)?.sync_all()
}
