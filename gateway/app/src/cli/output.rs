//! Puts results on standard output and everything else on standard error.

use crate::cli::context::Context;
use crate::cli::{Failure, Outcome};
use linli_domain::text::Language;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

/// Prints the result: the value with `--json`, otherwise what `human` makes of it.
pub(crate) fn result(context: &Context, value: &Value, human: impl FnOnce(&Value) -> String) -> Outcome {
    if context.json {
        text(&format!("{value:#}\n"))
    } else {
        text(&human(value))
    }
}

/// Prints text as it is. A reader that went away is not an error.
pub(crate) fn text(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Problem(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// A line for people, beside the result.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What went wrong.
pub(crate) fn error(context: &Context, line: &str) {
    let name = match context.language {
        Language::Zh => "错误",
        Language::En => "error",
    };
    let name = if context.colour {
        format!("\x1b[1;31m{name}\x1b[0m")
    } else {
        name.to_owned()
    };
    note(&format!("{name}: {line}"));
}

/// A table with columns as wide as their widest cell; Chinese characters count as two.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    for row in &rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (cell, column) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell}{}  ", " ".repeat(column - width(cell)));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A cell as wide as a column.
pub(crate) fn pad(cell: &str, column: usize) -> String {
    format!("{cell}{}", " ".repeat(column.saturating_sub(width(cell))))
}

/// The bytes of a message as the API shows them: its text, or its hexadecimal digits in pairs; at most `most`
/// characters.
pub(crate) fn raw(value: &Value, most: usize) -> String {
    let shown = match value["text"].as_str() {
        Some(text) => text.to_owned(),
        None => field(value, "hex")
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).into_owned())
            .collect::<Vec<_>>()
            .join(" "),
    };
    match shown.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", shown.get(..at).unwrap_or_default()),
        None => shown,
    }
}

/// A share that moves, on a terminal only.
pub(crate) fn bar() -> impl FnMut(f64) {
    let terminal = std::io::stderr().is_terminal();
    let mut shown = 0;
    move |share: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 100"
        )]
        let percent = (share.clamp(0.0, 1.0) * 100.0) as u32;
        if terminal && percent > shown {
            shown = percent;
            let mut error = std::io::stderr().lock();
            let _ = write!(
                error,
                "\r{percent:3} %{}",
                if percent == 100 { "\r     \r" } else { "" }
            );
            let _ = error.flush();
        }
    }
}

/// Text of the field cannot steer the terminal.
pub(crate) fn printable(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// East Asian wide and full-width characters, as far as the languages of the product use them.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}')
}

/// A field as text; empty when it is absent.
pub(crate) fn field(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A field that holds a text in both languages.
pub(crate) fn name(value: &Value, name: &str, language: Language) -> String {
    let tag = match language {
        Language::Zh => "zh",
        Language::En => "en",
    };
    field(&value[name], tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_with_chinese_cells_and_hold_no_control_characters() {
        let rows = vec![
            vec!["漏水".to_owned(), "x".to_owned()],
            vec!["a\x1b[2J".to_owned(), "y".to_owned()],
        ];
        assert_eq!(table(&["id", "v"], &rows), "id     v\n漏水   x\na [2J  y\n");
    }
}
