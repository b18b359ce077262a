//! `linli alarms`: the same as the API, for a shell.

use crate::cli::args::{Alarms, List, ListAlarms, Serviced};
use crate::cli::client::{self, Client};
use crate::cli::context::Context;
use crate::cli::output::{self, field, name};
use crate::cli::text::{self, Key};
use crate::cli::work::{life_table, listing, query, segment};
use crate::cli::{Failure, Outcome, problem};
use crate::messages;
use linli_domain::text::Language;
use serde_json::{Value, json};

/// Most alarms one explains that are counted for a person.
const MOST_COUNTED: u32 = 500;

/// Most alarms of one request.
const AT_ONCE: usize = 100;

/// Does one of the commands about alarms.
pub(super) fn alarms(context: &Context, command: Alarms) -> Outcome {
    match command {
        Alarms::List(wanted) => list(context, &wanted),
        Alarms::Quality(arguments) => super::quality::quality(context, &arguments),
        Alarms::Show { id } => show(context, &id),
        Alarms::Ack { ids } => each(context, &ids, &json!({ "action": "ack" })),
        Alarms::Unshelve { ids } => each(context, &ids, &json!({ "action": "unshelve" })),
        Alarms::Reset { ids } => each(context, &ids, &json!({ "action": "reset" })),
        Alarms::Shelve {
            ids,
            lasts,
            reason,
            no_order,
        } => each(
            context,
            &ids,
            &json!({ "action": "shelve", "for": lasts, "reason": reason, "no_order": no_order }),
        ),
        Alarms::Suppress { ids, cause, reason } => each(
            context,
            &ids,
            &json!({ "action": "suppress", "cause": cause, "reason": reason }),
        ),
        Alarms::Unsuppress { ids } => each(context, &ids, &json!({ "action": "unsuppress" })),
        Alarms::Out { what, reason, lasts } if what.asset.is_some() || what.device.is_some() => {
            let mut body = named(&what);
            body["reason"] = json!(reason.unwrap_or_default());
            body["for"] = json!(lasts);
            service(context, "/api/v1/out-of-service", &body, Key::TakenOut)
        }
        Alarms::Out { .. } => out_of_service(context),
        Alarms::Back { what } => {
            let body = named(&what);
            service(context, "/api/v1/out-of-service/back", &body, Key::BroughtBack)
        }
    }
}

fn list(context: &Context, wanted: &ListAlarms) -> Outcome {
    let head = [
        Key::HeadId,
        Key::HeadPriority,
        Key::HeadState,
        Key::HeadPlace,
        Key::HeadAsset,
        Key::HeadWhat,
        Key::HeadSince,
    ];
    let filters = [
        ("state", wanted.state.as_deref()),
        ("asset", wanted.asset.as_deref()),
        ("class", wanted.class.as_deref()),
        ("priority", wanted.priority.as_deref()),
        ("cause", wanted.cause.as_deref()),
        ("late", wanted.late.then_some("true")),
    ];
    // What a cause explained and what was late is history: most of it is over.
    let list = List {
        all: wanted.list.all || wanted.late || wanted.cause.is_some(),
        limit: wanted.list.limit,
    };
    let path = client::query(&query("alarms", "live", &list), &filters);
    listing(context, &path, &head, row)
}

