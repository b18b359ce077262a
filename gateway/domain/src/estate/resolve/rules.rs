//! Rules and order profiles: one condition each, a response in both languages, references that lead somewhere.

use crate::estate::builtin::{Pack, packs};
use crate::estate::check::Problems;
use crate::estate::doc::{AppliesToDoc, DuringDoc, EstateDoc, OrderProfileDoc, OverrideDoc, RuleDoc};
use crate::estate::{AssetIndex, OrderPlan};
use crate::id::{AssetId, OrderProfileId, RuleId};
use crate::order::OrderProfile;
use crate::rule::{AppliesTo, During, Override, Priority, Rule, Vote};
use crate::text::Text;
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Longest delay of a rule or profile.
const MAX_DELAY: Duration = Duration::from_secs(7 * 86_400);
/// Nobody is asked again sooner than this: people would stop listening.
const LEAST_RE_ALARM: Duration = Duration::from_secs(60);
/// What to write where a rule does not say why it happens.
const WHY: &str = "say why it happens: cause = { zh = \"…\", en = \"…\" }";
/// What to write where a rule does not say what follows.
const WHAT_FOLLOWS: &str = "say what follows when nobody acts: consequence = { zh = \"…\", en = \"…\" }";

pub(super) fn resolve_rules(
    doc: &EstateDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> Vec<Arc<Rule>> {
    let mut positions: FxHashMap<OrderProfileId, usize> = FxHashMap::default();
    let mut profiles: Vec<Arc<OrderProfile>> = Vec::with_capacity(doc.order_profiles.len());
    for (n, profile) in doc.order_profiles.iter().enumerate() {
        problems.unique(
            || format!("order_profiles[{n}].id"),
            &profile.id,
            n,
            &mut positions,
        );
        problems.text(format!("order_profiles[{n}].name"), &profile.name);
        for (part, delay) in [("hold", profile.verify.hold), ("grace", profile.verify.grace)] {
            check_delay(format!("order_profiles[{n}].verify.{part}"), delay, problems);
        }
        profiles.push(resolve_profile(profile));
    }
    let zone = jiff::tz::TimeZoneDatabase::bundled()
        .get(&doc.timezone)
        .unwrap_or(TimeZone::UTC);
    let mut known: FxHashMap<RuleId, ()> = FxHashMap::default();
    let mut rules = Vec::with_capacity(doc.rules.len() + 3);
    for (n, rule) in doc.rules.iter().enumerate() {
        let path = format!("rules[{n}]");
        problems.unique(|| format!("{path}.id"), &rule.id, (), &mut known);
        let order = rule.order.as_ref().and_then(|plan| {
            let found = problems.find(
                || format!("{path}.order.profile"),
                "order profile",
                &plan.profile,
                &positions,
            )?;
            Some(OrderPlan {
                role: plan.role,
                profile: profiles.get(found)?.clone(),
                batch: plan.batch,
            })
        });
        rules.extend(resolve_rule(&path, rule, order, assets, &zone, problems));
    }
    let packs = packs()
        .iter()
        .take(if doc.shipped_rules { usize::MAX } else { 1 });
    for pack in packs {
        for rule in pack.rules.iter().filter(|rule| !known.contains_key(&rule.id)) {
            let order = shipped_order(pack, rule);
            let resolved = resolve_rule("shipped", rule, order, assets, &zone, problems);
            rules.extend(resolved.map(|mut rule| {
                Arc::make_mut(&mut rule).shipped = true;
                rule
            }));
        }
    }
    rules
}

fn resolve_profile(doc: &OrderProfileDoc) -> Arc<OrderProfile> {
    Arc::new(OrderProfile {
        id: doc.id.clone(),
        name: doc.name.clone(),
        verify: doc.verify,
        auto_close: doc.auto_close,
        guards: doc.guards,
    })
}

/// The order of a shipped rule, with the profile that stands in its own file.
fn shipped_order(pack: &Pack, rule: &RuleDoc) -> Option<OrderPlan> {
    let plan = rule.order.as_ref()?;
    let profile = pack.order_profiles.iter().find(|p| p.id == plan.profile)?;
    Some(OrderPlan {
        role: plan.role,
        profile: resolve_profile(profile),
        batch: plan.batch,
    })
}

fn resolve_rule(
    path: &str,
    rule: &RuleDoc,
    order: Option<OrderPlan>,
    assets: &FxHashMap<AssetId, AssetIndex>,
    zone: &TimeZone,
    problems: &mut Problems,
) -> Option<Arc<Rule>> {
    if rule.response.is_incomplete() {
        let wrong = match rule.response == Text::default() {
            true => "response is missing",
            false => "response is missing in one language",
        };
        problems.add_hint(
            format!("{path}.response"),
            wrong,
            "say what the person must do: what needs no response is an event, not an alarm",
        );
    }
    for (key, text, hint) in [
        ("cause", &rule.cause, WHY),
        ("consequence", &rule.consequence, WHAT_FOLLOWS),
    ] {
        let wrong = match text {
            None => "is missing",
            Some(text) if text.is_incomplete() => "is missing in one language",
            Some(_) => continue,
        };
        problems.add_hint(format!("{path}.{key}"), format!("{key} {wrong}"), hint);
    }
    check_delay(format!("{path}.on_delay"), rule.on_delay, problems);
    check_delay(format!("{path}.off_delay"), rule.off_delay, problems);
    if let Some(re_alarm) = rule.re_alarm {
        check_delay(format!("{path}.re_alarm"), re_alarm, problems);
        if re_alarm < LEAST_RE_ALARM {
            problems.add_hint(
                format!("{path}.re_alarm"),
                "would ask people again within a minute",
                "write \"30m\" or more, or leave it out",
            );
        }
    }
    let applies_to = resolve_applies_to(path, &rule.applies_to, assets, problems);
    let when = problems.when(&format!("{path}.when"), rule.when, rule.measure);
    if rule.vote == Vote::AtLeast(0) {
        problems.add_hint(
            format!("{path}.vote"),
            "at least 0 would always agree",
            "leave it out when one point is enough",
        );
    }
    let during = rule
        .during
        .as_ref()
        .and_then(|during| resolve_during(&format!("{path}.during"), during, zone, problems));
    let overrides = resolve_overrides(path, rule, assets, problems);
    check_batch(path, rule, problems);
    Some(Arc::new(Rule {
        id: rule.id.clone(),
        version: 1,
        name: rule.name.clone(),
        class: rule.class.clone(),
        fault: rule.fault.clone(),
        shipped: false,
        measure: rule.measure,
        applies_to: applies_to?,
        when: when?,
        on_delay: rule.on_delay,
        off_delay: rule.off_delay,
        vote: rule.vote,
        during,
        latch: rule.latch,
        re_alarm: rule.re_alarm,
        priority: rule.priority,
        life_safety: rule.life_safety,
        inhibits: rule.inhibits,
        overrides,
        cause: rule.cause.clone(),
        consequence: rule.consequence.clone(),
        response: rule.response.clone(),
        order,
    }))
}

fn resolve_applies_to(
    path: &str,
    doc: &AppliesToDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> Option<AppliesTo> {
    match (doc.kind, &doc.assets) {
        (Some(kind), None) => Some(AppliesTo::Kind(kind)),
        (None, Some(named)) if !named.is_empty() => {
            for (n, id) in named.iter().enumerate() {
                problems.find(|| format!("{path}.applies_to.assets[{n}]"), "asset", id, assets);
            }
            Some(AppliesTo::Assets(named.iter().cloned().collect()))
        }
        _ => {
            problems.add_hint(
                format!("{path}.applies_to"),
                "names no assets",
                "write { kind = \"bin\" } or { assets = [\"bin-1\"] }",
            );
            None
        }
    }
}

fn resolve_during(path: &str, doc: &DuringDoc, zone: &TimeZone, problems: &mut Problems) -> Option<During> {
    let mut minute = |key: &str, text: &Option<String>| match text {
        None => Some(0),
        Some(text) => {
            let minute = minute_of(text);
            if minute.is_none() {
                problems.add_hint(
                    format!("{path}.{key}"),
                    format!(
                        "{:?} is not a time of day",
                        text.chars().take(16).collect::<String>()
                    ),
                    "write \"22:00\"",
                );
            }
            minute
        }
    };
    let (from, to) = (minute("from", &doc.from)?, minute("to", &doc.to)?);
    if doc.from.is_some() && doc.from == doc.to {
        problems.add_hint(
            path,
            "ends when it begins: the rule would never watch",
            "leave both out for the whole day",
        );
    }
    Some(During::new(zone.clone(), &doc.days, from, to))
}

/// Minutes since midnight; `24:00` is the end of the day.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok())?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    let sane = minute < 60 && (hour < 24 || (hour == 24 && minute == 0));
    sane.then_some(hour * 60 + minute)
}

fn resolve_overrides(
    path: &str,
    rule: &RuleDoc,
    assets: &FxHashMap<AssetId, AssetIndex>,
    problems: &mut Problems,
) -> BTreeMap<AssetId, Override> {
    let mut all = BTreeMap::new();
    for (n, doc) in rule.overrides.iter().enumerate() {
        let path = format!("{path}.overrides[{n}]");
        let OverrideDoc {
            asset,
            off,
            when,
            on_delay,
            off_delay,
            priority,
        } = doc;
        problems.find(|| format!("{path}.asset"), "asset", asset, assets);
        if all.contains_key(asset) {
            problems.add_hint(
                format!("{path}.asset"),
                format!("{asset} is overridden twice"),
                "put everything that is different on it into one",
            );
        }
        for (key, delay) in [("on_delay", on_delay), ("off_delay", off_delay)] {
            if let Some(delay) = delay {
                check_delay(format!("{path}.{key}"), *delay, problems);
            }
        }
        let when = when.and_then(|when| problems.when(&format!("{path}.when"), when, rule.measure));
        all.insert(
            asset.clone(),
            Override {
                off: *off,
                when,
                on_delay: *on_delay,
                off_delay: *off_delay,
                priority: *priority,
            },
        );
    }
    all
}

/// What is most urgent, and what lives depend on, waits for no other alarm.
fn check_batch(path: &str, rule: &RuleDoc, problems: &mut Problems) {
    if !rule.order.as_ref().is_some_and(|plan| plan.batch) {
        return;
    }
    let hint = "leave batch out: the order then opens with its alarm";
    let path_of_batch = || format!("{path}.order.batch");
    if rule.priority == Priority::P1 {
        problems.add_hint(
            path_of_batch(),
            "an alarm of priority P1 waits for no other",
            hint,
        );
    }
    if rule.life_safety {
        problems.add_hint(
            path_of_batch(),
            "an alarm that lives depend on waits for no other",
            hint,
        );
    }
    for (n, other) in rule.overrides.iter().enumerate() {
        if other.priority == Some(Priority::P1) {
            problems.add_hint(
                format!("{path}.overrides[{n}].priority"),
                "an alarm of priority P1 waits for no other, and this rule's orders are batches",
                hint,
            );
        }
    }
}

fn check_delay(path: String, delay: Duration, problems: &mut Problems) {
    if delay > MAX_DELAY {
        problems.add(path, "is longer than 7 days");
    }
}
