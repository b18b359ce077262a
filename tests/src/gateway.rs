//! The real program: started, asked over HTTP, killed and started again on the same folder.

use crate::clock::{self, StoryClock};
use crate::disk::SmallDisk;
use crate::process::{Running, workspace_program};
use crate::wait::{until, within};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// How a gateway of a story is installed.
#[derive(Debug, Default, Clone)]
pub struct Site {
    /// The estate file.
    pub estate: String,
    /// Port of an external broker, connection name `main`.
    pub broker: Option<u16>,
    /// Whether the embedded broker runs, connection name `embedded`; one user `field` with password `field`.
    pub embedded: Option<u16>,
    /// Further keys and tables of `[broker]`.
    pub broker_extra: String,
    /// `[[modbus]]` sections.
    pub modbus: String,
    /// Where webhooks go, with the secret.
    pub webhook: Option<(String, String)>,
    /// In-flight window towards the external broker; 200 when 0.
    pub window: u16,
    /// Files added to the catalogue: name and text.
    pub profiles: Vec<(String, String)>,
    /// Further `[[SECTION.subscriptions]]` of the external broker, before the usual ones.
    pub subscriptions: String,
    /// Further keys of `[store]`.
    pub store: String,
    /// Further sections of the configuration.
    pub more: String,
    /// The data folder is a disk of its own of so many megabytes.
    pub small_disk_mb: Option<u32>,
    /// The time the gateway goes by, when it is not the machine's.
    pub clock: Option<StoryClock>,
    /// The address of a group robot, channel name `group`.
    pub robot: Option<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// A gateway with its folder.
#[derive(Debug)]
pub struct Gateway {
    running: Option<Running>,
    disk: Option<SmallDisk>,
    /// The folder with configuration and data.
    pub folder: tempfile::TempDir,
    client: reqwest::Client,
    base: String,
    clock: Option<StoryClock>,
    environment: Vec<(String, String)>,
}

/// Subscriptions of every connection of a story.
const SUBSCRIPTIONS: &str = r#"
[[SECTION.subscriptions]]
family = "chirpstack-v4"
[[SECTION.subscriptions]]
family = "zigbee2mqtt"
[[SECTION.subscriptions]]
family = "json"
topic = "site/bin/{device}/up"
[[SECTION.subscriptions]]
family = "json"
topic = "site/plain/{device}/up"
"#;

impl Gateway {
    /// Installs and starts one.
    pub async fn start(site: &Site) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), site);
        let disk = site
            .small_disk_mb
            .map(|megabytes| SmallDisk::on(&folder.path().join("data"), megabytes));
        let mut gateway = Self {
            running: None,
            disk,
            folder,
            client: reqwest::Client::new(),
            base: String::new(),
            clock: site.clock.clone(),
            environment: site.environment.clone(),
        };
        gateway.run().await;
        gateway
    }

    /// Somebody edits the configuration; it counts from the next start on.
    ///
    /// # Panics
    /// When nothing is changed by it.
    pub fn configure(&self, edit: impl FnOnce(&str) -> String) {
        let config = self.folder.path().join("linli.toml");
        let text = std::fs::read_to_string(&config).expect("the configuration");
        let edited = edit(&text);
        assert_ne!(edited, text, "nothing was changed");
        std::fs::write(&config, edited).expect("the configuration");
    }

    /// Starts the program (again) on the same data.
    pub async fn run(&mut self) {
        let port = crate::process::free_port();
        let config = self.folder.path().join("linli.toml");
        let text = std::fs::read_to_string(&config).expect("the configuration");
        let listen = format!("listen = \"127.0.0.1:{port}\" # http");
        let text = text
            .lines()
            .map(|l| if l.ends_with("# http") { listen.as_str() } else { l })
            .collect::<Vec<_>>();
        std::fs::write(&config, text.join("\n")).expect("the configuration");
        let mut command = match &self.clock {
            Some(clock) => {
                let mut command = Command::new(workspace_program("linli-test-clock"));
                command.env(clock::VARIABLE, clock.file());
                command
            }
            None => Command::new(workspace_program("linli")),
        };
        command
            .arg("run")
            .arg("--config")
            .arg(&config)
            .env("RUST_BACKTRACE", "1")
            .envs(self.environment.iter().cloned());
        self.running = Some(Running::start("linli", &mut command));
        self.base = format!("http://127.0.0.1:{port}");
        let this = &*self;
        until("the gateway to be ready", || async move {
            let log = || this.running.as_ref().map(Running::log).unwrap_or_default();
            match this.client.get(format!("{}/readyz", this.base)).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("{} {}", answer.status(), log())),
                Err(error) => Err(format!("{error}\n{}", log())),
            }
        })
        .await;
    }

    /// Waits until the broker has accepted the subscriptions: what is published before belongs to nobody.
    pub async fn subscribed(&self) {
        self.point_is("gateway/gateway.subscriptions_ok/main", Value::Bool(true))
            .await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            running.kill().await;
        }
        self.running = None;
    }

    /// SIGTERM; the exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.running.take()?.terminate().await
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        self.running.as_ref().map(Running::log).unwrap_or_default()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().map_or(0, Running::pid)
    }

    /// The disk of the data folder, when it has one of its own.
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The first token.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.data().join("admin.token"))
            .expect("the first token")
            .trim()
            .to_owned()
    }

    /// Base address of the API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Runs a command of the program's own command line against this gateway; standard output and exit code.
    pub async fn cli(&self, arguments: &[&str]) -> (String, i32) {
        let config = self.folder.path().join("linli.toml");
        let output = Command::new(workspace_program("linli"))
            .args(arguments)
            .arg("--config")
            .arg(config)
            .output()
            .await
            .expect("the program");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            text.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        (text, output.status.code().unwrap_or(-1))
    }

    /// GET as JSON with the first token.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        let request = self
            .client
            .get(format!("{}{path}", self.base))
            .bearer_auth(self.token());
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let (status, body) = (answer.status(), answer.text().await.map_err(|e| e.to_string())?);
        if !status.is_success() {
            return Err(format!("GET {path}: {status} {body}"));
        }
        serde_json::from_str(&body).map_err(|e| format!("GET {path}: {e}: {body}"))
    }

    /// The items of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        let page = self.get(path).await?;
        page["items"]
            .as_array()
            .cloned()
            .ok_or_else(|| format!("GET {path}: no items in {page}"))
    }

    /// POST as JSON with `token`; `version` goes into If-Match.
    pub async fn post(&self, token: &str, path: &str, version: Option<u64>, body: Value) -> (u16, Value) {
        let mut request = self
            .client
            .post(format!("{}{path}", self.base))
            .bearer_auth(token)
            .json(&body);
        if let Some(version) = version {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Moves an order on with the first token, as a person would: look, then press.
    pub async fn order(&self, id: &str, verb: &str, body: Value) -> Value {
        self.press(&self.token(), id, verb, body).await
    }

    /// The value of a metric, summed over its labels; or of one series, written as the page shows it.
    pub async fn metric(&self, name: &str) -> f64 {
        let request = self
            .client
            .get(format!("{}/metrics", self.base))
            .bearer_auth(self.token());
        let text = match request.send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        });
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// The engine's state: commit and text.
    pub async fn dump(&self) -> (u64, String) {
        let dump = self.get("/api/v1/engine/dump").await.expect("a dump");
        (
            dump["commit"].as_u64().expect("a commit"),
            dump["state"].as_str().expect("the state").to_owned(),
        )
    }

    /// So many readings are stored since the start.
    pub async fn stored(&self, count: usize, patience: Duration) {
        within(patience, "every reading to be stored", || async {
            let stored = self.metric("linli_readings_stored_total").await;
            #[allow(clippy::cast_precision_loss, reason = "a count")]
            if stored >= count as f64 {
                Ok(())
            } else {
                Err(format!("{stored} of {count}"))
            }
        })
        .await;
    }

    /// What is due by now has happened and is stored. The first question reaches the pipeline after the time it asks about;
    /// it lets time pass before it takes the second.
    pub async fn settled(&self) {
        self.dump().await;
        self.dump().await;
    }

    /// A further token: its secret.
    pub async fn token_of(&self, name: &str, role: &str) -> String {
        let (text, code) = self.cli(&["token", "add", name, "--role", role, "--json"]).await;
        assert_eq!(code, 0, "{text}");
        let issued: Value = serde_json::from_str(&text).expect("a token");
        issued["token"].as_str().expect("a secret").to_owned()
    }

    /// Moves an order on as the holder of `token` would: look, then press.
    pub async fn press(&self, token: &str, id: &str, verb: &str, body: Value) -> Value {
        let path = format!("/api/v1/orders/{id}");
        // What a sensor says in between is a change too: the person looks again.
        let (status, answer) = until(&format!("the version of {id} to be known"), || async {
            let version = self.get(&path).await?["version"].as_u64();
            match self
                .post(token, &format!("{path}/{verb}"), version, body.clone())
                .await
            {
                (412, answer) => Err(answer.to_string()),
                answered => Ok(answered),
            }
        })
        .await;
        assert!(status < 300, "{verb} {id}: {status} {answer}\n{}", self.log());
        answer
    }

    /// Waits until an order of `asset` is in `state`.
    pub async fn order_in(&self, asset: &str, state: &str) -> Value {
        until(&format!("an order of {asset} to be {state}"), || async {
            let orders = self.list("/api/v1/orders?limit=100").await?;
            let found = orders
                .iter()
                .find(|o| o["asset"] == asset && o["state"] == state)
                .cloned();
            found.ok_or_else(|| format!("{orders:#?}\n{}", self.log()))
        })
        .await
    }

    /// Waits until a device has exactly these flags, in their order.
    pub async fn flags_are(&self, device: &str, flags: &[&str]) -> Value {
        until(&format!("{device} to be {flags:?}"), || async {
            let shown = self.get(&format!("/api/v1/devices/{device}")).await?;
            let raised = shown["flags"].as_array().cloned().unwrap_or_default();
            let mut names: Vec<&str> = raised.iter().filter_map(|flag| flag["flag"].as_str()).collect();
            names.dedup();
            if names == flags {
                Ok(shown)
            } else {
                Err(format!("{shown:#}\n{}", self.log()))
            }
        })
        .await
    }

    /// Waits until the latest value of a point is `value`.
    pub async fn point_is(&self, point: &str, value: Value) {
        until(&format!("{point} to be {value}"), || async {
            let points = self.list("/api/v1/points?limit=500").await?;
            let found = points
                .iter()
                .find(|p| p["id"] == point)
                .map(|p| p["latest"]["value"].clone());
            match found {
                Some(found) if found == value => Ok(()),
                other => Err(format!("{other:?}\n{}", self.log())),
            }
        })
        .await;
    }
}

