//! `linli backup`, `restore`, `doctor`, `export` and `series`: the commands that work on the ledger's file, beside a
//! running gateway where they only read.

use crate::cli::args::{Backup, Doctor, Export, Format, Restore, Series};
use crate::cli::context::Context;
use crate::cli::refused::{backing_up, opening, restoring, whole};
use crate::cli::text::{self, Key};
use crate::cli::{Failure, Outcome, output, problem};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, secrets};
use crate::ops::doctor::{self, Verdict};
use crate::ops::{backup, export};
use linli_domain::time::Timestamp;
use linli_ledger::{Ledger, OpenError, PointRow, Reader};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Lines written in one piece.
const PIECE: usize = 5_000;

fn data(context: &Context) -> Result<&Path, Failure> {
    context.outline.data.as_deref().ok_or_else(|| {
        let config = context.config.display().to_string();
        problem(context.language, Key::NoDataFolder, &[("config", &config)])
    })
}

/// Makes a backup.
pub(super) fn backup(context: &Context, arguments: &Backup) -> Outcome {
    let data = data(context)?;
    let now = SystemClock::new().now().wall;
    let target = backup::target(arguments.output.as_deref(), data, now);
    if arguments.output.is_none()
        && let Some(folder) = target.parent()
    {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(context, folder, &error))?;
    }
    if let Some(folder) = target.parent().filter(|folder| folder.is_dir()) {
        // What cannot be swept is no reason for not making a backup.
        let _ = backup::sweep(folder);
    }
    let reader = Reader::open(data).map_err(|error| opening(context, &error))?;
    let sizes = reader.sizes().map_err(|error| whole(&error))?;
    let config = config::inspect(&context.config, &secrets::process_environment).config;
    let reserve = config.map_or(0, |config| config.store.min_free);
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if let Some((needed, free)) =
        backup::lacks_room(folder, data, sizes.database + sizes.write_ahead, reserve)
    {
        let megabytes = |bytes: u64| (bytes / 1_000_000).to_string();
        let values = [
            ("path", folder.display().to_string()),
            ("needed", megabytes(needed)),
            ("free", megabytes(free)),
        ];
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        return Err(problem(context.language, Key::BackupLacksRoom, &values));
    }
    let made = reader
        .backup(&target, &mut output::bar())
        .map_err(|error| backing_up(context, &error))?;
    let path = std::path::absolute(&made.path)
        .unwrap_or(made.path)
        .display()
        .to_string();
    let noted = backup::Last {
        at: now.as_millis(),
        path: path.clone(),
        bytes: made.bytes,
    };
    if let Err(error) = backup::note(data, &noted) {
        output::note(&text::fill(
            context.language,
            Key::CannotWrite,
            &[
                ("path", &data.display().to_string()),
                ("error", &error.to_string()),
            ],
        ));
    }
    let damaged = made.examined.findings.len();
    let mut removed = Vec::new();
    // A copy that holds damage takes the place of none that is whole.
    if let (Some(keep), Some(folder), 0) = (arguments.keep, target.parent(), damaged) {
        removed =
            backup::prune(folder, keep as usize).map_err(|error| cannot_write(context, folder, &error))?;
    }
    let value = json!({
        "path": path, "bytes": made.bytes, "commit": made.examined.last_commit,
        "readings_sealed": made.examined.samples, "damaged": damaged, "removed": removed,
    });
    output::result(context, &value, |_| {
        let values = [
            ("path", path.as_str()),
            ("megabytes", &(made.bytes / 1_000_000).to_string()),
            ("commit", &made.examined.last_commit.to_string()),
        ];
        text::fill(context.language, Key::BackupMade, &values) + "\n"
    })?;
    if damaged > 0 {
        return Err(problem(
            context.language,
            Key::BackupDamaged,
            &[("count", &damaged.to_string())],
        ));
    }
    Ok(())
}

