//! What a line may do to a master, one story each.

use super::*;
use crate::modbus::RegisterRequest;
use crate::modbus::wire::{checksum, rtu_frame, tcp_frame};

const WINDOW: Duration = Duration::from_millis(500);
const LATENESS: Duration = Duration::from_secs(2);

fn read(start: u16, count: u16) -> RegisterRequest {
    RegisterRequest {
        function: 3,
        start,
        count,
    }
}

fn ask(matcher: &mut Matcher, unit: u8, request: &RegisterRequest, at: u64) -> Result<(), Forbidden> {
    let frame = match matcher.framing() {
        Framing::Rtu => rtu_frame(unit, request),
        Framing::Tcp => tcp_frame(at as u16, unit, request),
    };
    let question = Question {
        frame: &frame,
        window: WINDOW,
        lateness: LATENESS,
    };
    matcher.asked(question, Monotonic(at))
}

fn rtu(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = vec![unit];
    frame.extend(pdu);
    frame.extend(checksum(&frame).to_le_bytes());
    frame
}

fn kept(matcher: &mut Matcher) -> Vec<(Kind, u32)> {
    matcher.take_quarantine().iter().collect()
}

#[test]
fn a_late_tcp_answer_is_discarded_and_the_wait_goes_on() {
    let mut line = Matcher::new(Framing::Tcp);
    ask(&mut line, 1, &read(0, 1), 7).unwrap();
    assert_eq!(line.give_up(Monotonic(507)), Some(Fault::Timeout));
    assert!(!line.is_odd(), "the connection stays");
    ask(&mut line, 1, &read(9, 1), 508).unwrap();
    assert_eq!(
        line.hear(&[0, 7, 0, 0, 0, 5, 1, 3, 2, 0, 18], Monotonic(600)),
        Heard::Nothing
    );
    assert_eq!(
        line.hear(&[1, 252, 0, 0, 0, 5, 1, 3, 2, 0, 99], Monotonic(620)),
        Heard::Answer
    );
    assert_eq!(line.answer(), [1, 252, 0, 0, 0, 5, 1, 3, 2, 0, 99]);
    assert_eq!(kept(&mut line), [(Kind::Late, 1)]);
}

#[test]
fn after_a_timeout_on_rtu_only_a_question_of_another_form_can_be_asked() {
    let mut line = Matcher::new(Framing::Rtu);
    ask(&mut line, 1, &read(0x10, 1), 0).unwrap();
    assert_eq!(line.give_up(Monotonic(500)), Some(Fault::Timeout));
    assert!(line.is_odd());
    line.settled();
    let refused = ask(&mut line, 1, &read(0x20, 1), 600);
    assert_eq!(refused, Err(Forbidden::Until(Monotonic(2002))));
    ask(&mut line, 2, &read(0x20, 1), 600).unwrap();
    line.give_up(Monotonic(1100));
    ask(&mut line, 1, &read(0x20, 2), 1200).unwrap();
    // The late one word comes, and then the two that were asked for.
    assert_eq!(
        line.hear(&rtu(1, &[3, 2, 0, 18]), Monotonic(1210)),
        Heard::Nothing
    );
    assert_eq!(
        line.hear(&rtu(1, &[3, 4, 0, 1, 0, 2]), Monotonic(1240)),
        Heard::Answer
    );
    assert_eq!(
        kept(&mut line),
        [(Kind::Late, 1)],
        "and the line is read until it is silent"
    );
    assert!(line.is_odd());
    line.settled();
    ask(&mut line, 1, &read(0x20, 1), 2002).unwrap();
}

#[test]
fn a_late_no_is_not_believed_of_another_question() {
    let mut line = Matcher::new(Framing::Rtu);
    ask(&mut line, 1, &read(0, 1), 0).unwrap();
    line.give_up(Monotonic(500));
    line.settled();
    ask(&mut line, 1, &read(0, 2), 600).unwrap();
    assert_eq!(line.hear(&rtu(1, &[0x83, 2]), Monotonic(650)), Heard::Nothing);
    assert_eq!(line.give_up(Monotonic(1100)), Some(Fault::Frame(Kind::Late)));
}

