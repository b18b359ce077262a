//! Topic patterns: where in an MQTT topic the device's name stands. Parsed once, matched per message.
//!
//! A pattern is a topic with named levels: `site/bin/{device}/up`. `{device...}` spans one or more levels, for
//! names that hold slashes, and `{path}` or `{path...}` the part that says what a device with many topics speaks of.
//! Levels with other names match anything and are not kept, except `{event}`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest pattern and longest topic considered, in bytes. The MQTT limit is 65,535; no device uses more than this.
const MAX_TOPIC_BYTES: usize = 1024;

/// A parsed pattern with exactly one `{device}` or `{device...}`.
///
/// ```
/// use linli_decode::TopicPattern;
/// let pattern: TopicPattern = "site/bin/{device}/up".parse()?;
/// assert_eq!(pattern.filter(), "site/bin/+/up");
/// assert_eq!(pattern.capture("site/bin/d000042/up").map(|c| c.device), Some("d000042"));
/// assert!(pattern.capture("site/bin/a/b/up").is_none());
/// # Ok::<(), linli_decode::InvalidPattern>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicPattern {
    text: String,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Literal(String),
    Any,
    Device,
    DeviceTail,
    Event,
    Path,
    PathTail,
}

/// What a topic holds at the named levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captures<'a> {
    /// The device's name.
    pub device: &'a str,
    /// The `{event}` level, when the pattern has one.
    pub event: Option<&'a str>,
    /// The `{path}` part, when the pattern has one.
    pub path: Option<&'a str>,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a topic pattern: {problem}")]
pub struct InvalidPattern {
    text: String,
    problem: String,
}

impl TopicPattern {
    /// The MQTT filter to subscribe with. It may match more than the pattern does.
    pub fn filter(&self) -> String {
        let mut filter = String::new();
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                filter.push('/');
            }
            match level {
                Level::Literal(text) => filter.push_str(text),
                Level::Any | Level::Device | Level::Event | Level::Path => filter.push('+'),
                Level::DeviceTail | Level::PathTail => {
                    filter.push('#');
                    break;
                }
            }
        }
        filter
    }

    /// Matches `topic`; `None` when it does not follow the pattern.
    pub fn capture<'t>(&self, topic: &'t str) -> Option<Captures<'t>> {
        if topic.len() > MAX_TOPIC_BYTES {
            return None;
        }
        let mut captures = Captures {
            device: "",
            event: None,
            path: None,
        };
        let mut rest = Some(topic);
        for (index, level) in self.levels.iter().enumerate() {
            let text = rest?;
            let (head, tail) = if matches!(level, Level::DeviceTail | Level::PathTail) {
                split_tail(text, self.levels.len() - index - 1)?
            } else {
                text.split_once('/')
                    .map_or((text, None), |(head, tail)| (head, Some(tail)))
            };
            match level {
                Level::Literal(expected) if expected != head => return None,
                Level::Literal(_) | Level::Any => {}
                Level::Device | Level::DeviceTail => captures.device = head,
                Level::Event => captures.event = Some(head),
                Level::Path | Level::PathTail => captures.path = Some(head),
            }
            rest = tail;
        }
        (rest.is_none() && !captures.device.is_empty()).then_some(captures)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Splits off the last `levels` levels of `text`.
fn split_tail(text: &str, levels: usize) -> Option<(&str, Option<&str>)> {
    if levels == 0 {
        return Some((text, None));
    }
    let (at, _) = text.rmatch_indices('/').nth(levels - 1)?;
    Some((&text[..at], Some(&text[at + 1..])))
}

