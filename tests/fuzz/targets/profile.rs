//! A text as a profile.
#![no_main]

#[path = "../shared.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|text: &str| shared::harness::profile(text));
