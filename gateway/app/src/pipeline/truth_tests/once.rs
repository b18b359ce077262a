//! Once: each of the three identities, before and after a crash.

use super::*;

#[test]
fn a_lorawan_frame_comes_once_before_and_after_a_crash_until_the_device_joins_again() {
    let mut story = Story::new();
    story.uplink(7, WET).after(60_000).uplink(7, WET);
    assert_eq!(
        (
            story.stored("lora", "leak.wet").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.crashes().after(60_000).uplink(7, WET);
    assert_eq!(
        (
            story.stored("lora", "leak.wet").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.uplink(8, WET);
    assert_eq!(story.stored("lora", "leak.wet").len(), 2);
    // A new battery: it joins, counts from the beginning, and is as wet as before.
    story.joins().after(1_000).uplink(7, WET);
    assert_eq!(story.stored("lora", "leak.wet").len(), 3, "that is news");
    story.crashes().uplink(7, WET);
    assert_eq!(
        (
            story.stored("lora", "leak.wet").len(),
            story.metrics.duplicates.get()
        ),
        (3, 1)
    );
}

#[test]
fn a_reading_with_its_own_time_comes_once_and_one_that_differs_is_a_conflict() {
    let mut story = Story::new();
    story.bin(21.0, 0).bin(21.0, 0);
    assert_eq!(
        (
            story.stored("bin", "temperature").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.crashes().bin(21.0, 0);
    assert_eq!(
        (
            story.stored("bin", "temperature").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    assert_eq!(story.flags("bin"), Vec::<&str>::new());
    story.bin(22.0, 0);
    assert_eq!(story.stored("bin", "temperature").len(), 1, "the first one stays");
    assert_eq!(
        (story.metrics.conflicts.get(), story.flags("bin")),
        (1, vec!["conflict"])
    );
    assert_eq!(story.health("bin").flags[0].value, Some(Value::Number(22.0)));
    story.crashes();
    assert_eq!(story.flags("bin"), ["conflict"]);
}

#[test]
fn a_repeated_packet_comes_once_and_an_equal_message_twice() {
    let mut story = Story::new();
    story.plain(5, false, 40.0).plain(5, true, 40.0);
    assert_eq!(
        (
            story.stored("plain", "bin.fill").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story.crashes().plain(5, true, 40.0);
    assert_eq!(
        (
            story.stored("plain", "bin.fill").len(),
            story.metrics.duplicates.get()
        ),
        (1, 1)
    );
    story
        .after(1_000)
        .plain(6, false, 40.0)
        .after(1_000)
        .plain(5, false, 40.0);
    assert_eq!(story.stored("plain", "bin.fill").len(), 3);
}
