//! The tasks of a running gateway by name, so that a stop can say whom it waits for.

use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::task::TaskTracker;

/// Tasks that end together.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    tasks: TaskTracker,
    running: Arc<Mutex<Vec<String>>>,
}

/// Takes the name of a task off the list when it ends, by a panic too.
struct Running {
    name: String,
    of: Arc<Mutex<Vec<String>>>,
}

impl Parts {
    /// Starts a task.
    pub(super) fn spawn(&self, name: impl Into<String>, work: impl Future<Output = ()> + Send + 'static) {
        let running = Running {
            name: name.into(),
            of: Arc::clone(&self.running),
        };
        lock(&running.of).push(running.name.clone());
        self.tasks.spawn(async move {
            let _running = running;
            work.await;
        });
    }

    /// Waits until all have ended.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The names of those that have not, in the order in which they were started.
    pub(super) fn running(&self) -> Vec<String> {
        lock(&self.running).clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = lock(&self.of);
        if let Some(at) = running.iter().position(|name| *name == self.name) {
            running.remove(at);
        }
    }
}

fn lock(names: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn whoever_has_not_ended_is_named() {
        let parts = Parts::default();
        let (end, ends) = oneshot::channel::<()>();
        parts.spawn("bus b1", async { drop(ends.await) });
        parts.spawn("connection main", async {});
        parts.spawn("bus b2", async { panic!("a bug") });
        while parts.running().len() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(parts.running(), ["bus b1"]);
        drop(end);
        parts.ended().await;
        assert_eq!(parts.running(), Vec::<String>::new());
    }
}
