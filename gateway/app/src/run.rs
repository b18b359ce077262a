//! The composition root: builds the parts, starts their tasks in order and stops them in order.
//!
//! It decides nothing. Start: ledger, engine, pipeline, outflow, HTTP, and the field last, so that nothing arrives
//! before it can be kept. Stop: intake, core, outflow.

mod parts;

use crate::clock::{self, KNOWN_FROM, SharedClock};
use crate::config::Config;
use crate::field;
use crate::http;
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use crate::outbox::series::{self, Cursors};
use crate::outbox::worker;
use crate::pipeline::ages::Ages;
use crate::pipeline::{self, Core, Door, Loop, Pace, Progress, Understanding};
use crate::profiles::{self, Profiles};
use crate::vitals;
use anyhow::{Context, Result, bail};
use linli_domain::estate::{Estate, EstateDoc};
use linli_ledger::Ledger;
use parts::Parts;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Longest orderly shutdown; what is not done by then is named and left.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A running gateway.
pub struct Gateway {
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where the embedded broker listens without encryption.
    pub broker: Option<SocketAddr>,
    /// The estate in use.
    pub estate: Arc<Estate>,
    door: Door,
    intake: CancellationToken,
    stop: CancellationToken,
    field: Parts,
    outflow: Parts,
    running_broker: Option<field::broker::Running>,
    thread: std::thread::JoinHandle<()>,
    /// Resolves when the pipeline's thread has ended, by a panic too.
    ended: oneshot::Receiver<()>,
}

