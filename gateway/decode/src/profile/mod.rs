//! A profile: how one type of device speaks, as data with tests of its own.
//!
//! [`Profile::parse`] reads, checks and *runs the tests of* a profile; what it returns is known to decode what its
//! author saw. `docs/profiles.md` describes the language. The language is closed: integers and floats, masks, enums,
//! missing codes, scale and offset, switches, TLV, JSON pointers and Modbus registers; no expressions, no code.

pub(crate) mod bytes;
pub(crate) mod bytes_number;
mod bytes_read;
pub(crate) mod collect;
pub(crate) mod convert;
pub(crate) mod document;
pub(crate) mod field;
mod json;
pub(crate) mod layout;
pub(crate) mod roles;
mod selftest;
mod selftest_read;
mod unit;

use crate::context::{DeviceContext, Role};
use crate::frame::Body;
use crate::modbus::{self, RegisterMap};
use crate::observation::{Decoded, Observation};
use crate::refusal::DecodeError;
use collect::Collector;
pub use document::ProfileError;
use document::{Problems, Table};
use json::JsonLayout;
use layout::BytesLayout;
use linli_domain::id::ProfileId;
use linli_domain::time::duration_text;
use roles::Roles;
use std::time::Duration;
use toml::de::DeTable;

/// Largest profile read, in bytes.
pub const MAX_PROFILE_BYTES: usize = 256 * 1024;

/// How one type of device speaks.
#[derive(Debug, Clone)]
pub struct Profile {
    id: ProfileId,
    title: String,
    version: u32,
    expected_interval: Option<Duration>,
    sleeps: bool,
    roles: Vec<Role>,
    default_role: Option<Role>,
    sources: Vec<String>,
    bytes: Option<BytesLayout>,
    json: Option<JsonLayout>,
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
        let sleeps = top.take("sleeps").and_then(|node| problems.boolean(node));
        let sources = top
            .take("sources")
            .and_then(|node| problems.array(node))
            .unwrap_or_default();
        let sources = sources
            .iter()
            .filter_map(|node| problems.text(node))
            .map(str::to_owned)
            .collect();
        let roles = Roles::read(&mut top, problems);
        let sections = ["bytes", "json", "modbus"].map(|section| top.take(section));
        if sections.iter().all(Option::is_none) {
            let hint = "add [bytes], [json] or [modbus]: it says how the device speaks";
            problems.refuse::<()>(0..0, "the profile describes no messages", hint);
        }
        top.finish(problems);
        let [bytes, json, modbus] = sections;
        let bytes = bytes.and_then(|node| bytes_read::read(node, &roles, problems));
        let json = json.and_then(|node| JsonLayout::read(node, &roles, problems));
        let modbus = modbus.and_then(|node| modbus::read(node, &roles, problems));
        Some(Self {
            id: id?,
            title: title?.to_owned(),
            version: u32::try_from(version?).ok()?,
            expected_interval,
            sleeps: sleeps.unwrap_or(false),
            roles: roles.roles,
            default_role: roles.default,
            sources,
            bytes,
            json,
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
        let mut collector = Collector::new(context, out);
        let result = match (body, &self.bytes, &self.json) {
            (Body::None, ..) => Ok(()),
            (Body::Bytes { f_port, bytes }, Some(layout), _) => layout.run(*f_port, bytes, &mut collector),
            (Body::Json(text), _, Some(layout)) => layout.run(text, &mut collector),
            (Body::Bytes { .. }, None, _) => Err(DecodeError::NoLayout { section: "bytes" }),
            (Body::Json(_), _, None) => Err(DecodeError::NoLayout { section: "json" }),
        };
        match result {
            Ok(()) => Ok(collector.finish()),
            Err(error) => {
                collector.discard();
                Err(error)
            }
        }
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
    /// The longest silence of a healthy device; the base of staleness.
    pub fn expected_interval(&self) -> Option<Duration> {
        self.expected_interval
    }
    /// Whether devices of this type sleep between messages, so that going offline is no fault.
    pub fn sleeps(&self) -> bool {
        self.sleeps
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

#[cfg(test)]
mod tests;
