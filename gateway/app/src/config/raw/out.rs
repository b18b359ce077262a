//! `[[channels]]` and `[[routes]]`: where notices go.

use crate::config::raw::id;
use crate::config::raw::secret::RawSecret;
use crate::config::read::{At, Table};
use linli_domain::id::ChannelId;
use std::ops::Range;
use std::time::Duration;

/// `[[channels]]`.
#[derive(Debug)]
pub struct Channel {
    /// Where it stands.
    pub place: Range<usize>,
    /// Name that routes use.
    pub name: Option<At<ChannelId>>,
    /// How it speaks.
    pub kind: Option<At<Kind>>,
    /// Where to post.
    pub url: Option<RawSecret>,
    /// Signing keys, newest first.
    pub keys: Vec<RawSecret>,
    /// Where `keys` stands, when it does.
    pub has_keys: bool,
    /// Private targets are allowed.
    pub allow_private: Option<At<bool>>,
    /// Longest wait for an answer.
    pub timeout: Option<At<Duration>>,
}

/// Kinds of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Signed webhook.
    Webhook,
    /// WeCom group robot.
    Wecom,
}

/// `[[routes]]`.
#[derive(Debug)]
pub struct Route {
    /// Where it stands.
    pub place: Range<usize>,
    /// Roles; empty means all.
    pub roles: Vec<At<String>>,
    /// Channels.
    pub channels: Vec<At<String>>,
}

impl Channel {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("id", "name"), ("type", "kind"), ("secret", "keys")]);
        let name = id(&table, "name", "\"duty-group\"");
        let kind = table.choice("kind", &[("webhook", Kind::Webhook), ("wecom", Kind::Wecom)]);
        let url = RawSecret::read(&table, "url");
        let channel = Self {
            place: table.span.clone(),
            name: table.need("name", "\"duty-group\"", name),
            kind: table.need("kind", "\"wecom\"", kind),
            url: table.need("url", "{ credential = \"duty-group-url\" }", url),
            keys: RawSecret::read_list(&table, "keys"),
            has_keys: table.has("keys"),
            allow_private: table.boolean("allow_private"),
            timeout: table.duration("timeout", Duration::from_millis(100)..=Duration::from_secs(60)),
        };
        table.finish();
        channel
    }
}

impl Route {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("role", "roles"), ("channel", "channels"), ("to", "channels")]);
        let channels = table.texts("channels", "[\"duty-group\"]");
        if !table.has("channels") {
            table.need::<()>("channels", "[\"duty-group\"]", None);
        }
        let route = Self {
            place: table.span.clone(),
            roles: table.texts("roles", "[\"engineering\"]"),
            channels,
        };
        table.finish();
        route
    }
}
