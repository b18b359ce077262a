//! Messages of any family, one after the other on one connection, read by every profile of the catalogue.
#![no_main]

#[path = "../shared.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let messages = shared::harness::sequence(data);
    shared::harness::messages(&messages, &shared::CATALOGUE);
});