#[test]
fn a_slave_that_was_caught_repeating_is_asked_differently_next() {
    let mut line = Matcher::new(Framing::Rtu);
    ask(&mut line, 1, &read(0, 1), 0).unwrap();
    let answer = rtu(1, &[3, 2, 0, 18]);
    assert_eq!(line.hear(&answer, Monotonic(30)), Heard::Answer);
    ask(&mut line, 1, &read(5, 1), 40).unwrap();
    assert_eq!(
        line.hear(&answer, Monotonic(60)),
        Heard::Answer,
        "once a matter of trust"
    );
    assert_eq!(line.hear(&answer, Monotonic(80)), Heard::Nothing);
    assert_eq!(kept(&mut line), [(Kind::Duplicate, 1)]);
    line.settled();
    assert!(ask(&mut line, 1, &read(9, 1), 90).is_err());
    ask(&mut line, 1, &read(9, 2), 90).unwrap();
    assert_eq!(
        line.hear(&rtu(1, &[3, 4, 0, 1, 0, 2]), Monotonic(99)),
        Heard::Answer
    );
    assert!(ask(&mut line, 1, &read(0, 2), 100).is_err(), "from now on always");
}

#[test]
fn noise_before_an_answer_is_cut_off_when_the_line_falls_silent() {
    let mut line = Matcher::new(Framing::Rtu);
    ask(&mut line, 1, &read(0, 1), 0).unwrap();
    // 01 03 F0 promises 240 bytes: without the silence the answer would be taken for a part of them.
    assert_eq!(line.hear(&[0x07, 0x03, 0xF0], Monotonic(10)), Heard::Nothing);
    assert_eq!(line.hear(&rtu(1, &[3, 2, 0, 18]), Monotonic(12)), Heard::Nothing);
    assert!(line.awaits_silence());
    assert_eq!(line.silence(Monotonic(60)), Heard::Answer);
    assert_eq!(kept(&mut line), [(Kind::Noise, 1)]);
    assert!(line.is_odd());
}

#[test]
fn an_adapter_that_hears_itself_does_no_harm() {
    let mut line = Matcher::new(Framing::Rtu);
    let request = read(0x0300, 2);
    ask(&mut line, 1, &request, 0).unwrap();
    let both = [rtu_frame(1, &request), rtu(1, &[3, 4, 0, 1, 0, 2])].concat();
    assert_eq!(line.hear(&both, Monotonic(10)), Heard::Answer);
    assert_eq!(kept(&mut line), [(Kind::Echo, 1)]);
    assert!(!line.is_odd(), "an echo is no reason to wait");
}

#[test]
fn heartbeats_between_frames_and_between_the_pieces_of_one_are_taken_out() {
    let mut line = Matcher::new(Framing::Rtu).ignoring([Box::from(&b"ping"[..]), Box::from(&[0xFE][..])]);
    assert_eq!(line.hear(b"ping", Monotonic(0)), Heard::Nothing);
    ask(&mut line, 1, &read(0, 2), 10).unwrap();
    let answer = rtu(1, &[3, 4, 0, 1, 0, 2]);
    let together = [b"ping", &answer[..4]].concat();
    assert_eq!(line.hear(&together, Monotonic(20)), Heard::Nothing);
    assert_eq!(line.hear(b"pingping", Monotonic(25)), Heard::Nothing);
    assert_eq!(line.hear(&answer[4..], Monotonic(30)), Heard::Answer);
    assert!(line.take_quarantine().is_empty());

    // The last byte of an answer may look like a heartbeat.
    let word = (0..=u16::MAX)
        .find(|word| rtu(1, &[3, 2, (word >> 8) as u8, *word as u8]).ends_with(&[0xFE]))
        .expect("a checksum that ends so");
    let answer = rtu(1, &[3, 2, (word >> 8) as u8, word as u8]);
    ask(&mut line, 1, &read(0, 1), 40).unwrap();
    assert_eq!(line.hear(&answer[..6], Monotonic(50)), Heard::Nothing);
    assert_eq!(line.hear(&answer[6..], Monotonic(51)), Heard::Answer);
}

