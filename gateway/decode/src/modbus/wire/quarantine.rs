//! Frames that are no answer to what was asked: kept from everybody, and counted by why.

/// Why something heard was not let through. A closed set: the label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The answer to a question that was given up, or with the transaction number of one.
    Late,
    /// The answer to the last question once more.
    Duplicate,
    /// A sound frame of a unit that was not asked.
    Foreign,
    /// A sound frame of the unit that was asked, of another function or length.
    Mismatch,
    /// A frame of the right form with a wrong checksum.
    Broken,
    /// The beginning of a right answer whose rest never came.
    Truncated,
    /// Bytes that make no frame.
    Noise,
    /// The request itself, as an adapter that hears its own sender repeats it.
    Echo,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Late,
        Self::Duplicate,
        Self::Foreign,
        Self::Mismatch,
        Self::Broken,
        Self::Truncated,
        Self::Noise,
        Self::Echo,
    ];

    /// The word for it in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::Mismatch => "mismatch",
            Self::Broken => "broken",
            Self::Truncated => "truncated",
            Self::Noise => "noise",
            Self::Echo => "echo",
        }
    }
}

/// What was kept back, counted since the last [`Quarantine::take`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantine {
    counts: [u32; Kind::ALL.len()],
    any: bool,
}

impl Quarantine {
    pub(super) fn add(&mut self, kind: Kind) {
        self.any = true;
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// How many of `kind`.
    pub fn count(&self, kind: Kind) -> u32 {
        self.counts.get(kind as usize).copied().unwrap_or(0)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// The counts so far, starting over.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Every kind that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u32)> {
        Kind::ALL
            .into_iter()
            .map(|kind| (kind, self.count(kind)))
            .filter(|(_, count)| *count > 0)
    }
}
