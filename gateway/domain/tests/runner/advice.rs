//! What is allowed and probably not meant.

use linli_domain::estate::advice::{self, Kind, Measures, advise};
use linli_domain::estate::{Device, Estate};
use linli_domain::measure::Measure;
use std::sync::Arc;

/// A device measures what its profile is called.
struct Named;

impl Measures for Named {
    fn may(&self, device: &Device, measure: Measure) -> bool {
        device.profile.as_str() == measure.name()
    }
    fn may_repeat(&self, device: &Device, _: Measure) -> bool {
        device.id.as_str() == "many"
    }
}

const ESTATE: &str = r#"
    id = "e"
    name = { zh = "小区", en = "Estate" }
    [[places]]
    id = "p"
    kind = "building"
    name = { zh = "楼", en = "Building" }
    [[assets]]
    id = "bin-1"
    kind = "bin"
    place = "p"
    name = { zh = "桶", en = "Bin 1" }
    [[assets]]
    id = "bin-2"
    kind = "bin"
    place = "p"
    name = { zh = "桶", en = "Bin 2" }
    [[devices]]
    id = "d1"
    profile = "bin.fill"
    asset = "bin-1"
    name = { zh = "器", en = "Device" }
    address = { mqtt = "main", key = "d1" }
"#;

fn rule(id: &str, more: &str) -> String {
    let known = |key: &str| more.lines().any(|line| line.trim_start().starts_with(key));
    let or = |key: &str, line: &str| {
        if known(key) {
            String::new()
        } else {
            format!("{line}\n")
        }
    };
    format!(
        "[[rules]]\nid = \"{id}\"\n{}{}{}{}{}{}priority = \"P3\"\nresponse = {{ zh = \"做。\", en = \"Do it.\" }}\n{}{more}\n",
        or("class =", &format!("class = \"{id}\"")),
        or("fault =", &format!("fault = \"{id}\"")),
        or("measure =", "measure = \"bin.fill\""),
        or("applies_to =", "applies_to = { kind = \"bin\" }"),
        or("when =", "when = { above = 90.0 }"),
        or("cause =", "cause = { zh = \"因\", en = \"Cause\" }"),
        or(
            "consequence =",
            "consequence = { zh = \"果\", en = \"Consequence\" }"
        ),
    )
}

fn advice(rules: &[String]) -> Vec<(String, Kind)> {
    let text = format!("{ESTATE}{}", rules.concat());
    let estate = Estate::resolve(Arc::new(toml::from_str(&text).unwrap())).unwrap();
    advise(&estate, &Named)
        .into_iter()
        .map(|advice| (advice.path, advice.kind))
        .collect()
}

