//! The gateway's HTTP interface as the commands use it. It knows addresses, tokens and problems, not meanings.

use crate::cli::context::Context;
use crate::cli::text::{self, Key};
use crate::cli::{Failure, output};
use crate::messages;
use linli_domain::text::Language;
use reqwest::header::{ETAG, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Longest wait for an answer; an import of a large estate takes a few seconds on slow flash.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A token is about sixty bytes; a longer file is something else.
const MAX_TOKEN_BYTES: u64 = 1024;
/// Where the first token lies in the data folder.
const FIRST_TOKEN: &str = "admin.token";

/// A connection to one gateway.
pub(crate) struct Client {
    pub(super) base: String,
    pub(super) token: String,
    pub(super) http: reqwest::Client,
    pub(super) runtime: tokio::runtime::Runtime,
    language: Language,
}

impl Client {
    /// Finds address and token. Nothing is sent yet.
    pub(crate) fn new(context: &Context) -> Result<Self, Failure> {
        let base = context.url.clone().unwrap_or_else(|| address(context));
        let started = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = started.map_err(|error| Failure::Problem(error.to_string()))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            token: token(context)?,
            http: http.map_err(|error| Failure::Problem(error.to_string()))?,
            runtime,
            language: context.language,
        })
    }

    /// GET as JSON.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None, None)
            .and_then(|answer| self.json(&answer.body))
    }

    /// Waits, for a gateway that works on something.
    pub(crate) fn wait(&self, duration: Duration) {
        self.runtime
            .block_on(async { tokio::time::sleep(duration).await });
    }

    /// POST of something that has no version.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body), None)
            .and_then(|answer| self.json(&answer.body))
    }

    /// Changes the version of `resource` that is there now: somebody who was faster makes this fail, not overwrite.
    pub(crate) fn change(
        &self,
        method: Method,
        resource: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let seen = self.send(Method::GET, resource, None, None)?;
        self.send(method, path, Some(body), seen.version.as_deref())
            .and_then(|answer| self.json(&answer.body))
    }

    pub(super) fn json(&self, body: &str) -> Result<Value, Failure> {
        serde_json::from_str(body).map_err(|error| self.fail(Key::NotJson, &[("error", &error.to_string())]))
    }

    pub(super) fn fail(&self, key: Key, values: &[(&str, &str)]) -> Failure {
        Failure::Problem(text::fill(self.language, key, values))
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(version) = version {
            request = request.header(IF_MATCH, version);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answered = self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            let version = response
                .headers()
                .get(ETAG)
                .and_then(|tag| tag.to_str().ok())
                .map(str::to_owned);
            Ok::<_, reqwest::Error>((
                status,
                Answer {
                    version,
                    body: response.text().await?,
                },
            ))
        });
        let (status, answer) = answered.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            Ok(answer)
        } else {
            Err(self.refused(status, &answer.body))
        }
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.fail(
            Key::Unreachable,
            &[("url", &self.base), ("error", &cause.to_string())],
        )
    }

    /// What the gateway says, from its `application/problem+json`.
    pub(super) fn refused(&self, status: StatusCode, body: &str) -> Failure {
        let problem: Value = serde_json::from_str(body).unwrap_or_default();
        let (detail, code) = (output::field(&problem, "detail"), output::field(&problem, "code"));
        if detail.is_empty() {
            return self.fail(
                Key::HttpStatus,
                &[("status", status.as_str()), ("url", &self.base)],
            );
        }
        // The gateway's details are English; the catalogue has the meaning of the code in Chinese.
        let translated =
            messages::find(Language::Zh, "refusal", &code).filter(|_| self.language == Language::Zh);
        let known = |said: &str| messages::translated(self.language, "problem", said);
        let mut said = match translated {
            Some(_) if let Some(detail) = known(&detail) => format!("{detail} [{code}]"),
            Some(translated) => format!("{translated} ({detail}) [{code}]"),
            None => format!("{detail} [{code}]"),
        };
        for part in problem["errors"].as_array().into_iter().flatten() {
            let (pointer, detail) = (output::field(part, "pointer"), output::field(part, "detail"));
            let detail = match messages::find(self.language, "rule_lacks", &pointer) {
                Some(lacks) => lacks.to_owned(),
                None => known(&detail).unwrap_or_else(|| with_hint(&detail, known)),
            };
            let _ = write!(said, "\n  {pointer}: {detail}");
        }
        if status == StatusCode::UNAUTHORIZED {
            let _ = write!(said, "\n{}", text::get(self.language, Key::TokenHint));
        }
        Failure::Problem(said)
    }
}

/// What is wrong and, behind a semicolon, what to do: each for itself where both are known.
fn with_hint(detail: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let both = detail.match_indices("; ").find_map(|(at, between)| {
        Some(format!(
            "{}; {}",
            known(&detail[..at])?,
            known(&detail[at + between.len()..])?
        ))
    });
    both.unwrap_or_else(|| detail.to_owned())
}

/// A path with those parameters that have a value, written so that any value is safe in an address.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = path.to_owned();
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        let separator = if query.contains('?') { '&' } else { '?' };
        let _ = write!(query, "{separator}{name}={}", escaped(value));
    }
    query
}

/// Every byte that means something in an address as `%` and two digits.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let _ = if plain {
            write!(escaped, "{}", char::from(byte))
        } else {
            write!(escaped, "%{byte:02X}")
        };
        escaped
    })
}

struct Answer {
    version: Option<String>,
    body: String,
}

/// The configured listener, as a client on this machine reaches it.
fn address(context: &Context) -> String {
    match context.outline.http {
        Some(listen) if listen.ip().is_unspecified() => format!("http://127.0.0.1:{}", listen.port()),
        Some(listen) => format!("http://{listen}"),
        None => "http://127.0.0.1:8080".to_owned(),
    }
}

fn token(context: &Context) -> Result<String, Failure> {
    if let Some(path) = &context.token_file {
        return read_token(path).map_err(|error| unreadable(context, path, &error));
    }
    if let Some(token) = &context.token {
        return Ok(token.trim().to_owned());
    }
    let Some(data) = &context.outline.data else {
        let config = context.config.display().to_string();
        return Err(Failure::Usage(text::fill(
            context.language,
            Key::NoToken,
            &[("config", &config)],
        )));
    };
    let path = data.join(FIRST_TOKEN);
    read_token(&path).map_err(|error| unreadable(context, &path, &error))
}

fn unreadable(context: &Context, path: &Path, error: &std::io::Error) -> Failure {
    let values = [("path", path.display().to_string()), ("error", error.to_string())];
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Failure::Problem(text::fill(context.language, Key::TokenUnreadable, &values))
}

fn read_token(path: &Path) -> std::io::Result<String> {
    let mut token = String::new();
    std::fs::File::open(path)?
        .take(MAX_TOKEN_BYTES)
        .read_to_string(&mut token)?;
    Ok(token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_safe_in_an_address() {
        assert_eq!(
            query("/a", &[("x", Some("b3/管&y=1")), ("y", None), ("z", Some("1"))]),
            "/a?x=b3%2F%E7%AE%A1%26y%3D1&z=1"
        );
    }
}
