//! Reading the steps that read or combine numbers: integers, floats, bits, times, sums, constants, conditions.

use super::layout::{Endian, Extract, Form, MAX_LOCALS, Put, Step};
use super::read::Reader;
use crate::profile::convert::Scale;
use crate::profile::document::{Node, Problems, Table};
use crate::profile::field::{Kind, read_code, read_emit, read_scale, read_value};
use crate::profile::selftest_read::read_hex;
use crate::profile::time::TimeForm;
use linli_domain::measure::{Unit, nearest};
use std::ops::Range;

/// Name, width in bytes and sign of the integer kinds.
pub(super) const INTEGERS: [(&str, usize, bool); 10] = [
    ("u8", 1, false),
    ("i8", 1, true),
    ("u16", 2, false),
    ("i16", 2, true),
    ("u24", 3, false),
    ("i24", 3, true),
    ("u32", 4, false),
    ("i32", 4, true),
    ("u64", 8, false),
    ("i64", 8, true),
];
/// Name and width of the float kinds.
pub(super) const FLOATS: [(&str, usize); 2] = [("f32", 4), ("f64", 8)];

/// Most terms of a sum.
const MAX_TERMS: usize = 8;

impl<'d> Reader<'_, 'd> {
    pub(super) fn number(
        &mut self,
        kind: &str,
        node: Node<'d>,
        table: &mut Table<'d>,
        endian: Endian,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let form = form(kind, endian)?;
        let put = self.put(form, node, table, problems)?;
        Some(Step::Number { form, put })
    }

    /// `{ bits = "measure", width = 7 }`; with `at` at a place of its own.
    pub(super) fn bits(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let width = table.need("width", "how many bits, 1 to 64", problems)?;
        let width = u32::try_from(problems.integer(width, 1..=64)?).ok()?;
        let signed = table.take("signed").and_then(|node| problems.boolean(node));
        let at = table
            .take("at")
            .and_then(|node| problems.integer(node, -8192..=8191));
        let form = Form::Bits {
            width,
            signed: signed.unwrap_or(false),
            at: at.and_then(|at| i32::try_from(at).ok()),
        };
        let put = self.put(form, node, table, problems)?;
        Some(Step::Number { form, put })
    }

    fn put(
        &mut self,
        form: Form,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Put> {
        if let Some(local) = problems.text(node)?.strip_prefix('@') {
            return self.define(local, node.span(), problems);
        }
        let (kind, extract) = match form {
            Form::Float { .. } => (Kind::Float, Extract::ALL),
            Form::Bits { .. } => (Kind::Integer, Extract::ALL),
            Form::Integer { width, signed, .. } => {
                (Kind::Integer, read_extract(table, width, signed, problems)?)
            }
        };
        let emit = read_emit(node, table, kind, self.roles, problems)?;
        Some(Put::Emit(extract, emit.into()))
    }

    fn define(&mut self, local: &'d str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Put> {
        if local.is_empty() || self.locals.contains(&local) {
            return problems.refuse(
                span,
                format!("@{local} cannot be given twice or without a name"),
                "",
            );
        }
        if self.locals.len() >= MAX_LOCALS {
            return problems.refuse(span, format!("at most {MAX_LOCALS} @names"), "");
        }
        self.locals.push(local);
        Some(Put::Local(self.locals.len() - 1))
    }

    pub(super) fn local(
        &mut self,
        name: &str,
        span: Range<usize>,
        problems: &mut Problems<'_>,
    ) -> Option<usize> {
        let found = self.locals.iter().position(|local| *local == name);
        found.or_else(|| {
            let hint = match nearest(name, self.locals.iter().copied()) {
                Some(near) => format!("did you mean \"@{near}\"?"),
                None => {
                    "name an integer with a step before this one, for example { u8 = \"@mode\" }".to_owned()
                }
            };
            problems.refuse(span, format!("no earlier field is named @{name}"), hint)
        })
    }

    /// `{ time = "u32", format = "unix_s" }`: the time of the record or of the whole message.
    pub(super) fn time(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        endian: Endian,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let format = table.need("format", "for example format = \"unix_s\"", problems)?;
        let time = TimeForm::read_name(format, problems)?;
        let kind = problems.text(node)?;
        if !time.is_numeric() {
            let hint = "use unix_s, unix_ms, seconds_since_2000 or seconds_ago";
            return problems.refuse(format.span(), "a field of bytes holds no text", hint);
        }
        match form(kind, endian) {
            Some(form) => Some(Step::Number {
                form,
                put: Put::Time(time),
            }),
            None => problems.refuse(
                node.span(),
                format!("unknown type {kind:?}"),
                "for example \"u32\"",
            ),
        }
    }

    pub(super) fn from(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let local = self.named(node, problems)?;
        let extract = read_extract(table, 8, false, problems)?;
        let hint = "a `from` step gives bits of a field a measure";
        let measure = table.need("measure", hint, problems)?;
        let emit = read_emit(measure, table, Kind::Integer, self.roles, problems)?.into();
        Some(Step::From { local, extract, emit })
    }

    pub(super) fn named(&mut self, node: Node<'d>, problems: &mut Problems<'_>) -> Option<usize> {
        let name = problems.text(node)?;
        self.local(name.strip_prefix('@').unwrap_or(name), node.span(), problems)
    }

    /// `{ sum = ["@hours", { of = "@days", scale = 24 }], measure = "…" }`.
    pub(super) fn sum(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let nodes = problems.array(node)?;
        if !(2..=MAX_TERMS).contains(&nodes.len()) {
            let message = format!("a sum has 2 to {MAX_TERMS} terms");
            return problems.refuse(
                node.span(),
                message,
                "for example sum = [\"@whole\", \"@fraction\"]",
            );
        }
        let mut terms = Vec::with_capacity(nodes.len());
        for node in nodes {
            let (name, scale) = match node.get_ref().as_str() {
                Some(_) => (node, None),
                None => {
                    let mut term = problems.table(node)?;
                    let of = term.need("of", "for example { of = \"@days\", scale = 24 }", problems)?;
                    let scale = term.take("scale").and_then(|node| read_scale(node, problems));
                    term.finish(problems);
                    (of, scale)
                }
            };
            terms.push((self.named(name, problems)?, Scale::new(scale.unwrap_or(1.0))));
        }
        let measure = table.need("measure", "what the sum means", problems)?;
        let emit = read_emit(measure, table, Kind::Float, self.roles, problems)?.into();
        Some(Step::Sum { terms, emit })
    }

    /// `{ const = true, measure = "device.fault" }`: what the kind of frame alone says.
    pub(super) fn constant(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let measure = table.need("measure", "what the value means", problems)?;
        let emit = read_emit(measure, table, Kind::Json, self.roles, problems)?;
        let value = read_value(node, emit.unit, problems)?;
        Some(Step::Const(emit.into(), value))
    }

    pub(super) fn expect(&mut self, node: Node<'d>, problems: &mut Problems<'_>) -> Option<Step> {
        match read_hex(problems.text(node)?) {
            Some(bytes) if !bytes.is_empty() => Some(Step::Expect(bytes.into())),
            _ => problems.refuse(
                node.span(),
                "not hexadecimal bytes",
                "write two digits for each byte",
            ),
        }
    }

    /// `{ when = "@mode", is = [1, 2], fields = [ … ] }`.
    pub(super) fn when(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let local = self.named(node, problems)?;
        let extract = read_extract(table, 8, false, problems)?;
        let is = match table.take("is") {
            None => vec![1],
            Some(node) => problems
                .array(node)?
                .iter()
                .map(|node| problems.integer(node, i128::from(i64::MIN)..=i128::from(u64::MAX)))
                .collect::<Option<Vec<_>>>()?,
        };
        let fields = table.need("fields", "the steps that are done then", problems)?;
        let steps = self.list(fields, endian, depth + 1, problems)?;
        Some(Step::When {
            local,
            extract,
            is,
            steps,
        })
    }

    /// `{ flags = "@present", groups = { 0 = [ … ], 1 = [ … ] } }`.
    pub(super) fn flags(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let local = self.named(node, problems)?;
        let groups = table.need(
            "groups",
            "for example groups = { 0 = [ … ], 1 = [ … ] }",
            problems,
        )?;
        let mut read: Vec<(u32, Vec<Step>)> = Vec::new();
        for (key, span, node) in problems.table(groups)?.rest() {
            let bit = read_code(key).and_then(|bit| u32::try_from(bit).ok());
            match bit.filter(|bit| *bit < 64 && read.iter().all(|(known, _)| known != bit)) {
                Some(bit) => read.push((bit, self.list(node, endian, depth + 1, problems)?)),
                None => problems.refuse(span, format!("{key:?} is not a bit"), "write 0 to 63, each once")?,
            }
        }
        read.sort_by_key(|(bit, _)| *bit);
        Some(Step::Flags { local, groups: read })
    }

    pub(super) fn version(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let bytes = table.need("bytes", "how many bytes make the version", problems)?;
        let bytes = usize::try_from(problems.integer(bytes, 1..=8)?).ok()?;
        let prefix = table
            .take("prefix")
            .and_then(|node| problems.text(node))
            .unwrap_or_default();
        let emit = read_emit(node, table, Kind::Json, self.roles, problems)?;
        if emit.unit != Unit::TEXT {
            return problems.refuse(node.span(), "a version is a text", "use \"device.firmware\"");
        }
        Some(Step::Version {
            bytes,
            prefix: prefix.into(),
            emit: emit.into(),
        })
    }
}

