//! `linli demo`: embedded broker, simulated estate, Modbus nodes and gateway in one process, on temporary data and
//! free loopback ports. Without a closed order it has failed.

use super::Narrator;
use super::radio::{self, Account};
use super::staff::{self, Api};
use super::world::World;
use super::{script, street};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::run::{self, Gateway};
use anyhow::{Context, Result};
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::id::BusId;
use linli_node_sim::Transport;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The estate of the demo.
const ESTATE: &str = include_str!("../../../../config/estates/demo.toml");
/// User of the simulated network server and bridge.
const USER: &str = "field";

/// How to run the demo.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// End by itself after so long; without it the demo runs until it is interrupted.
    pub duration: Option<Duration>,
    /// Port of the status page; 0 takes a free one.
    pub http_port: u16,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Readings stored.
    pub readings: u64,
    /// Frames refused.
    pub rejected: u64,
    /// Repeated messages dropped.
    pub duplicates: u64,
    /// Alarms raised.
    pub alarms_raised: u64,
    /// Orders opened.
    pub orders_opened: u64,
    /// Orders closed, every one on the evidence of its sensors.
    pub orders_closed: u64,
    /// Seconds the demo ran.
    pub seconds: u64,
}

/// Runs the demo until its time is over or `stop` is cancelled. `ready` is told where the status page is.
pub async fn demo(
    options: DemoOptions,
    stop: CancellationToken,
    narrator: Narrator,
    ready: impl FnOnce(String),
) -> Result<Summary> {
    let document: EstateDoc = toml::from_str(ESTATE).context("read the built-in demo estate")?;
    let estate = Estate::resolve(Arc::new(document)).map_err(|problems| {
        anyhow::anyhow!("the demo estate has {} problems: {problems:?}", problems.len())
    })?;
    let estate = Arc::new(estate);
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let world = World::new(20_260_131);
    let clock: SharedClock = Arc::new(SystemClock::new());
    let played = CancellationToken::new();
    let _end = played.clone().drop_guard();

    let mut transports = BTreeMap::new();
    transports.insert(BusId::new("bus-1")?, Transport::Tcp);
    transports.insert(BusId::new("bus-2")?, Transport::RtuOverTcp);
    transports.insert(BusId::new("bus-3")?, Transport::Tcp);
    let buses = street::serve(&estate, &transports, &world, &played).await?;

    let mut secret = [0u8; 16];
    getrandom::fill(&mut secret).context("make a password")?;
    let password: String = secret.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let config = configuration(folder.path(), options.http_port, &password, &buses, &transports)?;
    let gateway = run::start(config, Arc::clone(&clock)).await?;
    let api = Api {
        base: format!("http://{}", gateway.http),
        token: std::fs::read_to_string(folder.path().join("data/admin.token"))?
            .trim()
            .to_owned(),
        client: reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?,
    };
    ready(format!("{}/status", api.base));

    let account = Account {
        address: gateway.broker.context("the demo needs the embedded broker")?,
        user: USER.into(),
        password,
    };
    tokio::spawn(radio::play(
        account,
        Arc::clone(&estate),
        world.clone(),
        Arc::clone(&clock),
        played.clone(),
    ));
    tokio::spawn(script::play(
        Arc::clone(&estate),
        world.clone(),
        narrator.clone(),
        played.clone(),
    ));
    tokio::spawn(staff::work(
        api.clone(),
        Arc::clone(&estate),
        world,
        narrator,
        played.clone(),
    ));

    let started = clock.now().monotonic;
    match options.duration {
        Some(duration) => drop(tokio::time::timeout(duration, stop.cancelled()).await),
        None => stop.cancelled().await,
    }
    let seconds = clock.now().monotonic.since(started).as_secs();
    let summary = summarise(&api, seconds).await;
    played.cancel();
    finish(gateway).await;
    summary
}

async fn finish(gateway: Gateway) {
    gateway.shutdown().await;
}

/// Adds up what the gateway itself reports on `/metrics`.
async fn summarise(api: &Api, seconds: u64) -> Result<Summary> {
    let text = api
        .client
        .get(format!("{}/metrics", api.base))
        .bearer_auth(&api.token)
        .send()
        .await?
        .text()
        .await?;
    let sum = |name: &str, label: &str| -> u64 {
        let lines = text.lines().filter(|l| l.starts_with(name) && l.contains(label));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counters of a short run"
        )]
        let total = values.sum::<f64>() as u64;
        total
    };
    Ok(Summary {
        readings: sum("linli_readings_stored_total", ""),
        rejected: sum("linli_messages_rejected_total{", ""),
        duplicates: sum("linli_messages_duplicate_total", ""),
        alarms_raised: sum("linli_alarm_transitions_total{", "to=\"active_unack\""),
        orders_opened: sum("linli_order_transitions_total{", "to=\"dispatched\""),
        orders_closed: sum("linli_order_transitions_total{", "to=\"closed\""),
        seconds,
    })
}

/// The configuration of the demo as a file, read the way every configuration is.
fn configuration(
    folder: &std::path::Path,
    http_port: u16,
    password: &str,
    buses: &BTreeMap<BusId, std::net::SocketAddr>,
    transports: &BTreeMap<BusId, Transport>,
) -> Result<Config> {
    std::fs::write(folder.join("estate.toml"), ESTATE)?;
    std::fs::write(folder.join("field.password"), password)?;
    std::fs::create_dir_all(folder.join("profiles"))?;
    let mut text = format!(
        r#"config_version = 1
estate_seed = "estate.toml"
profiles = "profiles"
[store]
data = "data"
[http]
listen = "127.0.0.1:{http_port}"
[log]
filter = "warn"
[broker]
enabled = true
name = "embedded"
listen = "127.0.0.1:0"
[[broker.users]]
username = "{USER}"
password = {{ file = "field.password" }}
publish = ["application/#", "zigbee2mqtt/#"]
subscribe = []
[[broker.subscriptions]]
family = "chirpstack-v4"
[[broker.subscriptions]]
family = "zigbee2mqtt"
"#
    );
    for (bus, address) in buses {
        let transport = match transports.get(bus) {
            Some(Transport::RtuOverTcp) => "rtu_over_tcp",
            _ => "tcp",
        };
        write!(
            text,
            "[[modbus]]\nname = \"{bus}\"\n{transport} = \"{address}\"\nperiod = \"1s\"\n"
        )?;
    }
    let path = folder.join("linli.toml");
    std::fs::write(&path, text)?;
    crate::config::load(&path).map_err(|refused| anyhow::anyhow!("the demo's configuration: {refused}"))
}
