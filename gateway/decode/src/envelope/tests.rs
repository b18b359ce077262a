//! What every family has in common.

use super::*;
use crate::Body;
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
    assert_eq!(opened.body, Body::message(b"{\"fill\":1}"));
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
