//! A profile: how one type of device speaks, as data with tests of its own.
//!
//! [`Profile::parse`] reads, checks and *runs the tests of* a profile; what it returns is known to decode what its
//! author saw. `docs/profiles.md` describes the language. The language is closed: numbers, bits and masks, meanings of
//! codes, missing codes, scale and offset, conditions and switches, records, TLV, JSON pointers, named values, topics
//! and Modbus registers; no expressions, no code.

pub(crate) mod bytes;
pub(crate) mod collect;
mod condition;
pub(crate) mod convert;
pub(crate) mod document;
pub(crate) mod field;
mod json;
mod matching;
mod messages;
mod named;
pub(crate) mod roles;
mod selftest;
mod selftest_read;
mod time;
mod trace;
pub(crate) mod unit;

use crate::context::{DeviceContext, Role};
use crate::frame::Body;
use crate::modbus::{self, RegisterMap};
use crate::observation::{Decoded, Diagnostic, Observation};
use crate::refusal::DecodeError;
use bytes::BytesLayout;
use collect::Collector;
use convert::{Emit, Instance};
pub use document::ProfileError;
use document::{Problems, Table};
use json::JsonLayout;
use linli_domain::id::ProfileId;
use linli_domain::measure::Measure;
use linli_domain::time::duration_text;
pub use matching::Match;
use messages::Messages;
use named::NamedLayout;
use roles::Roles;
use std::time::Duration;
use toml::de::DeTable;
pub use trace::{Place, Trace, TraceStep};

/// Largest profile read, in bytes.
pub const MAX_PROFILE_BYTES: usize = 256 * 1024;

/// How one type of device speaks.
#[derive(Debug, Clone)]
pub struct Profile {
    id: ProfileId,
    title: String,
    version: u32,
    expected_interval: Option<Duration>,
    roles: Vec<Role>,
    default_role: Option<Role>,
    sources: Vec<String>,
    sleeps: bool,
    matching: Match,
    bytes: Option<BytesLayout>,
    json: Option<JsonLayout>,
    messages: Option<Messages>,
    named: Option<NamedLayout>,
    modbus: Option<RegisterMap>,
    tests: usize,
}

