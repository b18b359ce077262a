//! A text as a case file.
#![no_main]

#[path = "../shared.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::harness::case(data, &shared::CATALOGUE));