fn row(alarm: &Value, language: Language) -> Vec<String> {
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

/// One alarm with the readings that raised it and every step of its life.
fn show(context: &Context, id: &str) -> Outcome {
    let client = Client::new(context)?;
    let path = format!("/api/v1/alarms/{}", segment(context, id)?);
    let alarm = client.get(&path)?;
    let life = client.get(&format!("{path}/transitions"))?;
    let id = field(&alarm, "id");
    let explained = client::query(
        &format!("/api/v1/alarms?limit={MOST_COUNTED}"),
        &[("cause", Some(&id))],
    );
    let explained = client.get(&explained)?;
    let count = explained["items"].as_array().map_or(0, Vec::len);
    let more = !explained["next_cursor"].is_null();
    let all = json!({ "alarm": alarm, "life": life["items"], "explains": { "count": count, "more": more } });
    output::result(context, &all, |all| written(all, context.language))
}

fn written(all: &Value, language: Language) -> String {
    let (alarm, life) = (&all["alarm"], &all["life"]);
    let say = |key, value: String| format!("{}  {}\n", text::get(language, key), output::printable(&value));
    let mut text = say(
        Key::AlarmWhat,
        format!(
            "{} {} {} · {} · {}",
            field(alarm, "id"),
            field(alarm, "priority"),
            name(alarm, "name", language),
            name(alarm, "place", language),
            name(alarm, "asset_name", language)
        ),
    );
    text += &say(Key::AlarmState, name(alarm, "state_name", language));
    for (key, field) in [
        (Key::AlarmCause, "cause"),
        (Key::AlarmConsequence, "consequence"),
        (Key::AlarmResponse, "response"),
    ] {
        let words = name(alarm, field, language);
        if !words.is_empty() {
            text += &say(key, words);
        }
    }
    text += &say(
        Key::AlarmRule,
        format!("{} ({})", field(alarm, "rule"), field(alarm, "rule_version")),
    );
    for (key, what) in [
        (Key::AlarmOrder, "order"),
        (Key::AlarmSuppressedBy, "suppressed_by"),
    ] {
        let id = field(alarm, what);
        if !id.is_empty() {
            text += &say(key, id);
        }
    }
    let explains = field(&all["explains"], "count");
    if explains != "0" {
        let more = if all["explains"]["more"] == true { "+" } else { "" };
        let id = field(alarm, "id");
        let said = format!("{explains}{more} (linli alarms list --cause {id})");
        text += &say(Key::AlarmExplains, said);
    }
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let evidence: Vec<Vec<String>> = items(&alarm["evidence"])
        .iter()
        .map(|sample| {
            vec![
                field(sample, "observed"),
                field(sample, "point"),
                field(sample, "value"),
            ]
        })
        .collect();
    if !evidence.is_empty() {
        let head = [Key::HeadTime, Key::HeadPoint, Key::HeadValue].map(|key| text::get(language, key));
        text += &format!("\n{}", output::table(&head, &evidence));
    }
    text + "\n" + &life_table(life, "alarm", language)
}

/// The same done to each alarm, on the version that is there now. One that could not be done makes the command fail
/// after the others are done.
fn each(context: &Context, ids: &[String], words: &Value) -> Outcome {
    let client = Client::new(context)?;
    let seen = |id: &String| -> Result<Value, Failure> {
        // One that cannot be looked at is answered for with the others.
        let alarm = client.get(&format!("/api/v1/alarms/{}", segment(context, id)?));
        let version = alarm.map_or(json!(0), |alarm| alarm["version"].clone());
        Ok(json!({ "id": id, "version": version }))
    };
    let mut items: Vec<Value> = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        let mut body = words.clone();
        body["alarms"] = json!(some.iter().map(seen).collect::<Result<Vec<_>, _>>()?);
        let done = client.post("/api/v1/alarms/bulk", &body)?;
        items.extend(done["items"].as_array().cloned().unwrap_or_default());
    }
    let done = json!({ "items": items });
    output::result(context, &done, |_| {
        let done = items.iter().filter(|item| item["done"] == true);
        let line = |item: &Value| {
            let values = [("id", field(item, "id")), ("version", field(item, "version"))];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            text::fill(context.language, Key::Done, &values) + "\n"
        };
        done.map(line).collect()
    })?;
    let refused: Vec<String> = items
        .iter()
        .filter(|item| item["done"] != true)
        .map(|item| {
            let code = field(item, "code");
            // The sentence with its values first: it says how long would be allowed.
            let detail = field(item, "detail");
            let said = messages::translated(context.language, "problem", &detail)
                .or_else(|| messages::find(context.language, "refusal", &code).map(str::to_owned))
                .unwrap_or(detail);
            format!("{}: {said} [{code}]", field(item, "id"))
        })
        .collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Failure::Problem(refused.join("\n")))
    }
}

fn named(what: &Serviced) -> Value {
    match (&what.asset, &what.device) {
        (Some(asset), _) => json!({ "asset": asset }),
        (None, device) => json!({ "device": device }),
    }
}

fn service(context: &Context, path: &str, body: &Value, said: Key) -> Outcome {
    if body["asset"].is_null() && body["device"].is_null() {
        return Err(problem(context.language, Key::NothingNamed, &[]));
    }
    let done = Client::new(context)?.post(path, body)?;
    output::result(context, &done, |done| {
        let what = [field(done, "asset"), field(done, "device")].concat();
        text::fill(context.language, said, &[("what", &what)]) + "\n"
    })
}

fn out_of_service(context: &Context) -> Outcome {
    let head = [
        Key::HeadAsset,
        Key::HeadDevice,
        Key::HeadLives,
        Key::HeadSince,
        Key::HeadUntil,
        Key::HeadWho,
        Key::HeadReason,
    ];
    listing(context, "/api/v1/out-of-service", &head, |item, language| {
        let mut row = ["asset", "device", "since", "until", "by", "reason"]
            .map(|key| field(item, key))
            .to_vec();
        let lives = if item["life_safety"] == true {
            text::get(language, Key::WordYes)
        } else {
            ""
        };
        row.insert(2, lives.to_owned());
        row
    })
}
