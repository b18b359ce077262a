//! What an answer of a target means for the lines that were sent. Pure; the sink and the forwarder act on it.

use std::time::Duration;

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken.
    Taken,
    /// Not now; another attempt may succeed, not before `after` when that is given.
    Later {
        /// Stable code of the reason.
        code: &'static str,
        /// When the target wants to be asked again.
        after: Option<Duration>,
    },
    /// Something in these lines is refused: send them in halves until the offender is alone.
    Refused {
        /// Stable code of the reason.
        code: &'static str,
        /// What the target says, cut.
        said: String,
    },
    /// The target keeps nothing that old: so many of these lines are left out for good, the others were taken.
    TooOld {
        /// How many; `None` when it does not say.
        count: Option<usize>,
    },
    /// The target refuses everything: credentials or its set-up are wrong. A person has to act; nothing is lost.
    Stop {
        /// Stable code of the reason.
        code: &'static str,
        /// What the target says, cut.
        said: String,
    },
}

/// Code of a request that was not answered in time.
pub(super) const TIMEOUT: &str = "timeout";
/// Code of a target nobody answers at.
pub(super) const UNREACHABLE: &str = "unreachable";
/// Code of a target that wants to be left alone for a while.
pub(super) const BUSY: &str = "busy";
/// Longest part of an answer that is kept.
const MAX_SAID: usize = 300;
/// How InfluxDB says that lines lie before what its retention keeps: 1 and 2, and 2 from 2.7 on. Everything else of the
/// request is stored.
const TOO_OLD: [&str; 2] = ["beyond retention policy", "outside retention policy"];
/// Longest wait a target may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What a status and the words beside it mean.
pub fn of_status(status: u16, after: Option<Duration>, body: &[u8]) -> Verdict {
    let said = || {
        let text = String::from_utf8_lossy(body);
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_SAID)
            .collect::<String>()
    };
    let after = after.map(|after| after.min(LONGEST_WAIT));
    match status {
        200..=299 => Verdict::Taken,
        401 | 403 => Verdict::Stop {
            code: "unauthorized",
            said: said(),
        },
        // A database or bucket that is not there, or an address that is not one of a store.
        404 => Verdict::Stop {
            code: "not_found",
            said: said(),
        },
        413 => Verdict::Refused {
            code: "too_large",
            said: said(),
        },
        429 => Verdict::Later { code: BUSY, after },
        400 | 422 if TOO_OLD.iter().any(|words| said().contains(words)) => Verdict::TooOld {
            count: said().split_once("dropped").and_then(|(_, count)| {
                let digits = count.trim_start_matches(['=', ' ']);
                let digits = digits.split(|c: char| !c.is_ascii_digit()).next();
                digits.and_then(|digits| digits.parse().ok())
            }),
        },
        400 | 422 => Verdict::Refused {
            code: "refused",
            said: said(),
        },
        500..=599 => Verdict::Later {
            code: "server_error",
            after,
        },
        300..=399 => Verdict::Stop {
            code: "redirected",
            said: said(),
        },
        _ => Verdict::Stop {
            code: "unexpected_status",
            said: said(),
        },
    }
}

/// The pause before attempt number `attempt` (from 1), doubling from one second to a minute; `spread` in [0, 1) keeps
/// targets from asking in step.
pub fn pause(attempt: u32, spread: f64) -> Duration {
    let seconds = f64::from(2u32.saturating_pow(attempt.saturating_sub(1).min(6)).min(60));
    Duration::from_secs_f64(seconds * (0.75 + 0.5 * spread.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        let code = |status| match of_status(status, None, b"") {
            Verdict::Taken => "taken",
            Verdict::TooOld { .. } => "too_old",
            Verdict::Later { code, .. } | Verdict::Refused { code, .. } | Verdict::Stop { code, .. } => code,
        };
        let table = [
            (200, "taken"),
            (204, "taken"),
            (302, "redirected"),
            (400, "refused"),
            (401, "unauthorized"),
            (403, "unauthorized"),
            (404, "not_found"),
            (405, "unexpected_status"),
            (413, "too_large"),
            (422, "refused"),
            (429, "busy"),
            (500, "server_error"),
            (503, "server_error"),
        ];
        for (status, meaning) in table {
            assert_eq!(code(status), meaning, "{status}");
        }
    }

    #[test]
    fn lines_that_a_target_keeps_no_longer_are_told_from_bad_ones() {
        let said = |text: &str| of_status(422, None, text.as_bytes());
        let one = r#"{"error":"partial write: points beyond retention policy dropped=17"}"#;
        assert_eq!(said(one), Verdict::TooOld { count: Some(17) });
        assert_eq!(
            said("points beyond retention policy"),
            Verdict::TooOld { count: None }
        );
        let conflict = "partial write: field type conflict: input field value dropped=1";
        assert!(matches!(said(conflict), Verdict::Refused { .. }));
    }

    #[test]
    fn a_target_may_name_the_time_within_reason_and_its_words_are_cut() {
        let hours = Duration::from_secs(86_400);
        let later = of_status(429, Some(hours), b"");
        assert_eq!(
            later,
            Verdict::Later {
                code: "busy",
                after: Some(LONGEST_WAIT)
            }
        );
        let Verdict::Refused { said, .. } = of_status(400, None, &[b'x'; 5_000]) else {
            unreachable!()
        };
        assert_eq!(said.len(), MAX_SAID);
    }

    #[test]
    fn pauses_double_to_a_minute() {
        let seconds: Vec<u64> = (1..9).map(|n| pause(n, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(pause(1, 0.0) < pause(1, 0.9));
    }
}
