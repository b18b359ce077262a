//! The outbox: from "this should be said" to "the other side took it", or to a dead letter a person sees.
//!
//! Three things carry the name of a message. A *notice* is the engine's wish that people hear of a change.
//! [`plan`] makes of it one *delivery* per channel, which commits in the same transaction as the change itself.
//! The [`worker`] makes *attempts* at due deliveries and reports each result to the pipeline, which commits it.
//! A delivery in flight when the power goes is tried again with the same id: at least once, and recognisable.
//!
//! It does not decide who is told (that is the estate's rules and the routes), and it never writes the ledger.

mod event;
pub mod plan;
pub mod series;

mod flights;
mod jumps;
mod outlet;
mod outlived;
pub mod policy;
mod queue;
mod settle;
pub mod worker;

pub mod signature;
pub mod webhook;
pub mod wecom;

pub mod address;
mod outbound;

use async_trait::async_trait;
use linli_domain::time::Now;
use std::fmt;
use std::time::Duration;

/// Largest stored payload of one delivery in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 20_000;

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other side took it.
    Delivered {
        /// The other side's id for it, when it gives one.
        provider_id: Option<String>,
    },
    /// Not taken; another attempt may succeed.
    Retry {
        /// Stable code of the reason.
        code: String,
        /// When the other side wants to be asked again.
        after: Option<Duration>,
        /// Whether the wish concerns everything on this channel, not only this message.
        whole_channel: bool,
    },
    /// Refused for good.
    Permanent {
        /// Stable code of the reason.
        code: String,
        /// Whether the endpoint itself is gone, so that other messages need not try.
        gone: bool,
    },
    /// Sent, and nobody knows whether it was taken.
    Unknown {
        /// Stable code of the reason.
        code: String,
    },
}

impl Outcome {
    /// The label in the metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry { .. } => "retry",
            Self::Permanent { .. } => "permanent",
            Self::Unknown { .. } => "unknown",
        }
    }

    fn retry(code: impl Into<String>) -> Self {
        Self::Retry {
            code: code.into(),
            after: None,
            whole_channel: false,
        }
    }

    fn permanent(code: impl Into<String>) -> Self {
        Self::Permanent {
            code: code.into(),
            gone: false,
        }
    }
}

/// One message as a channel is asked to send it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its id, the same on every attempt.
    pub id: &'a str,
    /// What [`plan`] wrote for this kind of channel.
    pub payload: &'a [u8],
    /// Attempts made before this one.
    pub attempts: u32,
    /// The code of the last failed attempt.
    pub last_code: Option<&'a str>,
}

/// A way to reach people or systems. Each attempt ends within the channel's timeout.
#[async_trait]
pub trait Send: std::marker::Send + Sync + fmt::Debug {
    /// Makes one attempt.
    async fn send(&self, message: Message<'_>, now: Now) -> Outcome;
}

/// Why a configured channel cannot be used. It never repeats the address, which is a credential.
#[derive(Debug, thiserror::Error)]
pub enum BadChannel {
    /// The address is no http or https URL.
    #[error("the address is not an http:// or https:// URL")]
    Url,
    /// The address is internal.
    #[error(transparent)]
    Internal(#[from] address::Internal),
    /// A signing key cannot be used.
    #[error(transparent)]
    Key(#[from] signature::BadKey),
    /// No key, or more than an endpoint may have.
    #[error("a webhook needs 1 to {} signing keys", signature::MAX_KEYS)]
    Keys,
    /// The HTTP client cannot be built.
    #[error("prepare the HTTP client")]
    Client(#[source] reqwest::Error),
}

#[cfg(test)]
mod channel_tests;
