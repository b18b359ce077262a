//! Real time-series stores from Debian: VictoriaMetrics and InfluxDB 1.6, each in a folder of its own.

use crate::process::{Running, free_port};
use crate::wait::until;
use tokio::process::Command;

/// A store on a loopback port.
#[derive(Debug)]
pub struct Store {
    folder: tempfile::TempDir,
    /// Where it listens, the same after a restart.
    pub port: u16,
    kind: Kind,
    running: Option<Running>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    VictoriaMetrics,
    Influx1 { inner: u16, guarded: bool },
}

impl Store {
    /// VictoriaMetrics.
    pub async fn victoria_metrics() -> Self {
        Self::start(Kind::VictoriaMetrics).await
    }

    /// InfluxDB 1.6 with a database `readings`.
    pub async fn influx1() -> Self {
        let store = Self::start(Kind::Influx1 {
            inner: free_port(),
            guarded: false,
        })
        .await;
        let made = store
            .ask("/query", &[("q", "CREATE DATABASE readings")], true)
            .await;
        made.expect("a database");
        store
    }

    /// InfluxDB 1 asks from now on who somebody is, and knows one user.
    ///
    /// # Panics
    /// When it is another store.
    pub async fn guard(&mut self, user: &str, password: &str) {
        let Kind::Influx1 { guarded, .. } = &mut self.kind else {
            panic!("only InfluxDB has users");
        };
        *guarded = true;
        let made = format!("CREATE USER {user} WITH PASSWORD '{password}' WITH ALL PRIVILEGES");
        let made = self.ask("/query", &[("q", &made)], true).await;
        made.expect("a user");
        self.stop().await;
        self.run().await;
    }

    async fn start(kind: Kind) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut store = Self {
            folder,
            port: free_port(),
            kind,
            running: None,
        };
        store.run().await;
        store
    }

    /// Starts it (again) on the same data.
    pub async fn run(&mut self) {
        let (folder, port) = (self.folder.path().display().to_string(), self.port);
        let (name, mut command) = match self.kind {
            Kind::VictoriaMetrics => {
                let mut command = Command::new("victoria-metrics");
                command
                    .arg(format!("-storageDataPath={folder}/data"))
                    .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
                    .arg("-retentionPeriod=100y")
                    .arg("-search.latencyOffset=0s");
                ("victoria-metrics", command)
            }
            Kind::Influx1 { inner, guarded } => {
                let config = format!(
                    "reporting-disabled = true\nbind-address = \"127.0.0.1:{inner}\"\n[meta]\ndir = \"{folder}/meta\"\n\
                     [data]\ndir = \"{folder}/data\"\nwal-dir = \"{folder}/wal\"\n[http]\n\
                     bind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\nauth-enabled = {guarded}\n"
                );
                let path = self.folder.path().join("influxdb.conf");
                std::fs::write(&path, config).expect("a configuration file");
                let mut command = Command::new("influxd");
                command.arg("-config").arg(path);
                ("influxd", command)
            }
        };
        self.running = Some(Running::start(name, &mut command));
        let path = if self.kind == Kind::VictoriaMetrics {
            "/health"
        } else {
            "/ping"
        };
        let this = &*self;
        until("the store to answer", || async move {
            this.ask(path, &[], false).await.map(drop)
        })
        .await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().await;
        }
    }

    /// SIGTERM: it writes down what it holds in memory. VictoriaMetrics says 204 seconds before that.
    pub async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.terminate().await;
        }
    }

    /// Asks it.
    pub async fn ask(&self, path: &str, query: &[(&str, &str)], post: bool) -> Result<String, String> {
        let mut url =
            reqwest::Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).expect("an address");
        for (key, value) in query {
            url.query_pairs_mut().append_pair(key, value);
        }
        let client = reqwest::Client::new();
        let request = if post { client.post(url) } else { client.get(url) };
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(format!("{status} {text}"))
        }
    }

    /// How many values of the counters it holds.
    pub async fn counted(&self) -> Result<f64, String> {
        self.counted_of("pulse_count").await
    }

    /// How many values of a measurement it holds.
    pub async fn counted_of(&self, measurement: &str) -> Result<f64, String> {
        match self.kind {
            Kind::VictoriaMetrics => {
                // Samples become visible when they are flushed, which happens every second by itself.
                let query = format!("sum(count_over_time({measurement}_value[10y]))");
                let text = self
                    .ask("/api/v1/query", &[("query", query.as_str())], false)
                    .await?;
                let answer: serde_json::Value =
                    serde_json::from_str(&text).map_err(|error| error.to_string())?;
                let value = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0");
                value.parse().map_err(|_| text)
            }
            Kind::Influx1 { .. } => {
                let query = format!("SELECT count(value) FROM {measurement}");
                let text = self
                    .ask("/query", &[("db", "readings"), ("q", query.as_str())], false)
                    .await?;
                let answer: serde_json::Value =
                    serde_json::from_str(&text).map_err(|error| error.to_string())?;
                let count = &answer["results"][0]["series"][0]["values"][0][1];
                Ok(count.as_f64().unwrap_or(0.0))
            }
        }
    }
}