fn write(folder: &Path, site: &Site) {
    std::fs::write(folder.join("estate.toml"), &site.estate).expect("the estate");
    std::fs::create_dir_all(folder.join("profiles")).expect("a folder");
    for (name, text) in &site.profiles {
        std::fs::write(folder.join("profiles").join(name), text).expect("a profile");
    }
    let mut text = String::from(
        "config_version = 1\nlanguage = \"en\"\nestate_seed = \"estate.toml\"\nprofiles = \"profiles\"\n\
         allow_inline_secrets = false\n[store]\ndata = \"data\"\n",
    );
    text.push_str(&site.store);
    text.push_str("[http]\nlisten = \"127.0.0.1:0\" # http\n");
    let section = |name: &str| SUBSCRIPTIONS.replace("SECTION", name);
    match site.embedded {
        Some(port) => {
            std::fs::write(folder.join("field.password"), "field").expect("a password");
            let _ = write!(
                text,
                "[broker]\nenabled = true\nname = \"embedded\"\nlisten = \"127.0.0.1:{port}\"\n\
                 {}\n[[broker.users]]\nusername = \"field\"\npassword = {{ file = \"field.password\" }}\n\
                 publish = [\"#\"]\nsubscribe = [\"#\"]\n{}",
                site.broker_extra,
                section("broker")
            );
        }
        None => text.push_str("[broker]\nenabled = false\n"),
    }
    if let Some(port) = site.broker {
        let _ = write!(
            text,
            "[[mqtt]]\nname = \"main\"\nurl = \"mqtt://127.0.0.1:{port}\"\nclient_id = \"linli-story\"\n\
             receive_maximum = {}\n{}{}",
            if site.window == 0 { 200 } else { site.window },
            site.subscriptions.replace("SECTION", "mqtt"),
            section("mqtt")
        );
    }
    text.push_str(&site.more);
    text.push_str(&site.modbus);
    if let Some((url, secret)) = &site.webhook {
        std::fs::write(folder.join("hook.url"), url).expect("a file");
        std::fs::write(folder.join("hook.key"), secret).expect("a file");
        text.push_str(
            "[[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = { file = \"hook.url\" }\n\
             keys = [{ file = \"hook.key\" }]\nallow_private = true\n[[routes]]\nchannels = [\"hook\"]\n",
        );
    }
    if let Some(url) = &site.robot {
        std::fs::write(folder.join("robot.url"), url).expect("a file");
        text.push_str(
            "[[channels]]\nname = \"group\"\nkind = \"wecom\"\nurl = { file = \"robot.url\" }\n\
             [[routes]]\nchannels = [\"group\"]\n",
        );
    }
    std::fs::write(folder.join("linli.toml"), text).expect("the configuration");
}
