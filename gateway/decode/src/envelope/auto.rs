//! A profile made of what a device says about itself, as the same text an author would write.
//!
//! Self-describing devices (Zigbee2MQTT's `exposes`, Home Assistant's discovery) need no profile from a person. What
//! they say becomes a profile in the profile language and is read like any other, so there is one decoder, and an
//! installer can take the text, correct it and use it instead.

use crate::profile::Profile;
use std::fmt::Write as _;
use std::sync::Arc;

/// What a self-describing device is, whatever it measures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Whether it sleeps between messages.
    pub(crate) sleeps: bool,
}

/// What one value of a self-describing device is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Exposed {
    /// Measure or `$name` of a role.
    pub(crate) measure: &'static str,
    /// Topic below the device; empty for a device with one topic.
    pub(crate) topic: String,
    /// JSON pointer; none when the payload is the value.
    pub(crate) pointer: Option<String>,
    /// Unit as the device writes it; only one from which a way leads.
    pub(crate) unit: Option<String>,
    /// What stands for `true` and `false`.
    pub(crate) states: Option<(String, String)>,
    /// What to call it among several of its measure.
    pub(crate) name: String,
}

/// What stands for reachable and not, and on which topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reachability {
    pub(crate) topic: String,
    pub(crate) online: String,
    pub(crate) offline: String,
}

/// Words of a device that knows no value at present.
const UNKNOWN: &str = r#"missing = ["unavailable", "unknown", "None", "none", ""]"#;

/// The measures whose meaning depends on what a device is used as. A distance sensor serves a bin or a tank, a
/// presence sensor a bay.
const ROLES: &str = r#"default_role = "any"

[roles]
any = { distance = "level.distance", presence = "input.state" }
bin = { distance = "bin.distance", presence = "input.state" }
tank = { distance = "level.distance", presence = "input.state" }
parking = { distance = "level.distance", presence = "parking.occupied" }
"#;

/// The profile's text; `None` when nothing is exposed.
pub(crate) fn text(head: &Head, exposed: &[Exposed], reachable: &[Reachability]) -> Option<String> {
    if exposed.is_empty() {
        return None;
    }
    let (id, title) = (quoted(&head.id), quoted(&head.title));
    let mut text = format!("id = {id}\ntitle = {title}\nversion = 1\n");
    if head.sleeps {
        text.push_str("sleeps = true\n");
    }
    let _ = writeln!(text, "{ROLES}");
    let mut topics: Vec<&str> = exposed.iter().map(|value| value.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        let of_topic: Vec<&Exposed> = exposed.iter().filter(|value| value.topic == topic).collect();
        let values: Vec<String> = of_topic
            .iter()
            .filter_map(|value| {
                Some(format!(
                    "{{ at = {}, {} }}",
                    quoted(value.pointer.as_ref()?),
                    line(value, exposed)
                ))
            })
            .collect();
        let values = format!("values = [\n    {},\n]\n", values.join(",\n    "));
        match (topic, of_topic.iter().find(|value| value.pointer.is_none())) {
            ("", None) => {
                let _ = writeln!(text, "[json]\n{values}");
            }
            (topic, Some(whole)) => {
                let line = line(whole, exposed);
                let _ = writeln!(
                    text,
                    "[[messages]]\ntopic = {}\ntext = {{ {line} }}\n",
                    quoted(topic)
                );
            }
            (topic, None) => {
                let _ = writeln!(
                    text,
                    "[[messages]]\ntopic = {}\n[messages.json]\n{values}",
                    quoted(topic)
                );
            }
        }
    }
    let known = |topic: &str| exposed.iter().any(|value| value.topic == topic);
    for (n, will) in reachable.iter().enumerate() {
        let again = reachable.iter().take(n).any(|other| other.topic == will.topic);
        if !again && !known(&will.topic) {
            let _ = writeln!(
                text,
                "[[messages]]\ntopic = {}\nonline = [{}]\noffline = [{}]\n",
                quoted(&will.topic),
                quoted(&will.online),
                quoted(&will.offline)
            );
        }
    }
    Some(text)
}

/// Reads the text; what a device says of itself may still make no profile.
pub(crate) fn profile(text: &str) -> Option<Arc<Profile>> {
    Profile::parse(text, "announced.toml").ok().map(Arc::new)
}

/// Measure, conversion and, where one measure occurs twice, instance.
fn line(value: &Exposed, all: &[Exposed]) -> String {
    let mut line = format!("measure = {}, {UNKNOWN}", quoted(value.measure));
    if let Some(unit) = &value.unit {
        let _ = write!(line, ", unit = {}", quoted(unit));
    }
    if let Some((on, off)) = value.states.as_ref().filter(|(on, off)| on != off) {
        let _ = write!(
            line,
            ", enum = {{ {} = true, {} = false }}",
            quoted(on),
            quoted(off)
        );
    }
    if all.iter().filter(|other| other.measure == value.measure).count() > 1 {
        let _ = write!(line, ", instance = {}", quoted(&instance(&value.name)));
    }
    line
}

/// What may name an instance of the text a device uses.
pub(crate) fn instance(name: &str) -> String {
    let kept: String = name
        .chars()
        .take(crate::profile::field::MAX_INSTANCE)
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if kept.is_empty() { "1".to_owned() } else { kept }
}

/// A part of an id of what a vendor calls itself or a model.
pub(crate) fn id_part(text: &str) -> String {
    let kept: String = text
        .chars()
        .take(40)
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let kept = kept.trim_matches('-').to_owned();
    if kept.is_empty() {
        "unknown".to_owned()
    } else {
        kept
    }
}

/// A TOML string: JSON's escapes are TOML's too, but for the control characters that TOML wants none of.
fn quoted(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(512).collect();
    serde_json::to_string(&clean).unwrap_or_else(|_| "\"\"".to_owned())
}
