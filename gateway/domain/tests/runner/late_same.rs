//! Whatever a device has stored leaves the same history as if it had been heard all along, for every kind of rule. The one
//! difference is looked away from: a sensor that flaps live gets a longer off-delay, and the past does not flap.

use crate::estate_test::{ESTATE, EstateTest};
use linli_domain::alarm::Condition;
use linli_domain::engine::AlarmEvent;
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

/// A rule under test: what it looks at, and which readings make it right.
struct Kind {
    measure: &'static str,
    rest: &'static str,
    wrong: fn(u8) -> Value,
    right: fn(u32) -> Value,
}

fn number(n: f64) -> Value {
    Value::Number(n)
}

/// A value of a few, most of which are wrong to somebody.
fn degrees(n: u8) -> Value {
    number(10.0 + f64::from(n % 8) * 4.0)
}

fn is_open(n: u8) -> Value {
    Value::State(n.is_multiple_of(2))
}

fn shut(_: u32) -> Value {
    Value::State(false)
}

fn mild(n: u32) -> Value {
    number(12.0 + f64::from(n % 2))
}

const KINDS: [Kind; 9] = [
    Kind {
        measure: "door.open",
        rest: "when = { state = true }\non_delay = \"1m\"\noff_delay = \"4m\"",
        wrong: is_open,
        right: shut,
    },
    Kind {
        measure: "temperature",
        rest: "when = { above = 30.0, clear = 20.0 }\non_delay = \"3m\"\noff_delay = \"2m\"",
        wrong: degrees,
        right: mild,
    },
    Kind {
        measure: "temperature",
        rest: "when = { above = 30.0 }\nduring = { from = \"03:20\", to = \"04:10\" }\noff_delay = \"1m\"",
        wrong: degrees,
        right: mild,
    },
    Kind {
        measure: "temperature",
        rest: "when = { rises = 12.0, within = \"10m\" }\noff_delay = \"2m\"",
        wrong: degrees,
        right: mild,
    },
    Kind {
        measure: "temperature",
        rest: "when = { falls = 12.0, within = \"10m\" }\non_delay = \"1m\"",
        wrong: degrees,
        right: mild,
    },
    Kind {
        measure: "temperature",
        rest: "when = { reaches = 40.0, ahead = \"30m\", within = \"1h\" }",
        wrong: |n| number(10.0 + f64::from(n)),
        right: mild,
    },
    Kind {
        measure: "temperature",
        rest: "when = { stuck = \"8m\", band = 0.5 }\noff_delay = \"1m\"",
        wrong: |n| number(10.0 + f64::from(n / 7)),
        right: mild,
    },
    Kind {
        measure: "door.open",
        rest: "when = { state = true, times = 3, within = \"20m\" }\non_delay = \"30s\"",
        wrong: is_open,
        right: shut,
    },
    Kind {
        measure: "door.open",
        rest: "when = { state = true, total = \"6m\", within = \"20m\" }\noff_delay = \"2m\"",
        wrong: is_open,
        right: shut,
    },
];

fn estate(measure: &str, rest: &str) -> EstateTest {
    let rule = format!(
        "\n[[rules]]\nid = \"more\"\nclass = \"more\"\nfault = \"more\"\nmeasure = {measure:?}\n\
         applies_to = {{ kind = \"bin\" }}\npriority = \"P1\"\n\
         cause = {{ zh = \"原因\", en = \"Cause\" }}\nconsequence = {{ zh = \"后果\", en = \"Consequence\" }}\n\
         response = {{ zh = \"查看\", en = \"Look\" }}\n{rest}\n"
    );
    let lid = "key = \"lid-1\" }\n";
    let heard = format!("{lid}expected_interval = \"10m\"\nhealth = {{ jump = false }}\n");
    let second = ESTATE[ESTATE.find("[[devices]]\nid = \"lid\"").unwrap()..]
        .split("\n\n")
        .next()
        .unwrap()
        .replace("\"lid\"", "\"lid-b\"")
        .replace("lid-1", "lid-2");
    let toml = format!("{ESTATE}\n{second}\n\n{rule}").replace(lid, &heard);
    EstateTest::with(&toml.replace(
        "key = \"lid-2\" }\n",
        "key = \"lid-2\" }\nexpected_interval = \"10m\"\n",
    ))
}

