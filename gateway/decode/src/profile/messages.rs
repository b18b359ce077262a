//! Devices that publish on several topics: what each topic below the device's name holds.
//!
//! ```toml
//! [[messages]]
//! topic = "sensor/temperature"          # what follows the device's name
//! text = { measure = "temperature" }    # the whole payload is one value
//!
//! [[messages]]
//! topic = "input/{input}"               # a level of its own
//! json = { values = [{ at = "/state", measure = "input.state", instance = "{input}" }] }
//!
//! [[messages]]
//! topic = "LWT"
//! online = ["Online"]
//! offline = ["Offline"]
//! ```

use super::collect::Collector;
use super::condition::read_code;
use super::convert::{Code, Emit, Raw, matches, show};
use super::document::{Node, Problems};
use super::field::{Kind, read_emit};
use super::json::JsonLayout;
use super::roles::Roles;
use super::trace::Place;
use crate::observation::Diagnostic;
use crate::refusal::{DecodeError, JsonFault};
use crate::walk::Scalar;

/// Most topics of a profile, and most named levels of one.
const MAX_MESSAGES: usize = 128;
const MAX_LEVELS: usize = 4;
/// Longest text that is one value, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// What a device says on which of its topics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messages {
    messages: Vec<Message>,
}

#[derive(Debug, Clone)]
struct Message {
    levels: Vec<Level>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Level {
    Literal(Box<str>),
    Named,
}

#[derive(Debug, Clone)]
enum Content {
    Text(Box<Emit>),
    Json(Box<JsonLayout>),
    Availability { online: Vec<Code>, offline: Vec<Code> },
}

impl Messages {
    /// Reads `[[messages]]`.
    pub(super) fn read(node: Node<'_>, roles: &mut Roles, problems: &mut Problems<'_>) -> Option<Self> {
        let nodes = problems.array(node)?;
        if nodes.is_empty() || nodes.len() > MAX_MESSAGES {
            return problems.refuse(node.span(), format!("1 to {MAX_MESSAGES} messages"), "");
        }
        let messages = nodes
            .iter()
            .map(|node| read_message(node, roles, problems))
            .collect::<Vec<_>>();
        roles.levels.clear();
        Some(Self {
            messages: messages.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Every value it may give.
    pub(super) fn emits(&self) -> Vec<&Emit> {
        let mut found: Vec<&Emit> = Vec::new();
        for message in &self.messages {
            match &message.content {
                Content::Text(emit) => found.push(emit),
                Content::Json(layout) => found.extend(layout.emits()),
                Content::Availability { .. } => {}
            }
        }
        found
    }

    /// Decodes a message on `path`; `Ok(false)`: no topic of the profile is like it.
    pub(super) fn run<'o>(
        &self,
        path: &'o str,
        payload: &[u8],
        named: &'o mut Vec<&'o str>,
        collector: &mut Collector<'o>,
    ) -> Result<bool, DecodeError> {
        let found = self.messages.iter().find(|message| message.follows(path));
        let Some(message) = found else { return Ok(false) };
        named.extend(
            message
                .levels
                .iter()
                .zip(path.split('/'))
                .filter(|(level, _)| matches!(level, Level::Named))
                .map(|(_, text)| text),
        );
        collector.levels = named;
        match &message.content {
            Content::Json(layout) => layout.run(payload, collector)?,
            Content::Text(emit) => {
                let text = text_of(payload)?;
                let raw = Raw::Scalar(if text.is_empty() {
                    Scalar::Null
                } else {
                    Scalar::Text(text)
                });
                collector.traced(|| (Place::Text, show(raw), "text".to_owned()));
                collector.emit(emit, raw, "the text");
            }
            Content::Availability { online, offline } => {
                let text = text_of(payload)?;
                let is = |codes: &[Code]| {
                    codes
                        .iter()
                        .any(|code| matches(code, Raw::Scalar(Scalar::Text(text))))
                };
                match (is(online), is(offline)) {
                    (true, _) => collector.decoded.availability = Some(true),
                    (false, true) => collector.decoded.availability = Some(false),
                    (false, false) => collector.decoded.note(|| Diagnostic::NothingFound),
                }
            }
        }
        Ok(true)
    }
}

impl Message {
    fn follows(&self, path: &str) -> bool {
        let mut levels = path.split('/');
        let fits = self.levels.iter().all(|level| match (level, levels.next()) {
            (Level::Literal(expected), Some(found)) => **expected == *found,
            (Level::Named, Some(found)) => !found.is_empty(),
            (_, None) => false,
        });
        fits && levels.next().is_none()
    }
}

fn text_of(payload: &[u8]) -> Result<&str, DecodeError> {
    if payload.len() > MAX_TEXT_BYTES {
        return Err(DecodeError::TooLarge {
            bytes: payload.len(),
            limit: MAX_TEXT_BYTES,
        });
    }
    let text = std::str::from_utf8(payload).map_err(|e| JsonFault::NotUtf8 {
        offset: e.valid_up_to(),
    })?;
    Ok(text.trim())
}

fn read_message(node: Node<'_>, roles: &mut Roles, problems: &mut Problems<'_>) -> Option<Message> {
    let mut table = problems.table(node)?;
    let hint = "what follows the device's name, for example topic = \"sensor/temperature\"";
    let topic = table.need("topic", hint, problems);
    roles.levels.clear();
    let levels = topic.and_then(|topic| read_topic(topic, roles, problems));
    let (text, json) = (table.take("text"), table.take("json"));
    let (online, offline) = (table.take("online"), table.take("offline"));
    table.finish(problems);
    let content = match (text, json, online, offline) {
        (Some(node), None, None, None) => {
            let mut table = problems.table(node)?;
            let measure = table.need(
                "measure",
                "what the text means, for example \"leak.wet\"",
                problems,
            )?;
            let emit = read_emit(measure, &mut table, Kind::Json, roles, problems)?;
            table.finish(problems);
            Content::Text(emit.into())
        }
        (None, Some(node), None, None) => Content::Json(JsonLayout::read(node, roles, problems)?.into()),
        (None, None, Some(online), Some(offline)) => Content::Availability {
            online: read_codes(online, problems)?,
            offline: read_codes(offline, problems)?,
        },
        _ => {
            let hint = "write text = { … }, json = { … }, or online = [ … ] with offline = [ … ]";
            return problems.refuse(node.span(), "a message holds exactly one kind of content", hint);
        }
    };
    Some(Message {
        levels: levels?,
        content,
    })
}

fn read_codes(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Vec<Code>> {
    let nodes = problems.array(node)?;
    nodes.iter().map(|node| read_code(node, problems)).collect()
}

fn read_topic(node: Node<'_>, roles: &mut Roles, problems: &mut Problems<'_>) -> Option<Vec<Level>> {
    let text = problems.text(node)?;
    let mut levels = Vec::new();
    for level in text.split('/') {
        match level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !name.is_empty() && roles.levels.iter().all(|known| **known != *name) => {
                roles.levels.push(name.into());
                levels.push(Level::Named);
            }
            Some(_) => {
                return problems.refuse(
                    node.span(),
                    "a level needs a name of its own",
                    "for example \"{input}\"",
                );
            }
            None if level.contains(['+', '#', '{', '}']) => {
                let hint = "write {name} for a whole level, not + or #";
                return problems.refuse(node.span(), format!("{level:?} is not a level of a topic"), hint);
            }
            None => levels.push(Level::Literal(level.into())),
        }
    }
    if roles.levels.len() > MAX_LEVELS {
        return problems.refuse(node.span(), format!("at most {MAX_LEVELS} named levels"), "");
    }
    Some(levels)
}
