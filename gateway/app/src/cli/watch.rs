//! `linli device watch`: what devices say as it comes, raw beside decoded.

use crate::cli::Outcome;
use crate::cli::args::Watch;
use crate::cli::client::{Client, query};
use crate::cli::context::Context;
use crate::cli::heard;
use crate::cli::output::{self, field, raw};
use crate::cli::stream::Wish;
use crate::cli::text::{self, Key};
use linli_domain::text::Language;
use serde_json::Value;

/// Characters of a message that are shown.
const SHOWN: usize = 240;

/// Watches until the terminal, the gateway or the wished number of messages ends it.
pub(super) fn watch(context: &Context, arguments: &Watch) -> Outcome {
    let client = Client::new(context)?;
    let path = query("/api/v1/watch", &[("device", arguments.device.as_deref())]);
    let mut left = arguments.count;
    client.listen(&path, |event, data| {
        match event {
            "heard" if context.json => output::text(&format!("{data}\n"))?,
            "heard" => output::text(&heard_line(data, context.language))?,
            // With --json, too, on standard error: what is missing is no message.
            "missed" => output::note(&text::fill(
                context.language,
                Key::Missed,
                &[("count", &field(data, "missed"))],
            )),
            _ => return Ok(Wish::More),
        }
        if event == "heard"
            && let Some(left) = &mut left
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(Wish::Stop);
            }
        }
        Ok(Wish::More)
    })
}

fn heard_line(message: &Value, language: Language) -> String {
    let fate = match field(message, "fate").as_str() {
        "unknown" => text::get(language, Key::FateUnknown),
        "repeated" => text::get(language, Key::FateRepeated),
        "nothing" => text::get(language, Key::FateNothing),
        "refused" => text::get(language, Key::FateRefused),
        _ => "",
    };
    let retained = if message["retained"] == true {
        text::get(language, Key::Retained)
    } else {
        ""
    };
    let bytes = field(&message["payload"], "bytes");
    let head = [
        field(message, "at"),
        field(message, "device"),
        fate.to_owned(),
        retained.to_owned(),
        field(message, "connection"),
        field(message, "origin"),
        format!("{bytes} B"),
    ];
    let head: Vec<String> = head.into_iter().filter(|part| !part.is_empty()).collect();
    format!(
        "{}\n    {}\n{}",
        output::printable(&head.join("  ")),
        output::printable(&raw(&message["payload"], SHOWN)),
        heard::made_of(message, language)
    )
}
