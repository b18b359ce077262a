//! The file as it is written: every section with its values and where they stand.
//!
//! Types, ranges and spelling are settled here; what needs two values at once is settled in `check`.

pub mod broker;
pub mod forwarder;
pub mod modbus;
pub mod mqtt;
pub mod out;
pub mod secret;

use crate::config::read::{At, Table};
use crate::config::said::{self, both};
use linli_domain::id::BusId;
use linli_domain::text::Language;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Names of the languages in the file.
const LANGUAGES: &[(&str, Language)] = &[("zh-CN", Language::Zh), ("en", Language::En)];
/// Keys of the top level that had another name before.
const RENAMED: &[(&str, &str)] = &[
    ("lang", "language"),
    ("estate", "estate_seed"),
    ("database", "store"),
    ("web", "http"),
    ("connections", "mqtt"),
    ("buses", "modbus"),
    ("notify", "channels"),
];

/// The whole file.
#[derive(Debug)]
pub struct Raw {
    /// Version of the format.
    pub config_version: Option<At<i64>>,
    /// Language of messages.
    pub language: Option<At<Language>>,
    /// Estate file that seeds an empty ledger.
    pub estate_seed: Option<At<PathBuf>>,
    /// Folder of profiles.
    pub profiles: Option<At<PathBuf>>,
    /// Secrets may stand in the file.
    pub allow_inline_secrets: bool,
    /// `[store]`.
    pub store: Option<Store>,
    /// `[http]`.
    pub http: Option<Http>,
    /// `[log]`.
    pub log: Option<Log>,
    /// `[clock]`.
    pub clock: Option<Clock>,
    /// `[broker]`.
    pub broker: Option<broker::Broker>,
    /// `[[mqtt]]`.
    pub mqtt: Vec<mqtt::Mqtt>,
    /// `[[modbus]]`.
    pub modbus: Vec<modbus::Modbus>,
    /// `[[forwarders]]`.
    pub forwarders: Vec<forwarder::Forwarder>,
    /// `[[channels]]`.
    pub channels: Vec<out::Channel>,
    /// `[[routes]]`.
    pub routes: Vec<out::Route>,
}

/// `[store]`.
#[derive(Debug)]
pub struct Store {
    /// Data folder.
    pub data: Option<At<PathBuf>>,
    /// Longest wait for a commit.
    pub commit_delay: Option<At<Duration>>,
    /// Free space below which the oldest goes.
    pub min_free_mb: Option<At<i64>>,
    /// Size of the ledger above which the oldest goes.
    pub max_size_mb: Option<At<i64>>,
    /// `[[store.keep]]`.
    pub keep: Vec<Keep>,
}

/// `[[store.keep]]`.
#[derive(Debug)]
pub struct Keep {
    /// Measure, or a thing with `.*`, or `*`.
    pub measure: Option<At<String>>,
    /// How long samples are kept; likewise sums per minute, hour and day.
    pub ages: [Option<At<linli_ledger::Age>>; 4],
}

/// `[http]`.
#[derive(Debug)]
pub struct Http {
    /// Address to bind.
    pub listen: Option<At<SocketAddr>>,
    /// Accepted host names.
    pub hosts: Vec<At<String>>,
}

/// `[log]`.
#[derive(Debug)]
pub struct Log {
    /// Filter.
    pub filter: Option<At<String>>,
    /// JSON lines.
    pub json: Option<At<bool>>,
}

/// `[clock]`.
#[derive(Debug)]
pub struct Clock {
    /// How far back a device time may lie.
    pub accept_past: Option<At<Duration>>,
    /// How far ahead.
    pub accept_ahead: Option<At<Duration>>,
    /// How far back a record the device had stored may lie.
    pub accept_stored: Option<At<Duration>>,
}

impl Raw {
    /// Reads the whole file, noting every problem.
    pub fn read(top: Table<'_>) -> Self {
        let top = top.renamed(RENAMED);
        let raw = Self {
            config_version: top.need("config_version", "1", top.integer("config_version", 0..=i64::MAX)),
            language: top.choice("language", LANGUAGES),
            estate_seed: path(&top, "estate_seed", "\"estates/example.toml\""),
            profiles: path(&top, "profiles", "\"profiles\""),
            allow_inline_secrets: top.boolean("allow_inline_secrets").is_some_and(|at| at.value),
            store: top.table("store").map(Store::read),
            http: top.table("http").map(Http::read),
            log: top.table("log").map(Log::read),
            clock: top.table("clock").map(Clock::read),
            broker: top.table("broker").map(broker::Broker::read),
            mqtt: top.tables("mqtt").into_iter().map(mqtt::Mqtt::read).collect(),
            modbus: top
                .tables("modbus")
                .into_iter()
                .map(modbus::Modbus::read)
                .collect(),
            forwarders: top
                .tables("forwarders")
                .into_iter()
                .map(forwarder::Forwarder::read)
                .collect(),
            channels: top
                .tables("channels")
                .into_iter()
                .map(out::Channel::read)
                .collect(),
            routes: top.tables("routes").into_iter().map(out::Route::read).collect(),
        };
        top.need(
            "estate_seed",
            "\"estates/example.toml\"",
            raw.estate_seed.as_ref(),
        );
        top.need("store", "{ data = \"/var/lib/linli\" }", raw.store.as_ref());
        top.finish();
        raw
    }
}

