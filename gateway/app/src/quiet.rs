//! Keeps a flood of one kind out of the log: every kind is heard, the rest is counted in its next line.
//!
//! Pure. Writing the line is the caller's affair.

use linli_domain::time::Monotonic;
use std::collections::BTreeMap;
use std::time::Duration;

/// One line per kind and this long.
const QUIET: Duration = Duration::from_secs(1);

/// When each kind was last heard, and how often it was swallowed since. Kinds are words of the program, so there are
/// few of them.
#[derive(Debug, Default)]
pub(crate) struct Quiet(BTreeMap<&'static str, (Monotonic, u64)>);

impl Quiet {
    /// Whether a line of this kind may be written now; with the number of those that were not since the last one.
    pub(crate) fn may_speak(&mut self, kind: &'static str, now: Monotonic) -> Option<u64> {
        match self.0.get_mut(kind) {
            Some((heard, swallowed)) if now.since(*heard) < QUIET => {
                *swallowed += 1;
                None
            }
            other => {
                let swallowed = other.map_or(0, |(_, swallowed)| *swallowed);
                self.0.insert(kind, (now, 0));
                Some(swallowed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_with_its_count() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.may_speak("not_json", Monotonic(0)), Some(0));
        assert_eq!(quiet.may_speak("not_json", Monotonic(1)), None);
        assert_eq!(quiet.may_speak("unknown_device", Monotonic(2)), Some(0));
        assert_eq!(quiet.may_speak("not_json", Monotonic(999)), None);
        assert_eq!(quiet.may_speak("not_json", Monotonic(1000)), Some(2));
    }
}
