//! Recorded frames through the whole pipeline, at any speed: what the gateway makes of them today.
//!
//! The clock of the recording drives the bench: delays run as they ran then. A time that goes back is the gateway's clock
//! being set back; what cannot be played is counted and named, and the rest is played.

use super::recording::{Entry, Known, MAX_KNOWN_BYTES, MAX_LINE_BYTES, Unusable};
use super::rig::{Rig, RigError, Setup, Through, Told};
use crate::config::Subscription;
use linli_decode::Catalogue;
use linli_domain::estate::EstateDoc;
use linli_domain::time::Timestamp;
use linli_ledger::{RejectFilter, StoreError, Subject};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most lines that cannot be played which are named; further ones are counted.
pub const MAX_NAMED: usize = 20;
/// Most transitions that are told; further ones are counted by their absence from the list.
const MAX_HISTORY: usize = 10_000;

/// Why nothing was played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording.
    #[error("read the recording")]
    Read(#[from] std::io::Error),
    /// The bench.
    #[error(transparent)]
    Rig(#[from] RigError),
    /// What was refused.
    #[error("read what was refused")]
    Store(#[from] StoreError),
    /// No line can be played.
    #[error("the recording holds no frame that can be played")]
    Empty,
}

/// What a replay needs to know.
pub struct Replay<'a> {
    /// Folder of its ledger.
    pub folder: &'a Path,
    /// The estate.
    pub estate: Arc<EstateDoc>,
    /// The profiles.
    pub catalogue: Catalogue,
    /// Connections and what they subscribe.
    pub subscriptions: Vec<(Arc<str>, Vec<Subscription>)>,
    /// How long time goes on after the last frame.
    pub then: Duration,
}

/// A line that was not played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotPlayed {
    /// Its number, from 1.
    pub line: u64,
    /// Why: a name of the catalogues.
    pub code: &'static str,
    /// The values of that sentence.
    pub facts: BTreeMap<&'static str, String>,
    /// The sentence in English.
    pub why: String,
}

/// One transition of an alarm or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// When, by the clock of the recording.
    pub at: Timestamp,
    /// `AL-1`, `WO-1`.
    pub subject: String,
    /// What happened.
    pub event: String,
    /// The state it left.
    pub from: String,
    /// The state after.
    pub to: String,
    /// The asset.
    pub asset: String,
    /// The alarm's class, the order's fault.
    pub key: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The time of the first frame.
    pub from: Timestamp,
    /// The time at the end.
    pub to: Timestamp,
    /// What went through.
    pub through: Through,
    /// Lines there are, without empty ones.
    pub lines: u64,
    /// Lines that could not be played.
    pub not_played: u64,
    /// The first of them.
    pub named: Vec<NotPlayed>,
    /// Frames refused, by reason.
    pub refused: Vec<(String, u64)>,
    /// Alarms raised; what was late is history, not raised.
    pub alarms: u64,
    /// Orders opened.
    pub orders: u64,
    /// What happened to them, oldest first, at most ten thousand.
    pub history: Vec<Happened>,
}

