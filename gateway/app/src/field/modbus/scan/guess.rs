//! Guessing a profile: whose registers does a unit answer, and do they hold plausible values?
//!
//! A guess is no proof: simple sensors look alike. Every candidate is asked for its first request before any is asked
//! for its second; one refusal is the end of a candidate.

use linli_decode::modbus::Read;
use linli_decode::modbus::wire::Identification;
use linli_decode::{DeviceContext, Profile, RegisterData, RegisterRequest};
use linli_domain::id::ProfileId;
use linli_domain::reading::Value;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Most guesses told of a unit.
const MAX_GUESSES: usize = 3;
/// Numbers of other sizes come from reading something else as a float.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 1e-4..=1e9;

/// A profile that a unit's registers fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The profile.
    pub profile: ProfileId,
    /// What it is called.
    pub title: String,
    /// Values that are plausible, of so many.
    pub plausible: usize,
    /// Values the profile reads.
    pub values: usize,
}

#[derive(Debug)]
pub(super) struct Guesses {
    candidates: Vec<Arc<Profile>>,
    /// What the present unit said; `None`: no.
    answers: HashMap<RegisterRequest, Option<RegisterData>>,
}

impl Guesses {
    pub(super) fn new(profiles: impl IntoIterator<Item = Arc<Profile>>) -> Self {
        let candidates = profiles
            .into_iter()
            .filter(|profile| profile.modbus().is_some())
            .collect();
        Self {
            candidates,
            answers: HashMap::new(),
        }
    }

    /// Forgets the present unit.
    pub(super) fn clear(&mut self) {
        self.answers.clear();
    }

    /// What the unit said.
    pub(super) fn told(&mut self, request: RegisterRequest, data: Option<RegisterData>) {
        self.answers.insert(request, data);
    }

    /// What to ask next to tell the candidates apart.
    pub(super) fn next(&self) -> Option<RegisterRequest> {
        let open = |profile: &&Arc<Profile>| {
            let mut refused =
                reads(profile).filter(|read| matches!(self.answers.get(&read.request), Some(None)));
            refused.next().is_none()
        };
        let unasked = self.candidates.iter().filter(open).filter_map(|profile| {
            let asked = reads(profile)
                .filter(|read| self.answers.contains_key(&read.request))
                .count();
            let next = reads(profile).find(|read| !self.answers.contains_key(&read.request))?;
            Some((asked, next.request))
        });
        unasked
            .min_by_key(|(asked, _)| *asked)
            .map(|(_, request)| request)
    }

    /// The candidates that answered everything: those first that are called what the unit calls itself, then the most
    /// plausible; of equals the one that reads most.
    pub(super) fn best(&self, said: Option<&Identification>) -> Vec<Guess> {
        let objects = said.into_iter().flat_map(|said| &said.objects);
        let said: Vec<String> = objects.flat_map(|(_, text)| words(text)).collect();
        let called = |guess: &Guess| {
            words(guess.profile.as_str())
                .iter()
                .filter(|word| said.contains(word))
                .count()
        };
        let mut guesses: Vec<Guess> = self
            .candidates
            .iter()
            .filter_map(|profile| self.judge(profile, &said))
            .collect();
        let share = |guess: &Guess| guess.plausible * 1000 / guess.values.max(1);
        guesses.sort_by_cached_key(|guess| {
            (
                Reverse(called(guess)),
                Reverse(share(guess)),
                Reverse(guess.values),
                guess.profile.clone(),
            )
        });
        guesses.truncate(MAX_GUESSES);
        guesses
    }

    /// `None`: it did not answer everything, or little of it looks like a value and it does not call itself so.
    fn judge(&self, profile: &Profile, said: &[String]) -> Option<Guess> {
        let map = profile.modbus()?;
        let mut observations = Vec::new();
        let mut says_something = false;
        for read in reads(profile) {
            let data = self.answers.get(&read.request)?.as_ref()?;
            says_something |= match data {
                RegisterData::Words(words) => words.iter().any(|word| *word != 0),
                RegisterData::Bits(_) => true,
            };
            map.decode(read, data, &DeviceContext::default(), &mut observations);
        }
        let plausible = observations.iter().filter(|found| {
            found.quality.is_good()
                && match &found.value {
                    Some(Value::Number(number)) => *number == 0.0 || PLAUSIBLE.contains(&number.abs()),
                    Some(Value::Text(text)) => !text.contains(char::REPLACEMENT_CHARACTER),
                    Some(Value::State(_)) => true,
                    None => false,
                }
        });
        let plausible = plausible.count();
        let name = words(profile.id().as_str());
        let calls_itself_so = !name.is_empty() && name.iter().all(|word| said.contains(word));
        let looks_like_it = says_something && plausible * 2 > observations.len();
        (looks_like_it || calls_itself_so).then(|| Guess {
            profile: profile.id().clone(),
            title: profile.title().to_owned(),
            plausible,
            values: observations.len(),
        })
    }
}

/// The words of a name, without those too short to mean anything.
fn words(text: &str) -> Vec<String> {
    let parts = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() >= 3);
    parts.map(str::to_ascii_lowercase).collect()
}

fn reads(profile: &Profile) -> impl Iterator<Item = &Read> {
    profile.modbus().into_iter().flat_map(|map| &map.plan().reads)
}
