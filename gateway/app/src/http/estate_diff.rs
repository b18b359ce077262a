//! Compares two estate documents part by part. Parts are known by their id, so moving one changes nothing.

use super::wire::estate::{Change, ChangeKind};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Every difference from `old` to `new`, in the order of the sections.
pub(super) fn compare(old: &Value, new: &Value) -> Vec<Change> {
    let (old, new) = (object(old), object(new));
    let mut changes = Vec::new();
    for section in names(&old, &new) {
        let (before, after) = (old.get(section), new.get(section));
        match (parts(before), parts(after)) {
            (None, None) => changes.extend(field(section, before, after)),
            (before, after) => {
                sections(
                    section,
                    &before.unwrap_or_default(),
                    &after.unwrap_or_default(),
                    &mut changes,
                );
            }
        }
    }
    changes
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Every key of either, once.
fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> Vec<&'a String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The parts of a section by id; `None` when it is not a list.
fn parts(section: Option<&Value>) -> Option<BTreeMap<&str, &Value>> {
    let parts = section?.as_array()?.iter();
    Some(
        parts
            .filter_map(|part| Some((part.get("id")?.as_str()?, part)))
            .collect(),
    )
}

fn field(name: &str, before: Option<&Value>, after: Option<&Value>) -> Option<Change> {
    let change = match (before, after) {
        (None, Some(_)) => ChangeKind::Added,
        (Some(_), None) => ChangeKind::Removed,
        (before, after) if before != after => ChangeKind::Changed,
        _ => return None,
    };
    Some(Change {
        section: name.to_owned(),
        id: None,
        change,
        fields: Vec::new(),
    })
}

fn sections(
    section: &str,
    old: &BTreeMap<&str, &Value>,
    new: &BTreeMap<&str, &Value>,
    changes: &mut Vec<Change>,
) {
    let mut add = |id: &str, change, fields| {
        changes.push(Change {
            section: section.to_owned(),
            id: Some(id.to_owned()),
            change,
            fields,
        });
    };
    for (id, before) in old {
        match new.get(id) {
            None => add(id, ChangeKind::Removed, Vec::new()),
            Some(after) if before != after => {
                let (before, after) = (object(before), object(after));
                let differ = names(&before, &after)
                    .into_iter()
                    .filter(|name| before.get(*name) != after.get(*name));
                add(id, ChangeKind::Changed, differ.cloned().collect());
            }
            Some(_) => {}
        }
    }
    for id in new.keys().filter(|id| !old.contains_key(*id)) {
        add(id, ChangeKind::Added, Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_are_compared_by_id() {
        let old = json!({ "name": "a", "places": [{ "id": "x", "kind": "b" }, { "id": "y" }] });
        let new = json!({ "name": "b", "places": [{ "id": "z" }, { "id": "x", "kind": "c" }] });
        let said: Vec<String> = compare(&old, &new)
            .iter()
            .map(|c| {
                format!(
                    "{} {} {:?} {}",
                    c.section,
                    c.id.as_deref().unwrap_or("-"),
                    c.change,
                    c.fields.join(",")
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                "name - Changed ",
                "places x Changed kind",
                "places y Removed ",
                "places z Added "
            ]
        );
        assert_eq!(compare(&old, &old), []);
    }
}