/// Plays. `pace` is told how much time lies before the next frame, and may wait.
pub fn replay(
    setup: Replay<'_>,
    mut recording: impl BufRead,
    pace: &mut dyn FnMut(Duration),
) -> Result<Replayed, ReplayError> {
    let (mut number, mut lines) = (0, 0);
    let mut skipped = Skipped::default();
    let mut text = String::new();
    let mut known = Knowing::default();
    let first = loop {
        if !next(&mut recording, &mut text)? {
            return Err(ReplayError::Empty);
        }
        number += 1;
        lines += u64::from(!text.trim().is_empty());
        let taken = match parse(&text) {
            Ok(Some(Entry::Frame(line))) => break line,
            Ok(Some(Entry::Known(thing))) => known.take(thing),
            Ok(None) => Ok(()),
            Err(why) => Err(why),
        };
        if let Err(why) = taken {
            skipped.add(number, &why);
        }
    };
    let begins = first.at;
    let mut rig = Rig::new(Setup {
        folder: setup.folder,
        estate: setup.estate,
        catalogue: setup.catalogue,
        subscriptions: setup.subscriptions,
        begins,
        known: known.things,
    })?;
    let mut clock = RecordedClock {
        begins,
        last: begins,
        set_ms: 0,
    };
    let mut line = Some(first);
    loop {
        if let Some(line) = line {
            let at = clock.at(line.at);
            pace(at.saturating_sub(rig.elapsed()));
            rig.advance(at)?;
            rig.set_wall(clock.set_ms);
            match line.frame(&rig) {
                Ok(frame) => rig.take(frame)?,
                Err(why) => skipped.add(number, &why),
            }
        }
        if !next(&mut recording, &mut text)? {
            break;
        }
        number += 1;
        lines += u64::from(!text.trim().is_empty());
        let parsed = match parse(&text) {
            Ok(Some(Entry::Frame(line))) => Ok(Some(line)),
            Ok(Some(Entry::Known(_))) => Err(Unusable::KnownLate),
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        line = parsed.unwrap_or_else(|why| {
            skipped.add(number, &why);
            None
        });
    }
    rig.advance(rig.elapsed() + setup.then)?;
    rig.commit()?;
    let refused = rig
        .core
        .ledger
        .reader()
        .map_err(RigError::from)?
        .reject_counts(&RejectFilter::default())?;
    let began = |told: &&Told, alarm: bool| {
        let is_history = told.event == "late";
        matches!(told.subject, Subject::Alarm(_)) == alarm && told.from == "none" && !is_history
    };
    Ok(Replayed {
        from: begins,
        to: rig.now().wall,
        through: rig.through,
        lines,
        not_played: skipped.count,
        named: skipped.named,
        refused: refused
            .into_iter()
            .map(|count| (count.reason, count.count))
            .collect(),
        alarms: rig.history.iter().filter(|told| began(told, true)).count() as u64,
        orders: rig.history.iter().filter(|told| began(told, false)).count() as u64,
        history: rig
            .history
            .iter()
            .take(MAX_HISTORY)
            .map(|told| happened(told, begins))
            .collect(),
    })
}

fn happened(told: &Told, begins: Timestamp) -> Happened {
    Happened {
        at: begins.plus(told.at),
        subject: match told.subject {
            Subject::Alarm(id) => id.to_string(),
            Subject::Order(id) => id.to_string(),
        },
        event: told.event.clone(),
        from: told.from.clone(),
        to: told.to.clone(),
        asset: told.asset.to_string(),
        key: told.key.clone(),
    }
}

/// Reads the next line into `text`; one that is too long is cut there and refused as unreadable. False at the end.
fn next(recording: &mut impl BufRead, text: &mut String) -> std::io::Result<bool> {
    text.clear();
    let mut bytes = Vec::new();
    let most = MAX_LINE_BYTES as u64;
    let read = recording.by_ref().take(most).read_until(b'\n', &mut bytes)?;
    if read == MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
        recording.skip_until(b'\n')?;
    }
    text.push_str(&String::from_utf8_lossy(&bytes));
    Ok(read > 0)
}

/// An empty line is none.
fn parse(text: &str) -> Result<Option<Entry>, Unusable> {
    match text.trim() {
        "" => Ok(None),
        text => Entry::parse(text).map(Some),
    }
}

/// What decoding knew when the recording began.
#[derive(Default)]
struct Knowing {
    things: crate::pipeline::Known,
    bytes: usize,
}

impl Knowing {
    fn take(&mut self, thing: Known) -> Result<(), Unusable> {
        let (name, stored) = thing.stored()?;
        self.bytes = self.bytes.saturating_add(name.len() + stored.len());
        if self.bytes > MAX_KNOWN_BYTES {
            return Err(Unusable::TooMuchKnown);
        }
        self.things.push((name, stored));
        Ok(())
    }
}

/// From times of a recording to time that runs forward.
struct RecordedClock {
    begins: Timestamp,
    last: Timestamp,
    /// By how much the recorded clock was set back since the beginning.
    set_ms: i64,
}

impl RecordedClock {
    fn at(&mut self, at: Timestamp) -> Duration {
        if at < self.last {
            self.set_ms += at.as_millis() - self.last.as_millis();
        }
        self.last = at;
        let forward = at.as_millis() - self.set_ms - self.begins.as_millis();
        Duration::from_millis(u64::try_from(forward).unwrap_or(0))
    }
}

#[derive(Default)]
struct Skipped {
    count: u64,
    named: Vec<NotPlayed>,
}

impl Skipped {
    fn add(&mut self, line: u64, why: &Unusable) {
        self.count += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(NotPlayed {
                line,
                code: why.code(),
                facts: why.facts(),
                why: why.to_string(),
            });
        }
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
