//! Bytes on a Modbus line, in pieces, between the questions of a master.
#![no_main]

#[path = "../shared.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shared::harness::replies(data));
