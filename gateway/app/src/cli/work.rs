//! `linli orders`: the same as the API, for a shell.

use crate::cli::args::{List, Orders};
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field, name};
use crate::cli::text::{self, Key};
use crate::cli::{Outcome, problem};
use crate::messages;
use linli_domain::text::Language;
use reqwest::Method;
use serde_json::{Value, json};

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
        Orders::Show { id } => show(context, &id),
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

pub(super) fn query(resource: &str, going_on: &str, list: &List) -> String {
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

/// One order with its tasks and every step of its life.
fn show(context: &Context, id: &str) -> Outcome {
    let client = Client::new(context)?;
    let path = format!("/api/v1/orders/{}", segment(context, id)?);
    let order = client.get(&path)?;
    let life = client.get(&format!("{path}/transitions"))?;
    let both = json!({ "order": order, "life": life["items"] });
    output::result(context, &both, |both| {
        written(&both["order"], &both["life"], context.language)
    })
}

fn written(order: &Value, life: &Value, language: Language) -> String {
    let say = |key, value: String| format!("{}  {}\n", text::get(language, key), output::printable(&value));
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let state = |order: &Value| messages::word(language, "order_state", &field(order, "state")).to_owned();
    let mut text = say(
        Key::AlarmOrder,
        format!(
            "{} {} {} · {} · {}",
            field(order, "id"),
            field(order, "priority"),
            name(order, "task", language),
            name(order, "place", language),
            name(order, "asset_name", language)
        ),
    );
    text += &say(Key::AlarmState, state(order));
    let response = name(order, "response", language);
    if !response.is_empty() {
        text += &say(Key::AlarmResponse, response);
    }
    let tasks = items(&order["tasks"]);
    if !tasks.is_empty() {
        text += &say(Key::OrderTasks, progress(order));
        let rows: Vec<Vec<String>> = tasks.iter().map(|task| task_row(task, language)).collect();
        let head = [
            Key::HeadTask,
            Key::HeadPlace,
            Key::HeadState,
            Key::HeadSince,
            Key::HeadEnded,
            Key::WordAlarm,
        ];
        let head = head.map(|key| text::get(language, key));
        text += &format!("\n{}", output::table(&head, &rows));
    }
    text + "\n" + &life_table(life, "order", language)
}

/// What happened to an alarm or an order, a line each; `subject` names the catalogue of its words.
pub(super) fn life_table(life: &Value, subject: &str, language: Language) -> String {
    let steps = life.as_array().map_or(&[][..], Vec::as_slice);
    let steps: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            vec![
                field(step, "at"),
                messages::word(language, &format!("{subject}_event"), &field(step, "event")).to_owned(),
                messages::word(language, &format!("{subject}_state"), &field(step, "to")).to_owned(),
                field(step, "actor"),
                beside(&step["beside"], language),
            ]
        })
        .collect();
    let head = [
        Key::HeadTime,
        Key::HeadChange,
        Key::HeadState,
        Key::HeadWho,
        Key::HeadReason,
    ];
    let head = head.map(|key| text::get(language, key));
    output::table(&head, &steps)
}

/// What stands beside a step, in words.
fn beside(beside: &Value, language: Language) -> String {
    let names = ["reason", "from", "until", "cause", "level"];
    let values = names.map(|name| (name, field(beside, name)));
    let has = |name: &str| {
        values
            .iter()
            .any(|(known, value)| *known == name && !value.is_empty())
    };
    let key = [
        ("would_have", ["from", "until"]),
        ("until", ["until", "reason"]),
        ("cause", ["cause", "reason"]),
        ("level", ["level", "level"]),
    ]
    .into_iter()
    .find(|(_, parts)| parts.iter().all(|part| has(part)));
    if let Some(text) = key.and_then(|(key, _)| messages::find(language, "beside", key)) {
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        return messages::fill(text, &values);
    }
    let assets = beside["assets"].as_array().map_or(&[][..], Vec::as_slice);
    let assets = assets.iter().filter_map(Value::as_str).map(str::to_owned);
    let said: Vec<String> = assets
        .chain(values.into_iter().map(|(_, value)| value))
        .filter(|value| !value.is_empty())
        .collect();
    said.join(", ")
}

