//! MQTT topic filters: what a topic matches, and which filter covers another.
//!
//! Pure. Which level of a topic names the device is not known here; that is `linli_decode::TopicPattern`.

use crate::config::Subscription;

/// Whether `topic` matches `filter` (`+` one level, `#` the rest). A wildcard at the first level does not match
/// topics that start with `$`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if hidden(filter, topic) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match topic_levels.next() {
            Some(found) if level == "+" || level == found => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// Whether every topic that `asked` can match is also matched by `allowed`.
pub fn covers(allowed: &str, asked: &str) -> bool {
    if hidden(allowed, asked) {
        return false;
    }
    let mut asked_levels = asked.split('/');
    for level in allowed.split('/') {
        if level == "#" {
            return true;
        }
        match asked_levels.next() {
            Some("#") | None => return false,
            Some(found) if level == "+" || level == found => {}
            Some(_) => return false,
        }
    }
    asked_levels.next().is_none()
}

/// Whether `filter` is well formed: not empty, wildcards alone in their level, `#` last, no NUL.
pub fn is_filter(filter: &str) -> bool {
    let levels = filter.split('/').count();
    !filter.is_empty()
        && filter.len() <= usize::from(u16::MAX)
        && !filter.contains('\0')
        && filter.split('/').enumerate().all(|(n, level)| match level {
            "#" => n + 1 == levels,
            "+" => true,
            _ => !level.contains(['+', '#']),
        })
}

fn hidden(filter: &str, topic: &str) -> bool {
    topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))
}

/// Says which subscription a message belongs to.
#[derive(Debug, Clone)]
pub struct Routes {
    subscriptions: Vec<(Subscription, Vec<String>)>,
}

impl Routes {
    /// The routes of these subscriptions, in their order.
    pub fn new(subscriptions: &[Subscription]) -> Self {
        Self {
            subscriptions: subscriptions
                .iter()
                .map(|s| {
                    // What announces comes before what is announced, and so do their retained messages.
                    let filters = [s.pattern.filter()].into_iter().chain(s.states.iter().cloned());
                    (s.clone(), filters.collect())
                })
                .collect(),
        }
    }

    /// The first subscription whose pattern the topic follows. A filter may match more than its pattern does, so a
    /// topic that follows none goes to the first whose filter matches, such as one for the states of what announced
    /// itself: decoding then says what is wrong with it.
    pub fn subscription(&self, topic: &str) -> Option<usize> {
        self.subscriptions
            .iter()
            .position(|(s, _)| s.pattern.capture(topic).is_some())
            .or_else(|| {
                self.subscriptions
                    .iter()
                    .position(|(_, filters)| filters.iter().any(|filter| matches(filter, topic)))
            })
    }

    /// Every filter once, in order.
    pub fn filters(&self) -> Vec<String> {
        let mut filters: Vec<String> = Vec::with_capacity(self.subscriptions.len());
        for filter in self.subscriptions.iter().flat_map(|(_, filters)| filters) {
            if !filters.contains(filter) {
                filters.push(filter.clone());
            }
        }
        filters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_filters_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+/c", "a/b/c", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/broker", false),
            ("+/broker", "$SYS/broker", false),
            ("$SYS/#", "$SYS/broker", true),
            ("+/+", "/a", true),
            ("+", "/a", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn a_filter_covers_only_what_it_matches_itself() {
        for (allowed, asked, expected) in [
            ("a/#", "a/+/c", true),
            ("a/#", "a/#", true),
            ("a/#", "a", true),
            ("a/+", "a/#", false),
            ("a/+", "a/+", true),
            ("a/b", "a/+", false),
            ("#", "#", true),
            ("#", "$SYS/#", false),
            ("#", "$share/g/#", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b", false),
            ("+/x", "a/x", true),
        ] {
            assert_eq!(covers(allowed, asked), expected, "{allowed} over {asked}");
        }
    }

    #[test]
    fn covering_means_matching_everything_the_other_matches() {
        // Every filter and topic of up to three levels over a small alphabet argues with `covers`.
        let build = |alphabet: &[&str]| {
            let mut all: Vec<String> = alphabet.iter().map(|s| (*s).to_owned()).collect();
            for _ in 0..2 {
                let longer: Vec<String> = all
                    .iter()
                    .flat_map(|head| alphabet.iter().map(move |level| format!("{head}/{level}")))
                    .collect();
                all.extend(longer);
            }
            all.sort();
            all.dedup();
            all
        };
        let filters: Vec<_> = build(&["a", "b", "+", "#"])
            .into_iter()
            .filter(|f| is_filter(f))
            .collect();
        let topics = build(&["a", "b", "c"]);
        for allowed in &filters {
            for asked in &filters {
                if covers(allowed, asked) {
                    for topic in topics.iter().filter(|t| matches(asked, t)) {
                        assert!(
                            matches(allowed, topic),
                            "{allowed} covers {asked} but not {topic}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn malformed_filters_are_told() {
        for good in ["a", "a/+/b", "#", "/", "a/#", "+"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "a/#/b", "a+", "#/a", "a/b#", "a\0"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }
}
