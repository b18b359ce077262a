//! Reading a byte layout out of a profile: every step is a table with exactly one kind.

use super::bytes::{BytesLayout, Endian, Extract, MAX_LOCALS, Put, Selector, Step};
use super::document::{Node, Problems, Table};
use super::field::{Kind, Roles, read_code, read_emit};
use linli_domain::measure::{Unit, nearest};
use std::ops::Range;

/// Deepest nesting of steps, and most steps of a layout.
const MAX_DEPTH: usize = 16;
const MAX_STEPS: usize = 4096;

/// Name, width in bytes and sign of the integer kinds.
const INTEGERS: [(&str, usize, bool); 10] = [
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
const FLOATS: [(&str, usize); 2] = [("f32", 4), ("f64", 8)];
const OTHERS: [&str; 6] = ["from", "skip", "version", "optional", "switch", "tlv"];

/// Reads `[bytes]`.
pub(crate) fn read(node: Node<'_>, roles: &Roles, problems: &mut Problems<'_>) -> Option<BytesLayout> {
    let mut table = problems.table(node)?;
    let mut reader = Reader {
        roles,
        locals: Vec::new(),
        steps: 0,
    };
    let endian = read_endian(&mut table, problems).unwrap_or(Endian::Big);
    let trailing = table
        .take("trailing")
        .and_then(|node| match problems.text(node)? {
            "refuse" => Some(false),
            "ignore" => Some(true),
            _ => problems.refuse(
                node.span(),
                "unknown way to treat trailing bytes",
                "use \"refuse\" or \"ignore\"",
            ),
        });
    let content: Vec<_> = ["fields", "switch", "tlv"]
        .into_iter()
        .filter_map(|k| Some((k, table.take(k)?)))
        .collect();
    let steps = match content.as_slice() {
        [("fields", node)] => reader.list(node, endian, 0, problems),
        [("switch", node)] => reader.switch(node, endian, 0, problems).map(|step| vec![step]),
        [(_, node)] => reader.tlv(node, endian, 0, problems).map(|step| vec![step]),
        _ => {
            let hint = "write fields = [ … ], [bytes.switch] or [bytes.tlv]";
            problems.refuse(
                table.span.clone(),
                "[bytes] needs exactly one of `fields`, `switch` and `tlv`",
                hint,
            )
        }
    };
    table.finish(problems);
    Some(BytesLayout {
        steps: steps?,
        ignore_trailing: trailing.unwrap_or(false),
    })
}

struct Reader<'r, 'd> {
    roles: &'r Roles,
    /// The `@names` defined before the current step on its way through the layout.
    locals: Vec<&'d str>,
    steps: usize,
}

impl<'d> Reader<'_, 'd> {
    fn list(
        &mut self,
        node: Node<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Step>> {
        let nodes = problems.array(node)?;
        self.steps += nodes.len();
        if depth > MAX_DEPTH || self.steps > MAX_STEPS {
            let message = format!("a layout has at most {MAX_STEPS} steps, nested at most {MAX_DEPTH} deep");
            return problems.refuse(node.span(), message, "");
        }
        let known = self.locals.len();
        let steps = nodes
            .iter()
            .map(|node| self.step(node, endian, depth, problems))
            .collect::<Vec<_>>();
        self.locals.truncate(known);
        steps.into_iter().collect()
    }

    fn step(
        &mut self,
        node: Node<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let mut table = problems.table(node)?;
        let span = table.span.clone();
        let endian = read_endian(&mut table, problems).unwrap_or(endian);
        let kinds = INTEGERS
            .iter()
            .map(|k| k.0)
            .chain(FLOATS.iter().map(|k| k.0))
            .chain(OTHERS);
        let mut found: Vec<(&'static str, Node<'d>)> = Vec::new();
        for kind in kinds.clone() {
            if table.peek(kind).is_some() {
                found.extend(table.take(kind).map(|node| (kind, node)));
            }
        }
        let [(kind, node)] = found.as_slice() else {
            let near = table
                .rest()
                .first()
                .and_then(|(key, ..)| nearest(key, kinds.clone()).map(|k| format!("did you mean `{k}`?")));
            let hint = near.unwrap_or_else(|| format!("use one of {}", kinds.collect::<Vec<_>>().join(", ")));
            return problems.refuse(span, "a step needs exactly one kind", hint);
        };
        let step = match *kind {
            "from" => self.from(node, &mut table, problems),
            "skip" => problems
                .integer(node, 1..=1024)
                .and_then(|n| usize::try_from(n).ok())
                .map(Step::Skip),
            "version" => self.version(node, &mut table, problems),
            "optional" => self.list(node, endian, depth + 1, problems).map(Step::Optional),
            "switch" => self.switch(node, endian, depth, problems),
            "tlv" => self.tlv(node, endian, depth, problems),
            kind => self.number(kind, node, &mut table, endian, problems),
        };
        if step.is_some() {
            table.finish(problems);
        }
        step
    }

    fn number(
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

    fn local(&mut self, name: &str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<usize> {
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

    fn from(&mut self, node: Node<'d>, table: &mut Table<'d>, problems: &mut Problems<'_>) -> Option<Step> {
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

    fn version(
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

    fn switch(
        &mut self,
        node: Node<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let mut table = problems.table(node)?;
        let on_node = table.need(
            "on",
            "switch on \"port\", \"length\" or an earlier \"@name\"",
            problems,
        )?;
        let cases = table.need("cases", "for example cases = { 1 = [ … ], 2 = [ … ] }", problems)?;
        let otherwise = table.take("default");
        table.finish(problems);
        let on_text = problems.text(on_node)?;
        let on = match on_text {
            "port" => Selector::Port,
            "length" => Selector::Length,
            name => Selector::Local(self.local(
                name.strip_prefix('@').unwrap_or(name),
                on_node.span(),
                problems,
            )?),
        };
        let mut read = Vec::new();
        for (key, span, node) in problems.table(cases)?.rest() {
            let Some(code) = read_code(key) else {
                problems.refuse::<()>(
                    span,
                    format!("{key:?} is not a case"),
                    "write a number such as 1 or 0x1f",
                );
                continue;
            };
            read.push((code, self.list(node, endian, depth + 1, problems)?));
        }
        let otherwise = match otherwise {
            Some(node) => Some(self.list(node, endian, depth + 1, problems)?),
            None => None,
        };
        Some(Step::Switch {
            on,
            on_text: on_text.into(),
            cases: read,
            otherwise,
        })
    }

    fn tlv(
        &mut self,
        node: Node<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let mut table = problems.table(node)?;
        let tag_bytes = table.need("tag_bytes", "how many bytes make a tag, 1 to 4", problems);
        let tag_bytes = usize::try_from(problems.integer(tag_bytes?, 1..=4)?).ok()?;
        let cases = table.need(
            "cases",
            "for example [bytes.tlv.cases] with \"01 75\" = [ … ]",
            problems,
        )?;
        table.finish(problems);
        let mut read: Vec<(u32, Vec<Step>)> = Vec::new();
        for (key, span, node) in problems.table(cases)?.rest() {
            let digits: String = key.chars().filter(|c| *c != ' ').collect();
            match u32::from_str_radix(&digits, 16) {
                Ok(tag) if digits.len() == 2 * tag_bytes && read.iter().all(|(t, _)| *t != tag) => {
                    read.push((tag, self.list(node, endian, depth + 1, problems)?));
                }
                _ => {
                    let hint = format!("write each once, with {} hexadecimal digits", 2 * tag_bytes);
                    problems.refuse::<()>(span, format!("{key:?} is not a tag of {tag_bytes} bytes"), hint);
                }
            }
        }
        read.sort_by_key(|(tag, _)| *tag);
        Some(Step::Tlv {
            tag_bytes,
            cases: read,
        })
    }
}

fn read_endian(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Endian> {
    let node = table.take("endian")?;
    match problems.text(node)? {
        "big" => Some(Endian::Big),
        "little" => Some(Endian::Little),
        _ => problems.refuse(node.span(), "unknown order of bytes", "use \"big\" or \"little\""),
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
