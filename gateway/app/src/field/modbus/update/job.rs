//! A firmware update that somebody asked for, and how far it is: what the API shows and the bus works on.
//!
//! Not responsible for: what is said to the node; see the parent.

use super::Reason;
use linli_domain::id::{BusId, DeviceId};
use linli_domain::time::Timestamp;
use linli_registers::{BLOCK_BYTES, Kind};
use linli_update::{HEADER_BYTES, Header, PACKAGE_BYTES, crc32};
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Longest package in bytes: no node of ours has a quarter of that to spare.
pub const MAX_PACKAGE: usize = 256 * 1024;

/// Signed firmware for one kind of node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    header: Header,
    kind: Kind,
    /// Whole blocks, the last one filled up.
    bytes: Vec<u8>,
}

/// Why bytes are no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPackage {
    /// No header, or one of a later format.
    #[error("this is no package of firmware that this version knows; `linli device sign` makes one")]
    Header,
    /// Cut short, or longer than it says.
    #[error("the package does not hold as many bytes as it says")]
    Length,
    /// The image is not the one that was signed.
    #[error("the package is damaged: its checksum is wrong")]
    Checksum,
    /// No node kind has this number.
    #[error("the package is for a kind of node that this version does not know")]
    Kind,
}

impl Package {
    /// Reads a package. Its signature is for the node: only the node knows whose it must be.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAPackage> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(NotAPackage::Header)?;
        let header = Header::parse(header).map_err(|_| NotAPackage::Header)?;
        let image = bytes.get(PACKAGE_BYTES..).ok_or(NotAPackage::Length)?;
        if image.is_empty() || bytes.len() > MAX_PACKAGE || u32::try_from(image.len()) != Ok(header.length) {
            return Err(NotAPackage::Length);
        }
        if crc32(0, image) != header.crc32 {
            return Err(NotAPackage::Checksum);
        }
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| *kind as u16 == u16::from(header.kind));
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0xFF);
        Ok(Self {
            header,
            kind: kind.ok_or(NotAPackage::Kind)?,
            bytes,
        })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The kind of node it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many blocks it has, the header's included.
    pub fn blocks(&self) -> u16 {
        u16::try_from(self.bytes.len() / BLOCK_BYTES).unwrap_or(u16::MAX)
    }

    /// A block as words.
    pub(super) fn block(&self, number: u16) -> Option<impl Iterator<Item = u16> + '_> {
        let start = usize::from(number) * BLOCK_BYTES;
        let block = self.bytes.get(start..start + BLOCK_BYTES)?;
        Some(block.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)))
    }
}

/// `1.2` of `0x0102`.
pub fn version_text(version: u16) -> String {
    let [major, minor] = version.to_be_bytes();
    format!("{major}.{minor}")
}

/// An update and how far it is.
#[derive(Debug)]
pub struct UpdateJob {
    /// Its number.
    pub id: u64,
    /// The bus.
    pub bus: BusId,
    /// The device; it must still hang on the bus at this address when its turn comes.
    pub device: DeviceId,
    /// Its address.
    pub unit: u8,
    /// What it is to run.
    pub package: Package,
    /// Who asked for it.
    pub asked_by: String,
    /// When it was asked for.
    pub started: Timestamp,
    /// Ends it early; the node keeps what it has, and goes on with what it runs.
    pub cancel: CancellationToken,
    /// Cancelled when it is over, whatever came of it.
    pub over: CancellationToken,
    progress: Mutex<UpdateProgress>,
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateProgress {
    /// What it is doing.
    pub state: UpdateState,
    /// Blocks the node has.
    pub done: u16,
}

/// What an update is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateState {
    /// It waits for the bus, or blocks are under way.
    Transferring,
    /// The node checks what it has.
    Checking,
    /// The node restarts into it.
    Restarting,
    /// The node runs it.
    Updated,
    /// Somebody ended it, or the gateway stopped; asked again it goes on where it was.
    Cancelled,
    /// It came to nothing.
    Failed(Reason),
}

impl UpdateJob {
    /// An update that waits for its bus.
    #[allow(clippy::too_many_arguments, reason = "the fields, named once in `Buses`")]
    pub(crate) fn new(
        id: u64,
        (bus, unit): (BusId, u8),
        device: DeviceId,
        package: Package,
        asked_by: String,
        started: Timestamp,
    ) -> Self {
        Self {
            id,
            bus,
            device,
            unit,
            package,
            asked_by,
            started,
            cancel: CancellationToken::new(),
            over: CancellationToken::new(),
            progress: Mutex::new(UpdateProgress {
                state: UpdateState::Transferring,
                done: 0,
            }),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> UpdateProgress {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// It came so far.
    pub(in super::super) fn is_now(&self, state: UpdateState, done: u16) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = UpdateProgress { state, done };
        if !state.is_under_way() {
            self.over.cancel();
        }
    }
}

impl UpdateState {
    /// Whether something is still to come.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Transferring | Self::Checking | Self::Restarting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: u32, image: &[u8]) -> Vec<u8> {
        let header = Header {
            kind: 3,
            version: 0x0102,
            length,
            crc32: crc32(0, image),
            board: *b"l432kc\0\0",
        };
        [&header.to_bytes(), &[7; 64][..], image].concat()
    }

    #[test]
    fn a_package_is_whole_blocks_and_says_what_it_is_for() {
        let package = Package::parse(&bytes(130, &[5; 130])).unwrap();
        assert_eq!((package.kind(), package.blocks()), (Kind::Leak, 3));
        let last: Vec<u16> = package.block(2).unwrap().collect();
        assert_eq!((last.len(), last[0], last[1]), (64, 0x0505, 0xFFFF));
        assert!(package.block(3).is_none());
        assert_eq!(version_text(package.header().version), "1.2");
    }

    #[test]
    fn what_is_cut_damaged_or_something_else_is_refused() {
        let whole = bytes(130, &[5; 130]);
        let mut damaged = whole.clone();
        damaged[200] ^= 1;
        let mut other = whole.clone();
        other[5] = 9;
        for (bytes, why) in [
            (&whole[..10], NotAPackage::Header),
            (
                b"\x7fELF, sixty-four bytes of it or more, as a compiler wrote them....",
                NotAPackage::Header,
            ),
            (&whole[..100], NotAPackage::Length),
            (&whole[..257], NotAPackage::Length),
            (&bytes(131, &[5; 130]), NotAPackage::Length),
            (&damaged, NotAPackage::Checksum),
            (&other, NotAPackage::Kind),
        ] {
            assert_eq!(Package::parse(bytes), Err(why));
        }
    }
}
