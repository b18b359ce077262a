//! Puts the memory map where the linker looks for it, and the key for updates where the program includes it.
//!
//! `LINLI_UPDATE_KEY` names a file with the 32 bytes of the Ed25519 public key that may sign the next firmware. Without it
//! the image trusts the test key, whose private half is public, and says so.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::copy("memory.x", out.join("memory.x"))?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=memory.x");

    println!("cargo:rerun-if-env-changed=LINLI_UPDATE_KEY");
    let key = match std::env::var_os("LINLI_UPDATE_KEY") {
        Some(path) => {
            println!("cargo:rerun-if-changed={}", PathBuf::from(&path).display());
            <[u8; 32]>::try_from(std::fs::read(&path)?)
                .map_err(|_| "LINLI_UPDATE_KEY: the file does not hold 32 bytes")?
        }
        None => {
            println!(
                "cargo:warning=LINLI_UPDATE_KEY is not set: this image takes firmware signed with the test key"
            );
            linli_update::TEST_PUBLIC_KEY
        }
    };
    std::fs::write(out.join("update.key"), key)?;
    Ok(())
}
