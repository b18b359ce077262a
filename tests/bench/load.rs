//! The load generator as a child process, and the estate it speaks for.

use e2e::gateway::Gateway;
use e2e::process::workspace_program;
use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::process::{Child, Command};

/// Devices of the load generator.
pub(crate) const DEVICES: usize = 1000;

/// Starts `loadgen` with `arguments`.
pub(crate) fn loadgen(arguments: &[&str]) -> Child {
    Command::new(workspace_program("loadgen"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("start loadgen")
}

/// What the publishers send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Devices that speak in turn, over fifty connections with QoS 1.
    pub(crate) devices: usize,
    /// Messages a second; 0 is as fast as the broker takes them.
    pub(crate) rate: usize,
    /// Messages; 0 is until the time is over.
    pub(crate) count: usize,
    /// Seconds at most.
    pub(crate) seconds: u32,
}

impl Load {
    /// `count` messages of [`DEVICES`] devices as fast as the broker takes them.
    pub(crate) fn flood(count: usize) -> Self {
        Self {
            devices: DEVICES,
            rate: 0,
            count,
            seconds: 120,
        }
    }

    /// `rate` messages a second of `devices` devices for `seconds`.
    pub(crate) fn paced(devices: usize, rate: usize, seconds: u32) -> Self {
        Self {
            devices,
            rate,
            count: 0,
            seconds,
        }
    }

    /// Starts publishing at the broker on `port`.
    pub(crate) fn start(self, port: u16) -> Child {
        let (address, devices, rate, count, seconds) = (
            format!("127.0.0.1:{port}"),
            self.devices.to_string(),
            self.rate.to_string(),
            self.count.to_string(),
            self.seconds.to_string(),
        );
        loadgen(&[
            "pub",
            "--addr",
            &address,
            "--conns",
            "50",
            "--devices",
            &devices,
            "--qos",
            "1",
            "--rate",
            &rate,
            "--count",
            &count,
            "--secs",
            &seconds,
        ])
    }

    /// Publishes all of it; how many messages the broker acknowledged.
    pub(crate) async fn publish(self, port: u16) -> f64 {
        let sent = result(self.start(port)).await;
        sent["acked"]
            .as_f64()
            .unwrap_or_else(|| panic!("loadgen pub says nothing: {sent}"))
    }
}

/// The last JSON line a finished `loadgen` printed.
pub(crate) async fn result(child: Child) -> serde_json::Value {
    let output = child.wait_with_output().await.expect("wait for loadgen");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_default()
}

/// An estate of a thousand bins that publish plain JSON with four values and their own time.
pub(crate) fn estate() -> String {
    let mut text = String::from(
        "id = \"bench\"\nname = { zh = \"基准\", en = \"Bench\" }\n[[places]]\nid = \"p\"\nkind = \"outdoor\"\n\
         name = { zh = \"场地\", en = \"Ground\" }\n",
    );
    for n in 0..DEVICES {
        let _ = write!(
            text,
            "[[assets]]\nid = \"bin-{n}\"\nkind = \"bin\"\nplace = \"p\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\
             [[devices]]\nid = \"d{n:06}\"\nprofile = \"generic.json-bin\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\
             address = {{ mqtt = \"main\", key = \"d{n:06}\" }}\nasset = \"bin-{n}\"\n"
        );
    }
    text.push_str(
        "[[rules]]\nid = \"bin-hot\"\nclass = \"bin-hot\"\nfault = \"bin-hot\"\nmeasure = \"temperature\"\n\
         applies_to = { kind = \"bin\" }\nwhen = { above = 90.0, clear = 80.0 }\non_delay = \"0s\"\noff_delay = \"10s\"\n\
         priority = \"P1\"\ncause = { zh = \"通风不良\", en = \"Too little air\" }\n\
         consequence = { zh = \"设备损坏\", en = \"The equipment is damaged\" }\n\
         response = { zh = \"降温。\", en = \"Cool it.\" }\n\
         [[rules]]\nid = \"bin-full\"\nclass = \"bin-full\"\nfault = \"bin-full\"\nmeasure = \"bin.fill\"\n\
         applies_to = { kind = \"bin\" }\nwhen = { above = 100.0, clear = 70.0 }\non_delay = \"10m\"\noff_delay = \"2m\"\n\
         priority = \"P3\"\ncause = { zh = \"垃圾投放过多\", en = \"More waste than usual\" }\n\
         consequence = { zh = \"垃圾溢出\", en = \"Waste lies beside the bin\" }\n\
         response = { zh = \"清空。\", en = \"Empty it.\" }\n",
    );
    text
}

/// Wall time in microseconds, as the load generator writes it into its messages.
#[allow(clippy::disallowed_methods, reason = "what is timed crosses processes")]
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Readings a gateway has dealt with: stored, or dropped because a flood told the same point twice in one millisecond.
pub(crate) async fn dealt_with(gateway: &Gateway) -> f64 {
    gateway.metric("linli_readings_stored_total").await
        + gateway.metric("linli_messages_duplicate_total").await
        + gateway.metric("linli_readings_conflict_total").await
}

/// CPU seconds a process has used.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Resident memory of a process in megabytes.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}
