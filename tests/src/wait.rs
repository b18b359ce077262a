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
pub async fn until<T, F, Fut>(what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(last) if started.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}; last: {last}")
            }
            Err(_) => tokio::time::sleep(STEP).await,
        }
    }
}
