//! The JSON layout of a profile: which members become which observations. One walk over the text, no tree.
//!
//! A layout without conditions and sums hands members on as they pass. One that has some keeps the wanted members
//! until the walk is over, because what decides may stand behind what it decides on.

use super::collect::Collector;
use super::condition::{Condition, Kept};
use super::convert::{Emit, Raw};
use super::document::{Node, Problems, Table};
use super::field::{Kind, read_emit};
use super::roles::Roles;
use super::time::TimeForm;
use super::trace::Place;
use crate::envelope::MAX_FRAME_BYTES;
use crate::observation::Diagnostic;
use crate::refusal::DecodeError;
use crate::walk::{Pointers, Scalar, Sink};
use linli_domain::reading::Reason;

/// Most members a profile may read; each required one has a bit in a word.
const MAX_MEMBERS: usize = 64;
/// Most sums, and most terms of one.
const MAX_SUMS: usize = 8;

/// The slot of the device's own time.
const TIME_SLOT: u16 = u16::MAX;

/// The wanted members.
#[derive(Debug, Clone)]
pub(crate) struct JsonLayout {
    pointers: Pointers,
    members: Vec<Member>,
    sums: Vec<Sum>,
    /// Without it the message says nothing.
    only: Option<Condition>,
    time: Option<(Box<str>, TimeForm)>,
    /// One bit for each required member.
    required: u64,
    /// Members that are kept until the end of the walk; none when nothing has to wait.
    kept: u16,
}

#[derive(Debug, Clone)]
struct Member {
    pointer: Box<str>,
    emit: Emit,
    when: Option<Condition>,
}

#[derive(Debug, Clone)]
struct Sum {
    slots: Vec<u16>,
    emit: Emit,
}

