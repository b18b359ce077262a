//! `peers`: what others make of the same load, each flat out through mosquitto with nothing lost, beside this gateway in
//! the same run. By name only; `tests/bench/peers.sh` installs them into the build folder.
//!
//! Node-RED parses, compares and appends to a file without a sync. Of the ThingsBoard gateway only the reading side is
//! measured: a plain mosquitto stands in for its platform, to which it sends nothing. Both acknowledge before anything
//! is durable.

use crate::durable;
use crate::load::{Load, cpu_seconds, estate, resident_mb};
use crate::report::{Goal, Report, median};
use crate::tap::Tap;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::{Running, free_port, repository};
use e2e::wait::{until, within};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

const SCENARIO: &str = "peers";
const MESSAGES: usize = 20_000;
const REPEATS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);
const BROKER: &str = "max_queued_messages 0\nmax_inflight_messages 1000\n";

/// What a run showed: messages a second, CPU microseconds a message, megabytes.
#[derive(Debug, Clone, Copy)]
struct Run {
    rate: f64,
    cpu_us: f64,
    resident: f64,
}

fn of(runs: &[Run], figure: fn(&Run) -> f64) -> f64 {
    median(runs.iter().map(figure).collect())
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let script = repository().join("tests/bench/peers.sh");
    let installed = Command::new("sh")
        .arg(script)
        .current_dir(repository())
        .status()
        .await;
    assert!(installed.is_ok(), "sh is not there");
    let ours = ours().await;
    let (rate, cpu) = (of(&ours, |run| run.rate), of(&ours, |run| run.cpu_us));
    report.add(SCENARIO, "messages_per_s", rate, "1/s", None);
    report.add(SCENARIO, "cpu_us_per_message", cpu, "us", None);
    let folder = folder();
    let node_red = folder.join("node-red/node_modules/node-red/red.js");
    if node_red.is_file() {
        let runs = NodeRed::measure(&node_red).await;
        let names = [
            "node_red_messages_per_s",
            "node_red_cpu_us_per_message",
            "node_red_resident_mb",
        ];
        beside(report, names, &runs, (rate, 6.0), (cpu, 3.0));
    } else {
        println!("{SCENARIO}: Node-RED is not installed; left out");
    }
    let thingsboard = folder.join("thingsboard");
    if thingsboard.join("thingsboard_gateway").is_dir() {
        let runs = thingsboard_gateway(&thingsboard).await;
        let names = [
            "thingsboard_messages_per_s",
            "thingsboard_cpu_us_per_message",
            "thingsboard_resident_mb",
        ];
        beside(report, names, &runs, (rate, 10.0), (cpu, 5.0));
    } else {
        println!("{SCENARIO}: the ThingsBoard gateway is not installed; left out");
    }
}

/// A peer's figures: its rate should be a fraction of ours, its cost a multiple.
fn beside(report: &mut Report, names: [&'static str; 3], runs: &[Run], rate: (f64, f64), cpu: (f64, f64)) {
    report
        .add(
            SCENARIO,
            names[0],
            of(runs, |run| run.rate),
            "1/s",
            Some((rate.0, "this gateway")),
        )
        .goal(Goal::RatioAtMost(1.0 / rate.1));
    report
        .add(
            SCENARIO,
            names[1],
            of(runs, |run| run.cpu_us),
            "us",
            Some((cpu.0, "this gateway")),
        )
        .goal(Goal::RatioAtLeast(cpu.1));
    report.add(SCENARIO, names[2], of(runs, |run| run.resident), "MB", None);
}

fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from)
        .join("bench/peers")
}