type Times = Vec<(Timestamp, Timestamp)>;

/// When the rule was in alarm, as people lived it.
fn lived(e: &EstateTest) -> Times {
    let (mut times, mut since) = (Times::new(), None);
    for change in e
        .changes
        .alarms
        .iter()
        .filter(|c| c.alarm.class.as_str() == "more")
    {
        match change.event {
            AlarmEvent::Raised | AlarmEvent::RaisedAgain => since = since.or(Some(change.at)),
            _ if change.to.condition == Condition::Normal => {
                times.extend(since.take().map(|since| (since, change.at)));
            }
            _ => {}
        }
    }
    times
}

/// When it would have been, as the history tells.
fn told(e: &EstateTest) -> Times {
    let late = e.changes.alarms.iter().filter(|c| c.event == AlarmEvent::Late);
    let mut times: Times = late
        .map(|c| (c.alarm.raised_at, c.alarm.ended_at.unwrap()))
        .collect();
    times.sort_unstable();
    times
}

/// In seconds since the story began.
fn seconds_of(times: &Times) -> Vec<(u64, u64)> {
    let begin = Timestamp::parse_rfc3339("2026-03-01T03:00:00+08:00").unwrap();
    times
        .iter()
        .map(|(from, until)| (from.since(begin).as_secs(), until.since(begin).as_secs()))
        .collect()
}

/// The look-out comes at most once a second, so a silence may be noticed that much later.
const NEAR: Duration = Duration::from_secs(2);

/// Without those that were over as soon as they were raised: a delay that ends in the very moment a good value comes raises
/// live, and the past tells of nothing that took no time.
fn that_lasted(times: Times) -> Times {
    let lasts = |(from, until): &(Timestamp, Timestamp)| until.since(*from) > NEAR;
    times.into_iter().filter(lasts).collect()
}

fn same(lived: &Times, told: &Times) -> bool {
    let near = |a: Timestamp, b: Timestamp| a.since(b).max(b.since(a)) <= NEAR;
    lived.len() == told.len()
        && lived
            .iter()
            .zip(told)
            .all(|(a, b)| near(a.0, b.0) && near(a.1, b.1))
}

/// Readings with the seconds between them, then calm for long enough.
fn history(kind: &Kind, said: &[(u16, u8)]) -> Vec<(u64, Value)> {
    let told = said.iter().map(|(gap, n)| (u64::from(*gap), (kind.wrong)(*n)));
    let calm = (0..90).map(|n| (60, (kind.right)(n)));
    told.chain(calm).collect()
}

fn seconds(n: u64) -> String {
    format!("{n}s")
}

fn flaps(e: &EstateTest) -> bool {
    e.changes
        .audit
        .iter()
        .any(|event| &*event.action == "alarm.flapping")
}

/// Tells a history live and late and compares; whether it could be compared.
fn argue(kind: &Kind, said: &[(u16, u8)]) -> bool {
    let history = history(kind, said);
    let mut live = estate(kind.measure, kind.rest);
    let mut late = estate(kind.measure, kind.rest);
    let point = format!("lid/{}", kind.measure);
    for e in [&mut live, &mut late] {
        e.reads(
            &point,
            (kind.right)(1),
            "0s",
            linli_domain::reading::Quality::Good,
        );
    }
    for (gap, value) in &history {
        live.wait(&seconds(*gap));
        live.reads(&point, value.clone(), "0s", linli_domain::reading::Quality::Good);
    }
    let mut ago: u64 = history.iter().map(|(gap, _)| gap).sum();
    late.wait(&seconds(ago + 10));
    late.changes = Default::default();
    for (gap, value) in &history {
        ago -= gap;
        late.recalls(&point, value.clone(), &seconds(ago + 10));
    }
    late.reads(
        &point,
        (kind.right)(0),
        "0s",
        linli_domain::reading::Quality::Good,
    );
    assert!(
        late.changes.notices.is_empty()
            && late.changes.orders.is_empty()
            && late.engine.alarms().count() == 0,
        "the past pages nobody: {:?}",
        late.changes.notices
    );
    if flaps(&live) {
        return false;
    }
    let (lived, told) = (that_lasted(lived(&live)), that_lasted(told(&late)));
    assert!(
        same(&lived, &told),
        "{}: lived {:?} told {:?}",
        kind.rest,
        seconds_of(&lived),
        seconds_of(&told)
    );
    true
}

