//! The lines of a recording, one after the other: frames to play, what decoding knew before them, and what is left out.

use super::super::recording::{Entry, Known, Line, MAX_KNOWN_BYTES, MAX_LINE_BYTES, Unusable};
use super::NotPlayed;
use std::io::{BufRead, Read};

/// Most lines that cannot be played which are named; further ones are counted.
const MAX_NAMED: usize = 20;

/// A recording as it is read.
pub(super) struct Lines<R> {
    recording: R,
    number: u64,
    begun: bool,
    known_bytes: usize,
    /// Lines there were so far, without empty ones.
    pub(super) count: u64,
    /// What decoding knew when the recording began.
    pub(super) known: crate::pipeline::Known,
    /// What could not be played.
    pub(super) skipped: Skipped,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(recording: R) -> Self {
        Self {
            recording,
            number: 0,
            begun: false,
            known_bytes: 0,
            count: 0,
            known: crate::pipeline::Known::default(),
            skipped: Skipped::default(),
        }
    }

    /// The next frame with the number of its line; `None` at the end.
    pub(super) fn next(&mut self) -> std::io::Result<Option<(u64, Line)>> {
        while let Some(text) = self.read()? {
            self.number += 1;
            if text.trim().is_empty() {
                continue;
            }
            self.count += 1;
            let why = match Entry::parse(text.trim()) {
                Ok(Entry::Frame(line)) => {
                    self.begun = true;
                    return Ok(Some((self.number, line)));
                }
                Ok(Entry::Known(_)) if self.begun => Err(Unusable::KnownLate),
                Ok(Entry::Known(thing)) => self.know(thing),
                Err(why) => Err(why),
            };
            if let Err(why) = why {
                self.skipped.add(self.number, &why);
            }
        }
        Ok(None)
    }

    /// Reads a line; one that is too long is cut there and refused as unreadable.
    fn read(&mut self) -> std::io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let most = MAX_LINE_BYTES as u64;
        let read = (&mut self.recording).take(most).read_until(b'\n', &mut bytes)?;
        if read == MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
            self.recording.skip_until(b'\n')?;
        }
        Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn know(&mut self, thing: Known) -> Result<(), Unusable> {
        let (name, stored) = thing.stored()?;
        self.known_bytes = self.known_bytes.saturating_add(name.len() + stored.len());
        if self.known_bytes > MAX_KNOWN_BYTES {
            return Err(Unusable::TooMuchKnown);
        }
        self.known.push((name, stored));
        Ok(())
    }
}

/// What was not played.
#[derive(Default)]
pub(super) struct Skipped {
    /// How many lines.
    pub(super) count: u64,
    named: Vec<NotPlayed>,
}

impl Skipped {
    pub(super) fn add(&mut self, line: u64, why: &Unusable) {
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

    /// The first of them, in the order of the recording: a line is judged when the one behind it is read already.
    pub(super) fn named(mut self) -> Vec<NotPlayed> {
        self.named.sort_by_key(|skipped| skipped.line);
        self.named
    }
}
