//! Replies: whatever comes, no reply ever lands on the wrong point.

use crate::harness;
use crate::line::Line;
use linli_decode::modbus::wire::Framing;
use proptest::collection::vec;
use proptest::prelude::*;

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
    fn whatever_is_heard_the_matcher_goes_on(data in vec(any::<u8>(), 0..4_000)) {
        harness::replies(&data);
    }
}
