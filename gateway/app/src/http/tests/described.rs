//! The API description in the repository is the one of the program.

use super::*;

#[tokio::test]
async fn the_committed_description_is_the_programs_own() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let own = super::super::openapi_json().unwrap();
    assert!(
        committed == own,
        "docs/openapi.json is out of step: write it anew with `linli openapi > docs/openapi.json`"
    );
}

#[test]
fn the_page_about_readings_names_every_reason_and_every_flag() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/readings.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    for reason in linli_domain::reading::Reason::ALL {
        let name = serde_json::to_value(reason).unwrap();
        let name = name.as_str().unwrap();
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/readings.md says nothing about {name}"
        );
    }
    for kind in linli_domain::health::FlagKind::ALL {
        assert!(
            page.contains(&format!("(`{kind}`)")),
            "docs/readings.md says nothing about {kind}"
        );
    }
}

#[tokio::test]
async fn the_description_is_served_and_whole() {
    let story = Story::new().await;
    let served = story.ask(Method::GET, "/api/v1/openapi.json").send().await.json();
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    let schemas = served["components"]["schemas"].as_object().unwrap();
    let mut references = Vec::new();
    collect(&served, &mut references);
    for name in references {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{name} is not described");
    }
    for (path, item) in served["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(
                operation["responses"]["default"].is_object(),
                "{method} {path} has no refusal"
            );
        }
    }
}

fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}