impl Profile {
    /// Reads a profile and runs its tests. `file` names it in errors.
    ///
    /// # Errors
    /// Every problem found, each with its place and, where one is known, what to do: syntax, unknown keys and
    /// measures, senseless combinations, and for a failing test what was expected and what came out.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<ProfileError>> {
        let mut problems = Problems::new(file, text);
        if text.len() > MAX_PROFILE_BYTES {
            problems.refuse::<()>(
                0..0,
                format!("a profile has at most {MAX_PROFILE_BYTES} bytes"),
                "",
            );
            return Err(problems.into_errors());
        }
        let (document, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            problems.refuse::<()>(error.span().unwrap_or_default(), error.message(), "");
        }
        if !syntax.is_empty() {
            return Err(problems.into_errors());
        }
        let mut top = Table::new(document.get_ref(), 0..0);
        let tests = top.take("tests");
        let profile = Self::read(top, &mut problems);
        match profile {
            Some(mut profile) if problems.is_empty() => {
                profile.tests = selftest::run(&profile, tests, &mut problems);
                if problems.is_empty() {
                    Ok(profile)
                } else {
                    Err(problems.into_errors())
                }
            }
            _ => Err(problems.into_errors()),
        }
    }

    fn read(mut top: Table<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let id = top.need("id", "for example id = \"vendor.model\"", problems);
        let id = id.and_then(|node| match ProfileId::new(problems.text(node)?) {
            Ok(id) => Some(id),
            Err(error) => problems.refuse(node.span(), error.to_string(), ""),
        });
        let title = top.need("title", "the name on the device's box", problems);
        let title = title.and_then(|node| problems.text(node));
        let version = top.need(
            "version",
            "a number you raise with every change, from 1",
            problems,
        );
        let version = version.and_then(|node| problems.integer(node, 1..=u32::MAX.into()));
        let expected_interval = top.take("expected_interval").and_then(|node| {
            let text = problems.text(node)?;
            duration_text::parse(text)
                .map_err(|message| problems.refuse::<()>(node.span(), message, ""))
                .ok()
        });
        let sources = top
            .take("sources")
            .and_then(|node| problems.array(node))
            .unwrap_or_default();
        let sources = sources
            .iter()
            .filter_map(|node| problems.text(node))
            .map(str::to_owned)
            .collect();
        let sleeps = top.take("sleeps").and_then(|node| problems.boolean(node));
        let matching = top.take("match").and_then(|node| Match::read(node, problems));
        let mut roles = Roles::read(&mut top, problems);
        let sections = ["bytes", "json", "messages", "named", "modbus"].map(|section| top.take(section));
        if sections.iter().all(Option::is_none) {
            let hint =
                "add [bytes], [json], [[messages]], [named] or [modbus]: it says how the device speaks";
            problems.refuse::<()>(0..0, "the profile describes no messages", hint);
        }
        top.finish(problems);
        let [bytes, json, messages, named, modbus] = sections;
        let bytes = bytes.and_then(|node| bytes::read(node, &roles, problems));
        let json = json.and_then(|node| JsonLayout::read(node, &roles, problems));
        let messages = messages.and_then(|node| Messages::read(node, &mut roles, problems));
        let named = named.and_then(|node| NamedLayout::read(node, &roles, problems));
        let modbus = modbus.and_then(|node| modbus::read(node, &roles, problems));
        Some(Self {
            id: id?,
            title: title?.to_owned(),
            version: u32::try_from(version?).ok()?,
            expected_interval,
            roles: roles.roles,
            default_role: roles.default,
            sources,
            sleeps: sleeps.unwrap_or(false),
            matching: matching.unwrap_or_default(),
            bytes,
            json,
            messages,
            named,
            modbus,
            tests: 0,
        })
    }

    /// Decodes one body of a device of this type and appends what it says to `out`.
    ///
    /// # Errors
    /// A [`DecodeError`] refuses the body as a whole and leaves `out` as it was. Its [`DecodeError::reason`] is a
    /// stable label; the text carries the offset, tag or member.
    pub fn decode(
        &self,
        body: &Body<'_>,
        context: &DeviceContext,
        out: &mut Vec<Observation>,
    ) -> Result<Decoded, DecodeError> {
        self.run(body, Collector::new(context, out))
    }

    /// The same with every step written down, also of a body that is refused.
    ///
    /// # Errors
    /// As [`Profile::decode`].
    pub fn explain(
        &self,
        body: &Body<'_>,
        context: &DeviceContext,
        out: &mut Vec<Observation>,
    ) -> (Trace, Result<Decoded, DecodeError>) {
        let mut trace = Trace::default();
        let mut collector = Collector::new(context, out);
        collector.trace = Some(&mut trace);
        let result = self.run(body, collector);
        (trace, result)
    }

    fn run(&self, body: &Body<'_>, mut collector: Collector<'_>) -> Result<Decoded, DecodeError> {
        let result = match body {
            Body::None => Ok(()),
            Body::Bytes { f_port, bytes } => match &self.bytes {
                Some(layout) => layout.run(*f_port, bytes, &mut collector),
                None => Err(DecodeError::NoLayout { section: "bytes" }),
            },
            Body::Named(values) => match &self.named {
                Some(layout) => layout.run(values, &mut collector),
                None => Err(DecodeError::NoLayout { section: "named" }),
            },
            Body::Message { path, payload } => {
                let mut levels = Vec::new();
                return self.message(path, payload, &mut levels, collector);
            }
        };
        finish(result, collector)
    }

    /// A topic of its own first; a device with a `[json]` section says the same on every other.
    fn message<'o>(
        &self,
        path: &'o str,
        payload: &[u8],
        levels: &'o mut Vec<&'o str>,
        mut collector: Collector<'o>,
    ) -> Result<Decoded, DecodeError> {
        let read = match &self.messages {
            Some(messages) => messages.run(path, payload, levels, &mut collector),
            None => Ok(false),
        };
        let result = match (read, &self.json) {
            (Ok(false), Some(layout)) => layout.run(payload, &mut collector),
            (Ok(false), None) if self.messages.is_some() => {
                let path = path.chars().take(120).collect();
                collector.decoded.note(|| Diagnostic::TopicNotRead { path });
                Ok(())
            }
            (Ok(false), None) => Err(DecodeError::NoLayout { section: "json" }),
            (read, _) => read.map(drop),
        };
        finish(result, collector)
    }

    /// Everything its layouts can say.
    fn emits(&self) -> Vec<&Emit> {
        let mut emits = self.bytes.as_ref().map(BytesLayout::emits).unwrap_or_default();
        emits.extend(self.json.iter().flat_map(JsonLayout::emits));
        emits.extend(self.messages.iter().flat_map(Messages::emits));
        emits.extend(self.named.iter().flat_map(NamedLayout::emits));
        emits.extend(self.modbus.iter().flat_map(RegisterMap::emits));
        emits
    }
    /// Whether a device of this type may measure this in one of its roles; `Some(true)`: at several places of its own.
    pub fn may_measure(&self, measure: Measure) -> Option<bool> {
        let roles = self.roles().iter().copied().map(Some).chain([None]);
        let contexts: Vec<DeviceContext> = roles
            .map(|role| DeviceContext {
                role,
                ..DeviceContext::default()
            })
            .collect();
        let says = |emit: &&Emit| {
            let mut said = contexts.iter().filter_map(|context| emit.measure(context).ok());
            said.any(|said| said == measure)
        };
        let emits: Vec<&Emit> = self.emits().into_iter().filter(says).collect();
        let repeats = emits.iter().any(|emit| !matches!(emit.instance, Instance::None));
        (!emits.is_empty()).then_some(repeats)
    }
    /// What a device of this type may measure in its default role, each measure once.
    pub fn measures(&self) -> Vec<Measure> {
        let emits = self.emits();
        let context = DeviceContext::default();
        let mut measures: Vec<Measure> = emits
            .iter()
            .filter_map(|emit| emit.measure(&context).ok())
            .collect();
        measures.sort_unstable();
        measures.dedup();
        measures
    }
    /// The registers of a device that is asked over Modbus.
    pub fn modbus(&self) -> Option<&RegisterMap> {
        self.modbus.as_ref()
    }
    /// The id devices refer to it by.
    pub fn id(&self) -> &ProfileId {
        &self.id
    }
    /// The name of the device type.
    pub fn title(&self) -> &str {
        &self.title
    }
    /// Raised with every change of the profile.
    pub fn version(&self) -> u32 {
        self.version
    }
    /// Whether the device sleeps between messages, so that a bridge may call it unreachable while all is well.
    pub fn sleeps(&self) -> bool {
        self.sleeps
    }
    /// How a device of the type is recognised.
    pub fn matching(&self) -> &Match {
        &self.matching
    }
    /// The longest silence of a healthy device; the base of staleness.
    pub fn expected_interval(&self) -> Option<Duration> {
        self.expected_interval
    }
    /// The roles it gives measures for, in the order of their names; empty when its measures depend on no role.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }
    /// The role of a device whose own document names none.
    pub fn default_role(&self) -> Option<Role> {
        self.default_role
    }
    /// Where the layout is documented.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
    /// How many tests of its own it passed.
    pub fn tests(&self) -> usize {
        self.tests
    }
}

fn finish(result: Result<(), DecodeError>, collector: Collector<'_>) -> Result<Decoded, DecodeError> {
    match result {
        Ok(()) => Ok(collector.finish()),
        Err(error) => {
            collector.discard();
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests;
