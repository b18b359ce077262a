//! The bytes of messages the broker holds for clients that are slow or away, all together.
//!
//! A payload on its way to subscribers is counted until the last of them let go of it. When too much is held, the
//! client that is furthest behind is closed and loses its session; its messages were committed, if anybody asked for
//! that, and are lost to it alone.

use super::gate::Farewell;
use super::shared::Shared;
use bytes::Bytes;
use rmqtt::codec::v5::DisconnectReasonCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A client that takes nothing for this long is behind; so is one whose queue is the longest.
const STUCK: Duration = Duration::from_secs(1);
/// Clients closed in one go. The next message goes on where this ends.
const AT_ONCE: usize = 16;

/// How much is held, and how much may be.
pub(super) struct Backlog {
    held: Arc<AtomicUsize>,
    most: usize,
    clearing: AtomicBool,
}

/// A payload that is counted as long as it lives.
struct Counted {
    bytes: Box<[u8]>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Backlog {
    pub(super) fn new(most: u32) -> Self {
        Self {
            held: Arc::default(),
            most: most as usize,
            clearing: AtomicBool::new(false),
        }
    }

    /// The same payload, counted. It is a copy, so that it does not keep the buffer it was read into.
    pub(super) fn count(&self, payload: &[u8]) -> Bytes {
        self.held.fetch_add(payload.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted {
            bytes: payload.into(),
            held: Arc::clone(&self.held),
        })
    }

    /// Bytes held now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.held() > self.most
    }
}

impl Shared {
    /// Makes room when too much is held; beside the caller, who may be one of those to go.
    pub(super) fn make_room(self: &Arc<Self>) {
        if !self.backlog.is_over() || self.backlog.clearing.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            for _ in 0..AT_ONCE {
                if !shared.backlog.is_over() || !shared.close_furthest_behind().await {
                    break;
                }
            }
            shared.backlog.clearing.store(false, Ordering::Relaxed);
        });
    }

    /// Closes the client that is furthest behind; `false` when nobody is.
    async fn close_furthest_behind(&self) -> bool {
        let too_slow = || {
            Farewell::new(
                DisconnectReasonCode::QuotaExceeded,
                "too far behind with its messages",
            )
        };
        if let Some(guest) = self.guests.most_stuck(self.clock.now().monotonic, STUCK) {
            let detail = format!(
                "took nothing for {:?}",
                guest.stuck_for(self.clock.now().monotonic)
            );
            self.refused("slow", &guest.client_id, &detail);
            guest.send_away(too_slow());
            return self.end_session(&guest.client_id).await;
        }
        let longest = {
            let sessions = self.library.extends.shared().await;
            let queues = sessions.iter().filter_map(|entry| {
                let session = entry.session()?;
                Some((session.deliver_queue().len(), session.id.client_id.clone()))
            });
            queues.max_by_key(|(length, _)| *length)
        };
        let Some((length, client)) = longest.filter(|(length, _)| *length > 0) else {
            return false;
        };
        self.refused("slow", &client, &format!("{length} messages behind"));
        self.end_session(&client).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_counts_until_the_last_who_holds_it_lets_go() {
        let backlog = Backlog::new(10);
        let (one, other) = (backlog.count(b"12345"), backlog.count(b"123456"));
        let again = one.clone();
        assert!(backlog.is_over());
        drop(one);
        assert_eq!((backlog.held(), &again[..]), (11, &b"12345"[..]));
        drop(again);
        drop(other);
        assert_eq!(backlog.held(), 0);
    }
}
