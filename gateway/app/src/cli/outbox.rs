//! `linli outbox`, `linli notify test` and `linli rejects`: what went out, and what could not come in.

use crate::cli::Outcome;
use crate::cli::args::Outbox;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::work::listing;
use crate::messages;
use base64::Engine as _;
use linli_domain::text::Language;
use serde_json::{Value, json};

/// Bytes of a refused message shown in a table.
const SHOWN_BYTES: usize = 24;

/// Does one of the commands about deliveries.
pub(super) fn outbox(context: &Context, command: Outbox) -> Outcome {
    match command {
        Outbox::List { state, limit } => {
            let head = [
                Key::HeadId,
                Key::HeadState,
                Key::HeadChannel,
                Key::HeadSubject,
                Key::HeadAttempts,
                Key::HeadSince,
                Key::HeadError,
            ];
            listing(
                context,
                &format!("/api/v1/deliveries?state={state}&limit={limit}"),
                &head,
                delivery,
            )
        }
        Outbox::Retry { id } => {
            let done = Client::new(context)?.post(&format!("/api/v1/deliveries/{id}/retry"), &json!({}))?;
            output::result(context, &done, |_| {
                text::fill(context.language, Key::Retried, &[("id", &id.to_string())]) + "\n"
            })
        }
    }
}

/// Sends a test message.
pub(super) fn test(context: &Context, channel: Option<&str>) -> Outcome {
    let sent = Client::new(context)?.post("/api/v1/notify/test", &json!({ "channel": channel }))?;
    output::result(context, &sent, |sent| {
        let channels: Vec<&str> = sent["channels"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if channels.is_empty() {
            return format!("{}\n", text::get(context.language, Key::NoChannels));
        }
        let (channels, subject) = (channels.join(", "), field(sent, "subject"));
        text::fill(
            context.language,
            Key::TestSent,
            &[("channels", &channels), ("subject", &subject)],
        ) + "\n"
    })
}

/// Lists refused messages.
pub(super) fn rejects(context: &Context, limit: u32) -> Outcome {
    let head = [
        Key::HeadId,
        Key::HeadTime,
        Key::HeadOrigin,
        Key::HeadReason,
        Key::HeadPayload,
    ];
    listing(context, &format!("/api/v1/rejects?limit={limit}"), &head, reject)
}

fn delivery(delivery: &Value, language: Language) -> Vec<String> {
    vec![
        field(delivery, "id"),
        messages::word(language, "delivery_state", &field(delivery, "state")).to_owned(),
        field(delivery, "channel"),
        format!(
            "{} {}",
            field(delivery, "subject_kind"),
            field(delivery, "subject")
        ),
        field(delivery, "attempts"),
        field(delivery, "created_at"),
        messages::word(language, "delivery_error", &field(delivery, "last_error")).to_owned(),
    ]
}

fn reject(reject: &Value, language: Language) -> Vec<String> {
    let reason = field(reject, "reason");
    let (label, detail) = reason.split_once(": ").unwrap_or((&reason, ""));
    let word = messages::word(language, "reject", label);
    vec![
        field(reject, "id"),
        field(reject, "at"),
        field(reject, "origin"),
        if detail.is_empty() {
            word.to_owned()
        } else {
            format!("{word}: {detail}")
        },
        payload(&field(reject, "payload_base64")),
    ]
}

/// The first bytes as text where they are text, as hexadecimal where they are not.
fn payload(base64: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap_or_default();
    let shown = bytes.get(..SHOWN_BYTES).unwrap_or(&bytes);
    let cut = if shown.len() < bytes.len() { "…" } else { "" };
    let printable = shown.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    if printable {
        return format!("{}{cut}", String::from_utf8_lossy(shown));
    }
    shown.iter().map(|b| format!("{b:02x}")).collect::<String>() + cut
}
