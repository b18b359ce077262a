//! What is stored of silence: states end where knowledge of them ended.

use super::*;
use linli_ledger::{Edge, Spans};

const SILENT: Quality = Quality::Bad(Reason::CommTimeout);

impl Story {
    fn ticks(&mut self) -> &mut Self {
        let now = self.clock.now();
        self.core().tick(&now);
        self.commits()
    }

    /// How long the device may be silent, in milliseconds.
    fn limit(&mut self, device: &str) -> i64 {
        let estate = self.core().engine.estate();
        let device = estate.device(estate.device_by_id(&device.parse().unwrap()).unwrap());
        i64::try_from(device.unwrap().silence_limit.as_millis()).unwrap()
    }

    /// The leak sensor's states in days from `from` on.
    fn days(&mut self, from: i64) -> Spans {
        let point = self.point("zigbee", "leak.wet");
        let to = Timestamp::from_millis(self.now() + 1);
        let reader = self.core().ledger.reader().unwrap();
        let day = Duration::from_secs(86_400);
        reader
            .spans(point, Timestamp::from_millis(from), to, day)
            .unwrap()
    }
}

#[test]
fn a_state_ends_when_its_sensor_falls_silent_and_not_before() {
    let mut story = Story::new();
    let began = story.now();
    story.zigbee(false, false).after(HOUR as u64).zigbee(true, false);
    let (heard, limit) = (story.now(), story.limit("zigbee"));
    story.after(limit as u64 - 1_000).ticks();
    assert_eq!(story.stored("zigbee", "leak.wet").len(), 2);
    story.after(2_000).ticks().after(5 * DAY as u64).ticks();
    let stored = story.stored("zigbee", "leak.wet");
    assert_eq!(stored.len(), 3, "silence is stored once: {stored:?}");
    assert_eq!((stored[2].value.as_ref(), stored[2].quality), (None, SILENT));
    let known = stored[2].observed.as_millis() - heard;
    assert!((limit..limit + 3_000).contains(&known), "{known}");
    assert_eq!(
        story.newest("zigbee", "leak.wet").value,
        Some(Value::State(true)),
        "the newest value stays what was heard"
    );
    story.zigbee(false, false).after(1_000).zigbee(false, false);
    let spans = story.days(began);
    let sum = |figure: fn(&linli_ledger::Span) -> u64| spans.spans.iter().map(figure).sum::<u64>();
    let bridged = |at: usize| story_gap(&spans, at);
    let wet: u64 = sum(|span| span.stretch.true_ms) + bridged(0);
    assert_eq!(wet, known as u64, "wet for as long as somebody said so");
    assert_eq!(sum(|span| span.stretch.changes), 1, "unknown is not a state");
    story.crashes();
}

/// How long a state holds from the last sample of a bucket to the first of the next, when it is true.
fn story_gap(spans: &Spans, at: usize) -> u64 {
    let (Some(this), Some(next)) = (spans.spans.get(at), spans.spans.get(at + 1)) else {
        return 0;
    };
    match this.stretch.ends {
        Edge::On => (next.stretch.first_at - this.stretch.last_at).unsigned_abs(),
        _ => 0,
    }
}

#[test]
fn nobody_vouches_for_a_state_while_the_program_is_away() {
    let mut story = Story::new();
    story.zigbee(true, false);
    let (heard, limit) = (story.now(), story.limit("zigbee"));
    story.after(1_000).crashes();
    assert_eq!(
        story.stored("zigbee", "leak.wet").len(),
        1,
        "a short pause ends nothing"
    );
    story.after(limit as u64 + 3 * DAY as u64).crashes();
    let stored = story.stored("zigbee", "leak.wet");
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert_eq!(
        (stored[1].quality, stored[1].observed.as_millis()),
        (SILENT, heard + limit)
    );
    story.after(1_000).crashes();
    assert_eq!(
        story.stored("zigbee", "leak.wet").len(),
        2,
        "once for each silence"
    );
    story.zigbee(true, false);
    story.after(limit as u64 + DAY as u64).crashes();
    assert_eq!(story.stored("zigbee", "leak.wet").len(), 4);
}

#[test]
fn what_a_sensor_had_stored_meanwhile_is_kept_beside_the_silence_of_the_same_moment() {
    let mut story = Story::new();
    story.zigbee(false, false);
    let limit = story.limit("zigbee");
    story.after(limit as u64 + 1_500).ticks();
    let silent = story.stored("zigbee", "leak.wet")[1].observed;
    let now = story.clock.now();
    let device = story
        .core()
        .engine
        .estate()
        .device_by_id(&"zigbee".parse().unwrap())
        .unwrap();
    let record = Seen {
        measure: "leak.wet".parse().unwrap(),
        instance: None,
        value: Some(Value::State(true)),
        quality: Quality::Good,
        observed: silent,
        own_time: true,
        historical: true,
    };
    story.core().seen(device, record, now.wall, &now);
    story.commits();
    assert_eq!(story.stored("zigbee", "leak.wet").len(), 3);
}
