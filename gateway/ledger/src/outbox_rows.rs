//! Rows of the outbox: what should be said to whom, and how far each message has come.
//!
//! Workers read due deliveries through a [`Reader`](crate::Reader) and report back through the pipeline, whose next
//! batch carries their [`DeliveryUpdate`]s. The ledger decides neither who is told nor when to try again.

use linli_domain::time::Timestamp;

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// To be tried at its next time.
    Pending,
    /// Taken by the channel.
    Delivered,
    /// Given up: kept for people to see and to send again.
    Dead,
}

impl DeliveryState {
    /// The stored label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.label() == label)
    }
}

/// A message for the outbox. The ledger gives it its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The channel that takes it.
    pub channel: String,
    /// What it is about, such as `order`.
    pub subject_kind: String,
    /// Which one, such as `WO-42`.
    pub subject: String,
    /// What to say, as the channel's worker reads it.
    pub payload: Vec<u8>,
    /// Unique for ever: the same message asked for twice is stored once.
    pub idempotency: String,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it is first tried.
    pub next_at: Timestamp,
}

/// What a worker reports about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryUpdate {
    /// Number of the delivery.
    pub id: i64,
    /// How far it is now.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next; of no meaning unless pending.
    pub next_at: Timestamp,
    /// What went wrong the last time.
    pub last_error: Option<String>,
    /// When the channel took it.
    pub delivered_at: Option<Timestamp>,
}

/// A delivery as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// What was asked for.
    pub message: NewDelivery,
    /// How far it is.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next; of no meaning unless pending.
    pub next_at: Timestamp,
    /// What went wrong the last time.
    pub last_error: Option<String>,
    /// When the channel took it.
    pub delivered_at: Option<Timestamp>,
}
