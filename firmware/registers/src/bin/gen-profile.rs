//! Prints the gateway's device profile of one node kind, or writes all of them, or the register documents, into a folder.
//!
//! Not responsible for: their content; see `linli_registers::profile` and `linli_registers::document`.

use std::path::Path;
use std::process::ExitCode;

use linli_registers::Kind;
use linli_registers::document::{Language, document};
use linli_registers::profile::{file_name, profile};

const USAGE: &str = "usage: gen-profile parking|bin|leak\n       gen-profile --write FOLDER\n       gen-profile --document FOLDER";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["--write", folder] => written(folder, write_profiles(Path::new(folder))),
        ["--document", folder] => written(folder, write_documents(Path::new(folder))),
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

fn write_profiles(folder: &Path) -> std::io::Result<()> {
    for kind in Kind::ALL {
        std::fs::write(folder.join(file_name(kind)), profile(kind))?;
    }
    Ok(())
}

fn write_documents(folder: &Path) -> std::io::Result<()> {
    for language in Language::ALL {
        std::fs::write(folder.join(language.file_name()), document(language))?;
    }
    Ok(())
}

fn written(folder: &str, result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to write into {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong_use() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
