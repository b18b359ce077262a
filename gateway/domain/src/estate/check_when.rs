//! A condition as it is written, narrowed down to one that can be met and can be over.
//!
//! A condition that could never hold, or always, is a slip of the pen: it is refused with what to write instead.

use super::check::Problems;
use super::doc::WhenDoc;
use crate::measure::{Measure, Unit};
use crate::rule::{MAX_SAMPLES, When};
use std::time::Duration;

/// Longest window of a condition.
const MAX_WINDOW: Duration = Duration::from_secs(31 * 86_400);
const HINT: &str = "write one of { state = true }, { above = 90.0, clear = 70.0 }, { below = 5.0, clear = 8.0 }, \
    { rises = 10.0, within = \"5m\" }, { falls = … }, { reaches = 90.0, ahead = \"24h\", within = \"12h\" }, \
    { silent = true }, { stuck = \"6h\" }, { state = true, times = 5, within = \"30m\" } or \
    { state = true, total = \"20m\", within = \"1h\" }";

impl Problems {
    /// Narrows the options of a condition down to one that fits the measure.
    pub(super) fn when(&mut self, path: &str, doc: WhenDoc, measure: Measure) -> Option<When> {
        let Some(when) = narrow(doc) else {
            self.add_hint(path, "is not one condition", HINT);
            return None;
        };
        let before = self.0.len();
        self.fits(path, when, measure);
        match when {
            When::State(_) | When::Silent => {}
            When::Above { set, clear } => {
                self.possible(path, set, clear, measure);
                if clear > set {
                    self.add_hint(
                        format!("{path}.clear"),
                        format!("clear {clear} is above the set value {set}"),
                        "an alarm above a value clears at that value or lower",
                    );
                }
            }
            When::Below { set, clear } => {
                self.possible(path, set, clear, measure);
                if clear < set {
                    self.add_hint(
                        format!("{path}.clear"),
                        format!("clear {clear} is below the set value {set}"),
                        "an alarm below a value clears at that value or higher",
                    );
                }
            }
            When::Rises { by, clear, within } | When::Falls { by, clear, within } => {
                if !(by.is_finite() && by > 0.0 && clear.is_finite()) {
                    self.add(path, "a change is a finite number above zero");
                } else if clear > by || clear < 0.0 {
                    self.add_hint(
                        format!("{path}.clear"),
                        format!("clear {clear} is not between 0 and the change {by}"),
                        "the alarm is over when the change has become this small",
                    );
                }
                if matches!(measure.unit().symbol(), "%" | "%RH") && by > 100.0 {
                    self.add_hint(
                        path,
                        format!("{measure} is a share from 0 to 100: the alarm would never be raised"),
                        "give the change in percent",
                    );
                }
                self.window(format!("{path}.within"), within);
            }
            When::Reaches { level, ahead, within } => {
                self.possible(path, level, level, measure);
                self.window(format!("{path}.within"), within);
                self.window(format!("{path}.ahead"), ahead);
            }
            When::Stuck { after, band } => {
                self.window(format!("{path}.stuck"), after);
                if !(band.is_finite() && band >= 0.0) {
                    self.add(format!("{path}.band"), "is not a number of 0 or more");
                }
            }
            When::Often { times, within, .. } => {
                self.window(format!("{path}.within"), within);
                if !(2..=MAX_SAMPLES).contains(&usize::from(times)) {
                    self.add(format!("{path}.times"), format!("is not 2 to {MAX_SAMPLES}"));
                }
            }
            When::Long { total, within, .. } => {
                self.window(format!("{path}.within"), within);
                if total.is_zero() {
                    self.add(
                        format!("{path}.total"),
                        "is no time at all: the alarm would never be over",
                    );
                } else if total > within {
                    self.add_hint(
                        format!("{path}.total"),
                        "is longer than the time it is taken out of: the alarm could never be raised",
                        "make it shorter than `within`",
                    );
                }
            }
        }
        (self.0.len() == before).then_some(when)
    }

