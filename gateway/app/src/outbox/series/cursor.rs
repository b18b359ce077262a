//! How far each target has come: what the ledger keeps, what the sealer waits for, what the API shows.
//!
//! A target follows two lanes. The *live* lane takes what is committed now; after an outage the *catch-up* lane takes
//! what was committed meanwhile, so that new readings do not wait behind old ones. What is older than the log of
//! commits is filled in by point and time. Places are durable with the pipeline's next commit: after a crash a target
//! is sent a little again, never too little.

use linli_domain::id::CommitId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What the names of cursors in the ledger begin with.
pub const PREFIX: &str = "cursor/";

/// A time before and one after everything observed. What is to be filled in has no later end: readings may be dated by a
/// clock that ran ahead.
pub(super) const EVER: (i64, i64) = (i64::MIN / 2, i64::MAX / 2);

/// The place of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The live lane has taken every commit after `missing`'s end up to this one.
    pub live: u64,
    /// Commits still to be caught up: after the first, up to and including the second.
    pub missing: Option<(u64, u64)>,
    /// Readings still to be filled in by point and time.
    pub back_fill: Option<BackFill>,
    /// When the last commit that was taken had been made, milliseconds since 1970.
    pub at: i64,
}

/// Readings that are not in the log of commits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackFill {
    /// Observed at or after, milliseconds.
    pub from: i64,
    /// Observed before.
    pub to: i64,
    /// Points up to this key are done.
    pub done: u32,
}

impl Place {
    /// A target that begins at a commit.
    pub fn at(commit: CommitId, at: i64) -> Self {
        Self {
            live: commit.0,
            missing: None,
            back_fill: None,
            at,
        }
    }

    /// The first commit that is still needed is the one after this.
    pub fn floor(&self) -> u64 {
        self.missing.map_or(self.live, |(after, _)| after)
    }

    /// Lets the live lane go on at `now`; everything between is caught up beside it.
    pub fn split(&mut self, now: u64) {
        if now > self.live {
            self.missing = Some((self.floor(), now));
            self.live = now;
        }
    }

    /// It is `now`, and since the place was dated the clock was set back by `back` milliseconds; both may have run ahead
    /// before. What was missed meanwhile is not later than that. Says whether a back-fill reaches back further for it, which
    /// then begins again.
    pub fn not_ahead_of(&mut self, now: i64, back: i64) -> bool {
        let right = |at: i64| at.saturating_sub(back).min(now);
        self.at = right(self.at);
        match &mut self.back_fill {
            Some(fill) if fill.from > EVER.0 && right(fill.from) < fill.from => {
                (fill.from, fill.done) = (right(fill.from), 0);
                true
            }
            _ => false,
        }
    }

    /// The catch-up lane has come to `upto`.
    pub fn caught_up(&mut self, upto: u64) {
        self.missing = self
            .missing
            .map(|(after, end)| (after.max(upto), end))
            .filter(|(after, end)| after < end);
    }
}

/// State of a target, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Where it stands.
    pub place: Option<Place>,
    /// Why nothing goes through, when that is so.
    pub trouble: Option<String>,
    /// Readings taken since the start.
    pub sent: u64,
    /// Lines refused for good since the start.
    pub parked: u64,
}

/// The places of all targets, shared by the forwarders, the pipeline and the API.
#[derive(Debug, Default)]
pub struct Cursors {
    targets: Mutex<BTreeMap<String, (Shown, bool)>>,
}

