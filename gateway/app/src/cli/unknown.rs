//! `linli device list --unknown`, `show`, `accept`, `ignore`, `forget`: devices that are not in the estate.

use crate::cli::args::{Accept, DeviceList, Show, Which};
use crate::cli::client::{Client, query};
use crate::cli::context::Context;
use crate::cli::heard;
use crate::cli::output::{self, field, name, raw};
use crate::cli::text::{self, Key};
use crate::cli::work::listing;
use crate::cli::{Failure, Outcome, problem};
use linli_domain::text::Language;
use linli_domain::time::duration_text;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Confidence from which the best guess is taken without asking.
const CLEAR: f64 = 0.8;
/// Characters of a waiting message that are shown.
const SHOWN: usize = 160;

/// Lists unknown or ignored devices.
pub(super) fn list(context: &Context, arguments: &DeviceList) -> Outcome {
    let head = [
        Key::HeadKey,
        Key::HeadConnection,
        Key::HeadHeard,
        Key::HeadLastSeen,
        Key::HeadModel,
        Key::HeadGuess,
        Key::HeadReason,
    ];
    let state = if arguments.ignored { "ignored" } else { "new" };
    let limit = arguments.limit.to_string();
    let path = query(
        "/api/v1/onboarding",
        &[("state", Some(state)), ("limit", Some(&limit))],
    );
    listing(context, &path, &head, row)
}

fn row(device: &Value, language: Language) -> Vec<String> {
    let best = &device["guesses"][0];
    let guess = if best.is_null() && device["waiting"] == 0 {
        String::new()
    } else if best.is_null() {
        text::get(language, Key::NoGuess).to_owned()
    } else {
        guess(best)
    };
    let model = [field(device, "vendor"), field(device, "model")].join(" ");
    vec![
        field(device, "key"),
        field(device, "connection"),
        field(device, "heard"),
        field(device, "last_seen_at"),
        model.trim().to_owned(),
        guess,
        name(best, "because_text", language),
    ]
}

/// A profile with its confidence.
fn guess(guess: &Value) -> String {
    let percent = guess["confidence"].as_f64().unwrap_or(0.0) * 100.0;
    format!("{} {percent:.0}%", field(guess, "profile"))
}

/// Shows what waits.
pub(super) fn show(context: &Context, arguments: &Show) -> Outcome {
    let client = Client::new(context)?;
    let found = find(context, &client, &arguments.which)?;
    let parameters = [
        ("profile", arguments.profile.as_deref()),
        ("role", arguments.role.as_deref()),
    ];
    let shown = client.get(&query(&address(&found), &parameters))?;
    output::result(context, &shown, |shown| detail(shown, context.language))
}

fn detail(shown: &Value, language: Language) -> String {
    let mut said = String::new();
    for guess_of in shown["guesses"].as_array().into_iter().flatten() {
        let _ = writeln!(
            said,
            "{}  {}  {}",
            guess(guess_of),
            field(guess_of, "title"),
            name(guess_of, "because_text", language)
        );
    }
    if shown["guesses"][0].is_null() {
        let _ = writeln!(said, "{}", text::get(language, Key::NoGuess));
    }
    let with = field(shown, "shown_with");
    if !with.is_empty() {
        let _ = writeln!(
            said,
            "{}",
            text::fill(language, Key::ShownWith, &[("profile", &with)])
        );
    }
    for message in shown["messages"].as_array().into_iter().flatten() {
        let _ = writeln!(
            said,
            "\n{}  {}\n    {}",
            field(message, "received_at"),
            output::printable(&field(message, "topic")),
            output::printable(&raw(&message["payload"], SHOWN))
        );
        said.push_str(&heard::made_of(message, language));
    }
    said
}

