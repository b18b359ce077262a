//! The JSON layout of a profile: which members become which observations. One walk over the text, no tree.

use super::collect::Collector;
use super::convert::{Emit, Raw};
use super::document::{Node, Problems, Table};
use super::field::{Kind, read_emit};
use super::roles::Roles;
use crate::envelope::MAX_FRAME_BYTES;
use crate::observation::Diagnostic;
use crate::refusal::DecodeError;
use crate::walk::{Pointers, Scalar, Sink};
use linli_domain::reading::Reason;
use linli_domain::time::Timestamp;

/// Most members a profile may read; each required one has a bit in a word.
const MAX_MEMBERS: usize = 64;

/// The slot of the device's own time.
const TIME_SLOT: u16 = u16::MAX;

/// The wanted members.
#[derive(Debug, Clone)]
pub(super) struct JsonLayout {
    pointers: Pointers,
    members: Vec<Member>,
    time: Option<(Box<str>, TimeForm)>,
    /// One bit for each required member.
    required: u64,
}

#[derive(Debug, Clone)]
struct Member {
    pointer: Box<str>,
    emit: Emit,
}

/// How a device writes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeForm {
    UnixS,
    UnixMs,
    Rfc3339,
    Rfc3339OrUnixMs,
}

const TIME_FORMS: [(&str, TimeForm); 4] = [
    ("unix_s", TimeForm::UnixS),
    ("unix_ms", TimeForm::UnixMs),
    ("rfc3339", TimeForm::Rfc3339),
    ("rfc3339_or_unix_ms", TimeForm::Rfc3339OrUnixMs),
];

impl TimeForm {
    fn read(self, value: Scalar<'_>) -> Option<Timestamp> {
        let millis_per_unit = if self == Self::UnixS { 1000.0 } else { 1.0 };
        let from_number = |number: f64| {
            let millis = (number * millis_per_unit).floor();
            // Years 0 to 9999; anything else is no time of a sensor.
            (-6.3e13..=2.6e14)
                .contains(&millis)
                .then(|| Timestamp::from_millis(millis as i64))
        };
        match (self, value) {
            (Self::Rfc3339 | Self::Rfc3339OrUnixMs, Scalar::Text(text)) => Timestamp::parse_rfc3339(text),
            (Self::Rfc3339, _) => None,
            (_, Scalar::Int(number)) => from_number(number as f64),
            (_, Scalar::Float(number)) => from_number(number),
            (_, Scalar::Text(text)) => from_number(text.parse().ok()?),
            _ => None,
        }
    }
}

