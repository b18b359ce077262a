//! A clock that is set back must not hold up what waits to be said: its time to be tried moves with the clock.
//!
//! Set ahead, a clock only makes a retry come early. Set back, each would wait for as long again: a box that was two hours
//! ahead until the network told it the time would tell of a leak two hours late. The same is seen after a start: then the
//! last look is the last step in the ledger.

use super::worker::{LOOK_AHEAD, Worker};
use crate::clock::SET;
use crate::pipeline::Failed;
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{DeliveryState, DeliveryUpdate};
use std::sync::Arc;

impl Worker {
    /// Sees whether the clock was set back since the last look, and moves what waits along. Of more than [`LOOK_AHEAD`]
    /// deliveries those that are due last keep their time.
    pub(super) async fn follow_clock(&mut self, now: &Now) -> Result<(), Failed> {
        let Some(last) = self.looked.replace(*now) else {
            return Ok(());
        };
        // How long a machine was off nobody knows, but not less than no time at all.
        let lived = (last.boot == now.boot).then(|| now.monotonic.since(last.monotonic));
        let expected = last.wall.plus(lived.unwrap_or_default());
        let back = expected.since(now.wall);
        if back < SET {
            return Ok(());
        }
        let reader = Arc::clone(&self.reader);
        let read = move || match reader.lock() {
            Ok(reader) => reader.due_deliveries(Timestamp::from_millis(i64::MAX), LOOK_AHEAD),
            Err(_) => Ok(Vec::new()),
        };
        let waiting = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| Failed::Stopping)?
            .map_err(|error| Failed::Store(error.to_string()))?;
        for delivery in waiting {
            if delivery.next_at > now.wall && self.taken.insert(delivery.id) {
                self.results.push(DeliveryUpdate {
                    id: delivery.id,
                    state: DeliveryState::Pending,
                    attempts: delivery.attempts,
                    next_at: delivery.next_at.minus(back),
                    last_error: delivery.last_error,
                    delivered_at: None,
                });
            }
        }
        self.report().await
    }
}
