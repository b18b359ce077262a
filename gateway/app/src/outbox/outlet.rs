//! A channel as the worker holds it: how it sends, how fast it may, and whether it is there at all.

use super::policy::{Allowance, Schedule};
use super::webhook::Webhook;
use super::wecom::Wecom;
use super::{BadChannel, Send};
use crate::config::{Channel, ChannelKind};
use std::sync::Arc;
use std::time::Duration;

/// Attempts under way to one webhook.
const WEBHOOK_FLIGHTS: usize = 4;

/// A channel as the worker holds it.
pub(super) struct Outlet {
    /// Its name.
    pub(super) name: String,
    /// The label in the metrics.
    pub(super) kind: &'static str,
    pub(super) schedule: Schedule,
    /// Most attempts at a time.
    pub(super) parallel: usize,
    pub(super) sender: Arc<dyn Send>,
    pub(super) allowance: Allowance,
    /// Attempts under way.
    pub(super) flying: usize,
    /// Until when it is taken for gone, and what it said.
    pub(super) gone: Option<(Duration, String)>,
}

impl Outlet {
    /// The channel of the configuration, ready to send.
    pub(super) fn new(channel: &Channel) -> Result<Self, BadChannel> {
        let name = channel.id.to_string();
        Ok(match &channel.kind {
            ChannelKind::Webhook {
                url,
                keys,
                allow_private,
            } => {
                let sender = Webhook::new(url, keys, *allow_private, channel.timeout)?;
                Outlet::webhook(name, Arc::new(sender))
            }
            ChannelKind::Wecom { url } => Outlet::robot(name, Arc::new(Wecom::new(url, channel.timeout)?)),
        })
    }

    /// A channel for programs: several attempts at a time, no limit of its own.
    pub(super) fn webhook(name: String, sender: Arc<dyn Send>) -> Self {
        Self {
            name,
            kind: "webhook",
            schedule: Schedule::Webhook,
            parallel: WEBHOOK_FLIGHTS,
            sender,
            allowance: Allowance::new(false),
            flying: 0,
            gone: None,
        }
    }

    /// A group robot: one attempt at a time, twenty a minute.
    pub(super) fn robot(name: String, sender: Arc<dyn Send>) -> Self {
        Self {
            kind: "wecom",
            schedule: Schedule::Robot,
            parallel: 1,
            allowance: Allowance::new(true),
            ..Self::webhook(name, sender)
        }
    }
}
