//! A small typed reader over a spanned TOML table.
//!
//! Each getter notes the key it asked for, so [`Table::finish`] knows every key of the schema without a second
//! list: what was never asked for is unknown. A bad value is noted and read as absent; reading goes on.

use crate::config::problem::Sink;
use crate::config::said;
use linli_domain::measure::nearest;
use linli_domain::text::Text;
use linli_domain::time::duration_text;
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
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

    /// A string.
    pub fn text(&self, key: &'static str, example: &str) -> Option<At<String>> {
        let (value, span) = self.raw(key)?;
        match value {
            DeValue::String(text) => Some(At {
                value: text.to_string(),
                span,
            }),
            other => {
                self.wrong(key, span, "string", other, example);
                None
            }
        }
    }

    /// A string that `parse` turns into a value or refuses with a reason.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, Text>,
    ) -> Option<At<T>> {
        let text = self.text(key, example)?;
        match parse(&text.value) {
            Ok(value) => Some(At {
                value,
                span: text.span,
            }),
            Err(reason) => {
                let said = said::bad_value(key, &text.value, &reason, example);
                self.sink.error(text.span, said);
                None
            }
        }
    }

    /// One of a closed list.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<At<T>> {
        let example = choices
            .first()
            .map_or(String::new(), |(name, _)| format!("\"{name}\""));
        let text = self.text(key, &example)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text.value) {
            return Some(At {
                value: *value,
                span: text.span,
            });
        }
        let known: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let near = nearest(&text.value, known.iter().copied());
        self.sink
            .error(text.span, said::not_one_of(key, &text.value, near, &known));
        None
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<At<bool>> {
        let (value, span) = self.raw(key)?;
        match value {
            DeValue::Boolean(value) => Some(At { value: *value, span }),
            other => {
                self.wrong(key, span, "boolean", other, "true");
                None
            }
        }
    }

    /// A whole number inside `range`.
    pub fn integer(&self, key: &'static str, range: RangeInclusive<i64>) -> Option<At<i64>> {
        let (value, span) = self.raw(key)?;
        let DeValue::Integer(number) = value else {
            self.wrong(key, span, "integer", value, &(*range.start()).max(1).to_string());
            return None;
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if range.contains(&value) => Some(At { value, span }),
            _ => {
                let (low, high) = (range.start().to_string(), range.end().to_string());
                self.sink
                    .error(span, said::out_of_range(key, number.as_str(), &low, &high));
                None
            }
        }
    }

    /// A duration such as `"50ms"` or `"10m"` inside `range`.
    pub fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<At<Duration>> {
        let example = "\"30s\"";
        if let Some((value @ DeValue::Integer(_), span)) = self.raw(key) {
            self.wrong(key, span, "string with a unit", value, example);
            return None;
        }
        let duration = self.parsed(key, example, |text| {
            duration_text::parse(text).map_err(|_| said::not_a_duration())
        })?;
        if range.contains(&duration.value) {
            return Some(duration);
        }
        let [value, low, high] = [duration.value, *range.start(), *range.end()].map(duration_text::format);
        self.sink
            .error(duration.span, said::out_of_range(key, &value, &low, &high));
        None
    }

    /// A list of strings; empty when absent.
    pub fn texts(&self, key: &'static str, example: &str) -> Vec<At<String>> {
        let Some((value, span)) = self.raw(key) else {
            return Vec::new();
        };
        let Some(list) = value.as_array() else {
            self.wrong(key, span, "list of strings", value, example);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in list {
            match item.get_ref() {
                DeValue::String(text) => texts.push(At {
                    value: text.to_string(),
                    span: item.span(),
                }),
                other => self.wrong(key, item.span(), "list of strings", other, example),
            }
        }
        texts
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
