//! The receiving side: block by block into flash, resumable, and believed only with a good signature.
//!
//! ```text
//!          header accepted          last block, "check"        signature good     "activate"
//!   Idle ─────────────────▶ Receiving ───────────────▶ Checking ────────────▶ Ready ────────▶ Activating ▶ restart
//!    ▲ header refused: Refused       ▲ power cut: resumes       └─ bad ─▶ Refused
//!    └── "abort" from anywhere but Activating
//! ```
//!
//! A journal page holds the header and a mark for every erase page that is complete; after a power cut the page that
//! was being written is received once more, those before it are not. The slot holds the bare image, as a boot loader
//! wants it. Not responsible for: the restart.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use linli_registers::BLOCK_BYTES;
use linli_registers::meaning::{command, refusal, update};

use crate::package::PACKAGE_BYTES;
use crate::signature::{Hash, is_signed};
use crate::{BOARD_BYTES, HEADER_BYTES, Header, crc32};

/// A mark is one write of every flash the boards have.
const MARK_BYTES: u32 = 8;
const MARK: [u8; MARK_BYTES as usize] = [0; MARK_BYTES as usize];
/// How much of the image is hashed between two requests.
const SLICE_BYTES: u32 = 512;

/// Where new firmware goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// One erase page for the journal.
    pub journal: u32,
    /// Whole erase pages for the image.
    pub slot: Range<u32>,
}

/// The firmware that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Number of its node kind.
    pub kind: u8,
    /// Its version, `0xMMmm`: only a higher one may follow.
    pub version: u16,
    /// The board it was built for.
    pub board: [u8; BOARD_BYTES],
    /// Ed25519 public key of whoever may sign what follows.
    pub key: [u8; 32],
}

/// Why a write was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Not now, not this, or not in this order; the status says more.
    Refused,
    /// A check is under way.
    Busy,
    /// The flash failed.
    Storage,
    /// This board receives no firmware.
    Unsupported,
}

/// What the update registers show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// One of [`update`].
    pub state: u16,
    /// One of [`refusal`].
    pub refusal: u16,
    /// The next block wanted.
    pub next_block: u16,
    /// Blocks in all, the header's included.
    pub blocks: u16,
    /// Version of the announced firmware.
    pub version: u16,
}

/// A firmware under way.
#[derive(Clone, Copy)]
struct Arriving {
    header: Header,
    /// The block the header came in: header and signature.
    package: [u8; PACKAGE_BYTES],
    /// The next block wanted; `blocks()` once all are there.
    next: u16,
}

impl Arriving {
    fn blocks(&self) -> u16 {
        // `accept` has bounded the length.
        1 + self.header.length.div_ceil(BLOCK_BYTES as u32) as u16
    }

    fn is_complete(&self) -> bool {
        self.next == self.blocks()
    }
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    Receiving(Arriving),
    /// How far the image was hashed, and its checksum so far.
    Checking(Arriving, u32, u32),
    Ready(Arriving),
    Refused(u16),
    Activating(Arriving),
}

/// The update of one node.
pub struct Receiver {
    firmware: Firmware,
    area: Option<Area>,
    state: State,
    /// The hash of the image while it is checked. Two hundred bytes, which a copied state would move about.
    hash: Option<Hash>,
}

