//! `[broker]` and the subscriptions that brokers and connections share.

use crate::config::raw::secret::RawSecret;
use crate::config::raw::{address, connection_name, packet_limit};
use crate::config::read::{At, Table};
use crate::config::said::both;
use std::net::SocketAddr;
use std::ops::Range;

/// `[broker]`.
#[derive(Debug)]
pub struct Broker {
    /// Switched on; on when absent.
    pub enabled: Option<At<bool>>,
    /// Connection name.
    pub name: Option<At<String>>,
    /// Address to bind.
    pub listen: Option<At<SocketAddr>>,
    /// Largest packet.
    pub max_packet_bytes: Option<At<i64>>,
    /// Clients.
    pub users: Vec<User>,
    /// How topics are understood.
    pub subscriptions: Vec<Subscription>,
    /// Where the section stands.
    pub place: Range<usize>,
}

/// `[[broker.users]]`.
#[derive(Debug)]
pub struct User {
    /// User name.
    pub username: Option<At<String>>,
    /// Password.
    pub password: Option<RawSecret>,
    /// Filters to publish to.
    pub publish: Vec<At<String>>,
    /// Filters to subscribe to.
    pub subscribe: Vec<At<String>>,
}

/// `subscriptions` of a broker or a connection.
#[derive(Debug)]
pub struct Subscription {
    /// Envelope.
    pub family: Option<At<String>>,
    /// Topic pattern.
    pub topic: Option<At<String>>,
    /// Filters of states of announced entities.
    pub states: Vec<At<String>>,
    /// Whether Sparkplug nodes may be asked for their births.
    pub rebirth: Option<At<bool>>,
}

impl Broker {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("bind", "listen"), ("max_packet", "max_packet_bytes")]);
        let broker = Self {
            enabled: table.boolean("enabled"),
            name: connection_name(&table),
            listen: address(&table, "listen"),
            max_packet_bytes: packet_limit(&table),
            users: table.tables("users").into_iter().map(User::read).collect(),
            subscriptions: table
                .tables("subscriptions")
                .into_iter()
                .map(Subscription::read)
                .collect(),
            place: table.span.clone(),
        };
        table.finish();
        broker
    }
}

impl User {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("user", "username"), ("name", "username")]);
        let username = table.parsed("username", "\"chirpstack\"", |text| match text {
            "" => Err(both!("用户名为空", "the user name is empty")),
            text => Ok(text.to_owned()),
        });
        let password = RawSecret::read(&table, "password");
        let user = Self {
            username: table.need("username", "\"chirpstack\"", username),
            password: table.need("password", "{ file = \"secrets/chirpstack\" }", password),
            publish: table.texts("publish", "[\"application/#\"]"),
            subscribe: table.texts("subscribe", "[\"application/+/device/+/command/down\"]"),
        };
        table.finish();
        user
    }
}

impl Subscription {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("filter", "topic"), ("pattern", "topic"), ("format", "family")]);
        let (family, topic) = (
            table.text("family", "\"chirpstack-v4\""),
            table.text("topic", "\"application/#\""),
        );
        let subscription = Self {
            family: table.need("family", "\"chirpstack-v4\"", family),
            topic,
            states: table.texts("states", "[\"estate/#\"]"),
            rebirth: table.boolean("rebirth"),
        };
        table.finish();
        subscription
    }
}
