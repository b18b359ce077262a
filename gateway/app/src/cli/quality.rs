//! `linli alarms quality`: the figures of alarm quality beside their targets.

use crate::cli::Outcome;
use crate::cli::args::Quality;
use crate::cli::client::{Client, query};
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::clock::{Clock, SystemClock};
use linli_domain::text::Language;
use serde_json::Value;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Shows them.
pub(super) fn quality(context: &Context, arguments: &Quality) -> Outcome {
    let from = SystemClock::new()
        .now()
        .wall
        .minus(DAY * arguments.days)
        .to_string();
    let operators = arguments.operators.to_string();
    let path = query(
        "/api/v1/alarms/quality",
        &[("from", Some(&from)), ("operators", Some(&operators))],
    );
    let measured = Client::new(context)?.get(&path)?;
    output::result(context, &measured, |measured| report(measured, context.language))
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[][..], Vec::as_slice)
}

fn report(measured: &Value, language: Language) -> String {
    let values = [
        ("from", field(measured, "from")),
        ("to", field(measured, "to")),
        ("raised", field(measured, "raised")),
        ("p1", field(&measured["mix"], "p1")),
        ("p2", field(&measured["mix"], "p2")),
        ("p3", field(&measured["mix"], "p3")),
        ("p4", field(&measured["mix"], "p4")),
        ("most", field(measured, "most_in_ten_minutes")),
    ];
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut out = text::fill(language, Key::QualityOver, &values) + "\n\n";
    let heads = |keys: &[Key]| {
        keys.iter()
            .map(|key| text::get(language, *key))
            .collect::<Vec<_>>()
    };
    let rows: Vec<_> = list(measured, "figures")
        .iter()
        .map(|figure| row(figure, language))
        .collect();
    let keys = [
        Key::HeadFigure,
        Key::HeadFigureValue,
        Key::HeadFine,
        Key::HeadMost,
        Key::HeadTier,
    ];
    out += &output::table(&heads(&keys), &rows);
    let top = list(measured, "top");
    if !top.is_empty() {
        let rows: Vec<_> = top
            .iter()
            .map(|key| {
                let chatters = if key["chattered"] == true {
                    text::get(language, Key::WordChatters)
                } else {
                    ""
                };
                vec![
                    field(key, "times"),
                    field(key, "class"),
                    field(key, "asset"),
                    chatters.to_owned(),
                ]
            })
            .collect();
        out.push('\n');
        out += &output::table(
            &heads(&[Key::HeadTimes, Key::HeadClassOf, Key::HeadAsset, Key::HeadTier]),
            &rows,
        );
    }
    let standing = list(measured, "standing_alarms");
    if !standing.is_empty() {
        let rows: Vec<_> = standing
            .iter()
            .map(|alarm| {
                ["raised_at", "id", "class", "asset"]
                    .map(|name| field(alarm, name))
                    .to_vec()
            })
            .collect();
        out.push('\n');
        let keys = [Key::HeadSince, Key::HeadId, Key::HeadClassOf, Key::HeadAsset];
        out += &output::table(&heads(&keys), &rows);
    }
    out
}

fn row(figure: &Value, language: Language) -> Vec<String> {
    let name = match field(figure, "figure").as_str() {
        "alarms_per_operator_hour" => Key::FigureAlarmsPerOperatorHour,
        "flood_share_percent" => Key::FigureFloodSharePercent,
        "urgent_per_hour_most" => Key::FigureUrgentPerHourMost,
        "chattering" => Key::FigureChattering,
        "fleeting_share_percent" => Key::FigureFleetingSharePercent,
        "standing" => Key::FigureStanding,
        "top_ten_share_percent" => Key::FigureTopTenSharePercent,
        "high_priority_percent" => Key::FigureHighPriorityPercent,
        "suppressed_share_percent" => Key::FigureSuppressedSharePercent,
        _ => Key::FigureOverriddenSharePercent,
    };
    let tier = match field(figure, "tier").as_str() {
        "good" => Key::TierGood,
        "watch" => Key::TierWatch,
        _ => Key::TierPoor,
    };
    vec![
        text::get(language, name).to_owned(),
        field(figure, "value"),
        field(figure, "fine"),
        field(figure, "most"),
        text::get(language, tier).to_owned(),
    ]
}
