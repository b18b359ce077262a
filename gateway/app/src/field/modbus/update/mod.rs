//! A firmware update of one node over its registers: what is asked next, and what an answer means.
//!
//! ```text
//! Identity ─▶ Announce ─▶ Status ─▶ Send … Send ─▶ Status ─▶ Check ─▶ Status ─▶ Activate ─▶ Started
//! ```
//!
//! Pure, like the scan: sending, pacing and the line's other business are the bus's. After anything odd the node is
//! asked how it stands, and it goes on from there: a node that restarted wants its last page again. Bounded: silences,
//! refusals and waits in a row are counted.

pub mod job;

use job::{Package, UpdateState};
use linli_decode::RegisterRequest;
use linli_decode::modbus::WriteRequest;
use linli_registers::meaning::{command, refusal, update};
use linli_registers::{MAP_VERSION, UPDATE_INPUT, address};
use std::time::Duration;

/// A node that keeps silent this often in a row is given up. One whose flash is being erased may miss a question.
const MAX_SILENCES: u32 = 10;
/// As often a restarting node may keep silent, or still be the old one: the boot loader swaps page by page.
const MAX_STARTS: u32 = 60;
/// As often a node may be busy, check, or refuse a step that its status then allows.
const MAX_WAITS: u32 = 240;
/// Between two looks at a node that works on something.
const LOOK: Duration = Duration::from_millis(500);
/// "Illegal data address" and "illegal data value" and "busy".
const ILLEGAL_ADDRESS: u8 = 2;
const BUSY: u8 = 6;

/// Why an update came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What is at the address does not look like a node whose registers are known.
    NotANode,
    /// It is another kind of node.
    WrongKind,
    /// It runs something newer.
    NotNewer,
    /// Its board has no place for new firmware.
    Unsupported,
    /// It refused the firmware, for one of the reasons of `UPDATE_REFUSAL`.
    Refused(u16),
    /// It refused a step with this exception.
    Exception(u8),
    /// It is not heard any more.
    Silent,
    /// It restarted and runs what it ran before.
    DidNotStart,
    /// The line cannot be used.
    Line,
    /// The bus is only read.
    ReadOnly,
    /// The device does not hang on the bus any more.
    Gone,
}

impl Reason {
    /// Every reason, each refusal of a node and an unknown one among them.
    pub fn every() -> impl Iterator<Item = Self> {
        [
            Self::NotANode,
            Self::WrongKind,
            Self::NotNewer,
            Self::Unsupported,
            Self::Exception(4),
            Self::Silent,
            Self::DidNotStart,
            Self::Line,
            Self::ReadOnly,
            Self::Gone,
        ]
        .into_iter()
        .chain((refusal::NONE..=refusal::BOARD + 1).map(Self::Refused))
    }

    /// The stable word; its meaning stands in the message catalogue.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotANode => "not_a_node",
            Self::WrongKind | Self::Refused(refusal::KIND) => "wrong_kind",
            Self::NotNewer | Self::Refused(refusal::VERSION) => "not_newer",
            Self::Unsupported => "unsupported",
            Self::Refused(refusal::FORMAT) => "unknown_format",
            Self::Refused(refusal::LENGTH) => "too_long",
            Self::Refused(refusal::CHECKSUM) => "wrong_checksum",
            Self::Refused(refusal::SIGNATURE) => "wrong_signature",
            Self::Refused(refusal::BOARD) => "wrong_board",
            Self::Refused(refusal::STORAGE) => "storage_failed",
            Self::Refused(_) | Self::Exception(_) => "refused",
            Self::Silent => "silent",
            Self::DidNotStart => "did_not_start",
            Self::Line => "line",
            Self::ReadOnly => "bus_read_only",
            Self::Gone => "gone",
        }
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Read(RegisterRequest),
    Write(WriteRequest),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    Words(Vec<u16>),
    Written,
    Exception(u8),
    Nothing,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Ask(Ask),
    /// Nothing, for so long.
    Wait(Duration),
    /// It is over.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Identity,
    Announce,
    /// Forget what another update has left there.
    Abort,
    Status,
    Send(u16),
    Check,
    Activate,
    /// Which firmware runs, and when it is still the old one, why.
    Started,
    StartedStatus,
    Over,
}

