//! Files a person names on the command line, read up to a limit.

use super::context::Context;
use super::text::Key;
use super::{Failure, problem};
use std::io::{self, Read};
use std::path::Path;

/// At most `most` bytes of a file.
pub(super) fn file(context: &Context, path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    read(context, path, most, std::fs::File::open(path))
}

/// At most `most` bytes of what was opened as `path`.
pub(super) fn read(
    context: &Context,
    path: &Path,
    most: u64,
    opened: io::Result<impl Read>,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match opened.and_then(|source| source.take(most).read_to_end(&mut bytes)) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let (path, error) = (path.display().to_string(), error.to_string());
            let values = [("path", path.as_str()), ("error", error.as_str())];
            Err(problem(context.language, Key::CannotRead, &values))
        }
    }
}
