//! `linli device sign` and `linli device update`: firmware of nodes. Signing needs no gateway.

use crate::cli::args::Sign;
use crate::cli::client::{Client, escaped};
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::text::{self, Key};
use crate::cli::{Outcome, input, problem};
use crate::field::modbus::update::job::{MAX_PACKAGE, version_text};
use crate::messages;
use crate::ops::firmware::{self, Facts, MAX_IMAGE_FILE, TAKES_TEST_KEY};
use base64::Engine as _;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// How often the gateway is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);
/// A key is about a hundred bytes.
const MAX_KEY_BYTES: u64 = 4096;
/// Characters of the bar.
const BAR: usize = 30;

/// Makes a signed package.
pub(super) fn sign(context: &Context, arguments: &Sign) -> Outcome {
    let image = input::file(context, &arguments.image, MAX_IMAGE_FILE)?;
    let key = input::file(context, &arguments.key, MAX_KEY_BYTES)?;
    let facts = Facts {
        kind: arguments.kind.into(),
        version: arguments.firmware_version,
        board: arguments.board,
    };
    let signed = firmware::sign(&image, &facts, &key, TAKES_TEST_KEY)
        .map_err(|error| problem(context.language, Key::NotSigned, &[("error", &error.to_string())]))?;
    std::fs::write(&arguments.output, &signed.bytes).map_err(|error| {
        let (path, error) = (arguments.output.display().to_string(), error.to_string());
        problem(
            context.language,
            Key::CannotWrite,
            &[("path", &path), ("error", &error)],
        )
    })?;
    let public_key = signed.public_key.map(|byte| format!("{byte:02x}")).concat();
    let value = json!({
        "output": arguments.output,
        "kind": facts.kind.name(),
        "version": version_text(facts.version),
        "bytes": signed.bytes.len(),
        "public_key": public_key,
    });
    output::result(context, &value, |value| {
        let names = ["output", "kind", "version", "bytes", "public_key"];
        fill(
            context,
            Key::Signed,
            &names.map(|name| (name, field(value, name))),
        ) + "\n"
    })
}

/// Has a node updated, and tells how far it is.
pub(super) fn update(context: &Context, id: &str, package: &Path) -> Outcome {
    let package = input::file(context, package, MAX_PACKAGE as u64 + 1)?;
    let package = base64::engine::general_purpose::STANDARD.encode(package);
    let client = Client::new(context)?;
    let path = format!("/api/v1/devices/{}/updates", escaped(id));
    let mut update = client.post(&path, &json!({ "package": package }))?;
    let path = format!("/api/v1/updates/{}", field(&update, "id"));
    let shows_progress = std::io::stderr().is_terminal();
    while ["transferring", "checking", "restarting"]
        .iter()
        .any(|state| update["state"] == *state)
    {
        if shows_progress {
            eprint!("\r{}\x1b[K", progress(context, &update));
        }
        client.wait(LOOK);
        update = client.get(&path)?;
    }
    if shows_progress {
        eprintln!("\r{}\x1b[K", progress(context, &update));
    }
    let values = [
        ("device", field(&update, "device")),
        ("version", field(&update, "version")),
    ];
    match update["state"].as_str() {
        Some("updated") => output::result(context, &update, |_| {
            fill(context, Key::UpdateDone, &values) + "\n"
        }),
        other => {
            if context.json {
                output::result(context, &update, |_| String::new())?;
            }
            let reason = match other {
                Some("cancelled") => "cancelled".to_owned(),
                _ => field(&update, "reason"),
            };
            let meaning = messages::word(context.language, "update", &reason);
            let [device, version] = &values;
            let said = [
                (device.0, device.1.as_str()),
                (version.0, &version.1),
                ("reason", meaning),
                ("code", &reason),
            ];
            Err(problem(context.language, Key::UpdateFailed, &said))
        }
    }
}

/// `█████░░░░░ 51 % transferring`.
fn progress(context: &Context, update: &Value) -> String {
    let number = |name: &str| usize::try_from(update[name].as_u64().unwrap_or(0)).unwrap_or(0);
    let (done, total) = (number("done"), number("total").max(1));
    let full = (done * BAR / total).min(BAR);
    let state = field(update, "state");
    format!(
        "{}{} {:3} % {}",
        "█".repeat(full),
        "░".repeat(BAR - full),
        done * 100 / total,
        messages::word(context.language, "update", &state)
    )
}

fn fill(context: &Context, key: Key, values: &[(&str, String)]) -> String {
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    text::fill(context.language, key, &values)
}
