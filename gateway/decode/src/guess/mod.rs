//! Which profile of the catalogue an unknown device speaks, from its messages and from what others call it.
//!
//! The question is not only "which profiles decode this?" but "how surprising is it that one does?". A profile that
//! reads one bit of one byte decodes almost anything; one that checks tags, length and port does not. So every
//! profile collects *bits of evidence* ([`evidence`]): what a message of another device would have failed at. Names
//! that a network server or a bridge gives to the type ([`names`]) count as evidence too. The bits of all profiles
//! together, beside the possibility that the catalogue does not know the device at all, make the confidence.
//!
//! It suggests and never decides: which profile a device gets is said by a person.

mod evidence;
mod names;

pub use names::declared;

use crate::catalogue::Catalogue;
use crate::frame::Body;
use crate::profile::Profile;
use crate::refusal::DecodeError;
use evidence::Evidence;
use std::sync::Arc;

/// Bits the possibility is worth that the catalogue does not know the device.
const UNKNOWN_BITS: f64 = 6.0;
/// Bits a name is worth that fits the profile.
const NAMED_BITS: f64 = 9.0;
/// Bits lost when others call the device by the name of a model that is not this profile's.
const NAMED_OTHERWISE_BITS: f64 = 2.0;
/// Bits lost for each message the profile cannot read, and the most that is lost so: a firmware may send a kind of
/// message that its profile does not know.
const FAILED_BITS: f64 = 5.0;
const MOST_FAILED_BITS: f64 = 15.0;
/// No guess is certain.
const MOST_CONFIDENCE: f64 = 0.99;
/// Confidence below which a profile is not worth showing.
const LEAST_CONFIDENCE: f64 = 0.01;
/// Most profiles shown.
const MOST_GUESSES: usize = 5;
/// Bits below which the messages say too little to tell one device from another.
const FEW_BITS: f64 = 5.0;
/// Different messages looked at; the newest count.
const MOST_SAMPLES: usize = 16;

/// What is known about a device whose profile is sought.
#[derive(Debug, Clone, Default)]
pub struct Clues<'a> {
    /// What it said, oldest first.
    pub bodies: Vec<Body<'a>>,
    /// What a network server or a bridge calls its type: see [`declared`] and [`crate::Memory::announced`].
    pub names: Vec<String>,
}

/// How a profile came to be suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// It has described itself.
    Announced,
    /// It is called so, and its messages decode.
    Named,
    /// Its messages decode, down to what the profile checks of them.
    Decodes,
    /// Some of its messages decode, or not everything in them.
    Partly,
    /// Its messages decode, and so would those of many other devices.
    Weak,
    /// It is called so; there is no message that decodes.
    NameOnly,
}

impl Because {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Announced,
        Self::Named,
        Self::Decodes,
        Self::Partly,
        Self::Weak,
        Self::NameOnly,
    ];

    /// A stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Named => "named",
            Self::Decodes => "decodes",
            Self::Partly => "partly",
            Self::Weak => "weak",
            Self::NameOnly => "name_only",
        }
    }
}

/// One suggestion.
#[derive(Debug, Clone)]
pub struct Guess {
    /// The profile.
    pub profile: Arc<Profile>,
    /// How likely it is the right one, 0 to 1.
    pub confidence: f64,
    /// Why.
    pub because: Because,
    /// Different messages that decode.
    pub decoded: usize,
    /// Different messages that do not.
    pub failed: usize,
    /// Values read of them.
    pub values: usize,
    /// Why the first of the others does not decode.
    pub error: Option<DecodeError>,
}

impl Guess {
    /// What a device said about itself.
    pub fn announced(profile: &Arc<Profile>) -> Self {
        Self {
            profile: Arc::clone(profile),
            confidence: MOST_CONFIDENCE,
            because: Because::Announced,
            decoded: 0,
            failed: 0,
            values: 0,
            error: None,
        }
    }

    /// Whether the device is called so, and nothing it said speaks against it.
    pub fn is_by_name(&self) -> bool {
        matches!(self.because, Because::Named | Because::NameOnly)
    }
}

/// The profiles that may be the device's, the most likely first. Empty: the catalogue does not know it.
///
/// The work is bounded by the catalogue, [`MOST_SAMPLES`] messages and the sizes of both; it is not for every message.
pub fn guess(catalogue: &Catalogue, clues: &Clues<'_>) -> Vec<Guess> {
    let bodies = different(&clues.bodies);
    let named = |profile: &Profile| clues.names.iter().any(|name| names::fits(profile, name));
    let model_known = clues.names.iter().any(|name| names::is_model(name));
    let mut guesses: Vec<(f64, Guess)> = catalogue
        .iter()
        .filter_map(|profile| judge(profile, &bodies, named(profile), model_known))
        .collect();
    // Summed in the order of the catalogue, so that the same clues give the same figures.
    let all: f64 = guesses.iter().map(|(bits, _)| bits.exp2()).sum();
    for (bits, guess) in &mut guesses {
        guess.confidence = (bits.exp2() / (all + UNKNOWN_BITS.exp2())).min(MOST_CONFIDENCE);
    }
    guesses.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    guesses
        .into_iter()
        .map(|(_, guess)| guess)
        .filter(|guess| guess.confidence >= LEAST_CONFIDENCE)
        .take(MOST_GUESSES)
        .collect()
}

/// The newest different messages that hold something for a profile; the same message twice is no more evidence.
fn different<'b, 'a>(bodies: &'b [Body<'a>]) -> Vec<&'b Body<'a>> {
    let mut different: Vec<&Body<'a>> = Vec::new();
    for body in bodies.iter().rev().filter(|body| **body != Body::None) {
        if different.len() < MOST_SAMPLES && !different.contains(&body) {
            different.push(body);
        }
    }
    different
}

/// The bits one profile collects; `None` when nothing speaks for it.
fn judge(
    profile: &Arc<Profile>,
    bodies: &[&Body<'_>],
    named: bool,
    model_known: bool,
) -> Option<(f64, Guess)> {
    let mut guess = Guess {
        profile: Arc::clone(profile),
        confidence: 0.0,
        because: Because::NameOnly,
        decoded: 0,
        failed: 0,
        values: 0,
        error: None,
    };
    let (mut read, mut whole) = (Vec::new(), true);
    for body in bodies {
        match evidence::of(profile, body) {
            Evidence::Read { bits, values, clean } => {
                read.push(bits);
                guess.decoded += 1;
                guess.values += values;
                whole &= clean;
            }
            Evidence::Failed(error) => {
                guess.failed += 1;
                guess.error.get_or_insert(error);
            }
        }
    }
    if guess.decoded == 0 && !named {
        return None;
    }
    // Further messages say less and less that is new.
    read.sort_by(|a, b| b.total_cmp(a));
    let said: f64 = read.iter().zip(0..).map(|(bits, n)| bits * 0.5_f64.powi(n)).sum();
    let lost = (FAILED_BITS * guess.failed as f64).min(MOST_FAILED_BITS);
    let called = match (named, model_known) {
        (true, _) => NAMED_BITS,
        (false, true) => -NAMED_OTHERWISE_BITS,
        (false, false) => 0.0,
    };
    guess.because = match (named, guess.decoded) {
        (true, 0) => Because::NameOnly,
        (true, _) if guess.failed == 0 => Because::Named,
        _ if guess.failed > 0 || !whole => Because::Partly,
        _ if said < FEW_BITS => Because::Weak,
        _ => Because::Decodes,
    };
    Some((said - lost + called, guess))
}

#[cfg(test)]
mod tests;
