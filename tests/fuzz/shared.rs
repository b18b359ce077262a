//! The decoder's own harness and its catalogue, as the targets use them.
#![allow(
    dead_code,
    clippy::expect_used,
    reason = "every target uses a part; a failure ends the run"
)]

use linli_decode::Catalogue;
use std::sync::LazyLock;

#[path = "../../gateway/decode/tests/decode/harness.rs"]
pub mod harness;

/// The profiles of `config/profiles`.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/profiles");
    let files = std::fs::read_dir(folder).expect("the catalogue").map(|entry| {
        let path = entry.expect("a profile").path();
        let text = std::fs::read_to_string(&path).expect("a profile");
        (path.display().to_string(), text)
    });
    Catalogue::load(files).0
});
