//! `node-sim`: a street of sensor nodes on TCP ports and serial lines, until it is told to stop.
//!
//! Prints one JSON line per line served, with the address that was bound. Not responsible for: anything the
//! library does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Parser};
use linli_node_sim::{Kind, NodeConfig, SerialLine, SharedStreet, Street, Transport, load, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A street of simulated sensor nodes on Modbus.
#[derive(Parser)]
#[command(name = "node-sim", version)]
#[command(group = ArgGroup::new("lines").args(["tcp", "rtu_tcp", "serial"]).required(true).multiple(true))]
struct Arguments {
    /// Serve Modbus TCP here; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    tcp: Vec<SocketAddr>,
    /// Serve RTU frames over TCP here, as a serial converter does.
    #[arg(long, value_name = "ADDRESS")]
    rtu_tcp: Vec<SocketAddr>,
    /// Serve RTU on this serial device.
    #[arg(long, value_name = "PATH")]
    serial: Option<PathBuf>,
    /// Speed of the serial line.
    #[arg(long, default_value_t = 9_600, requires = "serial")]
    baud: u32,
    /// The street's nodes and script; without it: parking 1, bin 2, leak 3.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build();
    let result = runtime
        .context("failed to start")
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("node-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let street = match &arguments.config {
        Some(path) => load(path)?,
        None => default_street()?,
    };
    let street = SharedStreet::new(street);
    // Held by this function; every line watches for its end.
    let (stop, stopped) = watch::channel(false);
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move { stopped.changed().await.is_ok() }
    };

    let mut lines = JoinSet::new();
    let tcp = arguments
        .tcp
        .iter()
        .map(|address| (Transport::Tcp, "tcp", address));
    let rtu = arguments
        .rtu_tcp
        .iter()
        .map(|address| (Transport::RtuOverTcp, "rtu-tcp", address));
    for (transport, name, address) in tcp.chain(rtu) {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("failed to listen on {address}"))?;
        let bound = listener
            .local_addr()
            .context("failed to learn the bound address")?;
        println!("{}", serde_json::json!({ "transport": name, "address": bound }));
        lines.spawn(serve(listener, transport, street.clone(), until_stopped()));
    }
    if let Some(path) = arguments.serial {
        let line = SerialLine::open(&path, arguments.baud)?;
        println!(
            "{}",
            serde_json::json!({ "transport": "serial", "path": path, "baud": arguments.baud })
        );
        lines.spawn(line.serve(street, until_stopped()));
    }

    told_to_stop().await;
    // Every line still watches; were there none, nothing would be left to stop.
    let _ = stop.send(true);
    while let Some(ended) = lines.join_next().await {
        ended.context("a line failed")?;
    }
    Ok(())
}

fn default_street() -> anyhow::Result<Street> {
    let nodes = Kind::ALL
        .into_iter()
        .zip(1..)
        .map(|(kind, unit)| NodeConfig { unit, kind });
    Ok(Street::new(nodes)?)
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
