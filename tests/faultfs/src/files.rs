//! What a disk holds of each file: what is durable, and what was done to it since, in order.
//!
//! The rule is the weakest a disk may follow: of what was not synced any part may have arrived, by sectors of 512
//! bytes and in any order; a sync makes what came before it durable, and the name of the file with it. What a failed
//! sync should have made durable stays uncertain for ever, unless it is written again.

use std::collections::BTreeMap;
use std::ffi::OsString;

const SECTOR: u64 = 512;

/// A generator of coin flips with a seed, so that a failing run can be told.
#[derive(Debug, Clone)]
pub(crate) struct Coin(u64);

impl Coin {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn heads(&mut self) -> bool {
        self.next() >> 40 & 1 == 1
    }
}

#[derive(Debug, Clone)]
enum Change {
    Made,
    Written { offset: u64, bytes: Vec<u8> },
    Cut { length: u64 },
    Removed,
}

/// One file: `None` where there is none.
type Content = Option<Vec<u8>>;

#[derive(Debug, Default, Clone)]
struct File {
    durable: Content,
    /// Changes since, oldest first; the flag tells those a failed sync left in doubt.
    since: Vec<(Change, bool)>,
}

impl File {
    /// Applies the changes: all of them, or each as the coin falls.
    fn settle(&self, doubt_only: bool, coin: &mut Coin) -> Content {
        let mut content = self.durable.clone();
        // Whether the name still stands for the file that the changes are about.
        let mut attached = true;
        for (change, doubtful) in &self.since {
            let certain = doubt_only && !doubtful;
            match change {
                Change::Made => {
                    attached = certain || coin.heads();
                    if attached {
                        content = Some(Vec::new());
                    }
                }
                Change::Removed => {
                    if certain || coin.heads() {
                        content = None;
                    }
                }
                Change::Cut { length } => {
                    if let Some(content) = content.as_mut().filter(|_| attached)
                        && (certain || coin.heads())
                    {
                        content.resize(as_index(*length), 0);
                    }
                }
                Change::Written { offset, bytes } => {
                    if let Some(content) = content.as_mut().filter(|_| attached) {
                        write(content, *offset, bytes, certain, coin);
                    }
                }
            }
        }
        content
    }
}

/// Writes the sectors that arrive.
fn write(content: &mut Vec<u8>, offset: u64, bytes: &[u8], certain: bool, coin: &mut Coin) {
    // Mostly a write arrives whole or not at all; torn ones are the rarer case, and must be in the play.
    let torn = coin.next().is_multiple_of(4);
    let whole = certain || coin.heads();
    let mut at = 0u64;
    while at < bytes.len() as u64 {
        let end = ((offset + at) / SECTOR * SECTOR + SECTOR - offset).min(bytes.len() as u64);
        if certain || if torn { coin.heads() } else { whole } {
            let (from, to) = (as_index(offset + at), as_index(offset + end));
            if content.len() < to {
                content.resize(to, 0);
            }
            content[from..to].copy_from_slice(&bytes[as_index(at)..as_index(end)]);
        }
        at = end;
    }
}

fn as_index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// All files of a folder, by name relative to it.
#[derive(Debug)]
pub(crate) struct Files {
    files: BTreeMap<OsString, File>,
    coin: Coin,
    /// Syncs say "done" and do nothing.
    pub(crate) lies: bool,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            coin: Coin::new(1),
            lies: false,
        }
    }
}

impl Files {
    pub(crate) fn knows(&self, name: &OsString) -> bool {
        self.files.get(name).is_some_and(exists)
    }

    /// A file that was there before: it is taken as durable.
    pub(crate) fn found(&mut self, name: OsString, content: Vec<u8>) {
        let file = File {
            durable: Some(content),
            since: Vec::new(),
        };
        self.files.insert(name, file);
    }

    pub(crate) fn made(&mut self, name: OsString) {
        self.change(name, Change::Made);
    }

    pub(crate) fn written(&mut self, name: OsString, offset: u64, bytes: &[u8]) {
        let bytes = bytes.to_owned();
        self.change(name, Change::Written { offset, bytes });
    }

    pub(crate) fn cut(&mut self, name: OsString, length: u64) {
        self.change(name, Change::Cut { length });
    }

    /// Removed; `synced` when the folder was made durable with it.
    pub(crate) fn removed(&mut self, name: OsString, synced: bool) {
        if synced && !self.lies {
            self.files.remove(&name);
        } else {
            self.change(name, Change::Removed);
        }
    }

