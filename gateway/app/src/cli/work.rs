//! `linli alarms` and `linli orders`: the same as the API, for a shell.

use crate::cli::args::{Alarms, List, Orders};
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field, name};
use crate::cli::text::{self, Key};
use crate::cli::{Outcome, problem};
use crate::messages;
use linli_domain::text::Language;
use reqwest::Method;
use serde_json::{Value, json};

/// Does one of the commands about alarms.
pub(super) fn alarms(context: &Context, command: Alarms) -> Outcome {
    match command {
        Alarms::List(list) => {
            let head = [
                Key::HeadId,
                Key::HeadPriority,
                Key::HeadState,
                Key::HeadPlace,
                Key::HeadAsset,
                Key::HeadWhat,
                Key::HeadSince,
            ];
            listing(context, &query("alarms", "live", &list), &head, alarm)
        }
        Alarms::Quality(arguments) => super::quality::quality(context, &arguments),
        Alarms::Ack { id } => act(context, "alarms", &id, "ack", &json!({})),
    }
}

/// Does one of the commands about orders.
pub(super) fn orders(context: &Context, command: Orders) -> Outcome {
    match command {
        Orders::List(list) => {
            let head = [
                Key::HeadId,
                Key::HeadPriority,
                Key::HeadState,
                Key::HeadRole,
                Key::HeadPlace,
                Key::HeadAsset,
                Key::HeadWhat,
                Key::HeadWho,
                Key::HeadSince,
            ];
            listing(context, &query("orders", "open", &list), &head, order)
        }
        Orders::Accept { id } => act(context, "orders", &id, "accept", &json!({})),
        Orders::Start { id } => act(context, "orders", &id, "start", &json!({})),
        Orders::Complete { id, note } => act(context, "orders", &id, "complete", &json!({ "note": note })),
        Orders::Override { id, reason, note } => act(
            context,
            "orders",
            &id,
            "override",
            &json!({ "reason": reason, "note": note }),
        ),
        Orders::Cancel { id, reason } => act(context, "orders", &id, "cancel", &json!({ "reason": reason })),
    }
}

fn query(resource: &str, going_on: &str, list: &List) -> String {
    let filter = if list.all {
        String::new()
    } else {
        format!("&{going_on}=true")
    };
    format!("/api/v1/{resource}?limit={}{filter}", list.limit)
}

/// Prints a page as a table; says so when there is more.
pub(super) fn listing(
    context: &Context,
    path: &str,
    head: &[Key],
    row: impl Fn(&Value, Language) -> Vec<String>,
) -> Outcome {
    let page = Client::new(context)?.get(path)?;
    output::result(context, &page, |page| {
        let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        if items.is_empty() {
            return format!("{}\n", text::get(context.language, Key::Nothing));
        }
        let head: Vec<&str> = head.iter().map(|key| text::get(context.language, *key)).collect();
        let rows: Vec<Vec<String>> = items.iter().map(|item| row(item, context.language)).collect();
        output::table(&head, &rows)
    })?;
    if !context.json && !page["next_cursor"].is_null() {
        output::note(text::get(context.language, Key::MoreExist));
    }
    Ok(())
}

fn act(context: &Context, resource: &str, id: &str, verb: &str, body: &Value) -> Outcome {
    let path = format!("/api/v1/{resource}/{}", segment(context, id)?);
    let done = Client::new(context)?.change(Method::POST, &path, &format!("{path}/{verb}"), body)?;
    output::result(context, &done, |done| {
        let values = [("id", field(done, "id")), ("version", field(done, "version"))];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        text::fill(context.language, Key::Done, &values) + "\n"
    })
}

/// An id that is safe as one segment of an address.
pub(super) fn segment<'a>(context: &Context, id: &'a str) -> Result<&'a str, crate::cli::Failure> {
    let fits = !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !id.starts_with('.');
    if fits {
        Ok(id)
    } else {
        Err(problem(context.language, Key::NotAnId, &[("id", id)]))
    }
}

fn alarm(alarm: &Value, language: Language) -> Vec<String> {
    vec![
        field(alarm, "id"),
        field(alarm, "priority"),
        messages::word(language, "alarm_state", &field(alarm, "state")).to_owned(),
        name(alarm, "place", language),
        name(alarm, "asset_name", language),
        name(alarm, "name", language),
        field(alarm, "raised_at"),
    ]
}

fn order(order: &Value, language: Language) -> Vec<String> {
    vec![
        field(order, "id"),
        field(order, "priority"),
        messages::word(language, "order_state", &field(order, "state")).to_owned(),
        messages::word(language, "role", &field(order, "role")).to_owned(),
        name(order, "place", language),
        name(order, "asset_name", language),
        name(order, "task", language),
        field(order, "assignee"),
        field(order, "opened_at"),
    ]
}
