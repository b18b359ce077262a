//! A message for people: what the device itself sent, what was made of it, or why nothing was.

use crate::cli::output::{field, name, printable, raw};
use crate::cli::text::{self, Key};
use crate::messages;
use linli_domain::text::Language;
use serde_json::Value;
use std::fmt::Write as _;

/// The application payload of a message, its values, what was noticed, and why it was refused; each on a line of its own, indented.
pub(super) fn made_of(message: &Value, language: Language) -> String {
    let mut said = application(message, language);
    for value in message["values"].as_array().into_iter().flatten() {
        let _ = writeln!(said, "    {}", printable(&reading(value, language)));
    }
    for noticed in message["noticed"].as_array().into_iter().flatten() {
        let (noticed, code) = (name(noticed, "text", language), field(noticed, "code"));
        let values = [("text", noticed.as_str()), ("code", code.as_str())];
        let _ = writeln!(
            said,
            "    {}",
            printable(&text::fill(language, Key::Noticed, &values))
        );
    }
    let refusal = &message["refusal"];
    if !refusal.is_null() {
        let values = [
            ("reason", name(refusal, "reason_text", language)),
            ("detail", name(refusal, "detail_text", language)),
            ("hint", name(refusal, "hint", language)),
        ];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let _ = writeln!(
            said,
            "    {}",
            printable(&text::fill(language, Key::RefusedBecause, &values))
        );
    }
    said
}

/// What a LoRaWAN device itself sent, on a line of its own; nothing for other devices.
pub(super) fn application(message: &Value, language: Language) -> String {
    let application = &message["application"];
    if application.is_null() {
        return String::new();
    }
    let (port, hex) = (field(application, "f_port"), raw(application, usize::MAX));
    let values = [("port", port.as_str()), ("hex", &hex)];
    format!("    {}\n", text::fill(language, Key::Application, &values))
}

/// `leak.wet[DI3] = true  good`.
fn reading(value: &Value, language: Language) -> String {
    let instance = field(value, "instance");
    let mut line = field(value, "measure");
    if !instance.is_empty() {
        let _ = write!(line, "[{instance}]");
    }
    let unit = match field(value, "unit").as_str() {
        "bool" | "text" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    let shown = match &value["value"] {
        Value::Null => "-".to_owned(),
        Value::Number(number) => number
            .as_f64()
            .map_or_else(String::new, |number| number.to_string()),
        _ => field(value, "value"),
    };
    let _ = write!(line, " = {shown}{unit}");
    let (quality, reason) = (field(value, "quality"), field(value, "reason"));
    let _ = write!(line, "  {}", messages::word(language, "quality", &quality));
    if !reason.is_empty() {
        let _ = write!(line, ": {}", messages::word(language, "quality", &reason));
    }
    if value["historical"] == true {
        let _ = write!(
            line,
            "  {} {}",
            text::get(language, Key::Stored),
            field(value, "observed_at")
        );
    }
    line
}
