//! Checks of the subscriptions that the broker and the connections share, and of topic filters.

use super::Once;
use crate::config::Subscription;
use crate::config::problem::Sink;
use crate::config::raw::broker::Subscription as RawSubscription;
use crate::config::read::At;
use crate::config::said::{self, both};
use linli_decode::{Family, TopicPattern};
use linli_domain::measure::nearest;
use linli_domain::text::Text;
use std::ops::Range;

/// The subscriptions whose sections are whole.
pub(super) fn subscriptions(raw: &[RawSubscription], sink: &Sink) -> Vec<Subscription> {
    let mut topics = Once::new(both!("主题", "topic"), sink);
    raw.iter()
        .filter_map(|one| {
            topics.see(one.topic.as_ref());
            let family = family(one.family.as_ref()?, sink)?;
            let (text, span) = match (&one.topic, family.default_pattern()) {
                (Some(at), _) => (at.value.as_str(), at.span.clone()),
                (None, Some(pattern)) => (pattern, one.family.as_ref()?.span.clone()),
                (None, None) => {
                    let table = both!("{family} 订阅需要 topic", "a {family} subscription needs a topic");
                    let hint = both!(
                        "例如：topic = \"site/{{device}}/up\"",
                        "for example: topic = \"site/{{device}}/up\""
                    );
                    sink.error(one.family.as_ref()?.span.clone(), said::conflict(table, hint));
                    return None;
                }
            };
            let pattern = pattern(text, span.clone(), sink)?;
            if pattern.filter().starts_with(['+', '#']) {
                greedy(text, span, sink);
            }
            states(one, family, sink);
            Some(Subscription {
                family,
                pattern,
                states: one.states.iter().map(|at| at.value.clone()).collect(),
                rebirth: one.rebirth.as_ref().is_none_or(|at| at.value),
            })
        })
        .collect()
}

/// A pattern that begins with the device hears everything on the broker.
fn greedy(text: &str, span: Range<usize>, sink: &Sink) {
    let message = both!(
        "主题 \"{text}\" 会收到服务器上的全部消息",
        "the topic \"{text}\" hears every message of the broker"
    );
    let hint = both!(
        "如设备有共同前缀，请写出，例如 \"site/{{device}}/{{path...}}\"；并把这一订阅放在最后",
        "name a prefix where the devices have one, for example \"site/{{device}}/{{path...}}\", and put this subscription last"
    );
    sink.warn(span, said::caution(message, hint));
}

/// Announced entities publish their states anywhere, so the configuration says where they may be listened to.
fn states(raw: &RawSubscription, family: Family, sink: &Sink) {
    let discovery = family == Family::HaDiscovery;
    for filter in &raw.states {
        if let Err(reason) = topic_filter(&filter.value) {
            let said = said::bad_value("states", &filter.value, &reason, "[\"estate/#\"]");
            sink.error(filter.span.clone(), said);
        }
    }
    let place = raw.family.as_ref().map(|at| at.span.clone());
    if discovery && raw.states.is_empty() {
        let message = both!(
            "未写 states，只能发现实体，收不到其状态",
            "without `states` entities are found and their values never heard"
        );
        let hint = both!(
            "例如：states = [\"estate/#\"]",
            "for example: states = [\"estate/#\"]"
        );
        sink.warn(place.clone().unwrap_or_default(), said::caution(message, hint));
    }
    let misplaced = (!discovery && !raw.states.is_empty(), "states")
        .max((family != Family::SparkplugB && raw.rebirth.is_some(), "rebirth"));
    if let (true, key) = misplaced {
        let message = both!("{family} 订阅没有 {key}", "a {family} subscription has no {key}");
        let hint = both!("删去 {key}", "remove {key}");
        sink.error(place.unwrap_or_default(), said::conflict(message, hint));
    }
}

fn family(at: &At<String>, sink: &Sink) -> Option<Family> {
    let found = Family::ALL.into_iter().find(|family| family.name() == at.value);
    if found.is_none() {
        let known = Family::ALL.map(Family::name);
        let near = nearest(&at.value, known.into_iter());
        sink.error(
            at.span.clone(),
            said::not_one_of("family", &at.value, near, &known),
        );
    }
    found
}

fn pattern(text: &str, span: Range<usize>, sink: &Sink) -> Option<TopicPattern> {
    let result = text.parse::<TopicPattern>();
    if result.is_err() {
        let reason = both!(
            "须有且只有一个 {{device}} 或 {{device...}}，不写 + 和 #",
            "a pattern has exactly one {{device}} or {{device...}}, and {{names}} where a filter has + or #"
        );
        sink.error(
            span,
            said::bad_value("topic", text, &reason, "\"site/{device}/up\""),
        );
    }
    result.ok()
}

/// Rules of MQTT 5 section 4.7 for filters.
pub(super) fn topic_filter(filter: &str) -> Result<(), Text> {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    let fits = |(n, level): (usize, &&str)| match *level {
        "#" => n == last,
        "+" => true,
        level => !level.contains(['+', '#', '\0']),
    };
    if filter.is_empty() || !levels.iter().enumerate().all(fits) {
        return Err(both!(
            "+ 须独占一级，# 须独占最后一级",
            "+ stands alone on a level, # alone on the last one"
        ));
    }
    Ok(())
}