/// An update under way.
#[derive(Debug)]
pub(super) struct Update {
    package: Package,
    stage: Stage,
    state: UpdateState,
    /// Blocks the node has.
    done: u16,
    wait: Option<Duration>,
    silences: u32,
    waits: u32,
    starts: u32,
    aborted: bool,
}

impl Update {
    pub(super) fn new(package: Package) -> Self {
        Self {
            package,
            stage: Stage::Identity,
            state: UpdateState::Transferring,
            done: 0,
            wait: None,
            silences: 0,
            waits: 0,
            starts: 0,
            aborted: false,
        }
    }

    /// How far it is, for people.
    pub(super) fn progress(&self) -> (UpdateState, u16) {
        (self.state, self.done)
    }

    /// What is to be done next.
    pub(super) fn next(&mut self) -> Next {
        if let Some(wait) = self.wait.take() {
            return Next::Wait(wait);
        }
        let control = |command| write(address::UPDATE_CONTROL, vec![command]);
        Next::Ask(match self.stage {
            Stage::Identity | Stage::Started => read(address::MAP_VERSION, 3),
            Stage::Status | Stage::StartedStatus => {
                read(UPDATE_INPUT.start, UPDATE_INPUT.end - UPDATE_INPUT.start)
            }
            Stage::Announce => self.block(0),
            Stage::Send(number) => self.block(number),
            Stage::Abort => control(command::ABORT),
            Stage::Check => control(command::CHECK),
            Stage::Activate => control(command::ACTIVATE),
            Stage::Over => return Next::Over,
        })
    }

    fn block(&self, number: u16) -> Ask {
        let words = self.package.block(number).into_iter().flatten();
        write(
            address::UPDATE_BLOCK,
            std::iter::once(number).chain(words).collect(),
        )
    }

    /// What came of the question that [`Update::next`] named.
    pub(super) fn told(&mut self, came: &Came) {
        if *came != Came::Nothing {
            self.silences = 0;
        }
        match (self.stage, came) {
            (_, Came::Nothing) => self.nothing_was_heard(),
            (_, Came::Exception(BUSY)) => self.look_again(self.stage),
            (Stage::Identity, Came::Words(words)) => self.is(words),
            (Stage::Started, Came::Words(words)) => self.started(words),
            (Stage::Status, Came::Words(words)) => self.stands(words),
            (Stage::StartedStatus, Came::Words(words)) => self.why_not_started(words),
            (Stage::Announce, Came::Written) => self.stage = Stage::Status,
            (Stage::Abort, Came::Written) => self.stage = Stage::Announce,
            (Stage::Send(number), Came::Written) => {
                self.done = number.saturating_add(1);
                self.waits = 0;
                self.stage = if self.done < self.package.blocks() {
                    Stage::Send(self.done)
                } else {
                    Stage::Status
                };
            }
            (Stage::Check, Came::Written) => {
                self.state = UpdateState::Checking;
                self.look_again(Stage::Status);
            }
            (Stage::Activate, Came::Written) => {
                self.state = UpdateState::Restarting;
                self.waits = 0;
                self.look_again(Stage::Started);
            }
            (Stage::Announce | Stage::Send(_), Came::Exception(ILLEGAL_ADDRESS)) => {
                self.fail(Reason::Unsupported);
            }
            // Something else may be under way there, from another master or an earlier day.
            (Stage::Announce, Came::Exception(_)) if !self.aborted => {
                self.aborted = true;
                self.look_again(Stage::Abort);
            }
            // Its status says why, or what it wants instead.
            (Stage::Announce | Stage::Send(_) | Stage::Check | Stage::Activate, Came::Exception(_)) => {
                self.look_again(Stage::Status)
            }
            (Stage::Identity | Stage::Status, Came::Exception(_)) => self.fail(Reason::NotANode),
            (_, Came::Exception(code)) => self.fail(Reason::Exception(*code)),
            _ => self.fail(Reason::NotANode),
        }
    }

