//! A play written down: its estate, a configuration, its frames as a recording, and its truth.

use super::simulate::{SimulateError, Slaves, reads, slaves, subscriptions, words};
use crate::ops::recording::Line;
use linli_decode::Catalogue;
use linli_decode::modbus::Read;
use linli_domain::estate::EstateDoc;
use linli_domain::time::Timestamp;
use linli_sim::{Event, Play, Timed};
use std::io::Write;
use std::path::Path;

/// Writes a play as files: `estate.toml`, `linli.toml`, `frames.ndjson` as `linli replay` reads it, and `truth.json`.
pub fn write_files(play: &mut Play, catalogue: &Catalogue, folder: &Path) -> Result<u64, SimulateError> {
    let failed = |what: &str| {
        let what = folder.join(what).display().to_string();
        move |source| SimulateError::Write { what, source }
    };
    std::fs::create_dir_all(folder).map_err(failed("."))?;
    let text = play.plan().to_toml();
    std::fs::write(folder.join("estate.toml"), &text).map_err(failed("estate.toml"))?;
    let document: EstateDoc = toml::from_str(&text)?;
    std::fs::write(folder.join("linli.toml"), configuration(play, &document))
        .map_err(failed("linli.toml"))?;
    let file = std::fs::File::create(folder.join("frames.ndjson")).map_err(failed("frames.ndjson"))?;
    let mut out = std::io::BufWriter::new(file);
    let mut lines = 0;
    let slaves = slaves(&document, catalogue);
    for timed in play.by_ref() {
        for line in recorded(&slaves, timed) {
            serde_json::to_writer(&mut out, &line)
                .map_err(std::io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
                .map_err(failed("frames.ndjson"))?;
            lines += 1;
        }
    }
    out.flush().map_err(failed("frames.ndjson"))?;
    let truth = serde_json::to_vec_pretty(&play.truth()).map_err(std::io::Error::from);
    let truth = truth.map_err(failed("truth.json"))?;
    std::fs::write(folder.join("truth.json"), truth).map_err(failed("truth.json"))?;
    Ok(lines)
}

/// An event as it is recorded. That the gateway's clock is wrong is no frame: a recording has true times.
fn recorded(slaves: &Slaves, timed: Timed) -> Vec<Line> {
    let at = Timestamp::from_millis(timed.at_ms);
    match timed.event {
        Event::Clock { .. } => Vec::new(),
        Event::Connection { connection, up } => vec![Line::connection(at, &connection, up)],
        Event::Message {
            connection,
            topic,
            payload,
            packet,
            duplicate,
        } => {
            let packet = Some(packet);
            vec![Line {
                packet,
                duplicate,
                ..Line::message(at, &connection, &topic, payload.as_bytes())
            }]
        }
        Event::Poll { device, image } => {
            let reads = slaves
                .get(&device)
                .map(|(_, profile)| reads(profile))
                .unwrap_or_default();
            let line = |read: Read| {
                let words = image.as_ref().and_then(|image| words(image, &read));
                Line::answer(at, &device, &read.request, words.as_deref())
            };
            reads.into_iter().map(line).collect()
        }
    }
}

/// A configuration with the connections and buses of the play.
fn configuration(play: &Play, document: &EstateDoc) -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# Made by `linli simulate`: what `linli check` and `linli replay` need to know of this estate.\n\
         config_version = 1\nestate_seed = \"estate.toml\"\n[store]\ndata = \"data\"\n",
    );
    for (connection, subscriptions) in subscriptions(document) {
        let _ = writeln!(
            out,
            "[[mqtt]]\nname = \"{connection}\"\nurl = \"mqtt://127.0.0.1:1883\"\nclient_id = \"linli-simulated\""
        );
        for subscription in subscriptions {
            let _ = writeln!(
                out,
                "[[mqtt.subscriptions]]\nfamily = \"{}\"",
                subscription.family.name()
            );
        }
    }
    for bus in play.plan().buses() {
        let _ = writeln!(
            out,
            "[[modbus]]\nname = \"{bus}\"\ntcp = \"127.0.0.1:502\"\nperiod = \"30s\""
        );
    }
    out
}
