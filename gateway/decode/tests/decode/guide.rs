//! The guide for authors stays true: every profile in it loads, and every word it lists exists.

use linli_decode::{Profile, RejectReason};
use std::fs;
use std::path::Path;

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles.md");
    fs::read_to_string(path).expect("the guide")
}

#[test]
fn every_profile_of_the_guide_loads_and_passes_its_tests() {
    let guide = guide();
    let blocks: Vec<&str> = guide
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    for block in blocks {
        let profile =
            Profile::parse(block, "guide.toml").unwrap_or_else(|errors| panic!("{}\n{block}", errors[0]));
        assert!(profile.tests() > 0);
    }
}

#[test]
fn the_refusals_shown_in_the_guide_are_what_an_author_sees() {
    let guide = guide();
    let example = guide
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the example");
    let shown = |text: &str| {
        let errors = Profile::parse(text, "acme-binsense.toml").expect_err("a slip is refused");
        let error = errors[0].to_string();
        assert!(guide.contains(&error), "{error}");
    };
    shown(&example.replacen(
        "u16 = \"device.battery_voltage\"",
        "u16 = \"device.batery_voltage\"",
        1,
    ));
    shown(&example.replacen(", offset = -40", "", 1));
}

#[test]
fn reasons_named_for_tests_exist() {
    let guide = guide();
    let line = guide
        .lines()
        .find(|line| line.starts_with("| `fails`"))
        .expect("the row on `fails`");
    let names: Vec<_> = line.split('`').skip(3).step_by(2).collect();
    assert!(
        names.len() >= 9 && names.iter().all(|name| RejectReason::from_label(name).is_some()),
        "{names:?}"
    );
}
