//! What is known of devices, through crashes and commits that fail.

use super::*;

#[test]
fn everything_that_is_known_of_devices_survives_a_crash_at_every_step() {
    let mut story = Story::new();
    let steps: [fn(&mut Story) -> &mut Story; 12] = [
        |s| s.zigbee(false, false),
        |s| s.bin(21.0, 0),
        |s| s.after(10_000).bin(85.0, 0),
        |s| s.says("zigbee2mqtt/leak/availability", "offline"),
        |s| s.says("zigbee2mqtt/bridge/state", "offline"),
        |s| s.joins(),
        |s| s.says("zigbee2mqtt/bridge/state", "online"),
        |s| s.zigbee(true, false),
        |s| s.after(40_000).zigbee(true, false),
        |s| s.bin(21.0, -2 * HOUR),
        |s| s.after(3 * 3_600_000).plain(9, false, 12.0),
        |s| s.uplink(3, WET),
    ];
    for step in steps {
        step(&mut story).crashes();
    }
    assert_eq!(story.flags("bin"), ["silent", "jump"]);
    assert_eq!(story.flags("zigbee"), ["stale"]);
    assert_eq!(story.flags("lora"), Vec::<&str>::new());
}

#[test]
fn a_device_that_repeats_its_last_record_is_heard_and_a_replay_of_it_is_not() {
    let mut story = Story::new();
    let payload = format!(r#"{{"ts":{},"temp":21.0}}"#, story.now());
    let says = |story: &mut Story, retained: bool| {
        story.message(2, "site/d1/up", &payload, |frame| frame.retained = retained);
    };
    says(&mut story, false);
    for _ in 0..5 {
        story.after(1_800_000);
        says(&mut story, false);
    }
    assert_eq!(story.flags("bin"), Vec::<&str>::new());
    assert_eq!(story.stored("bin", "temperature").len(), 1);
    story.crashes().after(3 * 3_600_000);
    says(&mut story, true);
    let now = story.clock.now();
    story.core().tick(&now);
    assert_eq!(story.flags("bin"), ["silent"], "nobody heard it say so");
    says(&mut story, false);
    assert_eq!(story.flags("bin"), Vec::<&str>::new());
}

#[test]
fn a_bridge_that_is_back_repeats_what_it_remembers_and_that_is_a_replay() {
    let mut story = Story::new();
    story.zigbee(false, false);
    story.says("zigbee2mqtt/bridge/state", "offline");
    assert_eq!(story.flags("zigbee"), ["silent"]);
    story.after(60_000).says("zigbee2mqtt/bridge/state", "online");
    story.after(1_000).zigbee(false, false);
    assert_eq!(story.flags("zigbee"), ["silent"], "it has not been heard");
    assert_eq!(
        story.stored("zigbee", "leak.wet").last().map(|r| r.quality),
        Some(RETAINED)
    );
    story.after(30_000).zigbee(false, false);
    assert_eq!(story.flags("zigbee"), Vec::<&str>::new());
    assert_eq!(story.newest("zigbee", "leak.wet").quality, Quality::Good);
}

#[test]
fn availability_of_a_device_nobody_knows_is_no_reason_to_refuse_it() {
    let mut story = Story::new();
    story.says("zigbee2mqtt/stranger/availability", "online");
    story.message(
        1,
        "application/a/device/0101010101010101/event/join",
        r#"{"deviceInfo":{"devEui":"0101010101010101"}}"#,
        |_| {},
    );
    let rejected = story.metrics.render();
    assert!(!rejected.contains("unknown_device"), "{rejected}");
}

#[test]
fn what_the_catalogue_says_of_devices_is_told_again_when_the_first_commit_failed() {
    let mut story = Story::new();
    let expected = story.core().engine.estate().devices()[0].expected_interval;
    assert_eq!(expected, Some(Duration::from_secs(7_200)));
    let now = story.clock.now();
    // As if a program with another catalogue had started on this folder and could not commit.
    story.core().profiles_told = false;
    let other = rusqlite::Connection::open(story.folder.path().join(linli_ledger::DATABASE_FILE)).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON stage BEGIN SELECT abs(-9223372036854775807 - 1); END";
    other.execute_batch(fail).unwrap();
    story.core().tick(&now);
    assert!(story.core().commit().is_err());
    assert!(!story.core().profiles_told);
    other.execute_batch("DROP TRIGGER fail").unwrap();
    story.core().tick(&now);
    assert!(story.core().profiles_told);
    story.commits().crashes();
}
