//! The watch's table: every state against every event, with and without delays.

use super::*;
use crate::time::{BootId, Timestamp};

const DELAYS: Delays = Delays {
    on: Duration::from_secs(5),
    off: Duration::from_secs(600),
};
const NONE: Delays = Delays {
    on: Duration::ZERO,
    off: Duration::ZERO,
};

fn now() -> Now {
    Now {
        wall: Timestamp::from_millis(0),
        monotonic: Monotonic(100_000),
        boot: BootId(1),
        trusted: true,
    }
}

fn deadline(seconds: u64) -> Deadline {
    Deadline {
        at: Monotonic(seconds * 1_000),
    }
}

fn show(watch: Watch, effect: Effect) -> String {
    let name = match watch {
        Watch::Normal => "normal".into(),
        Watch::Active => "active".into(),
        Watch::Pending { deadline } => format!("pending@{}", deadline.at.0 / 1_000),
        Watch::Clearing { deadline } => format!("clearing@{}", deadline.at.0 / 1_000),
        Watch::Unknown { raised, left } => {
            let left = left.map_or("-".into(), |l| l.as_secs().to_string());
            format!("unknown({},{left})", if raised { "raised" } else { "calm" })
        }
    };
    match effect {
        Effect::None => name,
        effect => format!("{name}!{effect:?}"),
    }
}

fn table(delays: Delays) -> String {
    let unknown = |raised, left: Option<u64>| Watch::Unknown {
        raised,
        left: left.map(Duration::from_secs),
    };
    let states = [
        Watch::Normal,
        Watch::Pending {
            deadline: deadline(103),
        },
        Watch::Active,
        Watch::Clearing {
            deadline: deadline(400),
        },
        unknown(false, None),
        unknown(false, Some(3)),
        unknown(true, None),
        unknown(true, Some(300)),
    ];
    let events = [
        WatchEvent::Value(Verdict::Wrong),
        WatchEvent::Value(Verdict::Between),
        WatchEvent::Value(Verdict::Right),
        WatchEvent::Lost,
        WatchEvent::DelayOver,
    ];
    let mut text = String::new();
    for state in states {
        let row = events.map(|event| {
            let (next, effect) = state.next(event, delays, &now());
            if state.stays(event) {
                assert_eq!((next, effect), (state, Effect::None), "{event:?}");
            }
            show(next, effect)
        });
        text.push_str(&format!("{}: {}\n", show(state, Effect::None), row.join(" ")));
    }
    text
}

#[test]
fn every_state_answers_every_event() {
    // wrong, between, right, lost, delay over
    assert_eq!(
        table(DELAYS),
        "normal: pending@105 normal normal unknown(calm,-) normal\n\
         pending@103: pending@103 normal!Fleeting normal!Fleeting unknown(calm,3) active!Raised\n\
         active: active active clearing@700 unknown(raised,-) active\n\
         clearing@400: active!Relapsed active clearing@400 unknown(raised,300) normal!Cleared\n\
         unknown(calm,-): pending@105 normal normal unknown(calm,-) unknown(calm,-)\n\
         unknown(calm,3): pending@103 normal normal unknown(calm,3) unknown(calm,3)\n\
         unknown(raised,-): active active clearing@700 unknown(raised,-) unknown(raised,-)\n\
         unknown(raised,300): active!Relapsed active clearing@400 unknown(raised,300) unknown(raised,300)\n"
    );
}

#[test]
fn without_delays_nothing_is_pending_or_clearing() {
    assert_eq!(
        table(NONE),
        "normal: active!Raised normal normal unknown(calm,-) normal\n\
         pending@103: pending@103 normal!Fleeting normal!Fleeting unknown(calm,3) active!Raised\n\
         active: active active normal!Cleared unknown(raised,-) active\n\
         clearing@400: active!Relapsed active clearing@400 unknown(raised,300) normal!Cleared\n\
         unknown(calm,-): active!Raised normal normal unknown(calm,-) unknown(calm,-)\n\
         unknown(calm,3): pending@103 normal normal unknown(calm,3) unknown(calm,3)\n\
         unknown(raised,-): active active normal!Cleared unknown(raised,-) unknown(raised,-)\n\
         unknown(raised,300): active!Relapsed active clearing@400 unknown(raised,300) unknown(raised,300)\n"
    );
}