#[test]
fn half_an_answer_fails_at_the_silence_and_its_rest_is_noise() {
    let mut line = Matcher::new(Framing::Rtu);
    ask(&mut line, 1, &read(0, 2), 0).unwrap();
    let answer = rtu(1, &[3, 4, 0, 1, 0, 2]);
    assert_eq!(line.hear(&answer[..5], Monotonic(10)), Heard::Nothing);
    assert_eq!(
        line.silence(Monotonic(60)),
        Heard::Failed(Fault::Frame(Kind::Truncated))
    );
    assert_eq!(line.hear(&answer[5..], Monotonic(70)), Heard::Nothing);
    line.settled();
    assert_eq!(kept(&mut line), [(Kind::Truncated, 1), (Kind::Noise, 1)]);
}

#[test]
fn a_tcp_stream_that_loses_its_step_or_half_a_frame_is_closed() {
    let mut line = Matcher::new(Framing::Tcp);
    ask(&mut line, 1, &read(0, 1), 1).unwrap();
    assert_eq!(line.hear(b"HTTP/1.1 400", Monotonic(2)), Heard::OutOfStep);
    assert!(line.is_odd());
    line.reconnected(Monotonic(3));
    ask(&mut line, 1, &read(0, 1), 4).unwrap();
    line.hear(&[0, 4, 0, 0, 0, 5, 1, 3], Monotonic(5));
    assert_eq!(line.give_up(Monotonic(504)), Some(Fault::Frame(Kind::Truncated)));
    assert!(line.is_odd());
}

#[test]
fn a_transaction_number_that_comes_round_again_needs_a_new_connection() {
    let mut line = Matcher::new(Framing::Tcp);
    ask(&mut line, 1, &read(0, 1), 7).unwrap();
    line.give_up(Monotonic(507));
    let frame = tcp_frame(7, 1, &read(4, 1));
    let again = |at: u64| {
        (
            Monotonic(at),
            Question {
                frame: &frame,
                window: WINDOW,
                lateness: LATENESS,
            },
        )
    };
    let (now, question) = again(2_000);
    assert_eq!(line.asked(question, now), Err(Forbidden::Transaction));
    line.reconnected(now);
    assert_eq!(line.asked(question, now), Ok(()));
}

#[test]
fn so_many_open_questions_are_remembered_and_no_more_asked() {
    let mut line = Matcher::new(Framing::Rtu);
    let mut asked = 0;
    for unit in 1..=200 {
        match ask(&mut line, unit, &read(0, 1), u64::from(unit)) {
            Ok(()) => asked += 1,
            Err(forbidden) => {
                assert_eq!(
                    forbidden,
                    Forbidden::Until(Monotonic(2003)),
                    "the first one's end"
                );
                break;
            }
        }
        line.give_up(Monotonic(u64::from(unit)));
        line.settled();
    }
    assert_eq!(asked, super::super::ghosts::MAX);
}

#[test]
fn on_tcp_our_own_number_on_something_else_ends_the_wait() {
    let mut line = Matcher::new(Framing::Tcp);
    for wrong in [&[9, 3, 2, 0, 18][..], &[1, 4, 2, 0, 18], &[1, 3, 4, 0, 18, 0, 1]] {
        ask(&mut line, 1, &read(0, 1), 7).unwrap();
        let mut frame = vec![0, 7, 0, 0, 0, wrong.len() as u8];
        frame.extend(wrong);
        assert_eq!(
            line.hear(&frame, Monotonic(8)),
            Heard::Failed(Fault::Frame(Kind::Mismatch)),
            "{wrong:?}"
        );
        line.reconnected(Monotonic(9));
    }
}

#[test]
fn nothing_that_changes_a_device_can_be_asked_on_a_line_that_is_only_read() {
    let on = rtu(1, &[5, 0, 7, 0xFF, 0]);
    let question = Question {
        frame: &on,
        window: WINDOW,
        lateness: LATENESS,
    };
    let mut line = Matcher::new(Framing::Rtu);
    assert_eq!(line.asked(question, Monotonic(0)), Err(Forbidden::Write));
    let mut line = Matcher::new(Framing::Rtu).writable();
    line.asked(question, Monotonic(0)).unwrap();
    assert_eq!(
        line.hear(&on, Monotonic(20)),
        Heard::Answer,
        "a write is confirmed by its own bytes"
    );
}
