//! Which call fails, how, and for how long.

/// What SQLite asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Opening or making it.
    Open,
    /// Reading a piece.
    Read,
    /// Writing a piece.
    Write,
    /// Making what was written durable.
    Sync,
    /// Cutting it to a length.
    Truncate,
    /// Removing it.
    Delete,
}

impl Call {
    /// All of them.
    pub const ALL: [Call; 6] = [
        Call::Open,
        Call::Read,
        Call::Write,
        Call::Sync,
        Call::Truncate,
        Call::Delete,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The device reports an error (EIO). Of a sync: what it should have made durable may be lost for good, and the
    /// next sync says nothing of it, as Linux does.
    Error,
    /// There is no room (ENOSPC).
    Full,
    /// Half of the bytes are written, then there is no room.
    Short,
    /// Power goes: this call and every later one fail, nothing reaches the disk any more.
    PowerCut,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// This call alone.
    Once,
    /// This call and all later ones of its kind, until [`crate::Disk::mend`].
    UntilMended,
}

/// The n-th call of a kind fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The kind; `None` counts all kinds together.
    pub call: Option<Call>,
    /// Which of them, from 1, counted from when the fault was set.
    pub nth: u64,
    /// How it fails.
    pub how: How,
    /// For how long.
    pub lasting: Lasting,
}

/// How often each kind of call was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    counts: [u64; 6],
}

impl Calls {
    /// Of one kind.
    pub fn of(&self, call: Call) -> u64 {
        self.counts[call as usize]
    }

    /// Of all kinds.
    pub fn all(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn of_either(&self, call: Option<Call>) -> u64 {
        call.map_or_else(|| self.all(), |call| self.of(call))
    }
}

/// The calls so far and the fault to come.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) calls: Calls,
    armed: Option<(Fault, Calls)>,
    /// Calls that failed because of the plan.
    pub(crate) failed: u64,
    pub(crate) dark: bool,
}

impl Plan {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed = Some((fault, self.calls));
        self.failed = 0;
    }

    pub(crate) fn mend(&mut self) {
        self.armed = None;
    }

    /// Counts a call and says how it fails, if it does.
    pub(crate) fn next(&mut self, call: Call) -> Option<How> {
        self.calls.counts[call as usize] += 1;
        if self.dark {
            return Some(How::PowerCut);
        }
        let (fault, since) = self.armed?;
        if fault.call.is_some_and(|kind| kind != call) {
            return None;
        }
        let nth = self.calls.of_either(fault.call) - since.of_either(fault.call);
        let hit = match fault.lasting {
            Lasting::Once => nth == fault.nth,
            Lasting::UntilMended => nth >= fault.nth,
        };
        if !hit {
            return None;
        }
        self.failed += 1;
        if fault.how == How::PowerCut {
            self.dark = true;
        }
        Some(fault.how)
    }
}
