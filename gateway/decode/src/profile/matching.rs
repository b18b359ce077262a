//! How a device of a type is recognised before anybody said what it is: `[match]`.
//!
//! Data for onboarding and for case files; decoding never looks at it.

use super::document::{Node, Problems};
use crate::family::Family;
use linli_domain::measure::nearest;

/// Most texts in a list.
const MAX_TEXTS: usize = 64;

/// What a device of the type calls itself, and how it is heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Model ids, as network servers, bridges and catalogues write them.
    pub models: Vec<String>,
    /// Names: vendor and model.
    pub names: Vec<String>,
    /// Families it is heard through; any when empty.
    pub families: Vec<Family>,
}

impl Match {
    /// Reads `[match]`.
    pub(super) fn read(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let mut table = problems.table(node)?;
        let texts = |node: Option<Node<'_>>, problems: &mut Problems<'_>| -> Option<Vec<String>> {
            let Some(node) = node else { return Some(Vec::new()) };
            let nodes = problems.array(node)?;
            if nodes.len() > MAX_TEXTS {
                return problems.refuse(node.span(), format!("at most {MAX_TEXTS}"), "");
            }
            nodes
                .iter()
                .map(|node| problems.text(node).map(str::to_owned))
                .collect()
        };
        let models = texts(table.take("models"), problems);
        let names = texts(table.take("names"), problems);
        let families = table.take("families");
        table.finish(problems);
        let families = match families {
            None => Vec::new(),
            Some(node) => problems
                .array(node)?
                .iter()
                .map(|node| read_family(node, problems))
                .collect::<Option<_>>()?,
        };
        Some(Self {
            models: models?,
            names: names?,
            families,
        })
    }

    /// Whether `model` is one of the type's, whatever its case.
    pub fn has_model(&self, model: &str) -> bool {
        self.models.iter().any(|known| known.eq_ignore_ascii_case(model))
    }
    /// Whether `name` is one of the type's, whatever its case.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn read_family(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Family> {
    let name = problems.text(node)?;
    Family::from_name(name).or_else(|| {
        let names = Family::ALL.map(Family::name);
        let hint = match nearest(name, names.into_iter()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("use one of {}", names.join(", ")),
        };
        problems.refuse(node.span(), format!("unknown family {name:?}"), hint)
    })
}