#[test]
fn what_was_stored_leaves_the_history_it_would_have_left_live() {
    for kind in &KINDS {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 48,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        // Mostly a few minutes apart, now and then longer than the device may be silent.
        let gap = prop_oneof![9 => 20u16..400, 1 => 1_500u16..4_000];
        let said = prop::collection::vec((gap, any::<u8>()), 1..40);
        let result = runner.run(&said, |said| {
            prop_assume!(argue(kind, &said));
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn each_kind_can_be_in_alarm_in_these_histories() {
    for kind in &KINDS {
        let rising: Vec<(u16, u8)> = match kind.measure {
            "door.open" => (0..16).map(|n| (150, n % 2)).collect(),
            _ => (0..24).map(|n| (170, n)).collect(),
        };
        let mut late = estate(kind.measure, kind.rest);
        let point = format!("lid/{}", kind.measure);
        late.reads(
            &point,
            (kind.right)(1),
            "0s",
            linli_domain::reading::Quality::Good,
        );
        let history = history(kind, &rising);
        let mut ago: u64 = history.iter().map(|(gap, _)| gap).sum();
        late.wait(&seconds(ago));
        for (gap, value) in history {
            ago -= gap;
            late.recalls(&point, value, &seconds(ago + 1));
        }
        assert!(!told(&late).is_empty(), "{}", kind.rest);
    }
}

#[test]
fn sensors_that_must_agree_are_agreed_with_in_any_order_of_their_bursts() {
    let rest = "when = { state = true }\non_delay = \"1m\"\noff_delay = \"2m\"\nvote = \"all\"";
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let said = prop::collection::vec((20u16..400, any::<bool>(), any::<bool>()), 1..24);
    let result = runner.run(&(said, 0u8..3), |(said, order)| {
        let devices = ["lid/door.open", "lid-b/door.open"];
        let mut said: Vec<(u64, [bool; 2])> = said
            .into_iter()
            .map(|(gap, a, b)| (u64::from(gap), [a, b]))
            .collect();
        said.extend((0..10).map(|_| (60, [false, false])));
        let (mut live, mut late) = (estate("door.open", rest), estate("door.open", rest));
        for device in devices {
            live.says(device, false);
            late.says(device, false);
        }
        let all: u64 = said.iter().map(|(gap, _)| gap).sum();
        late.wait(&seconds(all + 10));
        let mut records = Vec::new();
        let mut ago = all;
        for (gap, states) in &said {
            live.wait(&seconds(*gap));
            ago -= gap;
            for (n, device) in devices.into_iter().enumerate() {
                live.says(device, states[n]);
                records.push((n, ago, device, states[n]));
            }
        }
        match order {
            0 => {}
            1 => records.sort_by_key(|(n, ..)| *n),
            _ => records.sort_by_key(|(n, ..)| 1 - n),
        }
        late.changes = Default::default();
        for (_, ago, device, state) in records {
            late.recalls(device, Value::State(state), &seconds(ago + 10));
        }
        for device in devices {
            late.says(device, false);
        }
        assert!(late.changes.notices.is_empty() && late.engine.alarms().count() == 0);
        prop_assume!(!flaps(&live));
        // A time that one of them was on the way back is told with it, so the parts are compared as they join.
        let (lived, told) = (
            that_lasted(joined(lived(&live))),
            that_lasted(joined(told(&late))),
        );
        assert!(
            same(&lived, &told),
            "order {order} lived {:?} told {:?}",
            seconds_of(&lived),
            seconds_of(&told)
        );
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Times that touch each other as one.
fn joined(times: Times) -> Times {
    let mut joined = Times::new();
    for (from, until) in times {
        match joined.last_mut().filter(|last| last.1 >= from) {
            Some(last) => last.1 = last.1.max(until),
            None => joined.push((from, until)),
        }
    }
    joined
}
