//! What a commit owes, paid once it is durable and nowhere else: acknowledgements in one burst per connection,
//! questions to the field, answers, news for listeners and watchers, and word of the progress.

use super::commit::Committed;
use super::door::Inbox;
use crate::field::mqtt::Ask;
use crate::field::{AckTicket, Done, Frame};
use linli_domain::estate::Estate;
use linli_domain::id::CommitId;
use linli_domain::time::Monotonic;
use linli_ledger::Trouble;
use std::sync::Arc;
use tokio::sync::watch;

/// What the thread tells the outside after each commit.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The newest commit.
    pub commit: CommitId,
    /// Whether it added to the outbox.
    pub outbox: bool,
    /// The estate as it is.
    pub estate: Arc<Estate>,
    /// What keeps commits from the disk; `None` while they reach it.
    pub trouble: Option<Trouble>,
    /// When, for the watchdog.
    pub at: Monotonic,
}

impl Progress {
    /// Before the first commit of this run.
    pub fn new(estate: &Arc<Estate>) -> Self {
        Self {
            commit: CommitId(0),
            outbox: true,
            estate: Arc::clone(estate),
            trouble: None,
            at: Monotonic(0),
        }
    }
}

/// Pays everything `committed` owes.
pub(super) fn pay(committed: Committed, inbox: &Inbox, progress: &watch::Sender<Progress>, at: Monotonic) {
    let Committed { commit, batch } = committed;
    inbox.tap.recorder.take(&batch.frames);
    let mut acks: Vec<Vec<AckTicket>> = vec![Vec::new(); inbox.acks.len()];
    for frame in batch.frames {
        let Frame::Mqtt(message) = frame else { continue };
        match message.done {
            Done::Nothing => {}
            Done::Ack(ticket) => {
                if let Some(queue) = acks.get_mut(ticket.connection) {
                    queue.push(ticket);
                }
            }
            Done::Waiting(sender) => {
                let _ = sender.send(true);
            }
        }
    }
    for (queue, tickets) in inbox.acks.iter().zip(acks) {
        if !tickets.is_empty() {
            let _ = queue.send(tickets);
        }
    }
    let received = batch.logged_now.map(|now| now.wall).unwrap_or_default();
    for (connection, request) in batch.requests {
        if let Some(asks) = inbox.asks.get(&connection) {
            // A full queue means that nobody is connected; the next message that needs the answer asks again.
            let _ = asks.try_send(Ask {
                request,
                at: received,
            });
        }
    }
    for answer in batch.answers {
        answer(Ok(commit));
    }
    if inbox.live.receiver_count() > 0 {
        for news in batch.live {
            let _ = inbox.live.send(news);
        }
    }
    inbox.tap.tell(batch.told);
    progress.send_modify(|progress| {
        progress.commit = commit;
        progress.trouble = None;
        progress.outbox = !batch.deliveries.is_empty() || !batch.delivery_updates.is_empty();
        progress.at = at;
        if let Some(estate) = batch.estate {
            progress.estate = estate;
        }
    });
}

/// Nobody waits in vain: clients of the embedded broker are told, and repeat their messages.
pub(super) fn release_waiting(frames: &mut [Frame]) {
    for frame in frames {
        if let Frame::Mqtt(message) = frame
            && let Done::Waiting(sender) = std::mem::replace(&mut message.done, Done::Nothing)
        {
            let _ = sender.send(false);
        }
    }
}
