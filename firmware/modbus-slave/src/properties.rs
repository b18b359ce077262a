//! What holds for every byte string, argued with random ones.

use proptest::prelude::*;

use crate::rtu::checksum;
use crate::testbank::{Bus, FourRegisters, with_checksum};
use crate::{Audience, Counters, mbap, pdu};

/// A request-like body: often a known function with plausible numbers, sometimes anything.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let plausible = (
        prop::sample::select(vec![1u8, 2, 3, 4, 5, 6, 8, 15, 16, 43, 99]),
        prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 4, 14, 255]), 0..20),
    )
        .prop_map(|(function, mut rest)| {
            rest.insert(0, function);
            rest
        });
    prop_oneof![plausible, prop::collection::vec(any::<u8>(), 0..260)]
}

proptest! {
    #[test]
    fn no_byte_string_stops_the_slave(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bus = Bus::new();
        bus.hear(&noise);
        bus.silence();
        prop_assert_eq!(bus.ask(&[1, 4, 0, 0, 0, 1]), [1, 4, 2, 0, 100]);
    }

    #[test]
    fn a_frame_for_another_node_is_never_answered(unit in 2u8..=255, body in body()) {
        let mut bus = Bus::new();
        let mut frame = vec![unit];
        frame.extend(body);
        prop_assert_eq!(bus.hear(&with_checksum(&frame)), Vec::<u8>::new());
        prop_assert_eq!(bus.silence(), Vec::<u8>::new());
        prop_assert_eq!(bus.bank.holding, [7; 4]);
        prop_assert_eq!(bus.bank.coils, [false; 4]);
    }

    #[test]
    fn a_broadcast_is_never_answered(body in body()) {
        let mut bus = Bus::new();
        let mut frame = vec![0];
        frame.extend(body);
        prop_assert_eq!(bus.hear(&with_checksum(&frame)), Vec::<u8>::new());
        prop_assert_eq!(bus.silence(), Vec::<u8>::new());
    }

    #[test]
    fn a_damaged_frame_changes_nothing(body in body(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bus = Bus::new();
        let mut frame = vec![1];
        frame.extend(body);
        let mut frame = with_checksum(&frame);
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        prop_assert!(checksum(&frame) != 0, "one flipped bit is always seen");
        // One random prefix in 65,536 has a good checksum by chance and is a frame of its own.
        prop_assume!((4..frame.len()).all(|end| checksum(&frame[..end]) != 0));
        bus.hear(&frame);
        bus.silence();
        prop_assert_eq!(bus.bank.holding, [7; 4]);
        prop_assert_eq!(bus.bank.coils, [false; 4]);
    }

    #[test]
    fn an_answer_is_the_request_s_function_or_its_refusal(body in body()) {
        let (mut bank, mut counters) = (FourRegisters::new(), Counters::new());
        if let Some(answer) = pdu::answer(&body, Audience::Own, &mut bank, &mut counters) {
            let bytes = answer.as_bytes();
            prop_assert!(bytes[0] == body[0] || (bytes[0] == body[0] | 0x80 && bytes.len() == 2));
            if bytes[0] & 0x80 != 0 {
                prop_assert_eq!(bank.holding, [7; 4], "a refused request changed something");
                prop_assert_eq!(bank.coils, [false; 4]);
            }
        }
    }

    #[test]
    fn no_byte_string_stops_the_tcp_header_parser(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(Some((frame, used))) = mbap::parse(&bytes) {
            prop_assert!(used <= bytes.len() && !frame.pdu.is_empty());
        }
    }
}
