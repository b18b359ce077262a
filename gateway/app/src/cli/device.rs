//! `linli device`: devices, and how a message of one is understood. Decoding needs no gateway.
//!
//! Unknown devices, profiles and watching are in `unknown`, `profiles` and `watch`.

use super::health;
use crate::cli::args::{Decode, Device, DeviceTest, Payload};
use crate::cli::bus;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::input;
use crate::cli::output::{self, field, name};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, firmware, problem, profiles, unknown, watch};
use crate::config::render;
use crate::ops::decode::{self, Failed, Question};
use crate::ops::{cases, check};
use base64::Engine as _;
use serde_json::Value;
use std::path::PathBuf;

/// Most bytes read as one message.
const MAX_PAYLOAD_BYTES: u64 = 1 << 20;

/// Does one of the commands.
pub(super) fn dispatch(context: &Context, command: Device) -> Outcome {
    match command {
        Device::List(arguments) if arguments.unknown || arguments.ignored => {
            unknown::list(context, &arguments)
        }
        Device::List(_) => list(context),
        Device::Health(arguments) => health::health(context, &arguments),
        Device::Show(arguments) => unknown::show(context, &arguments),
        Device::Accept(arguments) => unknown::accept(context, &arguments),
        Device::Ignore(which) => unknown::ignore(context, &which),
        Device::Forget(which) => unknown::forget(context, &which),
        Device::Watch(arguments) => watch::watch(context, &arguments),
        Device::Profiles => profiles::list(context),
        Device::Reload => profiles::reload(context),
        Device::Decode(arguments) => decode_one(context, &arguments),
        Device::Scan { bus, units } => bus::scan(context, &bus, &units),
        Device::Write { id, name, value } => bus::write(context, &id, &name, &value),
        Device::Sign(arguments) => firmware::sign(context, &arguments),
        Device::Update { id, package } => firmware::update(context, &id, &package),
        Device::Test(arguments) => test(context, &arguments),
    }
}

fn list(context: &Context) -> Outcome {
    let estate = Client::new(context)?.get("/api/v1/estate")?;
    output::result(context, &estate["devices"], |devices| {
        let row = |device: &Value| {
            let named = name(device, "name", context.language);
            vec![
                field(device, "id"),
                named,
                field(device, "profile"),
                field(device, "address"),
                field(device, "asset"),
                field(device, "last_seen_at"),
            ]
        };
        let rows: Vec<Vec<String>> = devices.as_array().into_iter().flatten().map(row).collect();
        let head = [
            Key::HeadId,
            Key::HeadName,
            Key::HeadProfile,
            Key::HeadAddress,
            Key::HeadAsset,
            Key::HeadLastSeen,
        ];
        output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })
}

fn decode_one(context: &Context, arguments: &Decode) -> Outcome {
    let mut problems = Vec::new();
    let folder = arguments
        .profiles
        .as_deref()
        .or(context.outline.profiles.as_deref());
    let catalogue = check::catalogue(folder, &mut problems);
    if !problems.is_empty() {
        output::note(render::render(&problems, context.language, context.colour).trim_end());
    }
    let payload = payload(context, &arguments.payload)?;
    let question = Question {
        profile: &arguments.profile,
        family: arguments.family.as_deref(),
        topic: arguments.topic.as_deref(),
        pattern: arguments.pattern.as_deref(),
        f_port: arguments.f_port,
        role: arguments.role.as_deref(),
        bin: arguments
            .bin
            .as_deref()
            .and_then(|mm| Some((*mm.first()?, *mm.get(1)?))),
        is_text: arguments.payload.hex.is_none() && arguments.payload.base64.is_none(),
        payload: &payload,
    };
    let answer = match decode::decode(&catalogue, &question) {
        Ok(answer) => answer,
        Err(failed) => return Err(refusal(context, &failed)),
    };
    let value = serde_json::to_value(&answer).unwrap_or_default();
    output::result(context, &value, |value| {
        let trace = if arguments.trace {
            trace(context, value)
        } else {
            String::new()
        };
        let rows: Vec<Vec<String>> = value["values"]
            .as_array()
            .into_iter()
            .flatten()
            .map(row)
            .collect();
        let head = [
            Key::HeadMeasure,
            Key::HeadInstance,
            Key::HeadValue,
            Key::HeadUnit,
            Key::HeadQuality,
            Key::HeadTime,
        ];
        trace + &output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })?;
    if !context.json {
        if let Some(address) = &answer.address {
            output::note(&text::fill(context.language, Key::From, &[("address", address)]));
        }
        if answer.nothing_for_the_profile {
            output::note(&text::fill(
                context.language,
                Key::NothingToDecode,
                &[("event", &answer.event)],
            ));
        }
        for noticed in &answer.noticed {
            let values = [("text", noticed.text.as_str()), ("code", noticed.code)];
            output::note(&text::fill(context.language, Key::Noticed, &values));
        }
    }
    match &answer.refused {
        None => Ok(()),
        Some(refused) => Err(problem(
            context.language,
            Key::Undecodable,
            &[("error", refused.text.as_str()), ("code", refused.code)],
        )),
    }
}