impl JsonLayout {
    /// Reads `[json]`.
    pub(super) fn read(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<Self> {
        let mut table = problems.table(node)?;
        let mut layout = Self {
            pointers: Pointers::default(),
            members: Vec::new(),
            sums: Vec::new(),
            only: None,
            time: None,
            required: 0,
            kept: 0,
        };
        if let Some(node) = table.take("time") {
            layout.read_time(node, problems);
        }
        let only = table.take("when");
        let sums = table.take("sums");
        let hint = "for example values = [ { at = \"/temp\", measure = \"temperature\" } ]";
        let values = match &sums {
            Some(_) => table.take("values"),
            None => table.need("values", hint, problems),
        };
        table.finish(problems);
        let values = match values {
            Some(node) => problems.array(node)?,
            None if sums.is_some() => &[],
            None => return None,
        };
        if values.len() > MAX_MEMBERS || (values.is_empty() && sums.is_none()) {
            return problems.refuse(
                node.span(),
                format!("`values` holds 1 to {MAX_MEMBERS} members"),
                hint,
            );
        }
        // Members have the first slots, so that a member's slot is its place.
        let mut next = u16::try_from(values.len()).ok()?;
        for (slot, node) in (0..).zip(values) {
            layout.read_member(slot, node, &mut next, roles, problems);
        }
        if let Some(node) = only {
            layout.only = Condition::read(node, problems, &mut |pointer| {
                layout.pointers.insert_next(pointer, &mut next)
            });
        }
        if let Some(node) = sums {
            layout.read_sums(node, &mut next, roles, problems);
        }
        let waits = layout.only.is_some()
            || !layout.sums.is_empty()
            || layout.members.iter().any(|member| member.when.is_some());
        layout.kept = if waits { next } else { 0 };
        Some(layout)
    }

    fn read_time(&mut self, node: Node<'_>, problems: &mut Problems<'_>) -> Option<()> {
        let mut table = problems.table(node)?;
        let pointer = self.read_pointer(TIME_SLOT, &mut table, problems);
        let format = table.need("format", "for example format = \"unix_s\"", problems);
        table.finish(problems);
        self.time = Some((pointer?, TimeForm::read_name(format?, problems)?));
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
        next: &mut u16,
        roles: &Roles,
        problems: &mut Problems<'_>,
    ) -> Option<()> {
        let mut table = problems.table(node)?;
        let pointer = self.read_pointer(slot, &mut table, problems);
        let when = table.take("when").and_then(|node| {
            Condition::read(node, problems, &mut |pointer| {
                self.pointers.insert_next(pointer, next)
            })
        });
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
            when,
        });
        Some(())
    }

    /// `sums = [{ of = ["/whole", "/fraction"], measure = "…" }]`.
    fn read_sums(
        &mut self,
        node: Node<'_>,
        next: &mut u16,
        roles: &Roles,
        problems: &mut Problems<'_>,
    ) -> Option<()> {
        let nodes = problems.array(node)?;
        if nodes.is_empty() || nodes.len() > MAX_SUMS {
            return problems.refuse(node.span(), format!("`sums` holds 1 to {MAX_SUMS} sums"), "");
        }
        for node in nodes {
            let mut table = problems.table(node)?;
            let of = table.need("of", "for example of = [\"/whole\", \"/fraction\"]", problems)?;
            let terms = problems.array(of)?;
            if !(2..=MAX_SUMS).contains(&terms.len()) {
                problems.refuse::<()>(of.span(), format!("a sum has 2 to {MAX_SUMS} terms"), "");
            }
            let mut slots = Vec::new();
            for term in terms {
                let pointer = problems.text(term)?;
                match self.pointers.insert_next(pointer, next) {
                    Ok(slot) => slots.push(slot),
                    Err(hint) => {
                        problems.refuse(term.span(), format!("{pointer:?} is not a JSON pointer"), hint)?;
                    }
                }
            }
            let measure = table.need("measure", "what the sum means", problems)?;
            let emit = read_emit(measure, &mut table, Kind::Json, roles, problems)?;
            table.finish(problems);
            self.sums.push(Sum { slots, emit });
        }
        Some(())
    }

    /// Every value it may give.
    pub(super) fn emits(&self) -> impl Iterator<Item = &Emit> {
        let sums = self.sums.iter().map(|sum| &sum.emit);
        self.members.iter().map(|member| &member.emit).chain(sums)
    }

    /// Decodes `text` into `collector`. After an error the collector holds a part and must be discarded.
    pub(crate) fn run(&self, text: &[u8], collector: &mut Collector<'_>) -> Result<(), DecodeError> {
        if text.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLarge {
                bytes: text.len(),
                limit: MAX_FRAME_BYTES,
            });
        }
        let mut read = Read {
            layout: self,
            collector,
            kept: vec![None; usize::from(self.kept)],
            found: 0,
            wrong_time: false,
        };
        self.pointers.walk(text, &mut read)?;
        let said = read.settle();
        let (found, wrong_time) = (read.found, read.wrong_time);
        let missing = self.required & !found;
        if said && missing != 0 {
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
    /// By slot; empty when nothing has to wait.
    kept: Vec<Option<Kept>>,
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
        let time = form.of(value, self.collector.context);
        self.wrong_time = time.is_none();
        self.collector.decoded.own_time = time;
        if time.is_none() {
            self.collector.decoded.note(|| Diagnostic::UnreadableTime {
                pointer: pointer.as_ref().to_owned(),
                found: format!("{value:?}").chars().take(60).collect(),
            });
        }
    }

    fn emit(&mut self, member: &Member, value: Scalar<'_>) {
        self.collector.traced(|| {
            let raw = super::convert::show(Raw::Scalar(value));
            (
                Place::Pointer(member.pointer.to_string()),
                raw,
                "member".to_owned(),
            )
        });
        self.collector
            .emit(&member.emit, Raw::Scalar(value), &member.pointer);
    }

    /// What had to wait until everything was seen. `false`: the message is of another kind than the profile reads.
    fn settle(&mut self) -> bool {
        let layout = self.layout;
        if self.kept.is_empty() {
            return true;
        }
        let kept = std::mem::take(&mut self.kept);
        if layout.only.as_ref().is_some_and(|only| !only.holds(&kept)) {
            self.collector.decoded.own_time = None;
            return false;
        }
        for (member, value) in layout.members.iter().zip(&kept) {
            let holds = member.when.as_ref().is_none_or(|when| when.holds(&kept));
            if let (Some(value), true) = (value, holds) {
                self.emit(member, value.scalar());
            }
        }
        for sum in &layout.sums {
            let terms = sum
                .slots
                .iter()
                .map(|slot| kept.get(usize::from(*slot))?.as_ref());
            // A sum of which a part is not in the message says nothing; one with a part that is no number is none.
            if let Some(terms) = terms.collect::<Option<Vec<_>>>() {
                let numbers = terms.into_iter().map(Kept::number).collect::<Option<Vec<f64>>>();
                let raw = numbers.map_or(Scalar::Null, |n| Scalar::Float(n.into_iter().sum()));
                self.collector.emit(&sum.emit, Raw::Scalar(raw), "a sum");
            }
        }
        true
    }
}

impl Sink for Read<'_, '_, '_> {
    fn member(&mut self, slot: u16, value: Scalar<'_>) {
        if slot == TIME_SLOT {
            return self.time(value);
        }
        let layout = self.layout;
        if let Some(member) = layout.members.get(usize::from(slot)) {
            self.found |= 1 << slot;
            if self.kept.is_empty() {
                return self.emit(member, value);
            }
        }
        if let Some(kept) = self.kept.get_mut(usize::from(slot)) {
            *kept = Some(Kept::of(value));
        }
    }
}
