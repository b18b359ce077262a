//! A problem and the place in the file where it stands.
//!
//! Problems are collected, never thrown at the first: [`Sink`] holds them while a file is read and checked.

use crate::config::said::Said;
use linli_domain::text::Language;
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most problems kept of one run; a file with more is not read by a person to its end.
pub const MAX_PROBLEMS: usize = 200;

/// Whether the program would start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The program refuses to start.
    Error,
    /// The program starts; `--strict` refuses.
    Warning,
}

/// A file that was read, kept for showing its lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// As the operator named it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Line and column (both from 1, columns in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (line, column)
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the program.
    pub severity: Severity,
    /// The file.
    pub source: Arc<Source>,
    /// Bytes it is about; `None` is the whole file.
    pub span: Option<Range<usize>>,
    /// What is wrong and what to do.
    pub said: Said,
}

impl Problem {
    /// Line and column of its first byte.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|span| self.source.position(span.start))
    }

    /// The problem as one JSON object, for `--json`.
    pub fn to_json(&self, language: Language) -> serde_json::Value {
        let position = self.position();
        serde_json::json!({
            "severity": self.severity,
            "code": self.said.code,
            "file": self.source.path.display().to_string(),
            "line": position.map(|p| p.0),
            "column": position.map(|p| p.1),
            "message": self.said.message.get(language),
            "hint": self.said.hint.as_ref().map(|h| h.get(language)),
        })
    }
}

/// Whether any of them stops the program.
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// Where the problems of one file are gathered.
#[derive(Debug)]
pub struct Sink {
    source: Arc<Source>,
    problems: RefCell<Vec<Problem>>,
    /// Bytes that must not be shown.
    masked: RefCell<Vec<Range<usize>>>,
}

impl Sink {
    /// An empty sink for `text` of `path`.
    pub fn new(path: &Path, text: String) -> Self {
        Self {
            source: Arc::new(Source {
                path: path.to_owned(),
                text,
            }),
            problems: RefCell::default(),
            masked: RefCell::default(),
        }
    }

    /// The file the problems are about.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Notes something that stops the program.
    pub fn error(&self, span: impl Into<Option<Range<usize>>>, said: Said) {
        self.push(Severity::Error, span.into(), said);
    }

    /// Notes something to look at.
    pub fn warn(&self, span: impl Into<Option<Range<usize>>>, said: Said) {
        self.push(Severity::Warning, span.into(), said);
    }

    fn push(&self, severity: Severity, span: Option<Range<usize>>, said: Said) {
        let mut problems = self.problems.borrow_mut();
        let problem = Problem {
            severity,
            source: self.source.clone(),
            span,
            said,
        };
        if problems.len() < MAX_PROBLEMS && !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Keeps these bytes of the file out of everything that is shown: a secret stands there.
    pub fn mask(&self, span: Range<usize>) {
        self.masked.borrow_mut().push(span);
    }

    /// All problems, in the order of the file.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        let masked = self.masked.into_inner();
        if !masked.is_empty() {
            let text = mask(&self.source.text, &masked);
            let source = Arc::new(Source {
                path: self.source.path.clone(),
                text,
            });
            problems
                .iter_mut()
                .for_each(|problem| problem.source = source.clone());
        }
        problems.sort_by_key(|p| p.span.as_ref().map(|s| (s.start, s.end)));
        problems
    }
}

/// The text with every character of `spans` but line ends covered, byte for byte, so that offsets stay right.
fn mask(text: &str, spans: &[Range<usize>]) -> String {
    let covered = |at: usize| spans.iter().any(|span| span.contains(&at));
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if covered(at) && c != '\n' {
            shown.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_bytes_are_never_shown() {
        let sink = Sink::new(Path::new("x"), "key = \"密canary\"\n".into());
        sink.mask(6..17);
        sink.error(6..17, crate::config::said::inline_secret("key"));
        let problems = sink.into_problems();
        assert_eq!(problems[0].source.text, "key = ***********\n");
    }

    #[test]
    fn positions_count_characters_not_bytes() {
        let source = Source {
            path: "x".into(),
            text: "a = 1\n邻 = 里\n".into(),
        };
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position("a = 1\n邻".len()), (2, 2));
        assert_eq!(source.position(9999), (3, 1));
    }
}
