//! Bytes on the line of a sensor node of any kind, between silences, beside the judge of its million-frames test.
#![no_main]
#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "shared with the tests; a failure ends the run"
)]

#[path = "../../../firmware/node/tests/stories/harness.rs"]
mod harness;
#[path = "../../../firmware/update/src/ramflash.rs"]
mod ramflash;

use linli_registers::Kind;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let mut node = harness::Heard::new(Kind::ALL[usize::from(*kind) % Kind::ALL.len()]);
    for stretch in harness::stretches(data) {
        node.hear(&stretch);
    }
});
