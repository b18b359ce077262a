//! Where a secret comes from. The secret itself is fetched in `check`; it never stands in a message or in Debug.

use crate::config::read::{At, Shape, Table};
use crate::config::said;
use secrecy::SecretString;
use std::path::PathBuf;

/// Shown in hints.
const EXAMPLE: &str = "{ file = \"secrets/name\" }";

/// Where a secret comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A file of its own; relative to the folder of the configuration.
    File(PathBuf),
    /// A systemd credential: a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// An environment variable.
    Env(String),
    /// The text itself; only with `allow_inline_secrets`.
    Inline(SecretString),
}

/// A secret of the file, with the key it is the value of.
#[derive(Debug, Clone)]
pub struct RawSecret {
    /// The key, for messages.
    pub key: &'static str,
    /// Where it comes from.
    pub origin: At<Origin>,
}

impl RawSecret {
    /// Reads the secret at `key`.
    pub fn read(table: &Table<'_>, key: &'static str) -> Option<Self> {
        let value = table.any(key)?;
        from_shape(table, key, value)
    }

    /// Reads a list of secrets at `key`.
    pub fn read_list(table: &Table<'_>, key: &'static str) -> Vec<Self> {
        let values = table.anys(key, &format!("[{EXAMPLE}]"));
        values
            .into_iter()
            .filter_map(|value| from_shape(table, key, value))
            .collect()
    }
}

fn from_shape(parent: &Table<'_>, key: &'static str, value: At<Shape<'_>>) -> Option<RawSecret> {
    let span = value.span;
    let origin = match value.value {
        Shape::Text(text) => {
            parent.sink().mask(span.clone());
            Origin::Inline(SecretString::from(text))
        }
        Shape::Other(found) => {
            parent.sink().mask(span.clone());
            parent
                .sink()
                .error(span, said::wrong_type(key, "secret", found, EXAMPLE));
            return None;
        }
        Shape::Table(table) => {
            let file = table
                .text("file", "\"secrets/name\"")
                .map(|at| Origin::File(at.value.into()));
            let credential = table.parsed("credential", "\"name\"", credential_name);
            let credential = credential.map(|at| Origin::Credential(at.value));
            let env = table
                .text("env", "\"LINLI_SECRET\"")
                .map(|at| Origin::Env(at.value));
            let given = ["file", "credential", "env"]
                .into_iter()
                .filter(|key| table.has(key))
                .count();
            table.finish();
            if given != 1 {
                let message = said::both!(
                    "密钥 \"{key}\" 需要且只需要 file、credential、env 之一",
                    "the secret \"{key}\" needs exactly one of file, credential and env"
                );
                let hint = said::both!("例如：{key} = {EXAMPLE}", "for example: {key} = {EXAMPLE}");
                parent.sink().error(span, said::conflict(message, hint));
                return None;
            }
            file.or(credential).or(env)?
        }
    };
    Some(RawSecret {
        key,
        origin: At { value: origin, span },
    })
}

/// A credential is a file name, never a path out of the credentials folder.
fn credential_name(text: &str) -> Result<String, linli_domain::text::Text> {
    if text.is_empty() || text.contains('/') || text.starts_with('.') {
        return Err(said::both!(
            "凭据名不能为空或含有路径",
            "a credential is a plain name, not a path"
        ));
    }
    Ok(text.to_owned())
}