    pub(crate) fn synced(&mut self, name: &OsString) {
        if self.lies {
            return;
        }
        if let Some(file) = self.files.get_mut(name) {
            file.durable = file.settle(true, &mut self.coin);
            file.since.clear();
        }
    }

    pub(crate) fn sync_failed(&mut self, name: &OsString) {
        if let Some(file) = self.files.get_mut(name) {
            file.since.iter_mut().for_each(|(_, doubtful)| *doubtful = true);
        }
    }

    /// One of the states in which the files may be found.
    pub(crate) fn after_power_cut(&self, coin: &mut Coin) -> Vec<(&OsString, Vec<u8>)> {
        self.files
            .iter()
            .filter_map(|(name, file)| Some((name, file.settle(false, coin)?)))
            .collect()
    }

    fn change(&mut self, name: OsString, change: Change) {
        self.files.entry(name).or_default().since.push((change, false));
    }
}

fn exists(file: &File) -> bool {
    let made = file.since.iter().rev().find_map(|(change, _)| match change {
        Change::Made => Some(true),
        Change::Removed => Some(false),
        _ => None,
    });
    made.unwrap_or(file.durable.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(files: &Files) -> std::collections::BTreeSet<Vec<u8>> {
        let name = OsString::from("f");
        (1..400)
            .map(|seed| {
                let found = files.after_power_cut(&mut Coin::new(seed));
                let file = found.into_iter().find(|(known, _)| **known == name);
                file.map(|(_, content)| content).unwrap_or_default()
            })
            .collect()
    }

    fn with(content: &[u8]) -> (Files, OsString) {
        let mut files = Files::default();
        files.found("f".into(), content.to_owned());
        (files, "f".into())
    }

    #[test]
    fn what_was_synced_is_there_whatever_happens() {
        let (mut files, name) = with(b"....");
        files.written(name.clone(), 1, b"ab");
        files.synced(&name);
        assert_eq!(states(&files), [b".ab.".to_vec()].into());
    }

    #[test]
    fn what_was_not_synced_is_there_or_not_and_in_any_order() {
        let (mut files, name) = with(b"....");
        files.written(name.clone(), 0, b"a");
        files.written(name, 3, b"b");
        let all: [&[u8]; 4] = [b"....", b"a...", b"...b", b"a..b"];
        assert_eq!(states(&files), all.map(<[u8]>::to_vec).into());
    }

    #[test]
    fn a_write_is_torn_at_a_sector_and_nowhere_else() {
        let (mut files, name) = with(&[0; 1_024]);
        files.written(name, 256, &[1; 512]);
        let seen: Vec<(u8, u8)> = states(&files).iter().map(|c| (c[300], c[600])).collect();
        assert_eq!(seen, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert!(
            states(&files)
                .iter()
                .all(|c| c[256..512].iter().all(|b| *b == c[300]))
        );
    }

    #[test]
    fn a_new_file_may_not_be_there_until_it_was_synced() {
        let mut files = Files::default();
        files.made("f".into());
        files.written("f".into(), 0, b"x");
        assert_eq!(states(&files), [b"".to_vec(), b"x".to_vec()].into());
        files.synced(&"f".into());
        assert_eq!(states(&files), [b"x".to_vec()].into());
    }

    #[test]
    fn a_failed_sync_leaves_doubt_that_the_next_one_does_not_take_away() {
        let (mut files, name) = with(b"....");
        files.written(name.clone(), 0, b"a");
        files.sync_failed(&name);
        files.written(name.clone(), 3, b"b");
        let mut ends = std::collections::BTreeSet::new();
        for seed in 1..60 {
            files.coin = Coin::new(seed);
            let mut copy = Files {
                files: files.files.clone(),
                coin: files.coin.clone(),
                lies: false,
            };
            copy.synced(&name);
            ends.extend(states(&copy));
        }
        assert_eq!(ends, [b"...b".to_vec(), b"a..b".to_vec()].into());
    }

    #[test]
    fn a_sync_that_lies_makes_nothing_durable() {
        let (mut files, name) = with(b"....");
        files.lies = true;
        files.written(name.clone(), 0, b"a");
        files.synced(&name);
        assert_eq!(states(&files), [b"....".to_vec(), b"a...".to_vec()].into());
    }
}