/// Restores a backup.
pub(super) fn restore(context: &Context, arguments: &Restore) -> Outcome {
    let data = data(context)?;
    let stamp = backup::stamp(SystemClock::new().now().wall);
    let restored = Ledger::restore(data, &arguments.file, &stamp, &mut output::bar())
        .map_err(|error| restoring(context, &error))?;
    let kept = restored.kept.as_ref().map(|kept| kept.display().to_string());
    let value = json!({
        "commit": restored.examined.last_commit, "kept": kept, "damaged": restored.examined.findings.len(),
    });
    output::result(context, &value, |_| {
        let commit = restored.examined.last_commit.to_string();
        let mut said = text::fill(context.language, Key::Restored, &[("commit", &commit)]) + "\n";
        if let Some(kept) = &kept {
            said += &(text::fill(context.language, Key::RestoreKept, &[("path", kept)]) + "\n");
        }
        said
    })
}

/// Looks at everything and says how it is.
pub(super) fn doctor(context: &Context, arguments: &Doctor) -> Outcome {
    let ask = doctor::Ask {
        config: &context.config,
        data: data(context)?,
        mend: arguments.mend,
        offline: arguments.offline,
    };
    let report = doctor::examine(
        &ask,
        &secrets::process_environment,
        &SystemClock::new(),
        &mut output::bar(),
    );
    output::result(context, &report.to_json(context.language), |_| {
        let mut said = String::new();
        for item in &report.items {
            let mark = match item.verdict {
                Verdict::Fine => Key::DoctorFine,
                Verdict::Warning => Key::DoctorWarning,
                Verdict::Problem => Key::DoctorProblem,
            };
            said += &format!(
                "{}  {}\n",
                text::get(context.language, mark),
                item.said.get(context.language)
            );
            if let Some(hint) = &item.hint {
                said += &format!("      → {}\n", hint.get(context.language));
            }
        }
        said
    })?;
    if report.is_ill() {
        Err(Failure::Said)
    } else {
        Ok(())
    }
}

/// Writes readings as lines.
pub(super) fn export(context: &Context, arguments: &Export) -> Outcome {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from >= to
    {
        let (from, to) = (from.to_string(), to.to_string());
        return Err(Failure::Usage(text::fill(
            context.language,
            Key::RangeReversed,
            &[("from", &from), ("to", &to)],
        )));
    }
    let reader = match &arguments.backup {
        Some(file) => Reader::open_file(file),
        None => Reader::open(data(context)?),
    };
    let mut reader = reader.map_err(|error| match (&error, &arguments.backup) {
        (OpenError::NoLedger { path }, Some(_)) => {
            let path = path.display().to_string();
            problem(context.language, Key::NoBackup, &[("path", &path)])
        }
        _ => opening(context, &error),
    })?;
    // What can be read comes out, and what cannot is told at the end.
    reader.leave_out_damage();
    let points = wanted(
        context,
        arguments,
        reader.points().map_err(|error| whole(&error))?,
    )?;
    let form = match arguments.format {
        Format::Csv => export::Form::Csv,
        Format::Ndjson => export::Form::Ndjson,
    };
    let range = (
        arguments.from.unwrap_or(Timestamp::from_millis(i64::MIN)),
        arguments.to.unwrap_or(Timestamp::from_millis(i64::MAX)),
    );
    let mut sink = sink(context, arguments.output.as_deref())?;
    let failed = |error: &std::io::Error| match &arguments.output {
        Some(path) => cannot_write(context, path, error),
        None => Failure::Problem(error.to_string()),
    };
    let mut out = form.head().as_bytes().to_vec();
    let mut progress = export::Progress::default();
    loop {
        let more = export::piece(&reader, &points, range, form, PIECE, &mut progress, &mut out)
            .map_err(|error| whole(&error))?;
        match sink.write_all(&out) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other.map_err(|error| failed(&error))?,
        }
        out.clear();
        if !more {
            break;
        }
    }
    sink.flush().map_err(|error| failed(&error))?;
    let values = [
        ("count", progress.lines.to_string()),
        ("points", points.len().to_string()),
    ];
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    output::note(&text::fill(context.language, Key::Exported, &values));
    match reader.damage_left_out() {
        0 => Ok(()),
        count => Err(problem(
            context.language,
            Key::ExportIncomplete,
            &[("count", &count.to_string())],
        )),
    }
}

