//! Reading a byte layout out of a profile: every step is a table with exactly one kind.

use super::layout::{BytesLayout, Count, Endian, Form, Selector, Step, Tlv};
use super::read_number::{FLOATS, INTEGERS};
use crate::profile::document::{Node, Problems, Table};
use crate::profile::field::{Kind, read_code, read_emit};
use crate::profile::roles::Roles;
use linli_domain::measure::nearest;

/// Deepest nesting of steps, and most steps of a layout.
const MAX_DEPTH: usize = 16;
const MAX_STEPS: usize = 4096;

const OTHERS: [&str; 17] = [
    "bits",
    "time",
    "from",
    "sum",
    "const",
    "no_value",
    "expect",
    "skip",
    "skip_bits",
    "version",
    "optional",
    "when",
    "flags",
    "switch",
    "tlv",
    "repeat",
    "record",
];

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

/// What is known while a layout is read.
pub(super) struct Reader<'r, 'd> {
    pub(super) roles: &'r Roles,
    /// The `@names` defined before the current step on its way through the layout.
    pub(super) locals: Vec<&'d str>,
    steps: usize,
}

impl<'d> Reader<'_, 'd> {
    pub(super) fn list(
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
        let (mut steps, mut bits) = (Vec::with_capacity(nodes.len()), 0);
        for node in nodes {
            let step = self.step(node, endian, depth, problems);
            match step.as_ref().map(stream_bits) {
                Some(Stream::Bits(width)) => bits = (bits + width) % 8,
                Some(Stream::Bytes) if bits != 0 => {
                    bits = 0;
                    not_whole(node, problems);
                }
                Some(Stream::Bytes | Stream::Stays) | None => {}
            }
            steps.push(step);
        }
        if bits != 0 {
            not_whole(node, problems);
        }
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
            "bits" => self.bits(node, &mut table, problems),
            "time" => self.time(node, &mut table, endian, problems),
            "from" => self.from(node, &mut table, problems),
            "sum" => self.sum(node, &mut table, problems),
            "const" => self.constant(node, &mut table, problems),
            "no_value" => read_emit(node, &mut table, Kind::Json, self.roles, problems)
                .map(|emit| Step::NoValue(emit.into())),
            "expect" => self.expect(node, problems),
            "skip" => skip(node, problems),
            "skip_bits" => problems
                .integer(node, 1..=1024)
                .and_then(|n| u32::try_from(n).ok())
                .map(Step::SkipBits),
            "version" => self.version(node, &mut table, problems),
            "optional" => self.list(node, endian, depth + 1, problems).map(Step::Optional),
            "when" => self.when(node, &mut table, endian, depth, problems),
            "flags" => self.flags(node, &mut table, endian, depth, problems),
            "switch" => self.switch(node, endian, depth, problems),
            "tlv" => self.tlv(node, endian, depth, problems),
            "repeat" => self.repeat(node, &mut table, endian, depth, problems),
            "record" => {
                let historical = table.take("historical").and_then(|node| problems.boolean(node));
                let steps = self.list(node, endian, depth + 1, problems);
                steps.map(|steps| Step::Record {
                    historical: historical.unwrap_or(false),
                    steps,
                })
            }
            kind => self.number(kind, node, &mut table, endian, problems),
        };
        if step.is_some() {
            table.finish(problems);
        }
        step
    }

    fn switch(
        &mut self,
        node: Node<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let mut table = problems.table(node)?;
        let hint = "switch on \"port\", \"length\", \"remaining\" or an earlier \"@name\"";
        let on_node = table.need("on", hint, problems)?;
        let cases = table.need("cases", "for example cases = { 1 = [ … ], 2 = [ … ] }", problems)?;
        let otherwise = table.take("default");
        table.finish(problems);
        let on_text = problems.text(on_node)?;
        let on = match on_text {
            "port" => Selector::Port,
            "length" => Selector::Length,
            "remaining" => Selector::Remaining,
            name => Selector::Local(self.local(
                name.strip_prefix('@').unwrap_or(name),
                on_node.span(),
                problems,
            )?),
        };
        let mut read: Vec<(i128, Vec<Step>)> = Vec::new();
        for (key, span, node) in problems.table(cases)?.rest() {
            let known = |code: &i128| read.iter().any(|(other, _)| other == code);
            let Some(code) = read_code(key).filter(|code| !known(code)) else {
                problems.refuse::<()>(
                    span,
                    format!("{key:?} is not a case"),
                    "write a number such as 1 or 0x1f, each once",
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
        let length = table.take("length").and_then(|node| match problems.text(node)? {
            "u8" => Some((1, endian)),
            "u16" => Some((2, endian)),
            _ => problems.refuse(node.span(), "unknown form of a length", "use \"u8\" or \"u16\""),
        });
        let unknown = table.take("unknown");
        let skip_unknown = unknown.and_then(|node| match problems.text(node)? {
            "stop" => Some(false),
            "skip" if length.is_some() => Some(true),
            "skip" => {
                let hint = "an unknown tag can be passed over where a `length` says how far";
                problems.refuse(node.span(), "nobody knows how long an unknown tag is", hint)
            }
            _ => problems.refuse(
                node.span(),
                "unknown way to treat unknown tags",
                "use \"stop\" or \"skip\"",
            ),
        });
        let hint = "for example [bytes.tlv.cases] with \"01 75\" = [ … ]";
        let cases = table.need("cases", hint, problems)?;
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
        Some(Step::Tlv(Tlv {
            tag_bytes,
            length,
            skip_unknown: skip_unknown.unwrap_or(false),
            cases: read,
        }))
    }

    fn repeat(
        &mut self,
        node: Node<'d>,
        table: &mut Table<'d>,
        endian: Endian,
        depth: usize,
        problems: &mut Problems<'_>,
    ) -> Option<Step> {
        let count = match table.take("count") {
            None => Count::UntilEnd,
            Some(node) => match node.get_ref().as_str() {
                Some(name) => {
                    let name = name.strip_prefix('@').unwrap_or(name);
                    Count::Local(self.local(name, node.span(), problems)?)
                }
                None => Count::Fixed(usize::try_from(problems.integer(node, 1..=1024)?).ok()?),
            },
        };
        let steps = self.list(node, endian, depth + 1, problems)?;
        Some(Step::Repeat { count, steps })
    }
}

/// How a step moves through the payload.
enum Stream {
    Bits(u32),
    Bytes,
    Stays,
}

fn stream_bits(step: &Step) -> Stream {
    match step {
        Step::Number {
            form: Form::Bits { at: None, width, .. },
            ..
        } => Stream::Bits(*width),
        Step::SkipBits(width) => Stream::Bits(*width),
        Step::Number {
            form: Form::Bits { .. },
            ..
        }
        | Step::From { .. }
        | Step::Sum { .. }
        | Step::Const(..)
        | Step::NoValue(_)
        | Step::SkipRest => Stream::Stays,
        _ => Stream::Bytes,
    }
}

fn not_whole(node: Node<'_>, problems: &mut Problems<'_>) {
    let hint = "bits that are read one after the other fill whole bytes; pass over the rest with skip_bits";
    problems.refuse::<()>(node.span(), "the bits before this do not end with a byte", hint);
}

fn skip(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Step> {
    if node.get_ref().as_str() == Some("rest") {
        return Some(Step::SkipRest);
    }
    let bytes = problems.integer(node, 1..=1024)?;
    usize::try_from(bytes).ok().map(Step::Skip)
}

fn read_endian(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Endian> {
    let node = table.take("endian")?;
    match problems.text(node)? {
        "big" => Some(Endian::Big),
        "little" => Some(Endian::Little),
        _ => problems.refuse(node.span(), "unknown order of bytes", "use \"big\" or \"little\""),
    }
}
