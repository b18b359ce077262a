//! Why a command on the ledger's file was refused, in the language of whoever asked. What a person can do something about
//! has a text in both languages; anything else keeps the words of the ledger and of the system.

use crate::chain::chain;
use crate::cli::context::Context;
use crate::cli::text::Key;
use crate::cli::{Failure, problem};
use linli_ledger::{BackupError, OpenError, RestoreError};

/// Everything an error says.
pub(super) fn whole(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Problem(chain(error))
}

/// The ledger or a backup could not be opened.
pub(super) fn opening(context: &Context, error: &OpenError) -> Failure {
    let said = |key, values: &[(&str, String)]| say(context, key, values);
    let formats = |found: u32, known: u32| [("found", found.to_string()), ("known", known.to_string())];
    match error {
        OpenError::Locked { path, holder } => said(
            Key::LedgerLocked,
            &[("path", path.display().to_string()), ("holder", holder.clone())],
        ),
        OpenError::Newer { path, found, known } => {
            let [found, known] = formats(*found, *known);
            said(
                Key::LedgerNewer,
                &[("path", path.display().to_string()), found, known],
            )
        }
        OpenError::Older { path, found, known } => {
            let [found, known] = formats(*found, *known);
            said(
                Key::LedgerOlder,
                &[("path", path.display().to_string()), found, known],
            )
        }
        OpenError::NoLedger { path } => said(Key::LedgerEmpty, &[("path", path.display().to_string())]),
        OpenError::Unfinished { path } => {
            said(Key::LedgerUnfinished, &[("path", path.display().to_string())])
        }
        other => whole(other),
    }
}

/// There is no backup.
pub(super) fn backing_up(context: &Context, error: &BackupError) -> Failure {
    match error {
        BackupError::Exists { path } => say(
            context,
            Key::BackupExists,
            &[("path", path.display().to_string())],
        ),
        BackupError::Torn { said } => say(context, Key::BackupTorn, &[("said", said.clone())]),
        BackupError::Open(error) => opening(context, error),
        other => whole(other),
    }
}

/// Nothing was restored.
pub(super) fn restoring(context: &Context, error: &RestoreError) -> Failure {
    match error {
        RestoreError::Folder(error) | RestoreError::Open(error) => opening(context, error),
        RestoreError::NoLedger { path } => {
            say(context, Key::NoBackup, &[("path", path.display().to_string())])
        }
        RestoreError::Backup { path, source } => say(
            context,
            Key::RestoreUnreadable,
            &[
                ("path", path.display().to_string()),
                ("error", source.to_string()),
            ],
        ),
        RestoreError::Torn { said } => say(context, Key::RestoreTorn, &[("said", said.clone())]),
        other => whole(other),
    }
}

fn say(context: &Context, key: Key, values: &[(&str, String)]) -> Failure {
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    problem(context.language, key, &values)
}
