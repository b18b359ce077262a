//! The time of a story: it stands still until the story moves it, and the gateway goes by it.
//!
//! Two times are kept apart. The *truth* is what passes in the story. What the gateway's machine *shows* is the truth unless
//! somebody set its clock. Moving the time is one renaming of a file, so the gateway is never between two times; what
//! follows from it has happened when [`Gateway::settled`] returns.

use crate::gateway::Gateway;
use linli_domain::time::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The variable by which `linli-test-clock` finds the file.
pub const VARIABLE: &str = "LINLI_TEST_CLOCK";

/// A clock moved by hand.
#[derive(Debug, Clone)]
pub struct StoryClock {
    folder: Arc<tempfile::TempDir>,
    time: Arc<Mutex<Time>>,
}

#[derive(Debug, Clone, Copy)]
struct Time {
    truth_ms: i64,
    /// What the machine shows is the truth plus so much.
    off_ms: i64,
    monotonic_ms: u64,
    boot: u64,
    /// What the gateway shows less the time its machine has run, while it does not believe the machine.
    lift_ms: Option<i64>,
}

impl StoryClock {
    /// A story that begins at a time written as `2026-06-11T03:00:00+08:00`; its machine has been on for an hour.
    pub fn at(begins: &str) -> Self {
        Self::from(instant(begins))
    }

    /// A story that begins now, for peers that have a clock of their own.
    #[allow(clippy::disallowed_methods, reason = "the truth has to come from somewhere")]
    pub fn today() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let since = since.expect("a machine that was set").as_millis();
        Self::from(Timestamp::from_millis(
            i64::try_from(since).expect("a time of our days"),
        ))
    }

    fn from(begins: Timestamp) -> Self {
        let clock = Self {
            folder: Arc::new(tempfile::tempdir().expect("a temporary folder")),
            time: Arc::new(Mutex::new(Time {
                truth_ms: begins.as_millis(),
                off_ms: 0,
                monotonic_ms: 3_600_000,
                boot: 1,
                lift_ms: None,
            })),
        };
        clock.change(|_| {});
        clock
    }

    /// The file the gateway reads.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }

    /// What time it truly is.
    pub fn truth(&self) -> Timestamp {
        Timestamp::from_millis(self.time.lock().expect("the time").truth_ms)
    }

    /// What the machine of the gateway shows.
    pub fn shown(&self) -> Timestamp {
        let time = *self.time.lock().expect("the time");
        Timestamp::from_millis(time.truth_ms + time.off_ms)
    }

    /// What the gateway goes by: what its machine shows, unless it does not believe that.
    pub fn believed(&self) -> Timestamp {
        let time = *self.time.lock().expect("the time");
        let ran = i64::try_from(time.monotonic_ms).expect("no such time");
        let lifted = time.lift_ms.map(|lift| Timestamp::from_millis(lift + ran));
        lifted.unwrap_or_else(|| Timestamp::from_millis(time.truth_ms + time.off_ms))
    }

    /// The gateway does not believe its machine: it showed this time when the machine had run for so long, and goes on from
    /// there until the clock is set.
    pub fn lifted(&self, shows: Timestamp, ran_ms: u64) {
        let ran = i64::try_from(ran_ms).expect("no such time");
        self.time.lock().expect("the time").lift_ms = Some(shows.as_millis() - ran);
    }

    /// Time passes, for everybody.
    pub fn pass(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).expect("no such time");
        self.change(|time| {
            time.truth_ms += i64::try_from(ms).expect("no such time");
            time.monotonic_ms += ms;
        });
    }

    /// Somebody sets the clock of the machine; no time passes.
    pub fn set(&self, shows: &str) {
        let shows = instant(shows).as_millis();
        self.change(|time| (time.off_ms, time.lift_ms) = (shows - time.truth_ms, None));
    }

    /// The network tells the machine the true time; no time passes.
    pub fn set_right(&self) {
        self.change(|time| (time.off_ms, time.lift_ms) = (0, None));
    }

    /// The clock of the machine jumps by so many seconds.
    pub fn jump(&self, seconds: i64) {
        self.change(|time| time.off_ms += seconds * 1_000);
    }

    /// The machine was off for a moment and comes up: another boot, which counts from zero. The program must not run.
    pub fn boot(&self) {
        self.change(|time| {
            time.boot += 1;
            time.monotonic_ms = 20_000;
        });
    }

    /// Time passes in steps, and what is due happens at each of them.
    pub async fn walk(&self, gateway: &Gateway, duration: Duration, step: Duration) {
        let mut left = duration;
        while !left.is_zero() {
            let step = step.min(left);
            self.pass(step);
            gateway.settled().await;
            left -= step;
        }
    }

    /// Walks until the clock of the machine shows this time.
    pub async fn walk_to(&self, gateway: &Gateway, shows: &str, step: Duration) {
        let duration = instant(shows).since(self.shown());
        self.walk(gateway, duration, step).await;
    }

    fn change(&self, change: impl FnOnce(&mut Time)) {
        // Whoever moves it holds it until the file is there.
        let mut time = self.time.lock().expect("the time");
        change(&mut time);
        let text = format!(
            "{} {} {}\n",
            time.truth_ms + time.off_ms,
            time.monotonic_ms,
            time.boot
        );
        let new = self.folder.path().join("time.new");
        std::fs::write(&new, text).expect("the time");
        std::fs::rename(&new, self.file()).expect("the time");
    }
}

/// A time as stories write it.
///
/// # Panics
/// When it is none.
pub fn instant(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap_or_else(|| panic!("{text} is no time"))
}
