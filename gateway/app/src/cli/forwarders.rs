//! `linli forwarders`: how far the copies of the readings in other stores are, and the lines a store refused for good.

use crate::cli::Outcome;
use crate::cli::args::Forwarders;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::work::{listing, segment};
use linli_domain::text::Language;
use serde_json::Value;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: &Forwarders) -> Outcome {
    match command {
        Forwarders::List => list(context),
        Forwarders::Parked { name, limit } => {
            let name = segment(context, name)?;
            let head = [Key::HeadId, Key::HeadTime, Key::HeadReason, Key::HeadLine];
            let path = format!("/api/v1/forwarders/{name}/parked?limit={limit}");
            listing(context, &path, &head, |line, _| {
                ["id", "at", "reason", "line"]
                    .map(|name| field(line, name))
                    .to_vec()
            })
        }
    }
}

fn list(context: &Context) -> Outcome {
    let all = Client::new(context)?.get("/api/v1/forwarders")?;
    output::result(context, &all, |all| {
        let all = all.as_array().map_or(&[][..], Vec::as_slice);
        if all.is_empty() {
            return format!("{}\n", text::get(context.language, Key::NoForwarders));
        }
        let head = [
            Key::HeadName,
            Key::HeadState,
            Key::HeadTakenUpTo,
            Key::HeadCommitsWaiting,
            Key::HeadReadings,
            Key::HeadParked,
            Key::HeadError,
        ];
        let rows: Vec<Vec<String>> = all.iter().map(|one| row(one, context.language)).collect();
        output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })
}

fn row(one: &Value, language: Language) -> Vec<String> {
    let state = if !one["trouble"].is_null() {
        Key::ForwarderStuck
    } else if one["filling_in"] == true {
        Key::ForwarderFillsIn
    } else if one["catching_up_commits"] != 0 {
        Key::ForwarderCatchesUp
    } else {
        Key::ForwarderFine
    };
    vec![
        field(one, "name"),
        text::get(language, state).to_owned(),
        field(one, "taken_up_to"),
        field(one, "behind_commits"),
        field(one, "sent"),
        field(one, "parked"),
        field(one, "trouble"),
    ]
}
