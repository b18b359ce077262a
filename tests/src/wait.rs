//! Waiting for a condition.

use std::future::Future;
use std::time::{Duration, Instant};

/// The longest any story waits for one thing. Generous: two shared cores may be busy compiling.
pub const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);

/// Polls `probe` until it says `Ok`, and returns what it found.
///
/// # Panics
/// After [`PATIENCE`], with `what` was waited for and the probe's last answer.
pub async fn until<T, F, Fut>(what: &str, probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    within(PATIENCE, what, probe).await
}

/// [`until`] with another patience, for what takes minutes by its nature.
///
/// # Panics
/// After `patience`, likewise.
pub async fn within<T, F, Fut>(patience: Duration, what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(last) if started.elapsed() > patience => {
                panic!("waited {patience:?} for {what}; last: {last}")
            }
            Err(_) => tokio::time::sleep(STEP).await,
        }
    }
}

/// Waits until a loopback port takes connections. HTTP is ready before the field is, so being ready is not enough.
pub async fn listening(port: u16) {
    until(&format!("port {port} to take connections"), || async move {
        let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        connected.map(drop).map_err(|error| error.to_string())
    })
    .await;
}
