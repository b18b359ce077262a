//! Replies: every failure frame of the fixtures is classified, and no reply ever lands on the wrong point.

use crate::line::Line;
use linli_decode::modbus::wire::{Fault, Framing, Heard, Matcher, Question, Severity};
use linli_domain::time::Monotonic;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::time::Duration;

const WINDOW: Duration = Duration::from_millis(500);

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hexadecimal"))
        .collect()
}

/// One question, what came, and the end of the wait.
fn fault_of(framing: Framing, request: &[u8], response: Option<&[u8]>) -> Option<Fault> {
    let mut matcher = Matcher::new(framing);
    let question = Question {
        frame: request,
        window: WINDOW,
        lateness: WINDOW,
    };
    matcher
        .asked(question, Monotonic(0))
        .expect("a question may be asked");
    let heard = match response {
        Some(response) => matcher.hear(response, Monotonic(20)),
        None => Heard::Nothing,
    };
    let heard = if heard == Heard::Nothing {
        matcher.silence(Monotonic(80))
    } else {
        heard
    };
    match heard {
        Heard::Answer => {
            let body = matcher.answer();
            let function_at = if framing == Framing::Tcp { 7 } else { 1 };
            (body[function_at] & 0x80 != 0).then(|| Fault::Exception(body[function_at + 1]))
        }
        Heard::Failed(fault) => Some(fault),
        Heard::Nothing => matcher.give_up(Monotonic(500)),
        Heard::OutOfStep => panic!("the stream was in step"),
    }
}

#[test]
fn every_failure_frame_is_classified_as_required() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/devices/modbus-faults.json");
    let text = std::fs::read(path).expect("the fixture");
    let fixture: Json = serde_json::from_slice(&text).expect("JSON");
    let cases = fixture["cases"].as_array().expect("cases");
    assert!(cases.len() >= 11);
    for case in cases {
        let framing = match case["mode"].as_str() {
            Some("tcp") => Framing::Tcp,
            _ => Framing::Rtu,
        };
        let request = bytes(case["request_full"].as_str().expect("a request"));
        let response = case["response_full"].as_str().map(bytes);
        let fault = fault_of(framing, &request, response.as_deref()).expect("a fault");
        let quality = match fault.severity() {
            Severity::Bad => "bad",
            Severity::Uncertain => "uncertain",
        };
        let expect = &case["expect"];
        let got = (fault.class(), quality, fault.retry());
        let wanted = (
            expect["class"].as_str().expect("a class"),
            expect["quality"].as_str().expect("a quality"),
            expect["retry"].as_bool().expect("whether to retry"),
        );
        assert_eq!(got, wanted, "{}", case["id"]);
        if let Some(code) = expect["code"].as_u64() {
            assert_eq!(fault, Fault::Exception(code as u8), "{}", case["id"]);
        }
    }
}

#[test]
fn a_long_run_of_mischief_answers_most_questions_and_none_wrongly() {
    for framing in [Framing::Tcp, Framing::Rtu] {
        let mut line = Line::new(framing, 20_261_122);
        for _ in 0..100_000 {
            line.turn();
        }
        let outcome = line.outcome;
        assert_eq!(outcome.wrong, 0, "{framing:?}: {outcome:?}");
        assert!(outcome.answered * 2 > outcome.asked, "{framing:?}: {outcome:?}");
        assert!(
            outcome.quarantined > outcome.asked / 20,
            "{framing:?}: {outcome:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_reply_lands_on_the_wrong_point(seed in any::<u64>(), rtu in any::<bool>(), turns in 1u32..2_000) {
        let mut line = Line::new(if rtu { Framing::Rtu } else { Framing::Tcp }, seed);
        for _ in 0..turns {
            line.turn();
        }
        prop_assert_eq!(line.outcome.wrong, 0, "{:?}", line.outcome);
    }

    #[test]
    fn whatever_is_heard_the_matcher_goes_on(
        pieces in vec((vec(any::<u8>(), 0..700), 0u64..400, any::<bool>()), 0..40),
        rtu in any::<bool>(),
    ) {
        let framing = if rtu { Framing::Rtu } else { Framing::Tcp };
        let mut matcher = Matcher::new(framing).ignoring([Box::from(&b"ping"[..])]);
        let request = if rtu { bytes("010300000001840a") } else { bytes("000100000006050300000001") };
        let mut now = Monotonic(0);
        for (piece, pause, silent) in pieces {
            let question = Question { frame: &request, window: WINDOW, lateness: WINDOW * 3 };
            let _ = matcher.asked(question, now);
            matcher.hear(&piece, now);
            now = now.plus(Duration::from_millis(pause));
            if silent {
                matcher.silence(now);
                prop_assert!(!matcher.awaits_silence());
            }
            if matcher.is_odd() {
                matcher.settled();
            }
        }
    }
}
