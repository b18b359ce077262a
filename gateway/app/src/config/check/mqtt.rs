//! Checks of `[[mqtt]]`.

use super::subscriptions::subscriptions;
use super::{EMBEDDED, Once, number, packet_limit};
use crate::config::raw::mqtt::Mqtt;
use crate::config::raw::{Raw, days};
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{MqttConnection, MqttProtocol, MqttTls};
use std::path::PathBuf;
use std::time::Duration;

/// Unacknowledged messages: enough for one commit of two thousand, small enough for mosquitto's queue.
const DEFAULT_RECEIVE_MAXIMUM: u16 = 4096;

/// The connections whose sections are whole.
pub(super) fn mqtt(raw: &Raw, vault: &Vault<'_>) -> Vec<MqttConnection> {
    let mut names = Once::new(both!("连接名", "connection name"), vault.sink);
    let mut sessions = Once::new(
        both!("同一服务器上的 client_id", "client_id on one broker"),
        vault.sink,
    );
    if let Some(broker) = &raw.broker {
        let place = broker
            .name
            .as_ref()
            .map_or(broker.place.clone(), |at| at.span.clone());
        let name = broker.name.as_ref().map_or(EMBEDDED, |at| at.value.as_str());
        names.see(Some(&At {
            value: name,
            span: place,
        }));
    }
    let mut connections = Vec::new();
    for connection in &raw.mqtt {
        names.see(connection.name.as_ref());
        if let (Some(url), Some(id)) = (&connection.url, &connection.client_id) {
            let session = format!("{}@{}:{}", id.value, url.value.host, url.value.port);
            sessions.see(Some(&At {
                value: session,
                span: id.span.clone(),
            }));
        }
        connections.extend(one_connection(connection, vault));
    }
    connections
}

fn one_connection(raw: &Mqtt, vault: &Vault<'_>) -> Option<MqttConnection> {
    let password = raw.password.as_ref().and_then(|secret| vault.fetch(secret));
    if raw.username.is_some() != raw.password.is_some() {
        let message = both!(
            "username 和 password 须同时给出",
            "username and password go together"
        );
        let hint = both!("补上缺少的一个，或都删去", "add the missing one, or remove both");
        vault.sink.error(raw.place.clone(), said::conflict(message, hint));
    }
    if raw.client_cert.is_some() != raw.client_key.is_some() {
        let message = both!(
            "client_cert 和 client_key 须同时给出",
            "client_cert and client_key go together"
        );
        let hint = both!("补上缺少的一个，或都删去", "add the missing one, or remove both");
        vault.sink.error(raw.place.clone(), said::conflict(message, hint));
    }
    let plain = raw.url.as_ref().is_some_and(|url| !url.value.tls);
    if let Some(file) = [&raw.ca, &raw.client_cert, &raw.client_key]
        .into_iter()
        .flatten()
        .next()
        .filter(|_| plain)
    {
        let message = both!(
            "地址不是 mqtts，证书不会被使用",
            "the address is not mqtts, so certificates are not used"
        );
        let hint = both!(
            "把 url 改为 mqtts://，或删去证书",
            "write url = \"mqtts://…\", or remove the certificates"
        );
        vault.sink.error(file.span.clone(), said::conflict(message, hint));
    }
    let subscriptions = subscriptions(&raw.subscriptions, vault.sink);
    let url = &raw.url.as_ref()?.value;
    let file = |path: &Option<At<PathBuf>>| path.as_ref().map(|at| vault.folder.join(&at.value));
    Some(MqttConnection {
        name: raw.name.as_ref()?.value.as_str().into(),
        host: url.host.clone(),
        port: url.port,
        tls: url.tls.then(|| MqttTls {
            ca: file(&raw.ca),
            client: file(&raw.client_cert).zip(file(&raw.client_key)),
        }),
        client_id: raw.client_id.as_ref()?.value.clone(),
        credentials: raw.username.as_ref().map(|at| at.value.clone()).zip(password),
        receive_maximum: number(raw.receive_maximum.as_ref(), DEFAULT_RECEIVE_MAXIMUM),
        session_expiry: raw.session_expiry.as_ref().map_or(days(7), |at| at.value),
        keep_alive: raw
            .keep_alive
            .as_ref()
            .map_or(Duration::from_secs(30), |at| at.value),
        max_packet_bytes: packet_limit(raw.max_packet_bytes.as_ref()),
        protocol: raw.protocol.as_ref().map_or(MqttProtocol::Auto, |at| at.value),
        subscriptions,
    })
}
