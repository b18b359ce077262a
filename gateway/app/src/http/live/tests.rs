//! Stories of the ring.

use super::ring::RING;
use super::*;
use linli_domain::id::{AlarmId, CommitId};
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;

/// Readings of one commit, each a point and its observed time.
fn readings(commit: u64, of: &[(u32, i64)], evaluated: bool) -> Live {
    let all = of.iter().map(|(point, at)| {
        let at = Timestamp::from_millis(*at);
        let reading = Reading::new(PointKey(*point), at, at, Value::Number(1.0), Quality::Good);
        (reading, evaluated)
    });
    Live::Readings(CommitId(commit), Arc::new(all.collect()))
}

fn alarm(commit: u64) -> Live {
    Live::Alarm(CommitId(commit), AlarmId(1), "{}".into())
}

fn missed(feed: &LiveFeed, last: &str) -> Option<Vec<String>> {
    let missed = feed.join(Some(last.parse().unwrap())).missed;
    missed.map(|events| events.iter().map(|event| event.id.to_string()).collect())
}

#[test]
fn readings_of_one_commit_travel_together() {
    let feed = LiveFeed::default();
    feed.take(vec![
        readings(7, &[(1, 1), (2, 1)], true),
        alarm(7),
        readings(8, &[(1, 2)], true),
    ]);
    assert_eq!(missed(&feed, "7.1").unwrap(), ["7.2", "8.1"]);
    assert_eq!(missed(&feed, "8.1").unwrap(), [""; 0]);
    assert_eq!(
        feed.latest([PointKey(1)].into_iter())[&PointKey(1)]
            .observed
            .as_millis(),
        2
    );
}

#[test]
fn what_the_ring_no_longer_holds_cannot_be_resumed() {
    let feed = LiveFeed::default();
    for commit in 1..=u64::try_from(RING + 5).unwrap() {
        feed.take(vec![alarm(commit)]);
    }
    assert_eq!(missed(&feed, "4.1"), None);
    assert_eq!(missed(&feed, "5.1").unwrap().len(), RING);
    assert_eq!(missed(&feed, "99999.1"), None);
}

#[test]
fn nobody_resumes_across_a_gap() {
    let feed = LiveFeed::default();
    feed.take(vec![alarm(1)]);
    feed.reset();
    feed.take(vec![alarm(1), alarm(2)]);
    assert_eq!(missed(&feed, "1.1"), None);
    assert_eq!(missed(&feed, "1.3").unwrap(), ["2.1"]);
}

#[test]
fn history_and_replays_do_not_take_the_place_of_the_newest_reading() {
    let feed = LiveFeed::default();
    let stored = |commit, at| readings(commit, &[(1, at)], false);
    let live = |commit, at| readings(commit, &[(1, at)], true);
    let newest = |feed: &LiveFeed| {
        feed.latest([PointKey(1)].into_iter())[&PointKey(1)]
            .observed
            .as_millis()
    };
    feed.take(vec![stored(1, 900), stored(1, 800)]);
    assert_eq!(newest(&feed), 900, "history is better than nothing");
    feed.take(vec![live(2, 500)]);
    assert_eq!(newest(&feed), 500);
    feed.take(vec![stored(3, 950), live(1, 990)]);
    assert_eq!(newest(&feed), 500, "an older commit that is heard of late");
    feed.take(vec![live(4, 300)]);
    assert_eq!(newest(&feed), 300, "the gateway's clock was set back");
}
