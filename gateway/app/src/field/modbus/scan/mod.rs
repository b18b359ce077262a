//! The scan of a line: who answers, what it says about itself, and which profile it may have.
//!
//! Pure: it names the next question and is told what came. It only reads; sending, pacing and the line's other
//! business are the bus's. Bounded: units once each, questions of a unit by [`MAX_QUESTIONS`].

mod guess;

pub use guess::Guess;
use guess::Guesses;
use linli_decode::modbus::wire::Identification;
use linli_decode::{Profile, RegisterData, RegisterRequest};
use std::sync::Arc;

/// Most questions of one unit; candidates that need more stay undecided.
const MAX_QUESTIONS: usize = 64;
/// A unit that answered before and then falls silent this often is left.
const MAX_SILENCES: usize = 3;

/// One question of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Read(RegisterRequest),
    /// Device identification (function 43/14).
    Identify,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Came {
    Registers(RegisterData),
    Objects(Identification),
    Exception(u8),
    Nothing,
}

/// One unit that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its address.
    pub unit: u8,
    /// The exception its first answer was; `None`: registers.
    pub exception: Option<u8>,
    /// What it says about itself.
    pub identification: Option<Identification>,
    /// Profiles its registers fit, the best first.
    pub guesses: Vec<Guess>,
}

/// A scan under way.
#[derive(Debug)]
pub(super) struct Scan {
    units: Vec<u8>,
    /// Units that are done.
    done: usize,
    stage: Stage,
    current: Option<Found>,
    guesses: Guesses,
    asked: usize,
    silences: usize,
}

/// What is asked of a unit, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first holding register: everybody has an answer to that, were it a refusal.
    Holding,
    /// The first input register, of those who keep silent on functions they do not know.
    Input,
    Identify,
    Guess,
}

impl Scan {
    /// A scan of `units` with `profiles` to guess from.
    pub(super) fn new(units: Vec<u8>, profiles: impl IntoIterator<Item = Arc<Profile>>) -> Self {
        Self {
            units,
            done: 0,
            stage: Stage::Holding,
            current: None,
            guesses: Guesses::new(profiles),
            asked: 0,
            silences: 0,
        }
    }

    /// How many units are done.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// The next question; `None` when all units are done.
    pub(super) fn next(&self) -> Option<(u8, Ask)> {
        let unit = *self.units.get(self.done)?;
        let first = |function| {
            Ask::Read(RegisterRequest {
                function,
                start: 0,
                count: 1,
            })
        };
        let ask = match self.stage {
            Stage::Holding => first(3),
            Stage::Input => first(4),
            Stage::Identify => Ask::Identify,
            Stage::Guess => Ask::Read(self.guesses.next()?),
        };
        Some((unit, ask))
    }

    /// What came of [`Self::next`]. A unit that is done, when it is there.
    pub(super) fn told(&mut self, came: Came) -> Option<Found> {
        let (unit, ask) = self.next()?;
        self.asked += 1;
        if came == Came::Nothing {
            self.silences += 1;
        }
        if let (Ask::Read(request), false) = (ask, came == Came::Nothing && self.current.is_none()) {
            let data = if let Came::Registers(data) = &came {
                Some(data.clone())
            } else {
                None
            };
            self.guesses.told(request, data);
        }
        match (self.stage, came) {
            (Stage::Holding, Came::Nothing) => self.stage = Stage::Input,
            (Stage::Input, Came::Nothing) => return self.leave(),
            (Stage::Holding | Stage::Input, came) => {
                self.silences = 0;
                self.current = Some(Found {
                    unit,
                    exception: if let Came::Exception(code) = came {
                        Some(code)
                    } else {
                        None
                    },
                    identification: None,
                    guesses: Vec::new(),
                });
                self.stage = Stage::Identify;
            }
            (Stage::Identify, came) => {
                if let (Some(found), Came::Objects(objects)) = (&mut self.current, came) {
                    found.identification = Some(objects);
                }
                self.stage = Stage::Guess;
            }
            (Stage::Guess, _) => {}
        }
        let exhausted = self.asked >= MAX_QUESTIONS || self.silences >= MAX_SILENCES;
        if self.stage == Stage::Guess && (exhausted || self.guesses.next().is_none()) {
            return self.leave();
        }
        None
    }

