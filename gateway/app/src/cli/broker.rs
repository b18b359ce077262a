//! `linli broker`: the users file of the embedded broker. A secret goes to a terminal or into `--json`, or it comes on
//! standard input and is not shown at all.

use crate::cli::args::{Broker, BrokerUser};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, problem};
use crate::ops::broker_users::{self, EditError};
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Longest password read from standard input.
const MAX_PASSWORD: u64 = 1_024;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: Broker) -> Outcome {
    let Broker::User(command) = command;
    match command {
        BrokerUser::List { file } => list(context, &users_file(context, file)?),
        BrokerUser::Add { name, file } => add(context, &users_file(context, file)?, &name),
        BrokerUser::Remove { name, file } => remove(context, &users_file(context, file)?, &name),
    }
}

/// The file that was named, or that of the configuration.
fn users_file(context: &Context, named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let configured = context
        .outline
        .broker
        .as_ref()
        .and_then(|broker| broker.users_file.clone());
    named.or(configured).ok_or_else(|| {
        let config = context.config.display().to_string();
        problem(context.language, Key::NoUsersFile, &[("config", &config)])
    })
}

fn list(context: &Context, file: &Path) -> Outcome {
    let names = broker_users::list(file).map_err(|error| failed(context, error))?;
    output::result(context, &json!({ "users": names }), |_| {
        if names.is_empty() {
            return text::get(context.language, Key::Nothing).to_owned() + "\n";
        }
        names.join("\n") + "\n"
    })
}

fn add(context: &Context, file: &Path, name: &str) -> Outcome {
    let given = given()?;
    if given.is_none() && !context.json && !std::io::stdout().is_terminal() {
        let text = text::get(context.language, Key::PasswordNoTerminal);
        return Err(Failure::Usage(text.to_owned()));
    }
    let made = given
        .is_none()
        .then(broker_users::password)
        .transpose()
        .map_err(|error| failed(context, error))?;
    let password = given.as_ref().or(made.as_ref()).map_or("", String::as_str);
    if password.is_empty() {
        return Err(problem(context.language, Key::PasswordEmpty, &[]));
    }
    broker_users::add(file, name, password).map_err(|error| failed(context, error))?;
    let path = file.display().to_string();
    let value = json!({ "name": name, "file": path, "password": made });
    output::result(context, &value, |_| {
        let written = text::fill(
            context.language,
            Key::BrokerUserAdded,
            &[("name", name), ("path", &path)],
        );
        match &made {
            Some(password) => {
                format!(
                    "{written}\n{}\n{password}\n",
                    text::get(context.language, Key::TokenOnce)
                )
            }
            None => written + "\n",
        }
    })
}

fn remove(context: &Context, file: &Path, name: &str) -> Outcome {
    let values = [("name", name)];
    if !broker_users::remove(file, name).map_err(|error| failed(context, error))? {
        return Err(problem(context.language, Key::BrokerUserUnknown, &values));
    }
    output::result(context, &json!({ "name": name }), |_| {
        text::fill(context.language, Key::BrokerUserRemoved, &values) + "\n"
    })
}

/// The password on standard input, when something is piped in.
fn given() -> Result<Option<String>, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    let read = input.lock().take(MAX_PASSWORD).read_to_string(&mut text);
    read.map_err(|error| Failure::Problem(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default();
    Ok(Some(line.to_owned()).filter(|line| !line.is_empty()))
}

fn failed(context: &Context, error: EditError) -> Failure {
    let language = context.language;
    let say = |key, path: &Path, error: &str| {
        let path = path.display().to_string();
        problem(language, key, &[("path", &path), ("error", error)])
    };
    match error {
        EditError::Read { path, why } => say(Key::CannotRead, &path, why.get(language)),
        EditError::Wrong { path, problem } => {
            say(Key::UsersFileWrong, &path, problem.what.said().get(language))
        }
        EditError::Write { path, source } => say(Key::CannotWrite, &path, &source.to_string()),
        EditError::Digest(error) => problem(language, Key::NoDigest, &[("error", &error)]),
    }
}
