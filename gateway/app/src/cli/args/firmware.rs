//! The commands about firmware of nodes.

use crate::ops::firmware;
use clap::{Args, ValueEnum};
use linli_update::BOARD_BYTES;
use std::path::PathBuf;

/// `linli device sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// Compiled firmware: the ELF file of the compiler, or the bare image
    pub image: PathBuf,
    /// Kind of node it is for
    #[arg(long)]
    pub kind: NodeKind,
    /// Board it was compiled for, such as l432kc
    #[arg(long, value_name = "NAME", value_parser = board)]
    pub board: [u8; BOARD_BYTES],
    /// Its version, such as 1.2; a node takes only what is newer than what it runs
    #[arg(long = "version", value_name = "VERSION", value_parser = version)]
    pub firmware_version: u16,
    /// Ed25519 private key in PEM, of `openssl genpkey -algorithm ed25519`
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where to write the package
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Kinds of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodeKind {
    /// Parking bay
    Parking,
    /// Waste bin
    Bin,
    /// Leak probe
    Leak,
}

impl From<NodeKind> for linli_registers::Kind {
    fn from(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Parking => Self::Parking,
            NodeKind::Bin => Self::Bin,
            NodeKind::Leak => Self::Leak,
        }
    }
}

fn board(text: &str) -> Result<[u8; BOARD_BYTES], String> {
    firmware::board(text).ok_or_else(|| format!("a board is a word of 1 to {BOARD_BYTES} ASCII characters"))
}

fn version(text: &str) -> Result<u16, String> {
    firmware::version(text).ok_or_else(|| "a version is two numbers up to 255, such as 1.2".to_owned())
}