impl Cursors {
    /// Targets with the places the ledger holds of them.
    pub fn new(names: impl Iterator<Item = String>, stored: &[(String, Vec<u8>)]) -> Self {
        let targets = names.map(|name| {
            let place = stored
                .iter()
                .find(|(key, _)| key.strip_prefix(PREFIX) == Some(name.as_str()))
                .and_then(|(_, bytes)| serde_json::from_slice(bytes).ok());
            (
                name,
                (
                    Shown {
                        place,
                        ..Shown::default()
                    },
                    false,
                ),
            )
        });
        Self {
            targets: Mutex::new(targets.collect()),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, (Shown, bool)>) -> T) -> T {
        work(&mut self.targets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The place of a target.
    pub fn place(&self, name: &str) -> Option<Place> {
        self.with(|targets| targets.get(name).and_then(|(shown, _)| shown.place))
    }

    /// Changes what is known of a target; a changed place is stored with the next commit.
    pub fn update(&self, name: &str, change: impl FnOnce(&mut Shown)) {
        self.with(|targets| {
            if let Some((shown, dirty)) = targets.get_mut(name) {
                let before = shown.place;
                change(shown);
                *dirty |= before != shown.place;
            }
        });
    }

    /// Every target.
    pub fn shown(&self) -> Vec<(String, Shown)> {
        self.with(|targets| {
            targets
                .iter()
                .map(|(name, (shown, _))| (name.clone(), shown.clone()))
                .collect()
        })
    }

    /// The last commit every target has dealt with; the log after it is kept for them. A target that has no place yet
    /// holds nothing back.
    pub fn floor(&self, last: CommitId) -> CommitId {
        let floors = self.with(|targets| {
            targets
                .values()
                .filter_map(|(shown, _)| shown.place.map(|place| place.floor()))
                .min()
        });
        CommitId(floors.unwrap_or(last.0).min(last.0))
    }

    /// Targets that are still to be filled in with what was observed at or before a time.
    pub fn filling_in(&self, observed: i64) -> Vec<String> {
        let wants = |shown: &Shown| {
            let fill = shown.place.and_then(|place| place.back_fill);
            fill.is_some_and(|fill| fill.from <= observed)
        };
        self.with(|targets| {
            let wanting = targets.iter().filter(|(_, (shown, _))| wants(shown));
            wanting.map(|(name, _)| name.clone()).collect()
        })
    }

    /// Places that changed since they were last stored, as named values. They count as stored.
    pub fn take_changed(&self) -> Vec<(String, Vec<u8>)> {
        self.with(|targets| {
            let mut changed = Vec::new();
            for (name, (shown, dirty)) in targets.iter_mut() {
                if std::mem::take(dirty)
                    && let Some(bytes) = shown.place.and_then(|place| serde_json::to_vec(&place).ok())
                {
                    changed.push((format!("{PREFIX}{name}"), bytes));
                }
            }
            changed
        })
    }

    /// The commit that was to store them failed.
    pub fn give_back(&self, changed: &[(String, Vec<u8>)]) {
        self.with(|targets| {
            for (name, _) in changed {
                if let Some((_, dirty)) = name.strip_prefix(PREFIX).and_then(|name| targets.get_mut(name)) {
                    *dirty = true;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_outage_new_readings_do_not_wait_behind_old_ones() {
        let mut place = Place::at(CommitId(10), 0);
        place.split(500);
        assert_eq!(
            (place.live, place.missing, place.floor()),
            (500, Some((10, 500)), 10)
        );
        place.caught_up(300);
        place.live = 520;
        // A second outage: what lies between is sent again rather than left out.
        place.split(900);
        assert_eq!((place.live, place.missing), (900, Some((300, 900))));
        place.caught_up(900);
        assert_eq!((place.missing, place.floor()), (None, 900));
    }

    #[test]
    fn a_place_dated_by_a_clock_that_ran_ahead_is_not_later_than_what_was_missed() {
        let mut place = Place::at(CommitId(10), 900);
        assert!(!place.not_ahead_of(1_000, 0));
        assert_eq!(place.at, 900);
        // The clock was right before it was set: by as much.
        assert!(!place.not_ahead_of(1_000, 300));
        assert_eq!(place.at, 600);
        // By how much it was wrong nobody saw: not after now.
        let fill = |from, done| BackFill {
            from,
            to: EVER.1,
            done,
        };
        place.back_fill = Some(fill(800, 7));
        assert!(place.not_ahead_of(500, 0));
        assert_eq!((place.at, place.back_fill), (500, Some(fill(500, 0))));
        // Who is given everything misses nothing.
        place.back_fill = Some(fill(EVER.0, 7));
        assert!(!place.not_ahead_of(400, 300));
        assert_eq!(place.back_fill, Some(fill(EVER.0, 7)));
    }

    #[test]
    fn who_is_filled_in_misses_what_goes_and_nobody_else() {
        let cursors = Cursors::new(["late".to_owned(), "well".to_owned()].into_iter(), &[]);
        let mut place = Place::at(CommitId(9), 0);
        cursors.update("well", |shown| shown.place = Some(place));
        place.back_fill = Some(BackFill {
            from: 500,
            to: 900,
            done: 0,
        });
        cursors.update("late", |shown| shown.place = Some(place));
        assert_eq!(cursors.filling_in(600), ["late"]);
        assert_eq!(cursors.filling_in(499), [""; 0]);
    }

    #[test]
    fn the_log_is_kept_for_the_slowest_and_places_are_stored_once() {
        let stored = [(
            "cursor/influx".to_owned(),
            serde_json::to_vec(&Place::at(CommitId(7), 0)).unwrap(),
        )];
        let cursors = Cursors::new(["influx".to_owned(), "vm".to_owned()].into_iter(), &stored);
        assert_eq!(cursors.floor(CommitId(50)), CommitId(7));
        cursors.update("vm", |shown| shown.place = Some(Place::at(CommitId(3), 0)));
        assert_eq!(cursors.floor(CommitId(50)), CommitId(3));
        let changed = cursors.take_changed();
        assert_eq!(changed.len(), 1);
        assert!(cursors.take_changed().is_empty());
        cursors.give_back(&changed);
        assert_eq!(cursors.take_changed(), changed);
    }
}
