//! A real mosquitto in a folder and on a port of its own.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::net::TcpStream;

const PROGRAM: &str = "/usr/sbin/mosquitto";

pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    folder: TempDir,
    child: Option<Child>,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Mosquitto {
    /// Starts one with `extra` lines of configuration.
    pub(crate) async fn start(extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        // Started as root it becomes another user, who must be able to write its database.
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence_location {}/\nuser root\n{extra}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Self {
            port,
            folder,
            child: None,
        };
        broker.up().await;
        broker
    }

    pub(crate) async fn up(&mut self) {
        assert!(
            Path::new(PROGRAM).exists(),
            "{PROGRAM} is missing; `make test` installs it (Debian: apt install mosquitto)"
        );
        let child = Command::new(PROGRAM)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        super::pipeline::within("mosquitto to listen", async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Ends it as systemd would, so that it saves its database.
    pub(crate) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.down();
    }
}
