//! Deliveries as the API shows them. The payload of a delivery stays inside: it may name people.

use linli_domain::time::Timestamp;
use linli_ledger::{Delivery as DeliveryRow, DeliveryState as State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be tried at its next time.
    Pending,
    /// Taken by the channel.
    Delivered,
    /// Given up: kept for people to see and to send again.
    Dead,
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Delivered => Self::Delivered,
            State::Dead => Self::Dead,
        }
    }
}

impl From<DeliveryState> for State {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Dead => Self::Dead,
        }
    }
}

/// One message to one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The channel.
    pub channel: String,
    /// What it is about, such as `order`.
    pub subject_kind: String,
    /// Which one, such as `WO-42`.
    pub subject: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it is tried next, while pending.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// When the channel took it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered_at: Option<Timestamp>,
    /// What went wrong the last time; `outlived` for one that was told in a summary because nobody needed it any more.
    pub last_error: Option<String>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            channel: row.message.channel,
            subject_kind: row.message.subject_kind,
            subject: row.message.subject,
            state: row.state.into(),
            attempts: row.attempts,
            created_at: row.message.created,
            next_at: (row.state == State::Pending).then_some(row.next_at),
            delivered_at: row.delivered_at,
            last_error: row.last_error,
        }
    }
}

/// A test message to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestNotice {
    /// The channel; every configured one when not given.
    #[serde(default)]
    pub channel: Option<String>,
}

/// Where test messages went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestSent {
    /// The channels; their deliveries are listed under the subject kind `test`.
    pub channels: Vec<String>,
    /// The subject of those deliveries.
    pub subject: String,
}
