//! Reading a byte layout out of a profile: every step is a table with exactly one kind.

use super::bytes_number::{FLOATS, INTEGERS};
use super::document::{Node, Problems, Table};
use super::field::read_code;
use super::layout::{BytesLayout, Endian, Selector, Step};
use super::roles::Roles;
use linli_domain::measure::nearest;

/// Deepest nesting of steps, and most steps of a layout.
const MAX_DEPTH: usize = 16;
const MAX_STEPS: usize = 4096;

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

/// What is known while a layout is read.
pub(super) struct Reader<'r, 'd> {
    pub(super) roles: &'r Roles,
    /// The `@names` defined before the current step on its way through the layout.
    pub(super) locals: Vec<&'d str>,
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
