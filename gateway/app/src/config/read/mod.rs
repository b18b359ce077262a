//! A small typed reader over a spanned TOML table.
//!
//! Each getter notes the key it asked for, so [`Table::finish`] knows every key of the schema without a second
//! list: what was never asked for is unknown. A bad value is noted and read as absent; reading goes on.

mod values;

use crate::config::problem::Sink;
use crate::config::said;
use linli_domain::measure::nearest;
use std::cell::RefCell;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value that remembers where in the file it stood.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl<T> At<T> {
    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: f(self.value),
            span: self.span,
        }
    }
}

/// One table of the file while it is read.
#[derive(Debug)]
pub struct Table<'d> {
    sink: &'d Sink,
    /// Dotted path of the table, empty for the top of the file.
    path: String,
    /// Where the table stands.
    pub span: Range<usize>,
    entries: &'d DeTable<'d>,
    asked: RefCell<Vec<&'static str>>,
    renamed: &'static [(&'static str, &'static str)],
}

impl<'d> Table<'d> {
    /// The top of a file.
    pub fn root(sink: &'d Sink, table: &'d Spanned<DeTable<'d>>) -> Self {
        Self::new(sink, String::new(), 0..0, table.get_ref())
    }

    fn new(sink: &'d Sink, path: String, span: Range<usize>, entries: &'d DeTable<'d>) -> Self {
        Self {
            sink,
            path,
            span,
            entries,
            asked: RefCell::default(),
            renamed: &[],
        }
    }

    /// Keys of earlier versions and what they are called now.
    #[must_use]
    pub fn renamed(mut self, renamed: &'static [(&'static str, &'static str)]) -> Self {
        self.renamed = renamed;
        self
    }

    /// Where problems go.
    pub fn sink(&self) -> &'d Sink {
        self.sink
    }

    fn raw(&self, key: &'static str) -> Option<(&'d DeValue<'d>, Range<usize>)> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        let (_, value) = self.entries.iter().find(|(k, _)| k.get_ref() == key)?;
        Some((value.get_ref(), value.span()))
    }

    fn stands(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, _)| k.get_ref() == key)
    }

    /// Whether the key stands in the file.
    pub fn has(&self, key: &'static str) -> bool {
        self.raw(key).is_some()
    }

    /// Notes that `key` has to be there, when it is not. Passes `value` on.
    pub fn need<T>(&self, key: &'static str, example: &str, value: Option<T>) -> Option<T> {
        let has_old_name = || {
            self.renamed
                .iter()
                .any(|(old, new)| *new == key && self.stands(old))
        };
        if value.is_none() && !self.has(key) && !has_old_name() {
            self.sink
                .error(self.place(), said::missing_key(key, &self.path, example));
        }
        value
    }

    /// Where to point when something is absent: the table, or the whole file.
    pub fn place(&self) -> Option<Range<usize>> {
        (!self.path.is_empty()).then(|| self.span.clone())
    }

    fn wrong(&self, key: &str, span: Range<usize>, expected: &str, found: &DeValue<'_>, example: &str) {
        self.sink
            .error(span, said::wrong_type(key, expected, found.type_str(), example));
    }

    /// The raw value, for values that may be written in several shapes.
    pub fn any(&self, key: &'static str) -> Option<At<Shape<'d>>> {
        let (value, span) = self.raw(key)?;
        Some(self.shape(key, value, span))
    }

    /// The raw values of a list.
    pub fn anys(&self, key: &'static str, example: &str) -> Vec<At<Shape<'d>>> {
        let Some((value, span)) = self.raw(key) else {
            return Vec::new();
        };
        let Some(list) = value.as_array() else {
            self.wrong(key, span, "list", value, example);
            return Vec::new();
        };
        list.iter()
            .map(|item| self.shape(key, item.get_ref(), item.span()))
            .collect()
    }

    fn shape(&self, key: &str, value: &'d DeValue<'d>, span: Range<usize>) -> At<Shape<'d>> {
        let value = match value {
            DeValue::String(text) => Shape::Text(text.to_string()),
            DeValue::Table(entries) => {
                Shape::Table(Table::new(self.sink, self.join(key), span.clone(), entries))
            }
            other => Shape::Other(other.type_str()),
        };
        At { value, span }
    }

    /// A table below this one.
    pub fn table(&self, key: &'static str) -> Option<Table<'d>> {
        let (value, span) = self.raw(key)?;
        match value {
            DeValue::Table(entries) => Some(Table::new(self.sink, self.join(key), span, entries)),
            other => {
                self.wrong(key, span, "table", other, "{ … }");
                None
            }
        }
    }

    /// A list of tables, written `[[key]]` or `key = [{ … }]`.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'d>> {
        let Some((value, span)) = self.raw(key) else {
            return Vec::new();
        };
        let Some(list) = value.as_array() else {
            self.wrong(key, span, "list of tables", value, "[{ … }]");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in list {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Table::new(self.sink, self.join(key), item.span(), entries));
                }
                other => self.wrong(key, item.span(), "list of tables", other, "[{ … }]"),
            }
        }
        tables
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes every key nobody asked for. Returns the keys that were asked for.
    pub fn finish(self) -> Vec<&'static str> {
        let asked = self.asked.into_inner();
        for (key, _) in self.entries {
            let (name, span) = (key.get_ref().as_ref(), key.span());
            if asked.contains(&name) {
                continue;
            }
            let said = match self.renamed.iter().find(|(old, _)| *old == name) {
                Some((old, new)) => said::renamed_key(old, new),
                None => said::unknown_key(name, &self.path, nearest(name, asked.iter().copied()), &asked),
            };
            self.sink.error(span, said);
        }
        asked
    }
}

/// A value that may be written in several shapes.
#[derive(Debug)]
pub enum Shape<'d> {
    /// A plain string.
    Text(String),
    /// A table.
    Table(Table<'d>),
    /// Anything else; the name of its type.
    Other(&'static str),
}
