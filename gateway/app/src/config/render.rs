//! Shows problems to a person: the line of the file, a caret under it, and a hint.

use crate::config::problem::{Problem, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use linli_domain::text::Language;
use std::ops::Range;

/// All problems as text, colours only when the terminal wants them.
pub fn render(problems: &[Problem], language: Language, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for problem in problems {
        text.push_str(&renderer.render(&groups(problem, language)));
        text.push_str("\n\n");
    }
    text
}

fn groups(problem: &Problem, language: Language) -> Vec<Group<'_>> {
    let (level, name) = match (problem.severity, language) {
        (Severity::Error, Language::Zh) => (Level::ERROR, "错误"),
        (Severity::Error, Language::En) => (Level::ERROR, "error"),
        (Severity::Warning, Language::Zh) => (Level::WARNING, "警告"),
        (Severity::Warning, Language::En) => (Level::WARNING, "warning"),
    };
    let title = level
        .with_name(name)
        .primary_title(problem.said.message.get(language));
    let path = problem.source.path.display().to_string();
    let mut group = match &problem.span {
        None => Group::with_title(title).element(Origin::path(path)),
        Some(span) => Group::with_title(title).element(
            Snippet::source(problem.source.text.as_str())
                .path(path)
                .annotation(AnnotationKind::Primary.span(first_line(&problem.source.text, span))),
        ),
    };
    if let Some(hint) = &problem.said.hint {
        let help = match language {
            Language::Zh => "提示",
            Language::En => "help",
        };
        group = group.element(Level::HELP.with_name(help).message(hint.get(language)));
    }
    vec![group]
}

/// A span over many lines points at its first one: a table is shown by its header.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let line = text.get(start..end).unwrap_or("").lines().next().unwrap_or("");
    start..start + line.len()
}

/// One line that counts the problems.
pub fn summary(problems: &[Problem], language: Language) -> String {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    match language {
        Language::Zh => format!("{errors} 个错误，{warnings} 个警告"),
        Language::En => format!("{errors} error(s), {warnings} warning(s)"),
    }
}
