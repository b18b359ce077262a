//! One user of the embedded broker: what it is known by, what it may, and what it may cost.
//!
//! Pure. Passwords are compared in `accounts`, because that may take time.

use super::bucket::Rate;
use super::password::{Digest, Fingerprint};
use crate::config::{BrokerLimits, BrokerUser};
use crate::field::topic;
use std::sync::{Arc, Mutex};

/// Stands for the user's name in a topic rule.
const USER: &str = "%u";
/// Seconds' worth of messages and bytes that may come at once.
const BURST_S: u32 = 5;

/// One user.
pub(super) struct User {
    pub(super) name: Arc<str>,
    pub(super) secret: Secret,
    /// Whether a client certificate with this name is enough.
    pub(super) certificate: bool,
    /// Clients of this user known at once.
    pub(super) max_clients: u32,
    /// Messages of one connection.
    pub(super) messages: Rate,
    /// Bytes of one connection.
    pub(super) bytes: Rate,
    pub(super) publish: Vec<String>,
    pub(super) subscribe: Vec<String>,
}

/// What a password is compared with.
pub(super) enum Secret {
    /// No password is right.
    None,
    /// It lies in a secret file.
    Known(Fingerprint),
    /// A digest; the fingerprint of the password that was right before saves doing it again.
    Digest(Digest, Mutex<Option<Fingerprint>>),
}

impl Secret {
    /// Whether this password is known to be right without a costly check.
    pub(super) fn recalls(&self, given: Fingerprint) -> bool {
        match self {
            Self::None => false,
            Self::Known(known) => *known == given,
            Self::Digest(_, right) => right.lock().is_ok_and(|right| *right == Some(given)),
        }
    }

    /// Whether a password that opened this one before would still do.
    pub(super) fn is_still(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Known(a), Self::Known(b)) => a == b,
            (Self::Digest(a, _), Self::Digest(b, _)) => a == b,
            _ => false,
        }
    }
}

impl User {
    pub(super) fn new(user: &BrokerUser, secret: Secret, limits: &BrokerLimits) -> Self {
        let rules = |rules: &[String]| {
            rules
                .iter()
                .filter_map(|rule| rule_of(rule, &user.username))
                .collect()
        };
        let rate = |own: Option<u32>, usual: u32| Rate {
            per_s: own.unwrap_or(usual),
            burst_s: BURST_S,
        };
        Self {
            name: user.username.as_str().into(),
            secret,
            certificate: user.certificate,
            max_clients: user.limits.max_clients.unwrap_or(limits.max_clients_per_user),
            messages: rate(user.limits.messages_per_s, limits.messages_per_s),
            bytes: rate(user.limits.bytes_per_s, limits.bytes_per_s),
            publish: rules(&user.publish),
            subscribe: rules(&user.subscribe),
        }
    }
}

/// The rule with the user's name in it; `None` when the name itself would widen the rule, or it is no filter.
fn rule_of(rule: &str, user: &str) -> Option<String> {
    if rule.contains(USER) && user.contains(['+', '#', '/']) {
        return None;
    }
    Some(rule.replace(USER, user)).filter(|rule| topic::is_filter(rule))
}
