//! The getters of single values and lists of them.

use super::{At, Table};
use crate::config::said;
use linli_domain::measure::nearest;
use linli_domain::text::Text;
use linli_domain::time::duration_text;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

impl Table<'_> {
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
}
