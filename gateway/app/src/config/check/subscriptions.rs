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
                    let table = both!("json 订阅需要 topic", "a json subscription needs a topic");
                    let hint = both!(
                        "例如：topic = \"site/{{device}}/up\"",
                        "for example: topic = \"site/{{device}}/up\""
                    );
                    sink.error(one.family.as_ref()?.span.clone(), said::conflict(table, hint));
                    return None;
                }
            };
            Some(Subscription {
                family,
                pattern: pattern(text, span, sink)?,
            })
        })
        .collect()
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
