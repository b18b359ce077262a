//! The disk under a ledger: what one durable write costs, and how much a process has written.

use std::io::{Seek, Write};
use std::time::Instant;

/// Milliseconds of `count` syncs of a page of 4 kB, each after a write, where temporary folders lie.
pub(crate) fn syncs_ms(count: usize) -> Vec<f64> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    (0..count)
        .map(|n| {
            file.seek(std::io::SeekFrom::Start(n as u64 % 64 * 4_096))
                .expect("seek");
            file.write_all(&[7; 4_096]).expect("write");
            let began = Instant::now();
            file.sync_data().expect("sync");
            began.elapsed().as_secs_f64() * 1_000.0
        })
        .collect()
}

/// Bytes a process had written to the disk so far.
pub(crate) fn written_bytes(pid: u32) -> f64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
        .unwrap_or(0.0)
}
