//! The one place that asks the machine for the time. Everything else is handed a [`Now`], and waits through [`rest`].

#[cfg(any(test, feature = "test-clock"))]
pub mod hand;
mod lifted;

pub use lifted::never_before;

use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A source of [`Now`]; tests hand in their own.
pub trait Clock: Send + Sync {
    /// The time at this moment.
    fn now(&self) -> Now;

    /// How long to wait by the machine's time before asking again whether `pause` is over by this clock. A clock that does
    /// not run with the machine's says less than `pause`.
    fn nap(&self, pause: Duration) -> Duration {
        pause
    }

    /// Whether the system says that it was told the time in this boot.
    fn is_synchronised(&self) -> bool {
        false
    }

    /// A person says that the machine's clock is right. Whether that changes what is believed.
    fn believe(&self) -> bool {
        false
    }
}

/// The clock the program is composed with.
pub type SharedClock = Arc<dyn Clock>;

/// Waits until `pause` is over by this clock. Whoever waits for something that is told, ordered or measured waits here;
/// the patience with a socket is the machine's own.
pub async fn rest(clock: &SharedClock, pause: Duration) {
    let over = clock.now().after(pause);
    loop {
        let left = over.at.since(clock.now().monotonic);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(clock.nap(left)).await;
    }
}

/// The release of this program is younger than this instant, so a wall clock before it is wrong. A constant, and not the
/// time of the build: the same source makes the same program, and decides the same about what was recorded.
pub(crate) const BUILT: Timestamp = Timestamp::from_millis(1_764_000_000_000);

/// A box that has neither a clock nor a saved time counts from [`BUILT`]; a time before this may be one of those, and no
/// release is installed that early.
pub(crate) const KNOWN_FROM: Timestamp = Timestamp::from_millis(BUILT.as_millis() + 24 * 3_600 * 1_000);

/// A wall clock that moved this much against the monotonic one was set, not disciplined.
pub(crate) const SET: std::time::Duration = std::time::Duration::from_secs(5);

/// What the wall clock would have shown at the beginning of the boot, in milliseconds: it moves when the clock is set.
pub(crate) fn boot_began(now: &Now) -> i64 {
    let ran = i64::try_from(now.monotonic.0).unwrap_or(i64::MAX);
    now.wall.as_millis().saturating_sub(ran)
}

/// Made by systemd-timesyncd once the network has told it the time; gone with the boot.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// The machine's clocks: UTC, `CLOCK_BOOTTIME`, and the kernel's boot id.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    boot: BootId,
}

impl SystemClock {
    /// Reads the boot id once; where the kernel has none, each start of the program counts as a boot.
    pub fn new() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| u64::from_str_radix(text.trim().split('-').next_back()?, 16).ok())
            .unwrap_or_else(|| u64::from(std::process::id()));
        Self { boot: BootId(boot) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Now {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let wall = Timestamp::from_millis(wall);
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let millis = u64::try_from(boot.tv_sec).unwrap_or(0) * 1000
            + u64::try_from(boot.tv_nsec).unwrap_or(0) / 1_000_000;
        Now {
            wall,
            monotonic: Monotonic(millis),
            boot: self.boot,
            trusted: wall >= BUILT,
        }
    }

    fn is_synchronised(&self) -> bool {
        std::path::Path::new(SYNCHRONISED).exists()
    }
}
