//! A clock that a story moves by hand: it stands still until a file says another time.
//!
//! The file holds one line, `WALL MONOTONIC BOOT`: milliseconds since 1970, milliseconds since the machine started, and a
//! number for the boot. Whoever moves the clock writes another file and renames it over this one, so that nobody reads
//! half a time. It is read each time somebody asks, so from the moment of the renaming everything the program does
//! happens then. Whether the wall clock is believed follows from what it shows, as with the machine's.
//!
//! Only the program `linli-test-clock` has it, and only the stories build that.

use super::{BUILT, Clock};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The variable that names the file.
pub const VARIABLE: &str = "LINLI_TEST_CLOCK";
/// Whoever waits looks at the file this often.
const NAP: Duration = Duration::from_millis(10);

/// Why there is no such clock.
#[derive(Debug, thiserror::Error)]
pub enum NoHand {
    /// The variable is not set.
    #[error("{VARIABLE} names no file; this program is for tests, the gateway is `linli`")]
    NoFile,
    /// The file.
    #[error("read the time from {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// What it holds.
    #[error("{0} holds no time: one line `WALL MONOTONIC BOOT` in milliseconds")]
    Form(PathBuf),
}

/// A clock moved by hand.
#[derive(Debug)]
pub struct HandClock {
    file: PathBuf,
    /// Shown again when the file cannot be read: a story that has ended takes its folder away.
    last: Mutex<Now>,
}

impl HandClock {
    /// The clock of a file that is there.
    pub fn new(file: PathBuf) -> Result<Self, NoHand> {
        let text = std::fs::read_to_string(&file).map_err(|error| NoHand::Read(file.clone(), error))?;
        match read(&text) {
            Some(now) => Ok(Self {
                file,
                last: Mutex::new(now),
            }),
            None => Err(NoHand::Form(file)),
        }
    }

    /// The clock of the file that [`VARIABLE`] names.
    pub fn of_this_process() -> Result<Self, NoHand> {
        Self::new(std::env::var_os(VARIABLE).ok_or(NoHand::NoFile)?.into())
    }
}

impl Clock for HandClock {
    fn now(&self) -> Now {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = std::fs::read_to_string(&self.file)
            .ok()
            .and_then(|text| read(&text))
        {
            *last = now;
        }
        *last
    }

    fn nap(&self, pause: Duration) -> Duration {
        pause.min(NAP)
    }
}

fn read(text: &str) -> Option<Now> {
    let mut numbers = text.split_whitespace();
    let wall = Timestamp::from_millis(numbers.next()?.parse().ok()?);
    let now = Now {
        wall,
        monotonic: Monotonic(numbers.next()?.parse().ok()?),
        boot: BootId(numbers.next()?.parse().ok()?),
        trusted: wall >= BUILT,
    };
    numbers.next().is_none().then_some(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SharedClock, rest};
    use std::sync::Arc;

    fn moved(folder: &std::path::Path, text: &str) -> PathBuf {
        let (file, new) = (folder.join("time"), folder.join("time.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &file).unwrap();
        file
    }

    #[test]
    fn it_shows_what_the_file_says_and_believes_no_time_before_the_program_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::new(moved(folder.path(), "5000 700 3\n")).unwrap();
        let now = clock.now();
        assert_eq!(
            (now.wall, now.monotonic, now.boot, now.trusted),
            (Timestamp::from_millis(5_000), Monotonic(700), BootId(3), false)
        );
        moved(folder.path(), "1800000000000 900 3");
        assert!(clock.now().trusted);
        std::fs::remove_file(folder.path().join("time")).unwrap();
        assert_eq!(clock.now().monotonic, Monotonic(900), "the last it showed");
    }

    #[test]
    fn without_a_file_that_holds_a_time_there_is_no_clock() {
        let folder = tempfile::tempdir().unwrap();
        let absent = HandClock::new(folder.path().join("nothing"));
        assert!(matches!(absent, Err(NoHand::Read(..))));
        for text in ["", "5000", "5000 700", "5000 700 3 4", "noon 700 3", "5000 -7 3"] {
            let wrong = HandClock::new(moved(folder.path(), text));
            assert!(matches!(wrong, Err(NoHand::Form(_))), "{text:?}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_an_hour_waits_until_it_is_moved_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(HandClock::new(moved(folder.path(), "1800000000000 0 1")).unwrap());
        let mut waiting = Box::pin(rest(&clock, Duration::from_secs(3_600)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        // The wall clock alone moves no delay.
        moved(folder.path(), "1800003600000 0 1");
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        moved(folder.path(), "1800003600000 3600000 1");
        waiting.await;
    }
}
