//! What a case's installation knew: role, geometry, zone, and names that only that installation gives a meaning.

use crate::context::{BinGeometry, DeviceContext, Role};
use crate::profile::Profile;
use jiff::tz::{Offset, TimeZone};
use linli_domain::time::Timestamp;
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::sync::Arc;

/// The facts decoding needs.
pub(super) fn context(case: &Json, received: Timestamp) -> Result<DeviceContext, String> {
    let facts = &case["context"];
    let bin = &facts["bin"];
    let geometry = bin["empty_distance_mm"]
        .as_f64()
        .zip(bin["full_distance_mm"].as_f64());
    Ok(DeviceContext {
        role: case["role"].as_str().and_then(Role::from_name),
        bin: geometry.map(|(empty_distance_mm, full_distance_mm)| BinGeometry {
            empty_distance_mm,
            full_distance_mm,
        }),
        zone: facts["timezone"].as_str().map(zone).transpose()?,
        received,
        ..DeviceContext::default()
    })
}

/// An offset such as `+03:00`, or a name of the IANA database.
fn zone(text: &str) -> Result<TimeZone, String> {
    offset(text)
        .map(TimeZone::fixed)
        .or_else(|| TimeZone::get(text).ok())
        .ok_or_else(|| format!("unknown time zone {text:?}"))
}

fn offset(text: &str) -> Option<Offset> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// The profile an installation writes for devices whose values have names of its own: metrics of a Sparkplug node
/// (`map`), keys of an UltraLight device (`keys`).
pub(super) fn profile(case: &Json) -> Result<Option<Arc<Profile>>, String> {
    let facts = &case["context"];
    let mut values = Vec::new();
    for (name, means) in facts["map"].as_object().into_iter().flatten() {
        let mut line = format!("{{ name = {}, measure = {}", quoted(name), means["measure"]);
        for key in ["scale", "offset", "unit", "instance"] {
            if !means[key].is_null() {
                let _ = write!(line, ", {key} = {}", means[key]);
            }
        }
        values.push(line + " }");
    }
    for (name, measure) in facts["keys"].as_object().into_iter().flatten() {
        values.push(format!("{{ name = {}, measure = {measure} }}", quoted(name)));
    }
    if values.is_empty() {
        return Ok(None);
    }
    let text = format!(
        "id = \"case.site\"\ntitle = \"names of the case's installation\"\nversion = 1\n[named]\nvalues = [\n{}\n]\n",
        values.join(",\n")
    );
    Profile::parse(&text, "context")
        .map(|profile| Some(Arc::new(profile)))
        .map_err(|errors| {
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        })
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
