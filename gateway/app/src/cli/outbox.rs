//! `linli outbox` and `linli notify test`: what goes out.

use crate::cli::Outcome;
use crate::cli::args::Outbox;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::work::listing;
use crate::messages;
use linli_domain::text::Language;
use serde_json::{Value, json};

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