#[test]
fn an_asset_whose_sensors_no_rule_looks_at_is_named() {
    let unguarded = |text: &str| {
        let estate = Estate::resolve(Arc::new(toml::from_str(text).unwrap())).unwrap();
        let assets = advice::unguarded(&estate, &Named).into_iter();
        assets.map(|asset| asset.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(unguarded(ESTATE), [""; 0], "bin-2 has no sensor at all");
    let distance = ESTATE.replace("profile = \"bin.fill\"", "profile = \"bin.distance\"");
    assert_eq!(unguarded(&distance), ["bin-1"]);
    let own = rule("near", "measure = \"bin.distance\"\nwhen = { below = 200.0 }");
    assert_eq!(unguarded(&(distance + &own)), [""; 0]);
}

#[test]
fn rules_that_do_different_jobs_leave_nothing_to_say() {
    let fine = [
        rule("full", "class = \"bin-full\"\nfault = \"bin-full\""),
        rule(
            "very-full",
            "when = { rises = 20.0, within = \"1h\" }\nfault = \"full\"",
        ),
    ];
    assert_eq!(advice(&fine), []);
}

#[test]
fn two_rules_for_one_fault_are_told_once_at_the_later_one() {
    let both = [
        rule("first", "fault = \"full\""),
        rule(
            "second",
            "fault = \"full\"\nwhen = { above = 80.0 }\napplies_to = { assets = [\"bin-2\"] }",
        ),
    ];
    let overlaps = Kind::Overlaps {
        with: "first".parse().unwrap(),
        shipped: false,
        asset: "bin-2".parse().unwrap(),
        assets: 1,
    };
    let found = advice(&both);
    assert!(found.contains(&("rules[1].fault".into(), overlaps)), "{found:?}");
    let again = found
        .iter()
        .filter(|(_, kind)| matches!(kind, Kind::Overlaps { .. }))
        .count();
    assert_eq!(again, 1);
    // At other hours it is another job.
    let hours = [
        rule("first", "fault = \"full\""),
        rule(
            "second",
            "fault = \"full\"\nduring = { from = \"22:00\", to = \"06:00\" }",
        ),
    ];
    assert_eq!(advice(&hours), []);
}

#[test]
fn two_levels_of_one_alarm_are_no_overlap_when_the_further_one_is_more_urgent() {
    let levels = |high: &str, higher: &str| {
        advice(&[
            rule(
                "high",
                &format!("class = \"full\"\nfault = \"full\"\nwhen = {high}\n"),
            ),
            rule(
                "higher",
                &format!("class = \"full\"\nfault = \"full\"\nwhen = {higher}\n"),
            )
            .replace("\"P3\"", "\"P1\""),
        ])
    };
    assert_eq!(levels("{ above = 80.0 }", "{ above = 95.0 }"), []);
    assert_eq!(levels("{ below = 20.0 }", "{ below = 5.0 }"), []);
    let rises = [
        "{ rises = 10.0, within = \"5m\" }",
        "{ rises = 20.0, within = \"5m\" }",
    ];
    assert_eq!(levels(rises[0], rises[1]), []);
    let code =
        |found: Vec<(String, Kind)>| found.into_iter().map(|(_, kind)| kind.code()).collect::<Vec<_>>();
    assert_eq!(
        code(levels("{ above = 95.0 }", "{ above = 80.0 }")),
        ["overlaps"],
        "the lesser one adds nothing"
    );
    assert_eq!(code(levels("{ above = 80.0 }", "{ above = 80.0 }")), ["overlaps"]);
}

#[test]
fn a_rule_beside_a_shipped_one_of_another_class_overlaps_with_it() {
    let found = advice(&[rule("my-full", "fault = \"bin-full\"")]);
    let [
        (
            path,
            Kind::Overlaps {
                with,
                shipped: true,
                assets: 2,
                ..
            },
        ),
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(
        (path.as_str(), with.as_str()),
        ("rules[0].fault", "shipped-bin-full")
    );
}

#[test]
fn what_nothing_can_raise_or_end_is_said() {
    let only = |more: &str| {
        let found = advice(&[rule("r", more)]);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].0.clone(), found[0].1.code())
    };
    assert_eq!(
        only("applies_to = { kind = \"sump\" }"),
        ("rules[0].applies_to".into(), "never_fires")
    );
    assert_eq!(
        only("measure = \"temperature\""),
        ("rules[0].measure".into(), "never_fires")
    );
    assert_eq!(
        only("applies_to = { assets = [\"bin-2\"] }"),
        ("rules[0].measure".into(), "never_fires"),
        "no device is there"
    );
    assert_eq!(
        only("on_delay = \"9h\"\nduring = { from = \"22:00\", to = \"06:00\" }"),
        ("rules[0].on_delay".into(), "never_fires")
    );
    assert_eq!(
        only("when = { rises = 5.0, within = \"5m\" }\non_delay = \"10m\""),
        ("rules[0].on_delay".into(), "never_fires")
    );
    assert_eq!(
        only("overrides = [{ asset = \"bin-1\", off = true }, { asset = \"bin-2\", off = true }]"),
        ("rules[0].applies_to".into(), "never_fires"),
        "it is off everywhere"
    );
    assert_eq!(
        only("vote = { at_least = 2 }"),
        ("rules[0].vote".into(), "never_fires")
    );
    assert_eq!(
        only("when = { reaches = 0.0, ahead = \"1h\", within = \"1h\" }"),
        ("rules[0].when".into(), "always_fires")
    );
    assert_eq!(
        only("when = { stuck = \"6h\", band = 100.0 }"),
        ("rules[0].when".into(), "always_fires")
    );
    assert_eq!(
        only("when = { above = 0.0 }"),
        ("rules[0].when".into(), "always_fires")
    );
    assert_eq!(
        only("when = { below = 100.0 }"),
        ("rules[0].when".into(), "always_fires")
    );
    assert_eq!(
        only("overrides = [{ asset = \"bin-1\", when = { above = 0.0 } }]"),
        ("rules[0].when".into(), "always_fires"),
        "on one asset"
    );
    assert_eq!(
        only("applies_to = { assets = [\"bin-1\"] }\noverrides = [{ asset = \"bin-2\", priority = \"P1\" }]"),
        ("rules[0].overrides".into(), "idle_override")
    );
}

#[test]
fn two_levels_of_one_class_that_leave_no_value_right_are_told_at_the_later_one() {
    let pair = |below: &str| {
        advice(&[
            rule("high", "class = \"c\"\nwhen = { above = 80.0 }"),
            rule("low", &format!("class = \"c\"\nwhen = {{ below = {below} }}")),
        ])
    };
    let found = pair("80.0");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].0.as_str(), found[0].1.code()),
        ("rules[1].when", "always_fires")
    );
    assert_eq!(pair("79.0"), [], "between them a value is right");
}