    /// Whether the measure is of the kind the condition looks at.
    fn fits(&mut self, path: &str, when: When, measure: Measure) {
        if when == When::Silent {
            return;
        }
        if when.looks_at_states() && !measure.is_state() {
            self.add_hint(
                format!("{path}.state"),
                format!("{measure} is measured in {}, it has no state", measure.unit()),
                "use above or below",
            );
        } else if !when.looks_at_states() && (measure.is_state() || measure.unit() == Unit::TEXT) {
            self.add(path, format!("{measure} is not a number, it has no threshold"));
        }
    }

    /// A level that a share cannot reach is never met; one that it always has is always met.
    fn possible(&mut self, path: &str, set: f64, clear: f64, measure: Measure) {
        if !set.is_finite() || !clear.is_finite() {
            self.add(path, "is not a finite number");
            return;
        }
        let is_share = matches!(measure.unit().symbol(), "%" | "%RH");
        let outside = |n: f64| !(0.0..=100.0).contains(&n);
        if is_share && (outside(set) || outside(clear)) {
            self.add_hint(
                path,
                format!(
                    "{measure} is a share from 0 to 100: the alarm would never be raised, or never be over"
                ),
                "give the level in percent",
            );
        }
    }

    fn window(&mut self, path: String, window: Duration) {
        if window.is_zero() {
            self.add(path, "is no time at all");
        } else if window > MAX_WINDOW {
            self.add(path, "is longer than 31 days");
        }
    }
}

/// The one condition that is written; `None` for none, half of one, or parts of several.
fn narrow(doc: WhenDoc) -> Option<When> {
    let rest = |used: WhenDoc| used == doc;
    let none = WhenDoc::default();
    if let (Some(set), true) = (
        doc.above,
        rest(WhenDoc {
            above: doc.above,
            clear: doc.clear,
            ..none
        }),
    ) {
        let clear = doc.clear.unwrap_or(set);
        return Some(When::Above { set, clear });
    }
    if let (Some(set), true) = (
        doc.below,
        rest(WhenDoc {
            below: doc.below,
            clear: doc.clear,
            ..none
        }),
    ) {
        let clear = doc.clear.unwrap_or(set);
        return Some(When::Below { set, clear });
    }
    let (clear, within) = (doc.clear, doc.within);
    if let (Some(by), Some(within), true) = (
        doc.rises,
        doc.within,
        rest(WhenDoc {
            rises: doc.rises,
            clear,
            within,
            ..none
        }),
    ) {
        let clear = doc.clear.unwrap_or(by / 2.0);
        return Some(When::Rises { by, clear, within });
    }
    if let (Some(by), Some(within), true) = (
        doc.falls,
        doc.within,
        rest(WhenDoc {
            falls: doc.falls,
            clear,
            within,
            ..none
        }),
    ) {
        let clear = doc.clear.unwrap_or(by / 2.0);
        return Some(When::Falls { by, clear, within });
    }
    if let (Some(level), Some(ahead), Some(within)) = (doc.reaches, doc.ahead, doc.within) {
        let used = WhenDoc {
            reaches: doc.reaches,
            ahead: doc.ahead,
            within: doc.within,
            ..none
        };
        return rest(used).then_some(When::Reaches { level, ahead, within });
    }
    if doc.silent == Some(true) {
        return rest(WhenDoc {
            silent: doc.silent,
            ..none
        })
        .then_some(When::Silent);
    }
    if let Some(after) = doc.stuck {
        let band = doc.band.unwrap_or_default();
        let used = WhenDoc {
            stuck: doc.stuck,
            band: doc.band,
            ..none
        };
        return rest(used).then_some(When::Stuck { after, band });
    }
    let state = doc.state?;
    match (doc.times, doc.total, doc.within) {
        (None, None, None) => rest(WhenDoc {
            state: doc.state,
            ..none
        })
        .then_some(When::State(state)),
        (Some(times), None, Some(within)) => {
            let used = WhenDoc {
                state: doc.state,
                times: doc.times,
                within: doc.within,
                ..none
            };
            rest(used).then_some(When::Often { state, times, within })
        }
        (None, Some(total), Some(within)) => {
            let used = WhenDoc {
                state: doc.state,
                total: doc.total,
                within: doc.within,
                ..none
            };
            rest(used).then_some(When::Long { state, total, within })
        }
        _ => None,
    }
}
