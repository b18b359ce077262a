//! `[[mqtt]]`: connections to brokers.

use crate::config::MqttProtocol;
use crate::config::raw::broker::Subscription;
use crate::config::raw::secret::RawSecret;
use crate::config::raw::{connection_name, days, packet_limit, path, split_port};
use crate::config::read::{At, Table};
use crate::config::said::{self, both};
use linli_domain::text::Text;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// `[[mqtt]]`.
#[derive(Debug)]
pub struct Mqtt {
    /// Connection name.
    pub name: Option<At<String>>,
    /// Scheme, host and port.
    pub url: Option<At<Target>>,
    /// Fixed client id.
    pub client_id: Option<At<String>>,
    /// User.
    pub username: Option<At<String>>,
    /// Password.
    pub password: Option<RawSecret>,
    /// Authorities to trust.
    pub ca: Option<At<PathBuf>>,
    /// Client certificate.
    pub client_cert: Option<At<PathBuf>>,
    /// Its key.
    pub client_key: Option<At<PathBuf>>,
    /// Receive maximum.
    pub receive_maximum: Option<At<i64>>,
    /// Session expiry.
    pub session_expiry: Option<At<Duration>>,
    /// Keep-alive.
    pub keep_alive: Option<At<Duration>>,
    /// Largest packet.
    pub max_packet_bytes: Option<At<i64>>,
    /// Protocol.
    pub protocol: Option<At<MqttProtocol>>,
    /// What to subscribe to.
    pub subscriptions: Vec<Subscription>,
    /// Where the section stands.
    pub place: Range<usize>,
}

/// A broker address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `mqtts`.
    pub tls: bool,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Mqtt {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[
            ("host", "url"),
            ("server", "url"),
            ("user", "username"),
            ("inflight", "receive_maximum"),
            ("topics", "subscriptions"),
        ]);
        let example = "\"mqtt://127.0.0.1:1883\"";
        let (name, url) = (connection_name(&table), url(&table, example));
        let client_id = table.parsed("client_id", "\"linli-estate-1\"", client_id);
        let mqtt = Self {
            name: table.need("name", "\"lora\"", name),
            url: table.need("url", example, url),
            client_id: table.need("client_id", "\"linli-estate-1\"", client_id),
            username: table.text("username", "\"linli\""),
            password: RawSecret::read(&table, "password"),
            ca: path(&table, "ca", "\"/etc/linli/ca.pem\""),
            client_cert: path(&table, "client_cert", "\"/etc/linli/client.pem\""),
            client_key: path(&table, "client_key", "\"/etc/linli/client.key\""),
            // Half of the packet ids: more, and a repeat could not be told from an id that came round.
            receive_maximum: table.integer("receive_maximum", 1..=32_767),
            session_expiry: table.duration("session_expiry", Duration::from_secs(60)..=days(365)),
            keep_alive: table.duration("keep_alive", Duration::from_secs(5)..=Duration::from_secs(65_535)),
            max_packet_bytes: packet_limit(&table),
            protocol: table.choice(
                "protocol",
                &[
                    ("auto", MqttProtocol::Auto),
                    ("5", MqttProtocol::V5),
                    ("3.1.1", MqttProtocol::V311),
                ],
            ),
            subscriptions: table
                .tables("subscriptions")
                .into_iter()
                .map(Subscription::read)
                .collect(),
            place: table.span.clone(),
        };
        if !table.has("subscriptions") {
            table.need::<()>("subscriptions", "[{ family = \"chirpstack-v4\" }]", None);
        }
        table.finish();
        mqtt
    }
}

fn client_id(text: &str) -> Result<String, Text> {
    if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        return Err(both!(
            "须为 1 到 128 字节的文本",
            "it is a text of 1 to 128 bytes"
        ));
    }
    Ok(text.to_owned())
}

/// The broker's address; credentials in it are refused and not shown.
fn url(table: &Table<'_>, example: &str) -> Option<At<Target>> {
    let text = table.text("url", example)?;
    if text.value.contains('@') {
        table.sink().mask(text.span.clone());
        let message = both!("url 中含有用户或密码", "the url holds a user or a password");
        let hint = both!(
            "用户写在 username，密码写在 password",
            "they go into username and password"
        );
        table.sink().error(text.span, said::conflict(message, hint));
        return None;
    }
    table.parsed("url", example, target)
}

/// `mqtt://host[:port]` or `mqtts://host[:port]`.
fn target(text: &str) -> Result<Target, Text> {
    let (tls, rest) = match text.split_once("://") {
        Some(("mqtt", rest)) => (false, rest),
        Some(("mqtts", rest)) => (true, rest),
        _ => {
            return Err(both!(
                "地址须以 mqtt:// 或 mqtts:// 开头",
                "the address starts with mqtt:// or mqtts://"
            ));
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let with_port = if split_port(rest).is_some() {
        rest.to_owned()
    } else {
        format!("{rest}:{}", if tls { 8883 } else { 1883 })
    };
    match split_port(&with_port) {
        Some((host, port)) => Ok(Target { tls, host, port }),
        None => Err(both!(
            "需要“主机”或“主机:端口”",
            "after the scheme comes a host, or a host and a port"
        )),
    }
}