    fn nothing_was_heard(&mut self) {
        self.silences += 1;
        let restarting = matches!(self.stage, Stage::Started | Stage::StartedStatus);
        if self.silences > if restarting { MAX_STARTS } else { MAX_SILENCES } {
            return self.fail(Reason::Silent);
        }
        self.wait = Some(LOOK);
        // What was written may have been taken or not, and the node may have restarted.
        self.stage = match self.stage {
            Stage::Send(_) | Stage::Check => Stage::Status,
            Stage::Activate => Stage::Started,
            other => other,
        };
    }

    /// The node works on something: asks the same, or how it stands, a little later.
    fn look_again(&mut self, stage: Stage) {
        self.waits += 1;
        if self.waits > MAX_WAITS {
            return self.fail(Reason::Exception(BUSY));
        }
        self.wait = Some(LOOK);
        self.stage = stage;
    }

    fn is(&mut self, words: &[u16]) {
        let &[map, kind, version] = words else {
            return self.fail(Reason::NotANode);
        };
        let header = self.package.header();
        if map >> 8 != MAP_VERSION >> 8 {
            self.fail(Reason::NotANode);
        } else if kind != u16::from(header.kind) {
            self.fail(Reason::WrongKind);
        } else if version == header.version {
            self.updated();
        } else if version > header.version {
            self.fail(Reason::NotNewer);
        } else {
            self.stage = Stage::Announce;
        }
    }

    fn stands(&mut self, words: &[u16]) {
        let &[state, refused, next, blocks, version] = words else {
            return self.fail(Reason::NotANode);
        };
        let is_ours = version == self.package.header().version && blocks == self.package.blocks();
        match state {
            update::RECEIVING if is_ours && next < blocks => {
                self.done = next;
                self.stage = Stage::Send(next.max(1));
            }
            update::RECEIVING if is_ours => {
                self.done = blocks;
                self.stage = Stage::Check;
            }
            update::RECEIVING | update::IDLE => self.look_again(Stage::Announce),
            update::CHECKING => self.look_again(Stage::Status),
            update::READY if is_ours => {
                self.done = blocks;
                self.stage = Stage::Activate;
            }
            update::READY => self.look_again(Stage::Abort),
            update::ACTIVATING => self.look_again(Stage::Started),
            update::REFUSED => self.fail(Reason::Refused(refused)),
            update::UNSUPPORTED => self.fail(Reason::Unsupported),
            _ => self.fail(Reason::NotANode),
        }
    }

    fn started(&mut self, words: &[u16]) {
        match words {
            [_, _, version] if *version == self.package.header().version => self.updated(),
            [_, _, _] => self.stage = Stage::StartedStatus,
            _ => self.fail(Reason::NotANode),
        }
    }

    /// It answers, and is still what it was.
    fn why_not_started(&mut self, words: &[u16]) {
        self.starts += 1;
        match words {
            [update::REFUSED, refused, ..] => self.fail(Reason::Refused(*refused)),
            // After a restart a node remembers that it has received something, and offers it again.
            [update::RECEIVING, ..] => self.fail(Reason::DidNotStart),
            _ if self.starts > MAX_STARTS => self.fail(Reason::DidNotStart),
            _ => {
                self.wait = Some(LOOK);
                self.stage = Stage::Started;
            }
        }
    }

    fn updated(&mut self) {
        self.done = self.package.blocks();
        self.state = UpdateState::Updated;
        self.stage = Stage::Over;
    }

    fn fail(&mut self, reason: Reason) {
        self.state = UpdateState::Failed(reason);
        self.stage = Stage::Over;
    }
}

fn read(start: u16, count: u16) -> Ask {
    Ask::Read(RegisterRequest {
        function: 4,
        start,
        count,
    })
}

fn write(start: u16, words: Vec<u16>) -> Ask {
    let count = u16::try_from(words.len()).unwrap_or(u16::MAX);
    Ask::Write(WriteRequest {
        function: if count == 1 { 6 } else { 16 },
        read_back: RegisterRequest {
            function: 3,
            start,
            count,
        },
        words,
    })
}
