//! `linli.toml`: read, checked, and turned into the [`Config`] the program uses.
//!
//! Two stages: [`raw`] mirrors the file, [`model`] is what cannot hold a bad value. Every problem is collected
//! with file, line, column, the line itself, a caret and a hint. This module does not touch the network.

mod check;
pub mod model;
pub mod problem;
pub mod raw;
pub mod read;
pub mod render;
pub mod said;
pub mod secrets;

pub use check::DEFAULT_MIN_FREE;
pub use linli_decode::ClockWindow;
pub use model::*;

use linli_domain::text::Language;
use problem::{Problem, Sink, has_errors};
use raw::Raw;
use secrets::Environment;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Largest configuration file in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// What came out of a file: everything that could be read of it, and everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; absent when an error was found.
    pub config: Option<Config>,
    /// What the rest of a check needs even when there were errors.
    pub outline: Outline,
    /// Errors and warnings in the order of the file.
    pub problems: Vec<Problem>,
}

/// The names and paths of a configuration, as far as they could be read.
#[derive(Debug, Default, Clone)]
pub struct Outline {
    /// Language of messages.
    pub language: Option<Language>,
    /// Where the console and the API answer.
    pub http: Option<std::net::SocketAddr>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// The estate file.
    pub estate_seed: Option<PathBuf>,
    /// The profile folder.
    pub profiles: Option<PathBuf>,
    /// Names of MQTT connections, the embedded broker's included.
    pub connections: Vec<String>,
    /// Names of buses.
    pub buses: Vec<String>,
    /// The embedded broker, when its section is whole.
    pub broker: Option<EmbeddedBroker>,
    /// The buses whose sections are whole, with their places in the file.
    pub lines: Vec<(ModbusBus, std::ops::Range<usize>)>,
}

/// A configuration that cannot be used; its text lists every problem with its line.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used: {}\n\n{}", path.display(), render::summary(problems, Language::En), self.rendered())]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

impl Refused {
    fn rendered(&self) -> String {
        render::render(&self.problems, Language::En, false)
    }
}

/// Reads a configuration that is going to be used, with the environment of this process.
pub fn load(path: &Path) -> Result<Config, Refused> {
    let loaded = inspect(path, &secrets::process_environment);
    let problems = loaded.problems;
    loaded.config.ok_or_else(|| Refused {
        path: path.to_owned(),
        problems,
    })
}

/// Reads a file as far as possible and says everything that is wrong with it.
pub fn inspect(path: &Path, environment: Environment<'_>) -> Loaded {
    let text = match read_limited(path, MAX_CONFIG_BYTES) {
        Ok(text) => text,
        Err(said) => {
            let sink = Sink::new(path, String::new());
            sink.error(None, said);
            return Loaded {
                config: None,
                outline: Outline::default(),
                problems: sink.into_problems(),
            };
        }
    };
    inspect_text(path, text, environment)
}

/// The same for a text that is already at hand; paths in it are relative to the folder of `path`.
pub fn inspect_text(path: &Path, text: String, environment: Environment<'_>) -> Loaded {
    let sink = Sink::new(path, text);
    let source = sink.source().clone();
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        sink.error(error.span(), said::syntax(error.message()));
    }
    let raw = Raw::read(read::Table::root(&sink, &table));
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut outline = outline(&raw, folder);
    let config = check::check(&raw, folder, environment, &sink);
    outline.broker = config.as_ref().and_then(|config| config.broker.clone());
    outline.lines = lines(&raw, config.as_ref());
    let problems = sink.into_problems();
    Loaded {
        config: config.filter(|_| !has_errors(&problems)),
        outline,
        problems,
    }
}

fn outline(raw: &Raw, folder: &Path) -> Outline {
    let mut connections: Vec<String> = raw
        .mqtt
        .iter()
        .filter_map(|mqtt| Some(mqtt.name.as_ref()?.value.clone()))
        .collect();
    if let Some(broker) = raw
        .broker
        .as_ref()
        .filter(|b| b.enabled.as_ref().is_none_or(|at| at.value))
    {
        connections.push(
            broker
                .name
                .as_ref()
                .map_or_else(|| "embedded".to_owned(), |at| at.value.clone()),
        );
    }
    Outline {
        language: raw.language.as_ref().map(|at| at.value),
        http: raw
            .http
            .as_ref()
            .and_then(|http| Some(http.listen.as_ref()?.value)),
        data: raw
            .store
            .as_ref()
            .and_then(|store| Some(folder.join(&store.data.as_ref()?.value))),
        estate_seed: raw.estate_seed.as_ref().map(|at| folder.join(&at.value)),
        profiles: Some(
            folder.join(
                raw.profiles
                    .as_ref()
                    .map_or(Path::new("profiles"), |at| &at.value),
            ),
        ),
        connections,
        buses: raw
            .modbus
            .iter()
            .filter_map(|bus| Some(bus.name.as_ref()?.value.to_string()))
            .collect(),
        broker: None,
        lines: Vec::new(),
    }
}

/// The buses of a configuration beside their places.
fn lines(raw: &Raw, config: Option<&Config>) -> Vec<(ModbusBus, std::ops::Range<usize>)> {
    let place = |bus: &ModbusBus| {
        let section = raw
            .modbus
            .iter()
            .find(|raw| raw.name.as_ref().is_some_and(|at| at.value == bus.bus))?;
        Some((bus.clone(), section.place.clone()))
    };
    config
        .iter()
        .flat_map(|config| &config.modbus)
        .filter_map(place)
        .collect()
}

/// Reads a text file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<String, said::Said> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| said::unreadable(&error))?;
    file.take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|error| said::unreadable(&error))?;
    if text.len() as u64 > limit {
        return Err(said::too_large(limit));
    }
    Ok(text)
}
