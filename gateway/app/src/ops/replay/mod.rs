//! Recorded frames through the whole pipeline, at any speed: what the gateway makes of them today.
//!
//! The clock of the recording drives the bench: delays run as they ran then. A time that goes back, or forward by more than
//! a day, is the gateway's clock being set; what cannot be played is counted and named, and the rest is played.

mod clock;
mod lines;

use self::clock::RecordedClock;
use self::lines::Lines;
use super::recording::Unusable;
use super::rig::{Rig, RigError, Setup, Through, Told};
use crate::config::Subscription;
use linli_decode::Catalogue;
use linli_domain::estate::EstateDoc;
use linli_domain::time::Timestamp;
use linli_ledger::{RejectFilter, StoreError, Subject};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
    recording: impl BufRead,
    pace: &mut dyn FnMut(Duration),
) -> Result<Replayed, ReplayError> {
    let mut lines = Lines::new(recording);
    let (mut number, mut line) = lines.next()?.ok_or(ReplayError::Empty)?;
    let begins = line.at;
    let mut rig = Rig::new(Setup {
        folder: setup.folder,
        estate: setup.estate,
        catalogue: setup.catalogue,
        subscriptions: setup.subscriptions,
        begins,
        known: std::mem::take(&mut lines.known),
    })?;
    let mut clock = RecordedClock::new(begins);
    loop {
        let next = lines.next()?;
        if next
            .as_ref()
            .is_some_and(|(_, next)| clock.is_astray(line.at, next.at))
        {
            lines.skipped.add(number, &Unusable::Astray(line.at));
        } else {
            let at = clock.at(line.at);
            pace(at.saturating_sub(rig.elapsed()));
            rig.advance(at)?;
            rig.set_wall(clock.set_ms);
            match line.frame(&rig) {
                Ok(frame) => rig.take(frame)?,
                Err(why) => lines.skipped.add(number, &why),
            }
        }
        let Some(following) = next else { break };
        (number, line) = following;
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
        lines: lines.count,
        not_played: lines.skipped.count,
        named: lines.skipped.named(),
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

#[cfg(test)]
mod tests;
