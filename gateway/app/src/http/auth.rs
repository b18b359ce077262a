//! Tokens: how they are made, where the first one is written, and how a request shows one.
//!
//! A token is `linli_<id>_<secret>`; the prefix lets scanners find a leaked one, the id finds the row, the
//! secret is 256 random bits. The ledger keeps its SHA-256 only. What a role may do stands in
//! [`permission`](super::permission).

use super::problem::{Code, Problem};
use crate::clock::SharedClock;
use arc_swap::ArcSwapOption;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linli_domain::time::Timestamp;
use linli_ledger::{Reader, StoreError, TokenRow};
use rustc_hash::FxHashMap;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
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
        let text = header.to_str().map_err(|_| wrong())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(wrong());
        }
        let (id, secret) = token
            .trim()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn shown(tokens: &Tokens, text: &str) -> Result<Option<Principal>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, text.parse().unwrap());
        tokens.principal(&headers)
    }

    fn tokens(rows: &[&TokenRow]) -> Tokens {
        let tokens = Tokens::default();
        tokens.replace(rows.iter().map(|row| (*row).clone()).collect());
        tokens
    }

    #[test]
    fn a_token_is_recognised_until_it_is_rotated_or_revoked() {
        let now = Timestamp::from_millis(1);
        let (row, text) = mint("zhang", Role::Staff, now).unwrap();
        let tokens = tokens(&[&row]);
        let bearer = format!("Bearer {}", text.expose_secret());
        let who = shown(&tokens, &bearer).unwrap().unwrap();
        assert_eq!((who.name.as_ref(), who.role), ("zhang", Role::Staff));

        let (rotated, second) = rotate(&row, now).unwrap();
        tokens.put(&rotated);
        assert!(shown(&tokens, &bearer).is_err());
        let second = format!("Bearer {}", second.expose_secret());
        assert!(shown(&tokens, &second).unwrap().is_some());

        tokens.put(&TokenRow {
            revoked: Some(now),
            ..rotated
        });
        assert!(shown(&tokens, &second).is_err());
        assert!(!tokens.still_good(&who));
    }

    #[test]
    fn what_is_not_a_token_is_refused_in_one_sentence() {
        let (row, text) = mint("zhang", Role::Staff, Timestamp::from_millis(1)).unwrap();
        let tokens = tokens(&[&row]);
        let good = text.expose_secret();
        let texts = [
            "Bearer",
            "Basic abc",
            "Bearer x",
            "Bearer linli_x_y",
            &format!("Bearer {good}x"),
        ];
        let details: std::collections::BTreeSet<String> = texts
            .iter()
            .map(|text| shown(&tokens, text).unwrap_err().detail)
            .collect();
        assert_eq!(details.len(), 1);
        assert_eq!(tokens.principal(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn the_first_token_is_written_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(crate::clock::SystemClock::new());
        let mut ledger =
            linli_ledger::Ledger::open(folder.path(), &linli_ledger::Options::default()).unwrap();
        let reader = ledger.reader().unwrap();
        let row = first_token(&reader, folder.path(), &clock).unwrap().unwrap();
        let path = folder.path().join(FIRST_TOKEN_FILE);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let who = shown(&tokens(&[&row]), &format!("Bearer {}", text.trim()))
            .unwrap()
            .unwrap();
        assert_eq!(who.role, Role::Manager);

        let mut batch = linli_ledger::Batch::at(clock.now());
        let rows = [row];
        batch.tokens = &rows;
        ledger.commit(&batch).unwrap();
        assert_eq!(first_token(&reader, folder.path(), &clock).unwrap(), None);
    }
}