impl core::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// Nothing is under way; see [`Receiver::resume`].
    pub const fn new(firmware: Firmware, area: Option<Area>) -> Receiver {
        Receiver {
            firmware,
            area,
            state: State::Idle,
            hash: None,
        }
    }

    /// After a start: goes on where a power cut ended a transfer, and forgets one that became what runs.
    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
    pub fn resume<F: NorFlash>(&mut self, flash: &mut F) {
        let Some(area) = self.area.clone() else { return };
        let mut package = [0; PACKAGE_BYTES];
        if flash.read(area.journal, &mut package).is_err() || !is_marked(flash, header_mark(&area)) {
            return;
        }
        let Ok(header) = self.accept(&package, room::<F>(&area)) else {
            // It runs already, or cannot be used: an erased journal is the sign that nothing is under way.
            let _ = erase_page(flash, area.journal);
            return;
        };
        let mut arriving = Arriving {
            header,
            package,
            next: 1,
        };
        let blocks_per_page = (F::ERASE_SIZE / BLOCK_BYTES) as u16;
        let mut page = 0;
        while !arriving.is_complete() && is_marked(flash, page_mark(&area, page)) {
            arriving.next = arriving
                .next
                .saturating_add(blocks_per_page)
                .min(arriving.blocks());
            page += 1;
        }
        self.state = State::Receiving(arriving);
    }

    /// How the update stands.
    pub fn status(&self) -> Status {
        if self.area.is_none() {
            return Status {
                state: update::UNSUPPORTED,
                ..Status::default()
            };
        }
        let of = |state, arriving: &Arriving| Status {
            state,
            refusal: refusal::NONE,
            next_block: arriving.next,
            blocks: arriving.blocks(),
            version: arriving.header.version,
        };
        match &self.state {
            State::Idle => Status::default(),
            State::Receiving(arriving) => of(update::RECEIVING, arriving),
            State::Checking(arriving, ..) => of(update::CHECKING, arriving),
            State::Ready(arriving) => of(update::READY, arriving),
            State::Activating(arriving) => of(update::ACTIVATING, arriving),
            State::Refused(reason) => Status {
                state: update::REFUSED,
                refusal: *reason,
                ..Status::default()
            },
        }
    }

    /// True when the board is to restart into what was received.
    pub const fn is_activating(&self) -> bool {
        matches!(self.state, State::Activating(_))
    }

    /// The board could not prepare the restart.
    pub fn storage_failed(&mut self) {
        self.state = State::Refused(refusal::STORAGE);
    }

    /// A command of [`command`].
    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
    pub fn command<F: NorFlash>(&mut self, number: u16, flash: &mut F) -> Result<(), Denied> {
        let area = self.area.clone().ok_or(Denied::Unsupported)?;
        match (number, self.state) {
            (_, State::Activating(_)) => Err(Denied::Busy),
            (command::ABORT, _) => {
                self.hash = None;
                self.state = State::Idle;
                erase_page(flash, area.journal)
            }
            (_, State::Checking(..)) => Err(Denied::Busy),
            (command::CHECK, State::Receiving(arriving)) if arriving.is_complete() => {
                self.hash = Some(Hash::new());
                self.state = State::Checking(arriving, 0, 0);
                Ok(())
            }
            // Said twice because the first answer was lost.
            (command::CHECK, State::Ready(_)) => Ok(()),
            (command::ACTIVATE, State::Ready(arriving)) => {
                self.state = State::Activating(arriving);
                Ok(())
            }
            _ => Err(Denied::Refused),
        }
    }

    /// Block `number`; 0 is header and signature. A block that is there already is accepted and not written again.
    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
    pub fn block<F: NorFlash>(
        &mut self,
        number: u16,
        bytes: &[u8; BLOCK_BYTES],
        flash: &mut F,
    ) -> Result<(), Denied> {
        const {
            assert!(PACKAGE_BYTES == BLOCK_BYTES);
            assert!(F::ERASE_SIZE.is_multiple_of(BLOCK_BYTES) && F::READ_SIZE <= BLOCK_BYTES);
            assert!((MARK_BYTES as usize).is_multiple_of(F::WRITE_SIZE));
        }
        let area = self.area.clone().ok_or(Denied::Unsupported)?;
        match self.state {
            State::Checking(..) | State::Activating(_) => Err(Denied::Busy),
            _ if number == 0 => self.announce(bytes, &area, flash),
            State::Receiving(arriving) | State::Ready(arriving) if number < arriving.next => Ok(()),
            State::Receiving(arriving) if number == arriving.next && !arriving.is_complete() => {
                self.write(arriving, bytes, &area, flash)
            }
            _ => Err(Denied::Refused),
        }
    }

    /// A slice of a check, if one is under way. The last slice verifies the signature, which takes a slow processor
    /// a second or two.
    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
    pub fn work<F: NorFlash>(&mut self, flash: &mut F) {
        let State::Checking(arriving, at, crc) = self.state else {
            return;
        };
        let (Some(area), Some(hash)) = (&self.area, &mut self.hash) else {
            self.state = State::Idle;
            return;
        };
        let end = arriving.header.length.min(at.saturating_add(SLICE_BYTES));
        match digest(flash, hash, area.slot.start, at..end, crc) {
            None => self.state = State::Refused(refusal::STORAGE),
            Some(crc) if end < arriving.header.length => self.state = State::Checking(arriving, end, crc),
            Some(crc) => {
                let sha512 = self.hash.take().map(Hash::finalize);
                self.state = match sha512 {
                    _ if crc != arriving.header.crc32 => State::Refused(refusal::CHECKSUM),
                    Some(sha512) if is_signed(&arriving.package, &sha512, &self.firmware.key) => {
                        State::Ready(arriving)
                    }
                    _ => State::Refused(refusal::SIGNATURE),
                };
                if matches!(self.state, State::Refused(_)) {
                    // What was refused must not be resumed after a restart.
                    let _ = erase_page(flash, area.journal);
                }
            }
        }
    }

    fn announce<F: NorFlash>(
        &mut self,
        package: &[u8; PACKAGE_BYTES],
        area: &Area,
        flash: &mut F,
    ) -> Result<(), Denied> {
        if let State::Receiving(arriving) | State::Ready(arriving) = self.state
            && arriving.package == *package
        {
            return Ok(());
        }
        let header = match self.accept(package, room::<F>(area)) {
            Ok(header) => header,
            Err(reason) => {
                // What is under way stays as it is; with nothing under way the status says why.
                if matches!(self.state, State::Idle | State::Refused(_)) {
                    self.state = State::Refused(reason);
                }
                return Err(Denied::Refused);
            }
        };
        self.state = State::Idle;
        erase_page(flash, area.journal)?;
        flash.write(area.journal, package).map_err(|_| Denied::Storage)?;
        set_mark(flash, header_mark(area))?;
        self.state = State::Receiving(Arriving {
            header,
            package: *package,
            next: 1,
        });
        Ok(())
    }

    /// A header for this node, newer than what runs, of an image that fits.
    fn accept(&self, package: &[u8; PACKAGE_BYTES], room: u32) -> Result<Header, u16> {
        let header = package
            .first_chunk::<HEADER_BYTES>()
            .and_then(|bytes| Header::parse(bytes).ok())
            .ok_or(refusal::FORMAT)?;
        if header.kind != self.firmware.kind {
            Err(refusal::KIND)
        } else if header.board != self.firmware.board {
            Err(refusal::BOARD)
        } else if header.version <= self.firmware.version {
            Err(refusal::VERSION)
        } else if header.length == 0 || header.length > room {
            Err(refusal::LENGTH)
        } else {
            Ok(header)
        }
    }

    fn write<F: NorFlash>(
        &mut self,
        mut arriving: Arriving,
        bytes: &[u8; BLOCK_BYTES],
        area: &Area,
        flash: &mut F,
    ) -> Result<(), Denied> {
        let offset = u32::from(arriving.next - 1) * BLOCK_BYTES as u32;
        let at = area.slot.start + offset;
        let page_bytes = F::ERASE_SIZE as u32;
        if offset.is_multiple_of(page_bytes) {
            erase_page(flash, at)?;
        }
        let mut written = [0; BLOCK_BYTES];
        flash
            .write(at, bytes)
            .and_then(|()| flash.read(at, &mut written))
            .map_err(|_| Denied::Storage)?;
        if written != *bytes {
            return Err(Denied::Storage);
        }
        arriving.next += 1;
        if (offset + BLOCK_BYTES as u32).is_multiple_of(page_bytes) || arriving.is_complete() {
            set_mark(flash, page_mark(area, offset / page_bytes))?;
        }
        self.state = State::Receiving(arriving);
        Ok(())
    }
}