async fn ours() -> Vec<Run> {
    let broker = Mosquitto::with(BROKER).await;
    let gateway = Gateway::start(&Site {
        estate: estate(),
        broker: Some(broker.port),
        window: 1_000,
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let mut runs = Vec::new();
    for _ in 0..REPEATS {
        let (rate, cpu_us) = durable::flood(&gateway, broker.port, MESSAGES).await;
        let resident = resident_mb(gateway.pid());
        runs.push(Run {
            rate,
            cpu_us,
            resident,
        });
    }
    runs
}

/// Publishes until something of it arrives, so that the subscription is there; then floods again and again, until
/// `arrived` says that all has come.
async fn floods(port: u16, pid: u32, arrived: impl Fn() -> usize) -> Vec<Run> {
    within(PATIENCE, "the peer to subscribe", || async {
        Load {
            count: 1,
            ..Load::flood(1)
        }
        .publish(port)
        .await;
        if arrived() > 0 {
            Ok(())
        } else {
            Err("nothing arrives".to_owned())
        }
    })
    .await;
    let mut runs = Vec::new();
    for _ in 0..REPEATS {
        let (before, used) = (arrived(), cpu_seconds(pid));
        let began = Instant::now();
        let load = tokio::spawn(Load::flood(MESSAGES).publish(port));
        within(PATIENCE, "every message to arrive", || async {
            let now = arrived() - before;
            if now >= MESSAGES {
                Ok(())
            } else {
                Err(format!("{now} of {MESSAGES}"))
            }
        })
        .await;
        let messages = MESSAGES as f64;
        runs.push(Run {
            rate: messages / began.elapsed().as_secs_f64(),
            cpu_us: (cpu_seconds(pid) - used) / messages * 1e6,
            resident: resident_mb(pid),
        });
        load.await.expect("the publisher");
    }
    runs
}

/// Node-RED with one flow.
struct NodeRed;

impl NodeRed {
    async fn measure(program: &Path) -> Vec<Run> {
        let broker = Mosquitto::with(BROKER).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lines = folder.path().join("lines");
        std::fs::write(&lines, "").expect("a file");
        let flow = Self::flow(broker.port, &lines);
        std::fs::write(folder.path().join("flows.json"), flow.to_string()).expect("the flow");
        let settings = format!(
            "module.exports = {{ uiHost: '127.0.0.1', uiPort: {}, flowFile: 'flows.json', credentialSecret: false,\n\
             telemetry: {{ enabled: false }}, logging: {{ console: {{ level: 'warn' }} }} }};\n",
            free_port()
        );
        std::fs::write(folder.path().join("settings.js"), settings).expect("the settings");
        let mut command = Command::new("node");
        command.arg(program).arg("--userDir").arg(folder.path());
        let running = Running::start("node", &mut command);
        floods(broker.port, running.pid(), || {
            let text = std::fs::read(&lines).unwrap_or_default();
            text.iter().filter(|byte| **byte == b'\n').count()
        })
        .await
    }

    fn flow(port: u16, lines: &Path) -> serde_json::Value {
        let compare =
            "const v = msg.payload; if (v.temp > 90 || v.fill > 100) { v.alarm = true; } return msg;";
        json!([
            { "id": "t1", "type": "tab", "label": "bench", "disabled": false },
            { "id": "b1", "type": "mqtt-broker", "name": "", "broker": "127.0.0.1", "port": port.to_string(),
              "clientid": "bench-node-red", "autoConnect": true, "usetls": false, "protocolVersion": "4",
              "keepalive": "60", "cleansession": true },
            { "id": "i1", "type": "mqtt in", "z": "t1", "name": "", "topic": "site/bin/+/up", "qos": "1",
              "datatype": "json", "broker": "b1", "nl": false, "rap": true, "rh": 0, "inputs": 0, "wires": [["f1"]] },
            { "id": "f1", "type": "function", "z": "t1", "name": "", "func": compare, "outputs": 1,
              "wires": [["o1"]] },
            { "id": "o1", "type": "file", "z": "t1", "name": "", "filename": lines, "filenameType": "str",
              "appendNewline": true, "createDir": false, "overwriteFile": "false", "encoding": "none",
              "wires": [[]] },
        ])
    }
}

/// The ThingsBoard gateway's MQTT connector; what it acknowledges is counted on the wire.
async fn thingsboard_gateway(packages: &Path) -> Vec<Run> {
    let (broker, platform) = (Mosquitto::with(BROKER).await, Mosquitto::start().await);
    let tap = Tap::start(broker.port).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = json!({
        "thingsboard": {
            "host": "127.0.0.1", "port": platform.port, "remoteShell": false, "remoteConfiguration": false,
            "security": { "type": "accessToken", "accessToken": "bench" }, "qos": 1,
            "statistics": { "enable": false, "enableCustom": false, "statsSendPeriodInSeconds": 3600 },
            "latencyDebugMode": false, "reportStrategy": { "type": "ON_RECEIVED" },
        },
        "storage": { "type": "memory", "read_records_count": 100, "max_records_count": 100_000 },
        "grpc": { "enabled": false },
        "connectors": [{ "name": "bench", "type": "mqtt", "configuration": "mqtt.json" }],
    });
    let series = ["fill", "temp", "batt", "rssi"]
        .map(|key| json!({ "type": "double", "key": key, "value": format!("${{{key}}}") }));
    let connector = json!({
        "broker": {
            "host": "127.0.0.1", "port": tap.port, "clientId": "bench-thingsboard", "version": 4,
            "maxMessageNumberPerWorker": 10, "maxNumberOfWorkers": 100, "security": { "type": "anonymous" },
        },
        "mapping": [{
            "topicFilter": "site/bin/+/up", "subscriptionQos": 1,
            "converter": {
                "type": "json",
                "deviceInfo": {
                    "deviceNameExpressionSource": "message", "deviceNameExpression": "${id}",
                    "deviceProfileExpressionSource": "constant", "deviceProfileExpression": "bin",
                },
                "sendDataOnlyOnChange": false, "timeout": 60_000, "attributes": [], "timeseries": series,
            },
        }],
        "requestsMapping": {
            "connectRequests": [], "disconnectRequests": [], "attributeRequests": [], "attributeUpdates": [],
            "serverSideRpc": [],
        },
    });
    let config = folder.path().join("config");
    std::fs::create_dir_all(&config).expect("a folder");
    std::fs::write(config.join("tb_gateway.json"), gateway.to_string()).expect("a file");
    std::fs::write(config.join("mqtt.json"), connector.to_string()).expect("a file");
    let logs = folder.path().join("logs");
    std::fs::create_dir_all(&logs).expect("a folder");
    let shipped = packages.join("thingsboard_gateway/config/logs.json");
    if shipped.is_file() {
        std::fs::copy(shipped, config.join("logs.json")).expect("a file");
    }
    let mut command = Command::new("python3");
    command
        .args(["-c", "from thingsboard_gateway.tb_gateway import main; main()"])
        .env("PYTHONPATH", packages)
        .env("TB_GW_CONFIG_DIR", format!("{}/", config.display()))
        .env("TB_GW_LOGS_PATH", &logs)
        .current_dir(folder.path());
    let mut running = Running::start("thingsboard-gateway", &mut command);
    until("the ThingsBoard gateway to stay", || async {
        if tap.connections() > 0 {
            Ok(())
        } else {
            Err("it has not connected".to_owned())
        }
    })
    .await;
    assert!(running.is_running(), "{}", running.log());
    floods(broker.port, running.pid(), || tap.acknowledged()).await
}
