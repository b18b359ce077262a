//! Child processes with a captured log, stopped by pid.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// Log lines kept for failure messages.
const LOG_LINES: usize = 400;

/// A running peer. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Running {
    /// Starts `command` with its output captured.
    ///
    /// # Panics
    /// When the program is not there; `make test` installs the peers.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("start {name}: {e}; run `make peers` to install what is missing"));
        let log = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(out) = child.stdout.take() {
            follow(out, Arc::clone(&log));
        }
        if let Some(err) = child.stderr.take() {
            follow(err, Arc::clone(&log));
        }
        Self { child, log }
    }

    /// The last lines it wrote.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .map(|log| log.iter().cloned().collect::<Vec<_>>().join("\n"))
            .unwrap_or_default()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and wait for the end.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    /// SIGTERM, and wait for the end; its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        let _ = std::process::Command::new("kill")
            .arg("-TERM")
            .arg(self.pid().to_string())
            .status();
        tokio::time::timeout(crate::wait::PATIENCE, self.child.wait())
            .await
            .ok()?
            .ok()?
            .code()
    }
}

fn follow(stream: impl AsyncRead + Unpin + Send + 'static, log: Arc<Mutex<VecDeque<String>>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(mut log) = log.lock() {
                if log.len() == LOG_LINES {
                    log.pop_front();
                }
                log.push_back(line);
            }
        }
    });
}

/// A loopback port that is free and is handed out once. It lies below those the system gives to outgoing connections: one of
/// a story beside this one would sit on it before the peer listens, or while the peer is restarted.
///
/// # Panics
/// When nothing is free.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static HANDED_OUT: AtomicU32 = AtomicU32::new(0);
    // Programs that run at the same time begin at different places.
    let begins = std::process::id().wrapping_mul(331);
    let mut ports = (0..COUNT).map(|_| {
        let next = HANDED_OUT.fetch_add(1, Ordering::Relaxed);
        FIRST + begins.wrapping_add(next) % COUNT
    });
    ports
        .find_map(|port| {
            let port = u16::try_from(port).ok()?;
            std::net::TcpListener::bind(("127.0.0.1", port)).ok()?;
            Some(port)
        })
        .expect("a free port")
}

/// A program of this workspace, built beside the test binary. `LINLI_PROGRAM` names another build of `linli` to take, such as
/// the one of `make dist`.
///
/// # Panics
/// When it was not built; `make test` builds it.
pub fn workspace_program(name: &str) -> PathBuf {
    if let Some(other) = std::env::var_os("LINLI_PROGRAM").filter(|_| name == "linli") {
        return other.into();
    }
    let test = std::env::current_exe().unwrap_or_default();
    let found = test
        .ancestors()
        .skip(1)
        .take(3)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found
        .unwrap_or_else(|| panic!("{name} is not built: run `make test`, or `cargo build --workspace` first"))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}
