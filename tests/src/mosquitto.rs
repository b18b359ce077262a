//! A real mosquitto, with the settings the project recommends.

use crate::process::{Running, free_port};
use crate::wait::until;
use tokio::process::Command;

/// A broker on a loopback port. It keeps its sessions in its folder, so it can be stopped and started again.
#[derive(Debug)]
pub struct Mosquitto {
    folder: tempfile::TempDir,
    /// The port it listens on, the same after a restart.
    pub port: u16,
    running: Option<Running>,
}

impl Mosquitto {
    /// Starts one that does not drop.
    pub async fn start() -> Self {
        Self::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await
    }

    /// Starts one with `extra` lines of configuration.
    pub async fn with(extra: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nset_tcp_nodelay true\nsys_interval 1\nuser root\n{extra}",
            folder.path().display()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).expect("a configuration file");
        let mut broker = Self {
            folder,
            port,
            running: None,
        };
        broker.run().await;
        broker
    }

    /// Starts it (again) on the same port with the same sessions.
    pub async fn run(&mut self) {
        let program = if std::path::Path::new("/usr/sbin/mosquitto").exists() {
            "/usr/sbin/mosquitto"
        } else {
            "mosquitto"
        };
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        self.running = Some(Running::start("mosquitto", &mut command));
        let port = self.port;
        until("mosquitto to listen", || async move {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .map(drop)
                .map_err(|e| e.to_string())
        })
        .await;
    }

    /// Stops it in order, so that it saves its sessions.
    pub async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.terminate().await;
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().map_or(0, Running::pid)
    }
}