fn form(kind: &str, endian: Endian) -> Option<Form> {
    if let Some((name, width)) = FLOATS.into_iter().find(|(name, _)| *name == kind) {
        return Some(Form::Float { name, width, endian });
    }
    let (name, width, signed) = INTEGERS.into_iter().find(|(name, ..)| *name == kind)?;
    Some(Form::Integer {
        name,
        width,
        signed,
        endian,
    })
}

/// `mask` or `bit` of an unsigned integer of `width` bytes.
pub(crate) fn read_extract(
    table: &mut Table<'_>,
    width: usize,
    signed: bool,
    problems: &mut Problems<'_>,
) -> Option<Extract> {
    let (mask, bit) = (table.take("mask"), table.take("bit"));
    let Some(node) = mask.or(bit) else {
        return Some(Extract::ALL);
    };
    if signed || (mask.is_some() && bit.is_some()) {
        return problems.refuse(
            node.span(),
            "bits are taken from an unsigned integer, with one of `mask` and `bit`",
            "",
        );
    }
    let bits = 8 * width as u32;
    let mask = match mask {
        Some(node) => {
            let mask = problems.integer(node, 1..=i128::from(u64::MAX >> (64 - bits)))?;
            let mask = u64::try_from(mask).ok()?;
            let run = mask >> mask.trailing_zeros();
            if run & run.wrapping_add(1) != 0 {
                return problems.refuse(
                    node.span(),
                    "the bits of a mask stand together",
                    "read each part on its own",
                );
            }
            mask
        }
        None => 1 << u32::try_from(problems.integer(node, 0..=i128::from(bits - 1))?).ok()?,
    };
    Some(Extract { mask })
}