fn sink(context: &Context, path: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    Ok(match path {
        None => Box::new(std::io::BufWriter::new(std::io::stdout().lock())),
        Some(path) => {
            let file =
                std::fs::File::create_new(path).map_err(|error| cannot_write(context, path, &error))?;
            Box::new(std::io::BufWriter::new(file))
        }
    })
}

fn wanted(context: &Context, arguments: &Export, all: Vec<PointRow>) -> Result<Vec<PointRow>, Failure> {
    let named = |name: &String, row: &PointRow| row.id.as_str() == name || row.key.to_string() == *name;
    for name in &arguments.points {
        if !all.iter().any(|row| named(name, row)) {
            return Err(problem(context.language, Key::UnknownPoint, &[("id", name)]));
        }
    }
    if let Some(device) = &arguments.device
        && !all.iter().any(|row| row.device.as_str() == device)
    {
        return Err(problem(context.language, Key::UnheardDevice, &[("id", device)]));
    }
    if let Some(measure) = &arguments.measure
        && !all.iter().any(|row| row.measure == *measure)
    {
        return Err(problem(context.language, Key::UnheardMeasure, &[("id", measure)]));
    }
    let passes = |row: &PointRow| {
        (arguments.points.is_empty() || arguments.points.iter().any(|name| named(name, row)))
            && arguments
                .device
                .as_ref()
                .is_none_or(|device| row.device.as_str() == device)
            && arguments
                .measure
                .as_ref()
                .is_none_or(|measure| row.measure == *measure)
    };
    let none = all.is_empty();
    let wanted: Vec<PointRow> = all.into_iter().filter(passes).collect();
    // A ledger that has heard nothing yet is empty without anybody's fault.
    if wanted.is_empty() && !none {
        return Err(problem(context.language, Key::NoPointPasses, &[]));
    }
    Ok(wanted)
}

/// What is kept of every point, or the states of one.
pub(super) fn series(context: &Context, command: Series) -> Outcome {
    let Series::States(states) = command else {
        return list(context);
    };
    super::states::show(context, &states)
}

fn list(context: &Context) -> Outcome {
    let reader = Reader::open(data(context)?).map_err(|error| opening(context, &error))?;
    let points = reader.points().map_err(|error| whole(&error))?;
    let kept = reader.kept().map_err(|error| whole(&error))?;
    let of = |row: &PointRow| kept.iter().find(|kept| kept.point == row.key);
    let items: Vec<Value> = points
        .iter()
        .map(|row| {
            let kept = of(row);
            json!({
                "point": row.id.as_str(), "key": row.key.to_string(),
                "samples": kept.map_or(0, |kept| kept.samples),
                "bytes": kept.map_or(0, |kept| kept.bytes),
                "from": kept.map(|kept| kept.from), "to": kept.map(|kept| kept.to),
            })
        })
        .collect();
    output::result(context, &json!({ "series": items }), |_| {
        let rows: Vec<Vec<String>> = points
            .iter()
            .map(|row| {
                let kept = of(row);
                vec![
                    row.key.to_string(),
                    row.id.to_string(),
                    kept.map_or(0, |kept| kept.samples).to_string(),
                    kept.map_or(String::new(), |kept| {
                        #[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
                        let each = kept.bytes as f64 / kept.samples.max(1) as f64;
                        format!("{each:.2}")
                    }),
                    kept.map_or(String::new(), |kept| kept.from.to_string()),
                    kept.map_or(String::new(), |kept| kept.to.to_string()),
                ]
            })
            .collect();
        let head = [
            Key::HeadId,
            Key::HeadPoint,
            Key::HeadSamples,
            Key::HeadBytesEach,
            Key::HeadFrom,
            Key::HeadTo,
        ];
        output::table(&head.map(|key| text::get(context.language, key)), &rows)
    })
}

fn cannot_write(context: &Context, path: &Path, error: &std::io::Error) -> Failure {
    let path: PathBuf = path.to_owned();
    let values = [("path", path.display().to_string()), ("error", error.to_string())];
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    problem(context.language, Key::CannotWrite, &values)
}
