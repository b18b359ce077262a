//! `linli rejects`: messages of the field that could not be used, for the person who can do something about it.

use crate::cli::Outcome;
use crate::cli::args::Rejects;
use crate::cli::client::{Client, query};
use crate::cli::context::Context;
use crate::cli::heard;
use crate::cli::output::{self, field, name, raw};
use crate::cli::text::{self, Key};
use crate::cli::work::listing;
use linli_domain::text::Language;
use serde_json::Value;
use std::fmt::Write as _;

/// Characters of a message shown in a table.
const SHOWN: usize = 48;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: &Rejects) -> Outcome {
    match command {
        Rejects::List {
            reason,
            connection,
            device,
            limit,
        } => {
            let head = [
                Key::HeadId,
                Key::HeadTime,
                Key::HeadConnection,
                Key::HeadOrigin,
                Key::HeadReason,
                Key::HeadPayload,
            ];
            let path = query(
                "/api/v1/rejects",
                &[
                    ("limit", Some(&limit.to_string())),
                    ("reason", reason.as_deref()),
                    ("connection", connection.as_deref()),
                    ("device", device.as_deref()),
                ],
            );
            listing(context, &path, &head, reject)
        }
        Rejects::Show { id } => {
            let found = Client::new(context)?.get(&format!("/api/v1/rejects/{id}"))?;
            output::result(context, &found, |found| show(found, context.language))
        }
        Rejects::Count { connection, device } => {
            let head = [Key::HeadReason, Key::HeadCount, Key::HeadNewest, Key::HeadHint];
            let path = query(
                "/api/v1/rejects/counts",
                &[
                    ("connection", connection.as_deref()),
                    ("device", device.as_deref()),
                ],
            );
            listing(context, &path, &head, count)
        }
    }
}

fn reject(reject: &Value, language: Language) -> Vec<String> {
    vec![
        field(reject, "id"),
        field(reject, "at"),
        field(reject, "connection"),
        field(reject, "origin"),
        why(reject, language),
        raw(&reject["payload"], SHOWN),
    ]
}

/// The reason with what exactly is wrong.
fn why(reject: &Value, language: Language) -> String {
    let (word, detail) = (
        name(reject, "reason_text", language),
        name(reject, "detail_text", language),
    );
    let word = if word.is_empty() {
        field(reject, "reason")
    } else {
        word
    };
    if detail.is_empty() {
        word
    } else {
        format!("{word}: {detail}")
    }
}

fn count(count: &Value, language: Language) -> Vec<String> {
    let word = name(count, "reason_text", language);
    vec![
        format!("{word} [{}]", field(count, "reason")),
        field(count, "count"),
        field(count, "newest_at"),
        name(count, "hint", language),
    ]
}

fn show(reject: &Value, language: Language) -> String {
    let lines = [
        (Key::HeadTime, field(reject, "at")),
        (Key::HeadConnection, field(reject, "connection")),
        (Key::HeadOrigin, field(reject, "origin")),
        (Key::HeadDevice, field(reject, "device")),
        (
            Key::HeadReason,
            format!("{} [{}]", why(reject, language), field(reject, "reason")),
        ),
        (Key::HeadHint, name(reject, "hint", language)),
        (Key::HeadBytes, field(&reject["payload"], "bytes")),
    ];
    let mut shown = String::new();
    for (key, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(
            shown,
            "{}  {}",
            output::pad(text::get(language, *key), 12),
            output::printable(value)
        );
    }
    shown.push_str(&heard::application(reject, language));
    let _ = writeln!(shown, "\n{}", raw(&reject["payload"], usize::MAX));
    shown
}
