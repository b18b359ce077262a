//! `linli record`: what a running gateway takes in, written down for `linli replay`.

use crate::cli::args::Record;
use crate::cli::client::{Client, query};
use crate::cli::context::Context;
use crate::cli::output::{self, field};
use crate::cli::stream::Wish;
use crate::cli::text::{self, Key};
use crate::cli::{Outcome, partly, problem};
use linli_domain::time::duration_text;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};

/// Records until the time is over, the wished number of frames is there or the gateway ends it.
pub(super) fn record(context: &Context, arguments: &Record) -> Outcome {
    let client = Client::new(context)?;
    let path = arguments.out.display().to_string();
    let wrong = |error: std::io::Error| {
        let values = [("path", &*path), ("error", &error.to_string())];
        problem(context.language, Key::CannotWrite, &values)
    };
    // A recording is evidence: one that is there is not written over.
    let file = File::create_new(&arguments.out).map_err(wrong)?;
    let mut file = BufWriter::new(file);
    let lasts = duration_text::format(arguments.lasts);
    let (mut frames, mut missed) = (0_u64, 0_u64);
    let listened = client.listen(
        &query("/api/v1/record", &[("for", Some(&lasts))]),
        |event, data| {
            match event {
                "known" => writeln!(file, "{data}").map_err(wrong)?,
                "frame" => {
                    writeln!(file, "{data}").map_err(wrong)?;
                    frames += 1;
                    let enough = arguments.count.is_some_and(|count| frames >= count);
                    return Ok(if enough { Wish::Stop } else { Wish::More });
                }
                "missed" => {
                    missed += data["missed"].as_u64().unwrap_or(0);
                    let values = [("count", &*field(data, "missed"))];
                    output::note(&text::fill(context.language, Key::Missed, &values));
                }
                "over" => return Ok(Wish::Stop),
                _ => {}
            }
            Ok(Wish::More)
        },
    );
    // What was recorded is whole lines, however the stream ended.
    let file = file.into_inner().map_err(|error| wrong(error.into_error()))?;
    file.sync_all().map_err(wrong)?;
    listened?;
    let done = json!({ "file": path, "frames": frames, "missed": missed });
    output::result(context, &done, |done: &Value| {
        let values = [
            ("frames", field(done, "frames")),
            ("missed", field(done, "missed")),
            ("path", field(done, "file")),
        ];
        let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
        text::fill(context.language, Key::Recorded, &values) + "\n"
    })?;
    partly(context.language, Key::RecordMissed, missed, frames + missed)
}
