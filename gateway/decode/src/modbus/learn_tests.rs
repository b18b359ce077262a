//! Devices that refuse some of what their profile says.

use super::tests::{map, planned, run_of};
use super::{Learned, RegisterMap, RegisterRequest, Search};
use proptest::collection::vec;
use proptest::prelude::*;

/// A device with its own ideas: addresses it does not have, and how much it answers at once.
struct Device {
    holes: Vec<u16>,
    at_once: u16,
    asked: usize,
}

impl Device {
    fn refuses(&mut self, request: &RegisterRequest) -> bool {
        self.asked += 1;
        let asked = request.start..request.start + request.count;
        request.count > self.at_once || self.holes.iter().any(|hole| asked.contains(hole))
    }

    /// One cycle of a master that learns. What was answered.
    fn poll(&mut self, map: &RegisterMap, learned: &mut Learned) -> Vec<RegisterRequest> {
        let mut answered = Vec::new();
        for read in map.plan_for(learned).reads {
            if !self.refuses(&read.request) {
                learned.contradicted(&read);
                answered.push(read.request);
                continue;
            }
            let Some(mut search) = Search::new(&read) else {
                learned.refuse(&read);
                continue;
            };
            while let Some(part) = search.next(map) {
                let refused = self.refuses(&part.request);
                search.told(map, refused);
                if !refused {
                    answered.push(part.request);
                }
            }
            search.finish(map, learned);
        }
        answered
    }
}

#[test]
fn one_register_that_does_not_exist_is_found_and_the_others_keep_their_values() {
    let map = map(&format!("registers = [{}]", run_of(0, 32)));
    let mut device = Device {
        holes: vec![21],
        at_once: 125,
        asked: 0,
    };
    let mut learned = Learned::default();
    let answered = device.poll(&map, &mut learned);
    let heard = |answered: &[RegisterRequest], address: u16| {
        answered
            .iter()
            .any(|r| (r.start..r.start + r.count).contains(&address))
    };
    assert!(
        (0..32).all(|address| heard(&answered, address) != (address == 21)),
        "in the very first cycle"
    );
    assert_eq!(device.asked, 1 + 2 * 5, "halving 32 five times");
    assert_eq!(planned(&map, &learned), [(4, 0, 21), (4, 22, 10)]);
    let plan = map.plan_for(&learned);
    assert_eq!((plan.refused.len(), plan.refused[0].request.start), (1, 21));
    device.asked = 0;
    device.poll(&map, &mut learned);
    assert_eq!(device.asked, 2, "it is not asked again");
}

#[test]
fn a_device_that_answers_less_at_once_is_asked_for_less() {
    let map = map(&format!("registers = [{}]", run_of(0, 32)));
    let mut device = Device {
        holes: vec![],
        at_once: 10,
        asked: 0,
    };
    let mut learned = Learned::default();
    device.poll(&map, &mut learned);
    device.poll(&map, &mut learned);
    assert_eq!(
        planned(&map, &learned),
        [(4, 0, 8), (4, 8, 8), (4, 16, 8), (4, 24, 8)]
    );
}

#[test]
fn a_device_that_refuses_everything_is_still_asked_for_something_and_forgiven() {
    let map = map(&format!("registers = [{}]", run_of(0, 4)));
    let mut device = Device {
        holes: (0..4).collect(),
        at_once: 125,
        asked: 0,
    };
    let mut learned = Learned::default();
    device.poll(&map, &mut learned);
    assert_eq!(planned(&map, &learned), [(4, 0, 1)]);
    device.holes.clear();
    device.poll(&map, &mut learned);
    assert!(learned.is_empty());
    assert_eq!(planned(&map, &learned), [(4, 0, 4)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_device_is_learned_in_a_few_cycles_and_nothing_of_it_is_lost(
        addresses in vec((0u16..120, 1u16..=4, any::<bool>()), 1..40),
        holes in vec(0u16..124, 0..6),
        at_once in 4u16..=125,
        max_registers in 4u16..=125,
        max_gap in 0u16..4,
    ) {
        let registers: Vec<String> = addresses.iter().enumerate().map(|(n, (address, words, slow))| {
            let kind = ["u16", "u32", "u64", "u64"][usize::from(*words - 1)];
            let poll = if *slow { ", poll = \"60s\"" } else { "" };
            format!("{{ function = 3, address = {address}, type = \"{kind}\", measure = \"pulse.count\", instance = \"P{n}\"{poll} }}")
        }).collect();
        let modbus = format!("max_registers = {max_registers}\nmax_gap = {max_gap}\nregisters = [{}]", registers.join(", "));
        let map = map(&modbus);
        let named = |address: u16| map.names(3, address.into());
        let mut device = Device { holes: holes.clone(), at_once, asked: 0 };
        let mut learned = Learned::default();
        let mut cycles = 0;
        loop {
            device.asked = 0;
            let plan = map.plan_for(&learned);
            for read in &plan.reads {
                let asked = read.request.start..read.request.start + read.request.count;
                prop_assert!(read.request.count <= max_registers);
                let mut run = 0;
                for address in asked {
                    run = if named(address) { 0 } else { run + 1 };
                    prop_assert!(run <= max_gap, "more than the gap was read");
                }
            }
            let refused = device.poll(&map, &mut learned);
            if device.asked == plan.reads.len() && map.plan_for(&learned) == plan {
                // Stable: everything that exists is read, the rest is known.
                let all_refused = plan.reads.len() == 1 && refused.is_empty();
                for (address, words, _) in &addresses {
                    let words = [1, 2, 4, 4][usize::from(*words - 1)];
                    let value = *address..*address + words;
                    let exists = !holes.iter().any(|hole| value.contains(hole));
                    let is_read = refused.iter().any(|r| r.start <= value.start && value.end <= r.start + r.count);
                    prop_assert!(is_read || !exists || all_refused, "{value:?}");
                    prop_assert!(exists || !is_read || all_refused, "{value:?}");
                }
                break;
            }
            cycles += 1;
            prop_assert!(cycles < 40, "it never ends");
        }
    }
}