impl Store {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("path", "data"), ("commit_interval", "commit_delay")]);
        let data = path(&table, "data", "\"/var/lib/linli\"");
        let store = Self {
            data: table.need("data", "\"/var/lib/linli\"", data),
            commit_delay: table.duration("commit_delay", Duration::from_millis(1)..=Duration::from_secs(5)),
            min_free_mb: table.integer("min_free_mb", 16..=1 << 20),
            max_size_mb: table.integer("max_size_mb", 64..=1 << 30),
            keep: table.tables("keep").into_iter().map(Keep::read).collect(),
        };
        table.finish();
        store
    }
}

impl Keep {
    fn read(table: Table<'_>) -> Self {
        let measure = table.parsed("measure", "\"bin.*\"", |text| {
            let known =
                |name: &str| linli_domain::measure::Measure::all().any(|measure| measure.name() == name);
            let thing = |prefix: &str| {
                linli_domain::measure::Measure::all().any(|measure| measure.name().starts_with(prefix))
            };
            match text.strip_suffix('*') {
                Some(prefix) if prefix.is_empty() || (prefix.ends_with('.') && thing(prefix)) => {
                    Ok(text.to_owned())
                }
                None if known(text) => Ok(text.to_owned()),
                _ => Err(both!("没有这个测量", "there is no such measure")),
            }
        });
        let age = |key| {
            table.parsed(key, "\"400d\"", |text| match text {
                "forever" => Ok(None),
                text => match linli_domain::time::duration_text::parse(text) {
                    Ok(age) if age >= days(1) => Ok(Some(age)),
                    _ => Err(both!(
                        "须为 1d 以上的时长，或 forever",
                        "a duration of 1d or more, or forever"
                    )),
                },
            })
        };
        let keep = Self {
            measure: table.need("measure", "\"*\"", measure),
            ages: [age("raw"), age("minute"), age("hour"), age("day")],
        };
        table.finish();
        keep
    }
}

impl Http {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("bind", "listen"), ("allowed_hosts", "hosts")]);
        let http = Self {
            listen: address(&table, "listen"),
            hosts: table.texts("hosts", "[\"linli.example\"]"),
        };
        table.finish();
        http
    }
}

impl Log {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("level", "filter")]);
        let log = Self {
            filter: table.parsed("filter", "\"info\"", |text| match text
                .parse::<tracing_subscriber::filter::Targets>()
            {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(both!("不是日志过滤表达式", "not a log filter")),
            }),
            json: table.choice("format", &[("text", false), ("json", true)]),
        };
        table.finish();
        log
    }
}

impl Clock {
    fn read(table: Table<'_>) -> Self {
        let clock = Self {
            accept_past: table.duration("accept_past", days(0)..=days(366)),
            accept_ahead: table.duration("accept_ahead", days(0)..=days(1)),
            accept_stored: table.duration("accept_stored", days(0)..=days(3660)),
        };
        table.finish();
        clock
    }
}

/// A span of whole days.
pub(crate) const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// A path that is not empty.
pub(crate) fn path(table: &Table<'_>, key: &'static str, example: &str) -> Option<At<PathBuf>> {
    table.parsed(key, example, |text| match text.trim() {
        "" => Err(both!("路径为空", "the path is empty")),
        _ => Ok(PathBuf::from(text)),
    })
}

/// An address to listen on: a numeric address with a port.
pub(crate) fn address(table: &Table<'_>, key: &'static str) -> Option<At<SocketAddr>> {
    table.parsed(key, "\"127.0.0.1:8080\"", |text| {
        text.parse().map_err(|_| {
            both!(
                "需要“数字地址:端口”",
                "a listener is a numeric address and a port"
            )
        })
    })
}

/// An id of any kind.
pub(crate) fn id<T: std::str::FromStr>(table: &Table<'_>, key: &'static str, example: &str) -> Option<At<T>> {
    table.parsed(key, example, |text| text.parse().map_err(|_| said::not_an_id()))
}

/// The name of a connection, as devices refer to it.
pub(crate) fn connection_name(table: &Table<'_>) -> Option<At<String>> {
    id::<BusId>(table, "name", "\"lora\"").map(|at| at.map(|name| name.as_str().to_owned()))
}

/// The largest accepted packet.
pub(crate) fn packet_limit(table: &Table<'_>) -> Option<At<i64>> {
    table.integer("max_packet_bytes", 1_024..=16 << 20)
}

/// Host (without brackets) and port of `host:port` or `[v6]:port`.
pub(crate) fn split_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let fits =
        !bare.is_empty() && !bare.contains(['/', ' ', '[', ']']) && (bare == host) != bare.contains(':');
    fits.then(|| (bare.to_owned(), port))
}