fn task_row(task: &Value, language: Language) -> Vec<String> {
    vec![
        name(task, "asset_name", language),
        name(task, "place", language),
        messages::word(language, "task_state", &field(task, "state")).to_owned(),
        field(task, "since"),
        field(task, "ended"),
        field(task, "alarm"),
    ]
}

/// How many tasks of a batch have ended, of how many: `3/7`; nothing for an order about one asset.
fn progress(order: &Value) -> String {
    let tasks = order["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let ended = tasks.iter().filter(|task| task["state"] == "ended").count();
    if tasks.is_empty() {
        String::new()
    } else {
        format!("{ended}/{}", tasks.len())
    }
}

fn order(order: &Value, language: Language) -> Vec<String> {
    vec![
        field(order, "id"),
        field(order, "priority"),
        messages::word(language, "order_state", &field(order, "state")).to_owned(),
        messages::word(language, "role", &field(order, "role")).to_owned(),
        name(order, "place", language),
        name(order, "asset_name", language),
        format!("{} {}", name(order, "task", language), progress(order))
            .trim()
            .to_owned(),
        field(order, "assignee"),
        field(order, "opened_at"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_a_step_is_said_in_the_readers_language() {
        let (from, to) = ("2026-03-01T02:10:00Z", "2026-03-01T02:40:00Z");
        let late = json!({ "from": from, "until": to });
        assert_eq!(beside(&late, Language::Zh), format!("{from} 至 {to} 本应告警"));
        assert_eq!(
            beside(&late, Language::En),
            format!("would have been in alarm from {from} to {to}")
        );
        let shelved = json!({ "until": to, "reason": "换阀门: 两天" });
        assert_eq!(beside(&shelved, Language::Zh), format!("至 {to}：换阀门: 两天"));
        assert_eq!(beside(&json!({ "level": 2 }), Language::Zh), "第 2 级");
        let named = json!({ "cause": "AL-7", "reason": "the main is broken" });
        assert_eq!(beside(&named, Language::En), "AL-7: the main is broken");
        assert_eq!(beside(&json!({ "cause": "AL-7" }), Language::Zh), "AL-7");
        assert_eq!(
            beside(&json!({ "assets": ["bin-1", "bin-2"] }), Language::Zh),
            "bin-1, bin-2"
        );
        assert_eq!(beside(&json!({}), Language::En), "");
    }

    #[test]
    fn an_order_about_several_bins_is_shown_with_its_tasks_and_how_many_have_ended() {
        let task = |n: u32, state: &str| {
            json!({ "asset": format!("bin-{n}"), "asset_name": { "zh": format!("{n}号桶"), "en": format!("Bin {n}") },
                "place": { "zh": "前院", "en": "Yard" }, "alarm": format!("AL-{n}"), "state": state,
                "since": "2026-03-01T10:10:30Z", "ended": null, "reopened": 0 })
        };
        let shown = json!({ "id": "WO-7", "priority": "P3", "state": "in_progress",
            "task": { "zh": "垃圾清运", "en": "Bin emptying" }, "tasks": [task(1, "ended"), task(2, "open")] });
        let life = json!([{ "at": "2026-03-01T10:10:30Z", "event": "task_joined", "to": "dispatched",
            "actor": "gateway", "beside": { "assets": ["bin-2"] } }]);
        let text = written(&shown, &life, Language::Zh);
        for line in [
            "1/2",
            "1号桶",
            "已完成",
            "2号桶",
            "未完成",
            "AL-2",
            "并入一处",
            "bin-2",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let row = order(&shown, Language::En);
        assert!(row.contains(&"Bin emptying 1/2".to_owned()), "{row:?}");
        let single = json!({ "id": "WO-8", "task": { "zh": "漏水维修", "en": "Leak repair" }, "tasks": [] });
        assert!(order(&single, Language::En).contains(&"Leak repair".to_owned()));
    }
}
