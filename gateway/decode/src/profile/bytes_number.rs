//! Reading the steps that read numbers: integers, floats, bits of earlier integers, versions.

use super::bytes_read::Reader;
use super::document::{Node, Problems, Table};
use super::field::{Kind, read_emit};
use super::layout::{Endian, Extract, MAX_LOCALS, Put, Step};
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

impl<'d> Reader<'_, 'd> {
    pub(super) fn number(
        &mut self,
        kind: &'static str,
        node: Node<'d>,
        table: &mut Table<'d>,
        endian: Endian,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        if let Some((name, width)) = FLOATS.into_iter().find(|(name, _)| *name == kind) {
            let emit = read_emit(node, table, Kind::Float, self.roles, problems)?.into();
            return Some(Step::Float {
                name,
                width,
                endian,
                emit,
            });
        }
        let (name, width, signed) = INTEGERS.into_iter().find(|(name, ..)| *name == kind)?;
        let put = match problems.text(node)?.strip_prefix('@') {
            Some(local) if signed => {
                let hint = format!(
                    "read it as u{} and name the measure on the step itself",
                    width * 8
                );
                return problems.refuse(node.span(), format!("@{local} cannot keep a signed number"), hint);
            }
            Some(local) => self.define(local, node.span(), problems)?,
            None => {
                let extract = read_extract(table, width, signed, problems)?;
                Put::Emit(
                    extract,
                    read_emit(node, table, Kind::Integer, self.roles, problems)?.into(),
                )
            }
        };
        Some(Step::Integer {
            name,
            width,
            signed,
            endian,
            put,
        })
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

    pub(super) fn from(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let name = problems.text(node)?;
        let local = self.local(name.strip_prefix('@').unwrap_or(name), node.span(), problems)?;
        let extract = read_extract(table, 8, false, problems)?;
        let measure = table.need(
            "measure",
            "a `from` step gives bits of a field a measure",
            problems,
        )?;
        let emit = read_emit(measure, table, Kind::Integer, self.roles, problems)?.into();
        Some(Step::From { local, extract, emit })
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