/// Hashes a range of the image; its checksum so far.
fn digest<F: NorFlash>(
    flash: &mut F,
    hash: &mut Hash,
    slot: u32,
    range: Range<u32>,
    crc: u32,
) -> Option<u32> {
    let mut crc = crc;
    let mut at = range.start;
    while at < range.end {
        let mut bytes = [0; BLOCK_BYTES];
        // Whole blocks are there, the last one filled up: reading one is within the slot.
        flash.read(slot + at, &mut bytes).ok()?;
        let count = (range.end - at).min(BLOCK_BYTES as u32);
        let bytes = bytes.get(..count as usize)?;
        hash.update(bytes);
        crc = crc32(crc, bytes);
        at += count;
    }
    Some(crc)
}

/// The longest image: what the slot holds, the journal can mark and a block number can count.
fn room<F: NorFlash>(area: &Area) -> u32 {
    let page_bytes = F::ERASE_SIZE as u32;
    let marks = page_bytes.saturating_sub(PACKAGE_BYTES as u32) / MARK_BYTES;
    let marked = marks.saturating_sub(1).saturating_mul(page_bytes);
    let slot = area.slot.end.saturating_sub(area.slot.start);
    slot.min(marked).min(0xFFFE * BLOCK_BYTES as u32)
}

fn header_mark(area: &Area) -> u32 {
    area.journal + PACKAGE_BYTES as u32
}

fn page_mark(area: &Area, page: u32) -> u32 {
    header_mark(area) + (1 + page) * MARK_BYTES
}

fn set_mark<F: NorFlash>(flash: &mut F, at: u32) -> Result<(), Denied> {
    flash.write(at, &MARK).map_err(|_| Denied::Storage)
}

/// A mark that was being written when the power went counts: what it marks was complete before.
fn is_marked<F: NorFlash>(flash: &mut F, at: u32) -> bool {
    let mut mark = [0xFF; MARK_BYTES as usize];
    flash.read(at, &mut mark).is_ok() && mark.iter().any(|byte| *byte != 0xFF)
}

fn erase_page<F: NorFlash>(flash: &mut F, at: u32) -> Result<(), Denied> {
    flash
        .erase(at, at + F::ERASE_SIZE as u32)
        .map_err(|_| Denied::Storage)
}
