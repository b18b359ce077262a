//! `linli token`: tokens of people and programs. A secret goes to a terminal, a file of its own, or into `--json`.

use crate::cli::args::Token;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::work::{listing, segment};
use crate::cli::{Failure, Outcome, problem};
use crate::http::wire::token::IssuedToken;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: Token) -> Outcome {
    match command {
        Token::List => {
            let head = [
                Key::HeadId,
                Key::HeadName,
                Key::HeadRole,
                Key::HeadSince,
                Key::HeadState,
            ];
            listing(context, "/api/v1/tokens", &head, |token, _| {
                let revoked = field(token, "revoked_at");
                let state = if revoked.is_empty() {
                    String::new()
                } else {
                    format!("revoked {revoked}")
                };
                vec![
                    field(token, "id"),
                    field(token, "name"),
                    field(token, "role"),
                    field(token, "created_at"),
                    state,
                ]
            })
        }
        Token::Add { name, role, output } => {
            let body = json!({ "name": name, "role": role });
            issue(context, output.as_deref(), |client| {
                client.post("/api/v1/tokens", &body)
            })
        }
        Token::Rotate { id, output } => {
            let path = format!("/api/v1/tokens/{}/rotate", segment(context, &id)?);
            issue(context, output.as_deref(), |client| {
                client.post(&path, &json!({}))
            })
        }
        Token::Revoke { id } => {
            let path = format!("/api/v1/tokens/{}/revoke", segment(context, &id)?);
            let done = Client::new(context)?.post(&path, &json!({}))?;
            output::result(context, &done, |_| {
                text::fill(context.language, Key::TokenRevoked, &[("id", &id)]) + "\n"
            })
        }
    }
}

/// Has a token made once it is sure that its secret has somewhere to go.
fn issue(
    context: &Context,
    to: Option<&Path>,
    make: impl FnOnce(&Client) -> Result<Value, Failure>,
) -> Outcome {
    if to.is_none() && !context.json && !std::io::stdout().is_terminal() {
        return Err(Failure::Usage(
            text::get(context.language, Key::TokenNoTerminal).to_owned(),
        ));
    }
    let client = Client::new(context)?;
    // The file is made first: a secret nobody can read again must not be made and lost.
    let file = to.map(|path| open(context, path)).transpose()?;
    let mut value = make(&client)?;
    let issued: IssuedToken = serde_json::from_value(value.clone())
        .map_err(|error| problem(context.language, Key::NotJson, &[("error", &error.to_string())]))?;
    if let (Some(mut file), Some(path)) = (file, to) {
        let written = writeln!(file, "{}", issued.token).and_then(|()| file.sync_all());
        written.map_err(|error| unwritable(context, path, &error))?;
        value["token"] = Value::Null;
    }
    output::result(context, &value, |_| {
        let kept = &issued.kept;
        let values = [
            ("id", kept.id.as_str()),
            ("name", &kept.name),
            ("role", &kept.role),
        ];
        let made = text::fill(context.language, Key::TokenMade, &values);
        match to {
            Some(path) => {
                let path = path.display().to_string();
                format!(
                    "{made}\n{}\n",
                    text::fill(context.language, Key::TokenWritten, &[("path", &path)])
                )
            }
            None => format!(
                "{made}\n{}\n{}\n",
                text::get(context.language, Key::TokenOnce),
                issued.token
            ),
        }
    })
}

fn open(context: &Context, path: &Path) -> Result<std::fs::File, Failure> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| unwritable(context, path, &error))
}

fn unwritable(context: &Context, path: &Path, error: &std::io::Error) -> Failure {
    let (path, error) = (path.display().to_string(), error.to_string());
    problem(
        context.language,
        Key::CannotWrite,
        &[("path", &path), ("error", &error)],
    )
}