/// The message, and what stood where in it.
fn trace(context: &Context, value: &Value) -> String {
    let rows: Vec<Vec<String>> = value["trace"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| {
            ["at", "raw", "read_as", "meaning"]
                .map(|key| field(step, key))
                .to_vec()
        })
        .collect();
    let head = [Key::HeadWhere, Key::HeadRaw, Key::HeadAs, Key::HeadMeant];
    let table = output::table(&head.map(|key| text::get(context.language, key)), &rows);
    format!("{}\n\n{table}\n", field(value, "raw"))
}

fn row(value: &Value) -> Vec<String> {
    ["measure", "instance", "value", "unit", "quality", "time"]
        .iter()
        .map(|key| field(value, key))
        .collect()
}

fn refusal(context: &Context, failed: &Failed) -> Failure {
    let language = context.language;
    let usage = |key, values: &[(&str, &str)]| Failure::Usage(text::fill(language, key, values));
    match failed {
        Failed::UnknownProfile { id, near } => {
            let near = near.as_deref().map_or(String::new(), |name| {
                text::fill(language, Key::DidYouMean, &[("name", name)])
            });
            usage(Key::UnknownProfile, &[("id", id), ("near", &near)])
        }
        Failed::UnknownFamily { name, known } => {
            usage(Key::UnknownFamily, &[("name", name), ("known", known)])
        }
        Failed::UnknownRole { name, known } => usage(Key::UnknownRole, &[("name", name), ("known", known)]),
        Failed::BadPattern(error) => usage(Key::BadPattern, &[("error", error)]),
        Failed::NeedsPattern(family) => usage(Key::NeedsPattern, &[("family", family)]),
        Failed::NeedsTopic => usage(Key::NeedsTopic, &[]),
        Failed::ModbusOnly(id) => usage(Key::ModbusOnly, &[("id", id)]),
        Failed::Undecodable { error, code } => {
            problem(language, Key::Undecodable, &[("error", error), ("code", code)])
        }
    }
}

fn payload(context: &Context, payload: &Payload) -> Result<Vec<u8>, Failure> {
    let usage = |key, error: &str| Failure::Usage(text::fill(context.language, key, &[("error", error)]));
    if let Some(hex) = &payload.hex {
        return decode::hex(hex).map_err(|error| usage(Key::BadHex, &error));
    }
    if let Some(base64) = &payload.base64 {
        let decoded = base64::engine::general_purpose::STANDARD.decode(base64.trim());
        return decoded.map_err(|error| usage(Key::BadBase64, &error.to_string()));
    }
    if let Some(text) = &payload.text {
        return Ok(text.clone().into_bytes());
    }
    let path = payload.payload.clone().unwrap_or_else(|| PathBuf::from("-"));
    if path.as_os_str() == "-" {
        input::read(context, &path, MAX_PAYLOAD_BYTES, Ok(std::io::stdin()))
    } else {
        input::file(context, &path, MAX_PAYLOAD_BYTES)
    }
}

fn test(context: &Context, arguments: &DeviceTest) -> Outcome {
    let problem = |error: cases::Unrunnable| Failure::Problem(error.to_string());
    let more = context.outline.profiles.as_deref();
    let (catalogue, refused) = cases::catalogue(arguments.profiles.as_deref(), more).map_err(problem)?;
    let tested = cases::run(&arguments.files, &catalogue, refused).map_err(problem)?;
    let value = serde_json::to_value(&tested).unwrap_or_default();
    output::result(context, &value, |_| {
        let mut shown = String::new();
        for case in tested.cases.iter().filter(|case| !case.ok) {
            let key = if case.advisory {
                Key::CaseAdvisory
            } else {
                Key::CaseFailed
            };
            shown += &text::fill(context.language, key, &[("id", &case.id)]);
            shown.push('\n');
            for line in &case.diff {
                shown += &format!("  {}\n", line.replace('\n', "\n  "));
            }
        }
        let counts = [tested.passed, tested.failed, tested.advisory_failed].map(|n| n.to_string());
        let [passed, failed, advisory] = &counts;
        let values = [
            ("passed", passed.as_str()),
            ("failed", failed),
            ("advisory", advisory),
        ];
        shown + &text::fill(context.language, Key::CasesSummary, &values) + "\n"
    })?;
    if tested.failed > 0 {
        Err(Failure::Said)
    } else {
        Ok(())
    }
}