    /// The unit is done.
    fn leave(&mut self) -> Option<Found> {
        let mut found = self.current.take();
        if let Some(found) = &mut found {
            found.guesses = self.guesses.best(found.identification.as_ref());
        }
        self.guesses.clear();
        (self.asked, self.silences, self.stage) = (0, 0, Stage::Holding);
        self.done += 1;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// By function and address.
    type Registers = HashMap<(u8, u16), u16>;

    /// A line on which each unit has these registers and may say what it is.
    struct Line {
        units: HashMap<u8, (Registers, Option<&'static str>)>,
        asked: Vec<(u8, Ask)>,
    }

    impl Line {
        fn answer(&mut self, unit: u8, ask: Ask) -> Came {
            self.asked.push((unit, ask));
            let Some((registers, name)) = self.units.get(&unit) else {
                return Came::Nothing;
            };
            match ask {
                Ask::Identify => match name {
                    Some(name) => Came::Objects(Identification::new([(0, name.as_bytes())])),
                    None => Came::Exception(1),
                },
                Ask::Read(request) => {
                    let words: Option<Vec<u16>> = (request.start..request.start + request.count)
                        .map(|address| registers.get(&(request.function, address)).copied())
                        .collect();
                    match words {
                        Some(words) if request.is_bits() => {
                            Came::Registers(RegisterData::Bits(words.iter().map(|word| *word != 0).collect()))
                        }
                        Some(words) => Came::Registers(RegisterData::Words(words)),
                        None => Came::Exception(2),
                    }
                }
            }
        }

        fn scan(&mut self, units: Vec<u8>) -> Vec<Found> {
            let (catalogue, _) = crate::profiles::load(None).unwrap();
            let mut scan = Scan::new(units, catalogue.iter().cloned());
            let mut found = Vec::new();
            while let Some((unit, ask)) = scan.next() {
                let came = self.answer(unit, ask);
                found.extend(scan.told(came));
            }
            found
        }
    }

    fn registers(function: u8, start: u16, words: &[u16]) -> Registers {
        (start..)
            .zip(words)
            .map(|(address, word)| ((function, address), *word))
            .collect()
    }

    #[test]
    fn who_is_there_is_found_named_and_guessed() {
        // A thermo-hygrometer, a power meter that says who it is, a contact module, and two empty places.
        let meter: Vec<u16> = vec![0x08D1, 0x006C, 0, 0x00F4, 0, 0x0026, 0, 0x01F4, 0x0064, 0];
        let mut contacts = registers(2, 0, &[0, 0, 1, 0, 0, 0, 0, 1]);
        contacts.extend(registers(1, 0, &[1, 0, 0, 0, 0, 0, 0, 0]));
        let mut line = Line {
            units: HashMap::from([
                (3, (registers(4, 1, &[0x0131, 0x0222]), None)),
                (4, (registers(4, 0, &meter), Some("Peacefair"))),
                (7, (contacts, None)),
            ]),
            asked: Vec::new(),
        };
        let found = line.scan(vec![2, 3, 4, 5, 7]);
        let units: Vec<u8> = found.iter().map(|found| found.unit).collect();
        assert_eq!(units, [3, 4, 7]);
        let best = |n: usize| found[n].guesses.first().map(|guess| guess.profile.as_str());
        assert_eq!(best(0), Some("generic.xy-md02"));
        assert_eq!(best(1), Some("peacefair.pzem-004t-v3"));
        assert_eq!(best(2), Some("waveshare.modbus-rtu-io-8ch"));
        assert_eq!(
            found[1].identification.as_ref().and_then(|said| said.object(0)),
            Some("Peacefair")
        );
        assert_eq!(found[0].exception, Some(2), "it has no holding register 0");
        let empty = line
            .asked
            .iter()
            .filter(|(unit, _)| [2, 5].contains(unit))
            .count();
        assert_eq!(empty, 4, "two questions for a place where nobody is");
        let most = |unit: u8| line.asked.iter().filter(|(asked, _)| *asked == unit).count();
        assert!(
            [3, 4, 7].map(most).iter().all(|count| *count <= MAX_QUESTIONS),
            "{:?}",
            [3, 4, 7].map(most)
        );
    }

    #[test]
    fn a_device_that_answers_everything_with_zero_is_nothing_in_particular() {
        let zeros: Registers = (0..=u16::MAX)
            .flat_map(|address| [((3, address), 0), ((4, address), 0)])
            .collect();
        let mut line = Line {
            units: HashMap::from([(1, (zeros, None))]),
            asked: Vec::new(),
        };
        let found = line.scan(vec![1]);
        assert!(found[0].guesses.is_empty(), "{:?}", found[0].guesses);
    }

    #[test]
    fn a_unit_that_falls_silent_is_left() {
        let (catalogue, _) = crate::profiles::load(None).unwrap();
        let mut scan = Scan::new(vec![1, 2], catalogue.iter().cloned());
        assert_eq!(scan.told(Came::Registers(RegisterData::Words(vec![5]))), None);
        let mut questions = 0;
        let found = loop {
            questions += 1;
            if let Some(found) = scan.told(Came::Nothing) {
                break found;
            }
        };
        assert_eq!((found.unit, questions, scan.done()), (1, MAX_SILENCES, 1));
    }
}
