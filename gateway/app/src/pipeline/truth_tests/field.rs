//! What the field's families say beside their values: stored records in a frame, devices that sleep, a node that dies.

use super::*;

/// `20 ce`: a stored record of an EM300-ZLD, which is its time, temperature, humidity and leak.
fn record(at_ms: i64, wet: u8) -> Vec<u8> {
    let seconds = u32::try_from(at_ms / 1_000).unwrap();
    let mut bytes = vec![0x20, 0xce];
    bytes.extend(seconds.to_le_bytes());
    bytes.extend([0xff, 0x00, 0x78, wet]);
    bytes
}

#[test]
fn records_in_the_frame_of_a_live_state_are_history_and_the_state_is_news() {
    let mut story = Story::new();
    let noon = story.now();
    let mut bytes = record(noon - 2 * DAY, 1);
    bytes.extend(record(noon - DAY, 1));
    bytes.extend(record(5_000, 1));
    bytes.extend([0x05, 0x00, 0x00]);
    story.em300(1, &bytes);
    let stored = story.stored("em300", "leak.wet");
    let times: Vec<i64> = stored.iter().map(|r| r.observed.as_millis() - noon).collect();
    assert_eq!(times, [-2 * DAY, -DAY, 0, 0]);
    let wrong = stored
        .iter()
        .filter(|r| r.quality == Quality::Uncertain(Reason::ClockUnset));
    assert_eq!(wrong.count(), 1, "a record of 1970 is kept and not believed");
    assert_eq!(story.newest("em300", "leak.wet").value, Some(Value::State(false)));
    assert_eq!(story.core().engine.alarms().count(), 0);
    assert_eq!(
        story.health("em300").clock,
        None,
        "records tell nothing about the clock of today"
    );
    // The record is sent again beside others, because the network server lost the answer.
    let mut again = record(noon - DAY, 1);
    again.extend([0x05, 0x00, 0x01]);
    story.after(60_000).em300(2, &again).crashes();
    assert_eq!(story.stored("em300", "leak.wet").len(), 5);
    assert_eq!(story.core().engine.alarms().count(), 1);
}

#[test]
fn a_shelly_that_goes_offline_sleeps_and_one_on_mains_is_gone() {
    let mut story = Story::new();
    for device in ["flood", "plug"] {
        story.shelly(device, "sensor/flood", "false", false);
        story.shelly(device, "online", "false", false);
    }
    let reach = |story: &mut Story, device: &str| story.health(device).availability.state.name();
    assert_eq!(
        (reach(&mut story, "flood"), reach(&mut story, "plug")),
        ("asleep", "offline")
    );
    assert_eq!(story.flags("flood"), Vec::<&str>::new());
    assert_eq!(story.flags("plug"), ["silent"]);
    story.crashes();
    assert_eq!(
        (reach(&mut story, "flood"), reach(&mut story, "plug")),
        ("asleep", "offline")
    );
    // A broker repeats the last will and the last state to whoever subscribes; nobody is back because of that.
    story.shelly("plug", "sensor/flood", "false", true);
    assert_eq!(story.flags("plug"), ["silent"]);
    story.after(1_000).shelly("plug", "sensor/flood", "false", false);
    assert_eq!(
        (story.flags("plug"), reach(&mut story, "plug")),
        (vec![], "online")
    );
}

#[test]
fn a_sparkplug_node_that_dies_takes_its_devices_along_until_they_are_born_again() {
    let mut story = Story::new();
    let now = story.now();
    story.sparkplug("NBIRTH/plc", &sparkplug(now, 0, "bdSeq", Metric::Int(1)));
    // A birth names every value with the time of its last change.
    let dry = Metric::Bool(false, now - 3 * DAY);
    story.sparkplug("DBIRTH/plc/riser", &sparkplug(now, 1, "leak", dry));
    let health = story.health("riser");
    assert_eq!(health.availability.state.name(), "online");
    assert_eq!(health.clock.unwrap().skew_ms, Some(0), "the node has a clock");
    let dry_since = story.newest("riser", "leak.wet").observed.as_millis();
    assert_eq!(dry_since, now - 3 * DAY);
    let death = sparkplug(0, 0, "bdSeq", Metric::Int(1));
    story.after(1_000).sparkplug("NDEATH/plc", &death);
    assert_eq!(story.health("riser").availability.state.name(), "offline");
    assert_eq!(story.flags("riser"), ["silent"]);
    story.crashes();
    assert_eq!(story.flags("riser"), ["silent"]);
    let now = story.after(1_000).now();
    story.sparkplug("NBIRTH/plc", &sparkplug(now, 0, "bdSeq", Metric::Int(2)));
    assert_eq!(
        story.flags("riser"),
        ["silent"],
        "its node is back, and it is not yet"
    );
    // Nothing changed meanwhile: the value has the time it had, and holds again.
    let dry = Metric::Bool(false, dry_since);
    story.sparkplug("DBIRTH/plc/riser", &sparkplug(now, 1, "leak", dry));
    assert_eq!(story.flags("riser"), Vec::<&str>::new());
    let leak = story.point("riser", "leak.wet");
    assert!(!story.core().engine.is_silent(leak));
    let stored = story.stored("riser", "leak.wet");
    let values: Vec<_> = stored.into_iter().map(|reading| reading.value).collect();
    let dry = Some(Value::State(false));
    assert_eq!(values, [dry.clone(), None, dry], "dry, unknown, and dry again");
    story.crashes();
    assert!(!story.core().engine.is_silent(leak));
    let wet = Metric::Bool(true, now);
    story.sparkplug("DDATA/plc/riser", &sparkplug(now, 2, "leak", wet));
    let newest = story.newest("riser", "leak.wet");
    assert_eq!(
        (newest.value, newest.quality),
        (Some(Value::State(true)), Quality::Good)
    );
}

/// The value of a metric, and when it last changed.
enum Metric {
    Int(u8),
    Bool(bool, i64),
}

/// A Sparkplug payload of one metric: its time in milliseconds (0: none), its sequence number.
fn sparkplug(time_ms: i64, seq: u8, name: &str, metric: Metric) -> Vec<u8> {
    let varint = |number: i64| {
        let mut number = u64::try_from(number).unwrap();
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    };
    let mut bytes = vec![(1 << 3) | 2, u8::try_from(name.len()).unwrap()];
    bytes.extend(name.bytes());
    // Data type UInt64 or Boolean, and the value.
    match metric {
        Metric::Int(number) => bytes.extend([4 << 3, 8, 11 << 3, number]),
        Metric::Bool(state, since_ms) => {
            bytes.push(3 << 3);
            bytes.extend(varint(since_ms));
            bytes.extend([4 << 3, 11, 14 << 3, u8::from(state)]);
        }
    }
    let mut payload = Vec::new();
    if time_ms > 0 {
        payload.push(1 << 3);
        payload.extend(varint(time_ms));
    }
    payload.extend([(2 << 3) | 2, u8::try_from(bytes.len()).unwrap()]);
    payload.extend(bytes);
    payload.extend([3 << 3, seq]);
    payload
}