impl FromStr for TopicPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let wrong = |problem: &str| InvalidPattern {
            text: text.chars().take(120).collect(),
            problem: problem.to_owned(),
        };
        if text.is_empty() || text.len() > MAX_TOPIC_BYTES {
            return Err(wrong("use 1 to 1024 bytes"));
        }
        let mut levels = Vec::new();
        for level in text.split('/') {
            levels.push(match level {
                "{device}" => Level::Device,
                "{device...}" => Level::DeviceTail,
                "{event}" => Level::Event,
                "{path}" => Level::Path,
                "{path...}" => Level::PathTail,
                _ if level.starts_with('{') && level.ends_with("...}") => {
                    return Err(wrong("only {device...} and {path...} may span several levels"));
                }
                _ if level.starts_with('{') && level.ends_with('}') => Level::Any,
                _ if level.contains(['+', '#', '{', '}', '\0']) => {
                    return Err(wrong(
                        "write {device} or another {name} for a whole level, not + or #",
                    ));
                }
                _ => Level::Literal(level.to_owned()),
            });
        }
        let devices = levels
            .iter()
            .filter(|l| matches!(l, Level::Device | Level::DeviceTail))
            .count();
        if devices != 1 {
            return Err(wrong("it needs exactly one {device} or {device...}"));
        }
        let paths = levels
            .iter()
            .filter(|l| matches!(l, Level::Path | Level::PathTail))
            .count();
        let tails = levels
            .iter()
            .filter(|l| matches!(l, Level::DeviceTail | Level::PathTail))
            .count();
        if paths > 1 || tails > 1 {
            return Err(wrong(
                "at most one {path}, and only one part may span several levels",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            levels,
        })
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = InvalidPattern;
    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<TopicPattern> for String {
    fn from(pattern: TopicPattern) -> String {
        pattern.text
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicPattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device<'t>(pattern: &str, topic: &'t str) -> Option<&'t str> {
        pattern
            .parse::<TopicPattern>()
            .unwrap()
            .capture(topic)
            .map(|c| c.device)
    }

    #[test]
    fn a_name_with_slashes_needs_the_tail_form() {
        assert_eq!(
            device("zigbee2mqtt/{device...}", "zigbee2mqtt/floor2/flat45/kitchen"),
            Some("floor2/flat45/kitchen")
        );
        assert_eq!(device("site/{device...}/up", "site/a/b/up"), Some("a/b"));
        assert_eq!(device("site/{device...}/up", "site/up"), None);
        assert_eq!(device("site/{device...}/up", "site/a/b/down"), None);
        let filter = |pattern: &str| pattern.parse::<TopicPattern>().unwrap().filter();
        assert_eq!(filter("site/{device...}/up"), "site/#");
        assert_eq!(filter("/ul/{key}/{device}/{path...}"), "/ul/+/+/#");
    }

    #[test]
    fn the_path_is_what_a_device_with_many_topics_speaks_of() {
        let path = |pattern: &str, topic: &'static str| {
            let pattern: TopicPattern = pattern.parse().unwrap();
            pattern
                .capture(topic)
                .and_then(|c| c.path.map(|path| (c.device, path)))
        };
        assert_eq!(
            path("shellies/{device}/{path...}", "shellies/s1/sensor/flood"),
            Some(("s1", "sensor/flood"))
        );
        // Tasmota's prefix may come last.
        assert_eq!(
            path("{device}/tele/{path}", "bin07/tele/SENSOR"),
            Some(("bin07", "SENSOR"))
        );
        assert_eq!(path("{device}/tele/{path}", "bin07/stat/POWER"), None);
        assert_eq!(path("a/{path...}/{device}", "a/b/c/d1"), Some(("d1", "b/c")));
    }

    #[test]
    fn literal_levels_must_agree_and_none_may_be_left() {
        assert_eq!(device("a/{x}/{device}", "a/anything/d1"), Some("d1"));
        for topic in ["a/x", "a/x/d1/more", "b/x/d1", "a/x/", ""] {
            assert_eq!(device("a/{x}/{device}", topic), None, "{topic:?}");
        }
    }

    #[test]
    fn a_pattern_says_what_is_wrong_with_it() {
        for (text, part) in [
            ("site/+/up", "not + or #"),
            ("site/up", "exactly one"),
            ("{device}/{device}", "exactly one"),
            ("{rest...}/{device}", "only {device...}"),
            ("{device...}/{path...}", "only one part"),
            ("{device}/{path}/{path}", "at most one {path}"),
            ("", "1 to 1024"),
        ] {
            let error = text.parse::<TopicPattern>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