/// Takes a device into the estate.
pub(super) fn accept(context: &Context, arguments: &Accept) -> Outcome {
    let client = Client::new(context)?;
    let found = find(context, &client, &arguments.which)?;
    let profile = match &arguments.profile {
        Some(profile) => profile.clone(),
        None => clear_guess(context, &found)?,
    };
    let points = arguments
        .point
        .iter()
        .map(|point| json!({ "measure": point.measure, "instance": point.instance, "asset": point.asset }));
    let body = json!({
        "profile": profile,
        "device": arguments.id,
        "name": {
            "zh": arguments.name,
            "en": arguments.name_en.as_ref().unwrap_or(&arguments.name),
        },
        "asset": arguments.asset,
        "role": arguments.role,
        "points": points.collect::<Vec<_>>(),
        "expected_interval": arguments.interval.map(duration_text::format),
    });
    let path = address(&found);
    let done = client.change(Method::POST, &path, &format!("{path}/accept"), &body)?;
    output::result(context, &done, |done| {
        let replayed = &done["replayed"];
        let values = [
            ("device", field(done, "device")),
            ("profile", profile.clone()),
            ("version", field(done, "estate_version")),
            ("messages", field(replayed, "messages")),
            ("readings", field(replayed, "readings")),
        ];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        text::fill(context.language, Key::Accepted, &values) + "\n"
    })?;
    for (count, key) in [("refused", Key::AcceptedRefused), ("stale", Key::AcceptedStale)] {
        let count = field(&done["replayed"], count);
        if !context.json && count != "0" {
            output::note(&text::fill(context.language, key, &[("count", &count)]));
        }
    }
    Ok(())
}

/// The best guess, when there is no doubt about it.
fn clear_guess(context: &Context, device: &Value) -> Result<String, Failure> {
    let best = &device["guesses"][0];
    if best["confidence"]
        .as_f64()
        .is_some_and(|confidence| confidence >= CLEAR)
    {
        return Ok(field(best, "profile"));
    }
    let guesses = device["guesses"].as_array().into_iter().flatten();
    let guesses: Vec<String> = guesses.map(guess).collect();
    let guesses = if guesses.is_empty() {
        text::get(context.language, Key::NoGuess).to_owned()
    } else {
        guesses.join(", ")
    };
    let values = [("guesses", guesses.as_str())];
    Err(Failure::Usage(text::fill(
        context.language,
        Key::UnclearGuess,
        &values,
    )))
}

/// Ignores a device for good.
pub(super) fn ignore(context: &Context, which: &Which) -> Outcome {
    let client = Client::new(context)?;
    let path = address(&find(context, &client, which)?);
    let done = client.change(Method::POST, &path, &format!("{path}/ignore"), &json!({}))?;
    output::result(context, &done, |_| {
        text::fill(context.language, Key::Ignored, &[("key", &which.key)]) + "\n"
    })
}

/// Forgets a device.
pub(super) fn forget(context: &Context, which: &Which) -> Outcome {
    let client = Client::new(context)?;
    let path = address(&find(context, &client, which)?);
    let done = client.change(Method::DELETE, &path, &path, &json!({}))?;
    output::result(context, &done, |_| {
        text::fill(context.language, Key::Forgotten, &[("key", &which.key)]) + "\n"
    })
}

fn address(device: &Value) -> String {
    format!("/api/v1/onboarding/{}", field(device, "id"))
}

/// The one unknown device with this key.
fn find(context: &Context, client: &Client, which: &Which) -> Result<Value, Failure> {
    let key = as_heard(&which.key);
    let page = client.get(&query("/api/v1/onboarding", &[("key", Some(&key))]))?;
    let here = |device: &&Value| {
        let connection = which.connection.as_deref();
        connection.is_none_or(|connection| field(device, "connection") == connection)
    };
    let found: Vec<&Value> = page["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(here)
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(problem(context.language, Key::NotUnknown, &[("key", &key)])),
        several => {
            let connections: Vec<String> = several.iter().map(|device| field(device, "connection")).collect();
            let values = [("key", key.as_str()), ("connections", &connections.join(", "))];
            Err(Failure::Usage(text::fill(
                context.language,
                Key::SeveralUnknown,
                &values,
            )))
        }
    }
}

/// A DevEUI is on the box in capitals and with separators, and heard without.
fn as_heard(key: &str) -> String {
    let digits: String = key.chars().filter(|c| !"-: ".contains(*c)).collect();
    let is_eui = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_eui {
        digits.to_ascii_lowercase()
    } else {
        key.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dev_eui_is_taken_as_it_stands_on_the_box() {
        for text in [
            "A84041F8C1870101",
            "a8-40-41-f8-c1-87-01-01",
            "A8:40:41:F8:C1:87:01:01",
        ] {
            assert_eq!(as_heard(text), "a84041f8c1870101");
        }
        assert_eq!(as_heard("b3/Kitchen-1"), "b3/Kitchen-1");
    }
}
