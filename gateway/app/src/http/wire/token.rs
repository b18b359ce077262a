//! Tokens as the API shows them. A secret is shown once, in the answer that made it, and never again.

use crate::http::auth::Role;
use linli_domain::time::Timestamp;
use linli_ledger::TokenRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id, the middle part of its text.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// `staff` or `manager`.
    pub role: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its secret last changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub rotated_at: Option<Timestamp>,
    /// Since when it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

impl From<&TokenRow> for Token {
    fn from(row: &TokenRow) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            role: row.role.clone(),
            created_at: row.created,
            rotated_at: row.rotated,
            revoked_at: row.revoked,
        }
    }
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Whose it is: the name that stands in the history of orders. 1 to 64 characters.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// What it may be.
    pub role: Role,
}

/// A token with its secret, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// What is kept of it.
    #[serde(flatten)]
    pub kept: Token,
    /// What to send as `Authorization: Bearer …`.
    pub token: String,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken")
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