/// Runs until `stop` is cancelled.
pub async fn run(config: Config, clock: SharedClock, stop: CancellationToken) -> Result<()> {
    let mut gateway = start(config, clock).await?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(http = %gateway.http, broker = ?gateway.broker, "linli is running");
    let ended = tokio::select! {
        () = stop.cancelled() => false,
        _ = &mut gateway.ended => true,
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    gateway.shutdown().await;
    if ended {
        // Without it nothing is stored or decided, however well the rest may look.
        bail!("the pipeline has ended by itself: see the lines before, and start the gateway again");
    }
    Ok(())
}

/// Builds the parts and starts their tasks; all of them go by `clock`.
pub async fn start(config: Config, clock: SharedClock) -> Result<Gateway> {
    // Both TLS users (MQTT, HTTP client) take the process's provider; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = Metrics::new().context("register the metrics")?;
    metrics
        .build_info
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1);

    let seed = Arc::new(read_seed(&config.estate_seed)?);
    let mut ledger = Ledger::open(
        &config.store.data,
        &linli_ledger::Options {
            keep: config.store.keep.clone(),
            ..linli_ledger::Options::default()
        },
    )?;
    for commit in ledger.aside_at_open() {
        tracing::error!(%commit, "the log of a commit was damaged and is set aside; see `linli doctor`");
    }
    let stored = ledger
        .reader()?
        .named_values(crate::outbox::series::cursor::PREFIX)?;
    let ages = ledger.reader()?.named_values(pipeline::ages::NAME)?;
    let targets = config.forwarders.iter().map(|target| target.name.clone());
    let cursors = Arc::new(Cursors::new(targets, &stored));
    let machine = clock;
    let fresh = clock::never_before(Arc::clone(&machine), None);
    let recovered = pipeline::recover(&mut ledger, &seed, &fresh)?;
    let saved = recovered.engine.clock();
    let clock = clock::never_before(machine, saved);
    let start = clock.now();
    if !start.trusted {
        tracing::warn!(goes_by = %start.wall, "the machine's clock is not set, or behind the last time the gateway knows and goes by until it is; when it is right: linli clock believe");
    }
    let estate = Arc::clone(recovered.engine.estate());
    if !recovered.seeded && **estate.doc() != *seed {
        tracing::warn!(
            seed = %config.estate_seed.display(),
            "the seed file differs from the estate in the ledger; the ledger's is used (see `linli estate diff`)"
        );
    }
    let profiles = Profiles::open(Some(config.profiles.clone()))?;

    let admin = http::auth::first_token(&ledger.reader()?, &config.store.data, &clock)?;
    let retained = ledger
        .reader()?
        .retained(clock.now().wall)
        .context("read the retained messages")?;
    let since = ledger
        .reader()?
        .begun_at(KNOWN_FROM)?
        .unwrap_or_else(|| clock.now().wall);
    let readers = http::Readers::open(&config.store.data)?;

    let (ack_senders, ack_receivers): (Vec<_>, Vec<_>) =
        config.mqtt.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let (door, mut inbox) = pipeline::open(ack_senders);
    let mut ask_receivers = Vec::with_capacity(config.mqtt.len());
    for connection in &config.mqtt {
        let (sender, receiver) = mpsc::channel(field::mqtt::WAITING_ASKS);
        inbox.asks.insert(Arc::clone(&connection.name), sender);
        ask_receivers.push(receiver);
    }
    let planner = Planner::new(config.routes.clone(), config.channels.clone(), config.language);
    let understanding = Understanding::new(
        config.subscriptions(),
        profiles.catalogue(),
        recovered.memory.clone(),
        config.clock_window,
    );
    let window = config
        .mqtt
        .iter()
        .map(|c| usize::from(c.receive_maximum))
        .max()
        .unwrap_or(1000);
    let mut core = Core::new(
        recovered,
        ledger,
        understanding,
        planner,
        Arc::clone(&clock),
        Arc::clone(&metrics),
    );
    core.cursors = Arc::clone(&cursors);
    core.ages = Ages::restored(ages.first().map(|(_, value)| value.as_slice()));
    let connections = config.subscriptions().map(|(name, _)| name);
    let buses = config.modbus.iter().map(|bus| Arc::from(bus.bus.as_str()));
    core.links = Some(connections.chain(buses).collect());
    core.room.reserve = config.store.min_free;
    core.room.max_size = config.store.max_size;
    core.room.disk = crate::disk::Space::of;
    let (progress, progressed) = watch::channel(Progress::new(&estate));
    let pace = Pace::new(config.store.commit_delay, window);
    let (alive, ended) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("pipeline".into())
        .spawn(move || {
            let _alive = alive;
            Loop::new(core, inbox, pace, progress).run();
        })
        .context("start the pipeline thread")?;
    if let Some(row) = admin {
        door.ask(|reply| pipeline::Request::Token {
            token: row,
            author: "gateway".into(),
            reply,
        })
        .await??;
    }

    let (intake, stop) = (CancellationToken::new(), CancellationToken::new());
    let (field_tasks, outflow) = (Parts::default(), Parts::default());
    outflow.spawn(
        "deliveries",
        worker::run(
            config.channels.clone(),
            config.store.data.clone(),
            door.clone(),
            progressed.clone(),
            Arc::clone(&clock),
            saved,
            Arc::clone(&metrics),
            stop.child_token(),
        ),
    );
    for target in &config.forwarders {
        let around = series::Surroundings {
            data: config.store.data.clone(),
            door: door.clone(),
            progress: progressed.clone(),
            cursors: Arc::clone(&cursors),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            stop: stop.child_token(),
        };
        outflow.spawn(
            format!("forwarder {}", target.name),
            series::run(target.clone(), around),
        );
    }
    outflow.spawn(
        "vitals",
        vitals::run(
            vitals::Surroundings {
                data: config.store.data.clone(),
                since,
                was_wrong: saved.is_some_and(|saved| !saved.trusted),
                door: door.clone(),
                progress: progressed.clone(),
                metrics: Arc::clone(&metrics),
                clock: Arc::clone(&clock),
            },
            stop.child_token(),
        ),
    );

    outflow.spawn(
        "alarm quality",
        crate::ops::quality::watch(
            config.store.data.clone(),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            stop.child_token(),
        ),
    );
    outflow.spawn(
        "profiles",
        profiles::watch(
            Arc::clone(&profiles),
            door.clone(),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            intake.child_token(),
        ),
    );

    let listener = tokio::net::TcpListener::bind(config.http.listen)
        .await
        .with_context(|| {
            format!(
                "listen on {} for HTTP: is another program using the port?",
                config.http.listen
            )
        })?;
    let address = listener.local_addr()?;
    let mut buses = field::modbus::errand::Buses::default();
    let mut errands: std::collections::HashMap<_, _> = config
        .modbus
        .iter()
        .map(|bus| (bus.bus.clone(), buses.add(bus.bus.clone(), bus.writes)))
        .collect();
    let state = http::Http::new(
        &config,
        address,
        door.clone(),
        readers,
        progressed.clone(),
        Arc::clone(&profiles),
        &metrics,
        &clock,
    );
    state.connect(Arc::new(buses));
    state.follow(Arc::clone(&cursors));
    outflow.spawn("http", http::serve(listener, state, intake.child_token()));

    let running_broker = match &config.broker {
        Some(broker) => Some(
            field::broker::start(
                broker.clone(),
                door.clone(),
                retained,
                Arc::clone(&clock),
                Arc::clone(&metrics),
            )
            .await?,
        ),
        None => None,
    };
    let queues = ack_receivers.into_iter().zip(ask_receivers);
    for (index, (connection, (acks, asks))) in config.mqtt.iter().zip(queues).enumerate() {
        let (door, clock, metrics) = (door.clone(), Arc::clone(&clock), Arc::clone(&metrics));
        field_tasks.spawn(
            format!("connection {}", connection.name),
            field::mqtt::run(
                connection.clone(),
                index,
                door,
                acks,
                asks,
                clock,
                metrics,
                intake.child_token(),
            ),
        );
    }
    let ports = field::modbus::dtu::Ports::bind(&config.modbus)
        .await
        .map_err(|(address, error)| {
            anyhow::anyhow!(error).context(format!(
                "listen on {address} for DTUs: is another program using the port?"
            ))
        })?;
    for bus in &config.modbus {
        let devices = field::modbus::devices(bus, progressed.clone(), Arc::clone(&profiles));
        let surroundings = field::modbus::Surroundings {
            door: door.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            shutdown: intake.child_token(),
        };
        let port = field::modbus::Port {
            dialled: ports.of(bus),
            // Names are unique: every bus has its own.
            errands: errands.remove(&bus.bus).unwrap_or_else(|| mpsc::channel(1).1),
            profiles: Arc::clone(&profiles),
        };
        field_tasks.spawn(
            format!("bus {}", bus.bus),
            field::modbus::run(bus.clone(), devices, port, surroundings),
        );
    }
    field_tasks.spawn("DTUs", ports.serve(Arc::clone(&metrics), intake.child_token()));
    Ok(Gateway {
        http: address,
        broker: running_broker.as_ref().and_then(|b| b.plain),
        estate,
        door,
        intake,
        stop,
        field: field_tasks,
        outflow,
        running_broker,
        thread,
        ended,
    })
}