impl JsonLayout {
    /// Reads `[json]`.
    pub(super) fn read(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<Self> {
        let mut table = problems.table(node)?;
        let mut layout = Self {
            pointers: Pointers::default(),
            members: Vec::new(),
            time: None,
            required: 0,
        };
        if let Some(node) = table.take("time") {
            layout.read_time(node, problems);
        }
        let hint = "for example values = [ { at = \"/temp\", measure = \"temperature\" } ]";
        let values = table.need("values", hint, problems);
        table.finish(problems);
        let values = problems.array(values?)?;
        if values.is_empty() || values.len() > MAX_MEMBERS {
            return problems.refuse(
                node.span(),
                format!("`values` holds 1 to {MAX_MEMBERS} members"),
                hint,
            );
        }
        for (slot, node) in (0..).zip(values) {
            layout.read_member(slot, node, roles, problems);
        }
        Some(layout)
    }

    fn read_time(&mut self, node: Node<'_>, problems: &mut Problems<'_>) -> Option<()> {
        let mut table = problems.table(node)?;
        let pointer = self.read_pointer(TIME_SLOT, &mut table, problems);
        let forms = TIME_FORMS.map(|(name, _)| name).join(", ");
        let format = table.need("format", &format!("one of {forms}"), problems);
        table.finish(problems);
        let format = format?;
        let name = problems.text(format)?;
        match TIME_FORMS.iter().find(|(known, _)| *known == name) {
            Some((_, form)) => self.time = Some((pointer?, *form)),
            None => problems.refuse(
                format.span(),
                format!("unknown time format {name:?}"),
                format!("use one of {forms}"),
            )?,
        }
        Some(())
    }

    fn read_pointer(
        &mut self,
        slot: u16,
        table: &mut Table<'_>,
        problems: &mut Problems<'_>,
    ) -> Option<Box<str>> {
        let node = table.need(
            "at",
            "the JSON pointer of the member, for example at = \"/temp\"",
            problems,
        )?;
        let pointer = problems.text(node)?;
        match self.pointers.insert(pointer, slot) {
            Ok(()) => Some(pointer.into()),
            Err(hint) => problems.refuse(node.span(), format!("{pointer:?} is not a JSON pointer"), hint),
        }
    }

    fn read_member(
        &mut self,
        slot: u16,
        node: Node<'_>,
        roles: &Roles,
        problems: &mut Problems<'_>,
    ) -> Option<()> {
        let mut table = problems.table(node)?;
        let pointer = self.read_pointer(slot, &mut table, problems);
        if table
            .take("required")
            .and_then(|node| problems.boolean(node))
            .unwrap_or(false)
        {
            self.required |= 1 << slot;
        }
        let measure = table.need(
            "measure",
            "what the member means, for example \"temperature\"",
            problems,
        )?;
        let emit = read_emit(measure, &mut table, Kind::Json, roles, problems)?;
        table.finish(problems);
        self.members.push(Member {
            pointer: pointer?,
            emit,
        });
        Some(())
    }

    /// Decodes `text` into `collector`. After an error the collector holds a part and must be discarded.
    pub(super) fn run(&self, text: &[u8], collector: &mut Collector<'_>) -> Result<(), DecodeError> {
        if text.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLarge {
                bytes: text.len(),
                limit: MAX_FRAME_BYTES,
            });
        }
        let mut read = Read {
            layout: self,
            collector,
            found: 0,
            wrong_time: false,
        };
        self.pointers.walk(text, &mut read)?;
        let (found, wrong_time) = (read.found, read.wrong_time);
        let missing = self.required & !found;
        if missing != 0 {
            let member = usize::try_from(missing.trailing_zeros())
                .ok()
                .and_then(|n| self.members.get(n));
            return Err(DecodeError::MissingField {
                pointer: member.map(|m| m.pointer.as_ref().to_owned()).unwrap_or_default(),
            });
        }
        if collector.is_empty() {
            collector.decoded.note(|| Diagnostic::NothingFound);
        }
        if wrong_time {
            collector.distrust(Reason::ClockInvalid);
        }
        Ok(())
    }
}

struct Read<'l, 'c, 'o> {
    layout: &'l JsonLayout,
    collector: &'c mut Collector<'o>,
    found: u64,
    wrong_time: bool,
}

impl Read<'_, '_, '_> {
    fn time(&mut self, value: Scalar<'_>) {
        let Some((pointer, form)) = &self.layout.time else {
            return;
        };
        if value == Scalar::Null {
            return;
        }
        let time = form.read(value);
        self.wrong_time = time.is_none();
        self.collector.decoded.own_time = time;
        if time.is_none() {
            self.collector.decoded.note(|| Diagnostic::UnreadableTime {
                pointer: pointer.as_ref().to_owned(),
                found: format!("{value:?}").chars().take(60).collect(),
            });
        }
    }
}

impl Sink for Read<'_, '_, '_> {
    fn member(&mut self, slot: u16, value: Scalar<'_>) {
        if slot == TIME_SLOT {
            return self.time(value);
        }
        if let Some(member) = self.layout.members.get(usize::from(slot)) {
            self.found |= 1 << slot;
            self.collector
                .emit(&member.emit, Raw::Scalar(value), &member.pointer);
        }
    }
}
