//! From the file to the [`Config`]: defaults, secrets, and what needs two values at once.
//!
//! Every problem is noted and checking goes on; a `Config` comes out only when nothing stops the program.

mod broker;
mod forwarder;
mod modbus;
mod mqtt;
mod out;
mod subscriptions;
mod users;

use crate::config::problem::Sink;
use crate::config::raw::{Raw, days};
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::secrets::{Environment, Vault};
use crate::config::{ClockWindow, Config, Http, Log, Store};
use linli_domain::text::{Language, Text};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Where the console and the API answer unless the file says otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Longest wait of a reading for its commit: fifty milliseconds lose nothing and save flash.
const DEFAULT_COMMIT_DELAY: Duration = Duration::from_millis(50);

/// The connection name of the embedded broker.
const EMBEDDED: &str = "embedded";
/// Packets past this size close the connection; no sensor comes near.
const DEFAULT_PACKET_BYTES: u32 = 1 << 20;

/// Turns the file into the configuration. `None` when an error was noted here.
pub(super) fn check(raw: &Raw, folder: &Path, environment: Environment<'_>, sink: &Sink) -> Option<Config> {
    if let Some(version) = raw.config_version.as_ref().filter(|at| at.value != 1) {
        sink.error(version.span.clone(), said::unknown_version(version.value));
    }
    let vault = Vault {
        folder,
        environment,
        allow_inline: raw.allow_inline_secrets,
        sink,
    };
    let http = http(raw, sink);
    let broker = raw
        .broker
        .as_ref()
        .and_then(|broker| broker::broker(broker, &http, &vault));
    let mqtt = mqtt::mqtt(raw, &vault);
    let modbus = modbus::modbus(&raw.modbus, sink);
    let channels = out::channels(&raw.channels, &vault);
    let routes = out::routes(raw, sink);
    let forwarders = forwarder::forwarders(&raw.forwarders, &vault);
    let store = raw.store.as_ref();
    Some(Config {
        language: raw.language.as_ref().map_or(Language::Zh, |at| at.value),
        estate_seed: folder.join(&raw.estate_seed.as_ref()?.value),
        profiles: folder.join(
            raw.profiles
                .as_ref()
                .map_or(Path::new("profiles"), |at| &at.value),
        ),
        store: Store {
            data: folder.join(&store?.data.as_ref()?.value),
            commit_delay: store
                .and_then(|store| store.commit_delay.as_ref())
                .map_or(DEFAULT_COMMIT_DELAY, |at| at.value),
            min_free: megabytes(store.and_then(|store| store.min_free_mb.as_ref()))
                .unwrap_or(DEFAULT_MIN_FREE),
            max_size: megabytes(store.and_then(|store| store.max_size_mb.as_ref())),
            keep: keep(store.map_or(&[], |store| &store.keep)),
        },
        http,
        broker,
        mqtt,
        modbus,
        channels,
        routes,
        forwarders,
        log: log(raw),
        clock_window: clock_window(raw),
    })
}

/// Free space below which the oldest goes, unless the file says otherwise.
pub const DEFAULT_MIN_FREE: u64 = 256 << 20;

fn megabytes(at: Option<&At<i64>>) -> Option<u64> {
    at.and_then(|at| u64::try_from(at.value).ok())
        .map(|megabytes| megabytes << 20)
}

/// What is usual, and over it what the file says; an age it leaves out is the usual one.
fn keep(raw: &[crate::config::raw::Keep]) -> Vec<linli_ledger::Keep> {
    let usual = linli_ledger::Keep::usual();
    let said = raw.iter().filter_map(|raw| {
        let age = |n: usize, usual: linli_ledger::Age| raw.ages[n].as_ref().map_or(usual, |at| at.value);
        Some(linli_ledger::Keep {
            measure: raw.measure.as_ref()?.value.clone(),
            raw: age(0, usual.raw),
            minute: age(1, usual.minute),
            hour: age(2, usual.hour),
            day: age(3, usual.day),
        })
    });
    std::iter::once(usual.clone()).chain(said).collect()
}

fn http(raw: &Raw, sink: &Sink) -> Http {
    let Some(http) = &raw.http else {
        return Http {
            listen: DEFAULT_LISTEN,
            hosts: Vec::new(),
        };
    };
    let listen = http.listen.as_ref().map_or(DEFAULT_LISTEN, |at| at.value);
    for host in &http.hosts {
        if host.value.is_empty() || host.value.contains(['/', ':', '*', ' ']) {
            let reason = both!(
                "只写主机名，不含端口和通配符",
                "write the bare host name, without port or wildcard"
            );
            sink.error(
                host.span.clone(),
                said::bad_value("hosts", &host.value, &reason, "[\"linli.example\"]"),
            );
        }
    }
    if let Some(at) = http.listen.as_ref().filter(|at| !at.value.ip().is_loopback()) {
        let message = both!(
            "{listen} 对本机以外开放，且没有加密",
            "{listen} is open to other machines, unencrypted"
        );
        let hint = if http.hosts.is_empty() {
            both!(
                "把访问用的主机名写进 http.hosts；最好只监听 127.0.0.1，前面放反向代理",
                "list the host names people use in http.hosts; better, listen on 127.0.0.1 behind a reverse proxy"
            )
        } else {
            both!(
                "最好只监听 127.0.0.1，前面放带 TLS 的反向代理",
                "better, listen on 127.0.0.1 behind a reverse proxy with TLS"
            )
        };
        sink.warn(at.span.clone(), said::caution(message, hint));
    }
    Http {
        listen,
        hosts: http
            .hosts
            .iter()
            .map(|at| at.value.to_ascii_lowercase())
            .collect(),
    }
}

fn log(raw: &Raw) -> Log {
    let log = raw.log.as_ref();
    Log {
        filter: log
            .and_then(|log| log.filter.as_ref())
            .map_or_else(|| "info".to_owned(), |at| at.value.clone()),
        json: log.and_then(|log| log.json.as_ref()).is_some_and(|at| at.value),
    }
}

fn clock_window(raw: &Raw) -> ClockWindow {
    let clock = raw.clock.as_ref();
    ClockWindow {
        past: clock
            .and_then(|clock| clock.accept_past.as_ref())
            .map_or(days(7), |at| at.value),
        future: clock
            .and_then(|clock| clock.accept_ahead.as_ref())
            .map_or(Duration::from_secs(300), |at| at.value),
        stored: clock
            .and_then(|clock| clock.accept_stored.as_ref())
            .map_or(days(366), |at| at.value),
    }
}

/// Notes names that are used twice.
struct Once<'a> {
    what: Text,
    seen: HashMap<String, Range<usize>>,
    sink: &'a Sink,
}

impl<'a> Once<'a> {
    fn new(what: Text, sink: &'a Sink) -> Self {
        Self {
            what,
            seen: HashMap::new(),
            sink,
        }
    }

    fn see<T: ToString>(&mut self, at: Option<&At<T>>) {
        let Some(at) = at else { return };
        let name = at.value.to_string();
        match self.seen.get(&name) {
            Some(first) => {
                let line = self.sink.source().position(first.start).0;
                self.sink
                    .error(at.span.clone(), said::duplicate(&self.what, &name, line));
            }
            None => {
                self.seen.insert(name, at.span.clone());
            }
        }
    }
}

fn packet_limit(at: Option<&At<i64>>) -> u32 {
    number(at, DEFAULT_PACKET_BYTES)
}

fn number<T: TryFrom<i64>>(at: Option<&At<i64>>, default: T) -> T {
    at.and_then(|at| T::try_from(at.value).ok()).unwrap_or(default)
}
