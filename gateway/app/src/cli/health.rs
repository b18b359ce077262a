//! `linli device health`: the same as the API, for a shell.

use crate::cli::args::Health;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field, name};
use crate::cli::text::{self, Key};
use crate::cli::{Outcome, problem};
use crate::messages;
use linli_domain::id::DeviceId;
use linli_domain::text::Language;
use serde_json::Value;

/// One device in full, or a table of many.
pub(super) fn health(context: &Context, arguments: &Health) -> Outcome {
    match &arguments.id {
        Some(id) => one(context, id),
        None => many(context, arguments),
    }
}

fn many(context: &Context, arguments: &Health) -> Outcome {
    let flag = match (&arguments.flag, arguments.all) {
        (Some(flag), _) => format!("&flag={flag}"),
        (None, true) => String::new(),
        (None, false) => "&flag=any".to_owned(),
    };
    let path = format!("/api/v1/devices?limit={}{flag}", arguments.limit);
    let page = Client::new(context)?.get(&path)?;
    output::result(context, &page["items"], |items| {
        let rows: Vec<Vec<String>> = items
            .as_array()
            .into_iter()
            .flatten()
            .map(|device| row(device, context.language))
            .collect();
        if rows.is_empty() {
            return text::get(context.language, Key::Nothing).to_owned() + "\n";
        }
        let head = [
            Key::HeadId,
            Key::HeadName,
            Key::HeadLastSeen,
            Key::HeadInterval,
            Key::HeadSkew,
            Key::HeadAvailability,
            Key::HeadFlags,
        ];
        output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })?;
    if !context.json && !page["next_cursor"].is_null() {
        output::note(text::get(context.language, Key::MoreExist));
    }
    Ok(())
}

fn one(context: &Context, id: &str) -> Outcome {
    if id.parse::<DeviceId>().is_err() {
        return Err(problem(context.language, Key::NotAnId, &[("id", id)]));
    }
    let path = format!("/api/v1/devices/{}", id.replace('/', "%2F"));
    let device = Client::new(context)?.get(&path)?;
    let language = context.language;
    output::result(context, &device, |device| {
        let line = |key, value: String| vec![text::get(language, key).to_owned(), value];
        let mut rows = vec![
            line(Key::HeadName, name(device, "name", language)),
            line(Key::HeadProfile, field(device, "profile")),
            line(Key::HeadAsset, field(device, "asset")),
            line(Key::HeadLastSeen, last_seen(device, language)),
            line(Key::HeadInterval, interval(device)),
            line(Key::HeadAvailability, availability(device, language)),
            line(Key::HeadSkew, skew(device)),
        ];
        for flag in device["flags"].as_array().into_iter().flatten() {
            let what = messages::word(language, "flag", &field(flag, "flag")).to_owned();
            let about = [field(flag, "point"), field(flag, "value"), field(flag, "since")];
            let about: Vec<&str> = about
                .iter()
                .map(String::as_str)
                .filter(|s| !s.is_empty())
                .collect();
            rows.push(line(Key::HeadFlags, format!("{what} ({})", about.join(", "))));
        }
        for point in device["points"].as_array().into_iter().flatten() {
            let freshness = messages::word(language, "freshness", &field(point, "freshness")).to_owned();
            let latest = &point["latest"];
            let quality = messages::word(language, "quality", &field(latest, "quality")).to_owned();
            rows.push(vec![
                field(point, "id"),
                format!(
                    "{} · {quality} · {freshness} · {}",
                    field(latest, "value"),
                    field(latest, "observed_at")
                ),
            ]);
        }
        output::table(&[id, ""], &rows)
    })
}

fn row(device: &Value, language: Language) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for flag in device["flags"].as_array().into_iter().flatten() {
        let word = messages::word(language, "flag", &field(flag, "flag")).to_owned();
        if !flags.contains(&word) {
            flags.push(word);
        }
    }
    vec![
        field(device, "id"),
        name(device, "name", language),
        last_seen(device, language),
        interval(device),
        skew(device),
        availability(device, language),
        flags.join(match language {
            Language::Zh => "、",
            Language::En => ", ",
        }),
    ]
}

fn last_seen(device: &Value, language: Language) -> String {
    match field(device, "last_seen") {
        never if never.is_empty() => messages::word(language, "freshness", "unheard").to_owned(),
        at => at,
    }
}

/// How often it does report, beside how often it should.
fn interval(device: &Value) -> String {
    let (is, should) = (field(device, "interval"), field(device, "expected_interval"));
    match (is.is_empty(), should.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("– / {should}"),
        (false, true) => is,
        (false, false) => format!("{is} / {should}"),
    }
}

fn skew(device: &Value) -> String {
    let clock = &device["clock"];
    match (clock["unset"].as_bool(), clock["skew_s"].as_f64()) {
        (Some(true), _) => "1970".to_owned(),
        (_, Some(seconds)) => format!("{seconds:+.1} s"),
        (_, None) => String::new(),
    }
}

fn availability(device: &Value, language: Language) -> String {
    let state = field(device, "availability");
    messages::word(language, "availability", &state).to_owned()
}