#[test]
fn a_device_with_several_places_of_its_own_may_agree_with_itself() {
    let more = ESTATE.replace("id = \"d1\"", "id = \"many\"");
    let text = format!("{more}{}", rule("r", "vote = { at_least = 2 }"));
    let estate = Estate::resolve(Arc::new(toml::from_str(&text).unwrap())).unwrap();
    assert_eq!(advise(&estate, &Named), []);
}

#[test]
fn a_rule_that_does_not_say_why_what_follows_and_what_to_do_in_both_languages_is_refused() {
    for part in ["cause", "consequence", "response"] {
        for (written, wrong) in [("", "is missing"), ("zh", "is missing in one language")] {
            let line = match written {
                "" => String::new(),
                _ => format!("{part} = {{ zh = \"因\", en = \" \" }}\n"),
            };
            let said = rule("r", "");
            let said: String = said
                .lines()
                .filter(|said| !said.starts_with(&format!("{part} =")))
                .map(|said| format!("{said}\n"))
                .collect();
            let text = format!("{ESTATE}{said}{line}");
            let problems = Estate::resolve(Arc::new(toml::from_str(&text).unwrap())).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].path, format!("rules[0].{part}"));
            assert!(
                problems[0].to_string().contains(wrong) || part == "response",
                "{problems:?}"
            );
        }
    }
}

#[test]
fn every_shipped_rule_says_why_what_follows_and_what_to_do() {
    let estate = Estate::resolve(Arc::new(toml::from_str(ESTATE).unwrap())).unwrap();
    for rule in estate.rules() {
        for (part, text) in [("cause", &rule.cause), ("consequence", &rule.consequence)] {
            let text = text
                .as_ref()
                .unwrap_or_else(|| panic!("{} has no {part}", rule.id));
            assert!(!text.is_incomplete(), "{} {part}", rule.id);
        }
    }
}

#[test]
fn hours_know_how_long_they_last_in_one_piece() {
    use linli_domain::rule::{During, Weekday};
    use std::time::Duration;
    let hours = |days: &[Weekday], from, to| During::new(jiff::tz::TimeZone::UTC, days, from, to).longest();
    assert_eq!(hours(&[], 22 * 60, 6 * 60), Duration::from_secs(8 * 3_600));
    assert_eq!(hours(&[], 8 * 60, 18 * 60), Duration::from_secs(10 * 3_600));
    assert_eq!(hours(&[], 0, 0), Duration::MAX);
    let weekend = [Weekday::Sat, Weekday::Sun, Weekday::Mon];
    assert_eq!(hours(&weekend, 0, 0), Duration::from_secs(3 * 86_400));
}
