//! Finds the place of a path such as `devices[3].asset` in a file.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The bytes of the deepest part of `path` that stands in the file; `None` when not even its first part does.
pub(super) fn find(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut steps = steps(path);
    let mut at = value_of(table, steps.next()?)?;
    for step in steps {
        let next = match at.get_ref() {
            DeValue::Table(table) => value_of(table, step),
            DeValue::Array(list) => step.parse::<usize>().ok().and_then(|n| list.get(n)),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    Some(at.span())
}

fn value_of<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
    table
        .iter()
        .find(|(k, _)| k.get_ref() == key)
        .map(|(_, value)| value)
}

/// Keys and indices of a path, in order.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_part_that_exists_is_found() {
        let text = "a = 1\n[[b]]\nc = { d = [10, 20] }\n[[b]]\ne = \"x\"\n";
        let table = DeTable::parse(text).unwrap();
        let shown = |path: &str| find(table.get_ref(), path).map(|span| &text[span]);
        assert_eq!(shown("a"), Some("1"));
        assert_eq!(shown("b[0].c.d[1]"), Some("20"));
        assert_eq!(shown("b[1].e"), Some("\"x\""));
        assert!(shown("b[1].missing.deeper").unwrap().starts_with("[[b]]"));
        assert_eq!(shown("z"), None);
    }
}
