//! Reading a profile's TOML with a memory of where everything stood.
//!
//! Every problem is collected with its place and a word of help; unknown keys are refused. What the keys mean is
//! not known here.

use linli_domain::measure::nearest;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most problems reported of one file.
const MAX_ERRORS: usize = 50;

/// One problem of a profile, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file, as it was named to [`crate::Profile::parse`].
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The same place as a range of bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl std::error::Error for ProfileError {}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// A value of the file.
pub(crate) type Node<'d> = &'d Spanned<DeValue<'d>>;

/// The problems of one file.
pub(crate) struct Problems<'t> {
    file: &'t str,
    text: &'t str,
    errors: Vec<ProfileError>,
}

impl<'t> Problems<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            errors: Vec::new(),
        }
    }

    /// Notes a problem at `span`. Returns `None`, so that a reader can end with it.
    pub(crate) fn refuse<T>(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        let hint = hint.into();
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(ProfileError {
                file: self.file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                span,
                message: message.into(),
                hint: (!hint.is_empty()).then_some(hint),
            });
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// How many problems there are so far.
    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// The problems in the order of the file.
    pub(crate) fn into_errors(mut self) -> Vec<ProfileError> {
        self.errors.sort_by_key(|e| e.span.start);
        self.errors
    }

    fn expected<T>(&mut self, node: Node<'_>, what: &str) -> Option<T> {
        let found = node.get_ref().type_str();
        self.refuse(node.span(), format!("expected {what}, found {found}"), "")
    }

    pub(crate) fn text<'d>(&mut self, node: Node<'d>) -> Option<&'d str> {
        match node.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.expected(node, "a text in quotes"),
        }
    }

    pub(crate) fn boolean(&mut self, node: Node<'_>) -> Option<bool> {
        match node.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.expected(node, "true or false"),
        }
    }

    /// An integer within `range`, decimal or with `0x`, `0o`, `0b`.
    pub(crate) fn integer(&mut self, node: Node<'_>, range: std::ops::RangeInclusive<i128>) -> Option<i128> {
        let DeValue::Integer(integer) = node.get_ref() else {
            return self.expected(node, "a whole number");
        };
        match i128::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                let message = format!("{integer} is out of range");
                self.refuse(
                    node.span(),
                    message,
                    format!("use {} to {}", range.start(), range.end()),
                )
            }
        }
    }

    /// A finite number, whole or not.
    pub(crate) fn number(&mut self, node: Node<'_>) -> Option<f64> {
        let number = match node.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .map(|n| n as f64),
            DeValue::Float(float) => float.as_str().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        };
        number.or_else(|| self.expected(node, "a finite number"))
    }

    pub(crate) fn array<'d>(&mut self, node: Node<'d>) -> Option<&'d [Spanned<DeValue<'d>>]> {
        match node.get_ref() {
            DeValue::Array(array) => Some(array),
            _ => self.expected(node, "a list in [ ]"),
        }
    }

    pub(crate) fn table<'d>(&mut self, node: Node<'d>) -> Option<Table<'d>> {
        match node.get_ref() {
            DeValue::Table(table) => Some(Table::new(table, node.span())),
            _ => self.expected(node, "a table"),
        }
    }
}

/// A table whose keys are taken one by one; what is left at the end is refused.
pub(crate) struct Table<'d> {
    entries: Vec<(&'d str, Range<usize>, Node<'d>)>,
    known: Vec<&'static str>,
    /// Where the table stands.
    pub(crate) span: Range<usize>,
}

impl<'d> Table<'d> {
    pub(crate) fn new(table: &'d DeTable<'d>, span: Range<usize>) -> Self {
        Self {
            entries: table
                .iter()
                .map(|(key, value)| (&**key.get_ref(), key.span(), value))
                .collect(),
            known: Vec::new(),
            span,
        }
    }

    /// The value of `key`, if the table has it.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Node<'d>> {
        self.known.push(key);
        let at = self.entries.iter().position(|(name, ..)| *name == key)?;
        Some(self.entries.swap_remove(at).2)
    }

    /// The value of `key`, which stays in the table.
    pub(crate) fn peek(&self, key: &str) -> Option<Node<'d>> {
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(.., node)| *node)
    }

    /// The value of `key`, which must be there.
    pub(crate) fn need(
        &mut self,
        key: &'static str,
        hint: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Node<'d>> {
        match self.take(key) {
            Some(node) => Some(node),
            None => problems.refuse(self.span.clone(), format!("`{key}` is missing"), hint),
        }
    }

    /// Every entry that was not taken, for tables with free keys.
    pub(crate) fn rest(&mut self) -> Vec<(&'d str, Range<usize>, Node<'d>)> {
        let mut rest = std::mem::take(&mut self.entries);
        rest.sort_by_key(|(_, span, _)| span.start);
        rest
    }

    /// Refuses every key that was not taken, with the nearest known one.
    pub(crate) fn finish(mut self, problems: &mut Problems<'_>) {
        for (key, span, _) in self.rest() {
            let hint = match nearest(key, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            problems.refuse::<()>(span, format!("unknown key `{key}`"), hint);
        }
    }
}
