//! QEMU's two control sockets: QMP (JSON, for the models of the sensors) and qtest (text, for the pins).

use serde_json::{Value, json};
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

#[derive(Debug)]
pub(super) struct Qmp(BufReader<UnixStream>);

impl Qmp {
    pub(super) async fn connect(socket: &Path) -> Self {
        let mut qmp = Self(BufReader::new(UnixStream::connect(socket).await.expect("QMP")));
        qmp.line().await;
        qmp.execute("qmp_capabilities", json!({})).await;
        qmp
    }

    /// Starts the processor.
    pub(super) async fn go(&mut self) {
        self.execute("cont", json!({})).await;
    }

    /// Sets a property of a part given on the command line.
    pub(super) async fn set(&mut self, part: &str, property: &str, value: i32) {
        let arguments =
            json!({ "path": format!("/machine/peripheral/{part}"), "property": property, "value": value });
        self.execute("qom-set", arguments).await;
    }

    /// Writes a stretch of memory into a file.
    pub(super) async fn save_memory(&mut self, start: u32, bytes: u32, file: &Path) {
        let arguments = json!({ "val": start, "size": bytes, "filename": file.display().to_string() });
        self.execute("pmemsave", arguments).await;
    }

    /// The path of the n-th GPIO block; they are made in the order of their letters.
    pub(super) async fn gpio_port(&mut self, number: usize) -> String {
        let folder = "/machine/unattached";
        let listed = self.execute("qom-list", json!({ "path": folder })).await;
        let mut ports: Vec<u32> = listed
            .as_array()
            .into_iter()
            .flatten()
            .filter(|device| device["type"].as_str().is_some_and(|t| t.contains("pl061")))
            .filter_map(|device| {
                device["name"]
                    .as_str()?
                    .strip_prefix("device[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            })
            .collect();
        ports.sort_unstable();
        let port = ports.get(number).expect("a board with seven ports");
        format!("{folder}/device[{port}]")
    }

    async fn execute(&mut self, command: &str, arguments: Value) -> Value {
        let text = json!({ "execute": command, "arguments": arguments }).to_string();
        self.0
            .write_all(text.as_bytes())
            .await
            .expect("QMP takes commands");
        loop {
            let mut answer = self.line().await;
            if let Some(found) = answer.get_mut("return") {
                return found.take();
            }
            // What is neither is an event.
            assert!(answer.get("error").is_none(), "{command} {text}: {answer}");
        }
    }

    async fn line(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("QMP answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("QMP said {line:?}: {error}"))
    }
}

#[derive(Debug)]
pub(super) struct Qtest(BufReader<UnixStream>);

impl Qtest {
    pub(super) async fn connect(socket: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(socket).await.expect("qtest")))
    }

    pub(super) async fn pin(&mut self, port: &str, pin: u8, high: bool) {
        let text = format!("set_irq_in {port} unnamed-gpio-in {pin} {}\n", u8::from(high));
        self.0
            .write_all(text.as_bytes())
            .await
            .expect("qtest takes commands");
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.expect("qtest answers");
            if !line.starts_with("IRQ") {
                assert!(line.starts_with("OK"), "{text}: {line}");
                return;
            }
        }
    }
}
