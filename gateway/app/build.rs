//! Embeds the device catalogue and the demo estate, so that one binary is all an installer carries.
//! Needs no network and no tool beside the compiler.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../../config")
        .canonicalize()?;
    let profiles = config.join("profiles");
    println!("cargo::rerun-if-changed={}", profiles.display());
    let mut files: Vec<_> = fs::read_dir(&profiles)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut source = String::from("&[\n");
    for path in files {
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .ok_or("a profile's file name is not UTF-8")?;
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(
            source,
            "    ({name:?}, include_str!({:?})),",
            path.display().to_string()
        )?;
    }
    source.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("profiles.rs"), source)?;
    Ok(())
}