impl Gateway {
    /// Stops intake, then the core, then outflow, within five seconds. The log says how long each took, and what had
    /// not ended when the time was over.
    pub async fn shutdown(self) {
        let stages = Stages::default();
        let orderly = async {
            // Intake: connections wait a moment for the acknowledgements they owe, so the pipeline still runs.
            self.intake.cancel();
            stages.during("field", self.field.ended()).await;
            if let Some(broker) = self.running_broker {
                stages.during("embedded broker", broker.stop()).await;
            }
            // What the inbox holds is decided and stored first.
            stages.during("pipeline", self.door.stop()).await;
            self.stop.cancel();
            stages.during("outflow", self.outflow.ended()).await;
        };
        let late = tokio::time::timeout(SHUTDOWN, orderly).await.is_err();
        let stages = stages.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if late {
            let waits_for = stages.last().map_or("", |(stage, _)| *stage);
            let (field, outflow) = (self.field.running(), self.outflow.running());
            tracing::warn!(
                waits_for,
                ?field,
                ?outflow,
                "shutdown took longer than {SHUTDOWN:?}; what was acknowledged is in the ledger"
            );
        }
        drop(self.thread);
        tracing::info!(took = ?stages, "linli has stopped");
    }
}

/// What a stop has waited for, in order, and how long; the last one is under way until it has ended.
#[derive(Default)]
struct Stages(Mutex<Vec<(&'static str, Duration)>>);

impl Stages {
    async fn during(&self, stage: &'static str, work: impl Future<Output = ()>) {
        let stages = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stages().push((stage, Duration::ZERO));
        let began = Instant::now();
        work.await;
        if let Some((_, took)) = stages().last_mut() {
            *took = Duration::from_millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
    }
}

/// Reads and parses the seed; its contents are checked when they are used.
pub fn read_seed(path: &Path) -> Result<EstateDoc> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read the estate file {}: check `estate_seed`", path.display()))?;
    match toml::from_str(&text) {
        Ok(document) => Ok(document),
        Err(error) => bail!(
            "read the estate file {}: {error}\nrun `linli check` for all its problems",
            path.display()
        ),
    }
}
