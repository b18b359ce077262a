//! A proposal: an estate file, or a file of rules alone that take the place of an estate's own.

use linli_domain::estate::EstateDoc;
use linli_domain::estate::doc::{OrderProfileDoc, RuleDoc};
use serde::Deserialize;

/// A file of rules alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    rules: Vec<RuleDoc>,
    #[serde(default)]
    order_profiles: Vec<OrderProfileDoc>,
    shipped_rules: Option<bool>,
}

/// The estate as `text` proposes it. A file with assets is an estate of its own; one without them holds rules, which take
/// the place of all of `base`'s own, and order profiles, which stand beside `base`'s and before those of the same id.
pub fn read(text: &str, base: &EstateDoc) -> Result<EstateDoc, toml::de::Error> {
    let table: toml::Table = toml::from_str(text)?;
    if table.contains_key("assets") {
        return toml::from_str(text);
    }
    let proposed: Rules = toml::from_str(text)?;
    let mut estate = base.clone();
    estate
        .order_profiles
        .retain(|known| !proposed.order_profiles.iter().any(|new| new.id == known.id));
    estate.order_profiles.extend(proposed.order_profiles);
    estate.rules = proposed.rules;
    estate.shipped_rules = proposed.shipped_rules.unwrap_or(base.shipped_rules);
    Ok(estate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> EstateDoc {
        toml::from_str(include_str!("../../../../config/estates/demo.toml")).unwrap()
    }

    const RULE: &str = r#"
        [[rules]]
        id = "wet"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pipe_zone" }
        when = { state = true }
        priority = "P1"
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
        order = { role = "repair", profile = "leak" }
    "#;

    #[test]
    fn rules_alone_take_the_place_of_the_estates_own_and_keep_its_order_profiles() {
        let proposed = read(RULE, &base()).unwrap();
        assert_eq!(proposed.rules.len(), 1);
        assert_eq!(
            (proposed.assets, proposed.order_profiles),
            (base().assets, base().order_profiles)
        );
        let fewer = read("shipped_rules = false", &base()).unwrap();
        assert!(fewer.rules.is_empty() && !fewer.shipped_rules);
    }

    #[test]
    fn an_estate_file_is_an_estate_of_its_own() {
        let text = include_str!("../../../../config/estates/example.toml");
        assert_eq!(
            read(text, &base()).unwrap().id.as_str(),
            toml::from_str::<EstateDoc>(text).unwrap().id.as_str()
        );
    }

    #[test]
    fn an_unknown_key_is_refused_at_its_line() {
        let error = read("[[rule]]\nid = \"x\"\n", &base()).unwrap_err().to_string();
        assert!(error.contains("rule"), "{error}");
    }
}
