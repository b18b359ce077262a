//! Prints the gateway's device profile of one node kind, or writes all of them into a folder.
//!
//! Not responsible for: their content; see `linli_registers::profile`.

use std::path::Path;
use std::process::ExitCode;

use linli_registers::Kind;
use linli_registers::profile::{file_name, profile};

const USAGE: &str = "usage: gen-profile parking|bin|leak\n       gen-profile --write FOLDER";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["--write", folder] => match write_all(Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("failed to write the profiles into {folder}: {error}");
                ExitCode::FAILURE
            }
        },
        [name] => match Kind::from_name(name) {
            Some(kind) => {
                print!("{}", profile(kind));
                ExitCode::SUCCESS
            }
            None => wrong_use(),
        },
        _ => wrong_use(),
    }
}

fn write_all(folder: &Path) -> std::io::Result<()> {
    for kind in Kind::ALL {
        std::fs::write(folder.join(file_name(kind)), profile(kind))?;
    }
    Ok(())
}

fn wrong_use() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
