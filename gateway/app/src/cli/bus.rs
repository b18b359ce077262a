//! `linli device scan` and `linli device write`: what is done on a bus beside its polling.

use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, problem};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;

/// How often the gateway is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// Scans a bus, tells how far it is, and shows who is there.
pub(super) fn scan(context: &Context, bus: &str, units: &str) -> Outcome {
    let client = Client::new(context)?;
    let mut scan = client.post("/api/v1/scans", &json!({ "bus": bus, "units": units }))?;
    let path = format!("/api/v1/scans/{}", field(&scan, "id"));
    let shows_progress = std::io::stderr().is_terminal();
    while scan["state"] == "running" {
        if shows_progress {
            eprint!("\r{}", progress(context, &scan));
        }
        client.wait(LOOK);
        scan = client.get(&path)?;
    }
    if shows_progress {
        eprintln!("\r{}", progress(context, &scan));
    }
    output::result(context, &scan, |scan| shown(context, scan))?;
    match scan["state"].as_str() {
        Some("failed") => Err(problem(context.language, Key::ScanFailed, &[("bus", bus)])),
        Some("cancelled") => Err(problem(context.language, Key::ScanCancelled, &[])),
        _ => Ok(()),
    }
}

fn progress(context: &Context, scan: &Value) -> String {
    let found = scan["found"].as_array().map_or(0, Vec::len).to_string();
    let values = [
        ("done", field(scan, "done")),
        ("total", field(scan, "total")),
        ("found", found),
    ];
    fill(context, Key::ScanProgress, &values)
}

fn shown(context: &Context, scan: &Value) -> String {
    let found = scan["found"].as_array().cloned().unwrap_or_default();
    if found.is_empty() {
        return text::get(context.language, Key::ScanNobody).to_owned() + "\n";
    }
    let rows: Vec<Vec<String>> = found.iter().map(|unit| row(context, unit)).collect();
    let head = [
        Key::HeadUnitNumber,
        Key::HeadDevice,
        Key::HeadAnswer,
        Key::HeadSaysItIs,
        Key::HeadMayBe,
    ];
    output::table(&head.map(|key| text::get(context.language, key)), &rows)
}

fn row(context: &Context, unit: &Value) -> Vec<String> {
    let answer = match &unit["exception"] {
        Value::Null => text::get(context.language, Key::ScanRegisters).to_owned(),
        code => fill(context, Key::ScanException, &[("code", code.to_string())]),
    };
    let said: Vec<String> = ["vendor", "product", "revision"]
        .iter()
        .map(|part| field(&unit["identification"], part))
        .filter(|part| !part.is_empty())
        .collect();
    let mut guesses = String::new();
    for guess in unit["guesses"].as_array().into_iter().flatten() {
        let values = ["title", "profile", "plausible", "values"].map(|key| (key, field(guess, key)));
        let separator = if guesses.is_empty() { "" } else { "; " };
        let _ = write!(guesses, "{separator}{}", fill(context, Key::ScanGuess, &values));
    }
    vec![
        field(unit, "unit"),
        field(unit, "device"),
        answer,
        said.join(" "),
        guesses,
    ]
}

/// Writes a register and tells what came of it.
pub(super) fn write(context: &Context, id: &str, name: &str, value: &str) -> Outcome {
    let number = match value {
        "true" => json!(true),
        "false" => json!(false),
        text => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => json!(number),
            _ => {
                return Err(Failure::Usage(fill(
                    context,
                    Key::WriteNoValue,
                    &[("value", value.to_owned())],
                )));
            }
        },
    };
    let path = format!("/api/v1/devices/{}/writes", escaped(id));
    let done = Client::new(context)?.post(&path, &json!({ "name": name, "value": number }))?;
    let is_done = done["confirmed"] == true;
    output::result(context, &done, |done| {
        let key = match (done["outcome"].as_str(), is_done) {
            (_, true) => Key::WriteConfirmed,
            (Some("accepted"), _) => Key::WriteUnconfirmed,
            (Some("refused"), _) => Key::WriteRefused,
            (Some("not_sent"), _) => Key::WriteNotSent,
            _ => Key::WriteUnknown,
        };
        // Numbers are whole more often than not.
        let field = |done: &Value, name: &str| {
            let text = field(done, name);
            text.strip_suffix(".0")
                .map_or_else(|| text.clone(), str::to_owned)
        };
        let back = match field(done, "read_back") {
            nothing if nothing.is_empty() => text::get(context.language, Key::ReadNothing).to_owned(),
            value => value,
        };
        let mut values = vec![("back", back), ("code", field(done, "exception"))];
        values.extend(["device", "name", "value", "reason"].map(|part| (part, field(done, part))));
        fill(context, key, &values) + "\n"
    })?;
    if is_done { Ok(()) } else { Err(Failure::Said) }
}

fn fill(context: &Context, key: Key, values: &[(&str, String)]) -> String {
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    text::fill(context.language, key, &values)
}

/// An id as one part of an address.
fn escaped(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn an_id_is_one_part_of_an_address_whatever_it_holds() {
        assert_eq!(escaped("valve-3"), "valve-3");
        assert_eq!(escaped("b3/valve:1 ü"), "b3%2Fvalve%3A1%20%C3%BC");
    }
}
