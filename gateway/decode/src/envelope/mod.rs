//! Step one: from an MQTT message to who spoke and what bytes. Each family has one adapter; none knows a profile.

mod chirpstack;
mod zigbee2mqtt;

use crate::frame::{Body, Event, Family, Frame, Opened};
use crate::refusal::Rejection;
use crate::topic::{Captures, TopicPattern};
use std::borrow::Cow;

/// Largest message opened, in bytes. The inventory of a large Zigbee bridge stays below it.
pub(crate) const MAX_FRAME_BYTES: usize = 1 << 20;

/// Opens the envelope of `frame`, which arrived on a subscription of `family` with topics like `topic_pattern`.
///
/// Plain JSON is not parsed here, only attributed; the profile reads it once.
///
/// # Errors
/// A [`Rejection`] says why the message cannot be attributed or unwrapped. Its [`Rejection::reason`] is a stable
/// label; the text names the member and what was expected.
pub fn open<'a>(
    family: Family,
    topic_pattern: &TopicPattern,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    if frame.payload.len() > MAX_FRAME_BYTES {
        return Err(Rejection::TooLarge {
            what: "a message",
            bytes: frame.payload.len(),
            limit: MAX_FRAME_BYTES,
        });
    }
    let Some(captures) = topic_pattern.capture(frame.topic) else {
        return Err(Rejection::TopicMismatch {
            topic: frame.topic.chars().take(120).collect(),
            pattern: topic_pattern.as_str().to_owned(),
        });
    };
    match family {
        Family::ChirpstackV4 => chirpstack::open(captures, frame),
        Family::Zigbee2mqtt => zigbee2mqtt::open(captures.device, frame),
        Family::Json => Ok(plain_json(captures, frame)),
    }
}

/// Plain JSON: the topic names the device. An empty retained message only clears the broker's store.
fn plain_json<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Opened<'a> {
    let event = if frame.payload.is_empty() {
        Event::Ignored
    } else {
        Event::Uplink
    };
    let mut opened = Opened::of(Cow::Borrowed(captures.device), event, frame);
    if event == Event::Uplink {
        opened.body = Body::Json(frame.payload);
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::reading::Reason;
    use linli_domain::time::Timestamp;

    fn frame<'a>(topic: &'a str, payload: &'a [u8]) -> Frame<'a> {
        Frame {
            topic,
            payload,
            retained: false,
            received: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn plain_json_is_attributed_by_its_topic() {
        let pattern = "site/bin/{device}/up".parse().unwrap();
        let opened = open(
            Family::Json,
            &pattern,
            &frame("site/bin/d000042/up", b"{\"fill\":1}"),
        )
        .unwrap();
        assert_eq!((&*opened.address, opened.event), ("d000042", Event::Uplink));
        assert_eq!(opened.body, Body::Json(b"{\"fill\":1}"));
        assert_eq!(opened.caution, None);
        let foreign = open(Family::Json, &pattern, &frame("site/door/d1/up", b"{}")).unwrap_err();
        assert_eq!(foreign.reason().label(), "topic_mismatch");
    }

    #[test]
    fn a_retained_message_is_marked_and_an_empty_one_says_nothing() {
        let pattern = "site/{device}".parse().unwrap();
        let retained = Frame {
            retained: true,
            ..frame("site/d1", b"")
        };
        let opened = open(Family::Json, &pattern, &retained).unwrap();
        assert_eq!(
            (opened.event, opened.caution),
            (Event::Ignored, Some(Reason::Retained))
        );
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_it_is_read() {
        let pattern = "site/{device}".parse().unwrap();
        let payload = vec![b' '; MAX_FRAME_BYTES + 1];
        let refusal = open(Family::Json, &pattern, &frame("site/d1", &payload)).unwrap_err();
        assert_eq!(refusal.reason().label(), "too_large");
    }
}
