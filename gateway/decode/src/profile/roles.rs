//! Measures by name and by role: the vocabulary, and the `$names` whose measure depends on what a device is used as.

use super::convert::{RoleTarget, Target};
use super::document::{Problems, Table};
use crate::context::Role;
use linli_domain::measure::{Measure, Unit, nearest};
use std::ops::Range;
use std::sync::Arc;

/// The `$names` of a profile.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    pub(crate) roles: Vec<Role>,
    pub(crate) default: Option<Role>,
    targets: Vec<Arc<RoleTarget>>,
    /// The named levels of the topic whose message is being read.
    pub(crate) levels: Vec<Box<str>>,
}

impl Roles {
    /// Reads `[roles]` and `default_role`.
    pub(crate) fn read(top: &mut Table<'_>, problems: &mut Problems<'_>) -> Self {
        let default = top.take("default_role");
        let Some(node) = top.take("roles") else {
            if let Some(default) = default {
                problems.refuse::<()>(
                    default.span(),
                    "`default_role` without [roles]",
                    "add [roles] or leave it out",
                );
            }
            return Self::default();
        };
        let mut found: Vec<(Box<str>, Role, Measure, Range<usize>)> = Vec::new();
        let mut roles = Vec::new();
        for (name, span, node) in problems.table(node).map(|mut t| t.rest()).unwrap_or_default() {
            let Some(role) = read_role(name, span, problems) else {
                continue;
            };
            roles.push(role);
            for (variable, span, node) in problems.table(node).map(|mut t| t.rest()).unwrap_or_default() {
                let measure = problems
                    .text(node)
                    .and_then(|text| read_measure(text, node.span(), problems));
                if let Some(measure) = measure {
                    found.push((variable.into(), role, measure, span));
                }
            }
        }
        let default = match default {
            Some(node) => problems
                .text(node)
                .and_then(|name| read_role(name, node.span(), problems)),
            None if roles.len() > 1 => {
                let hint = "say which role a device has when its own document names none";
                problems.refuse(node.span(), "`default_role` is missing", hint)
            }
            None => roles.first().copied(),
        };
        let targets = default
            .map(|default| group(found, default, problems))
            .unwrap_or_default();
        Self {
            roles,
            default,
            targets,
            levels: Vec::new(),
        }
    }
}

fn group(
    found: Vec<(Box<str>, Role, Measure, Range<usize>)>,
    default: Role,
    problems: &mut Problems<'_>,
) -> Vec<Arc<RoleTarget>> {
    let mut targets: Vec<RoleTarget> = Vec::new();
    for (name, role, measure, span) in found {
        match targets.iter_mut().find(|t| t.name == name) {
            Some(target) => {
                let unit = target.measures[0].1.unit();
                if unit != measure.unit() {
                    let message = format!(
                        "`{name}` is in {unit} in one role and in {} in another",
                        measure.unit()
                    );
                    problems.refuse::<()>(span, message, "give the value one unit in every role");
                }
                target.measures.push((role, measure));
            }
            None => targets.push(RoleTarget {
                name,
                default,
                measures: vec![(role, measure)],
            }),
        }
    }
    targets.into_iter().map(Arc::new).collect()
}

pub(crate) fn read_role(name: &str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Role> {
    Role::from_name(name).or_else(|| {
        let names: Vec<_> = Role::NAMES.iter().map(|(_, name)| *name).collect();
        problems.refuse(
            span,
            format!("unknown role `{name}`"),
            format!("use one of {}", names.join(", ")),
        )
    })
}

pub(crate) fn read_measure(name: &str, span: Range<usize>, problems: &mut Problems<'_>) -> Option<Measure> {
    match name.parse::<Measure>() {
        Ok(measure) => Some(measure),
        Err(error) => {
            let hint = error
                .hint
                .map(|near| format!("did you mean \"{near}\"?"))
                .unwrap_or_default();
            problems.refuse(span, format!("{name:?} is not a measure of the vocabulary"), hint)
        }
    }
}

/// The target and unit of `$name`.
pub(super) fn read_role_target(
    name: &str,
    span: Range<usize>,
    roles: &Roles,
    problems: &mut Problems<'_>,
) -> Option<(Target, Unit)> {
    match roles.targets.iter().find(|t| *t.name == *name) {
        Some(target) => Some((Target::ByRole(target.clone()), target.measures[0].1.unit())),
        None => {
            let hint = match nearest(name, roles.targets.iter().map(|t| &*t.name)) {
                Some(near) => format!("did you mean \"${near}\"?"),
                None => {
                    format!("name its measure in [roles], for example bin = {{ {name} = \"bin.distance\" }}")
                }
            };
            problems.refuse(span, format!("no role gives ${name} a measure"), hint)
        }
    }
}
