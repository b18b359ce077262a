//! Checks of `[broker]`: its listeners, their encryption, and its limits.

use super::subscriptions::subscriptions;
use super::users::users;
use super::{EMBEDDED, number, packet_limit};
use crate::config::problem::Sink;
use crate::config::raw::broker::{Broker, Limits, Tls};
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{BrokerLimits, BrokerTls, CertificateName, ClientCertificates, EmbeddedBroker, Http};
use linli_domain::text::Text;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

/// The embedded broker answers this machine only, unless the file says otherwise.
const DEFAULT_BROKER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);
/// Every client takes three file descriptors; the shipped service unit allows 8,192 in all.
const CLIENTS_OF_THE_UNIT: u32 = 2_500;

/// The embedded broker, when the section is whole and switched on.
pub(super) fn broker(raw: &Broker, http: &Http, vault: &Vault<'_>) -> Option<EmbeddedBroker> {
    let sink = vault.sink;
    let (users, subscriptions) = (users(raw, vault), subscriptions(&raw.subscriptions, sink));
    let tls = raw.tls.as_ref().and_then(|tls| encrypted(tls, vault));
    let limits = limits(raw.limits.as_ref());
    if raw.enabled.as_ref().is_some_and(|at| !at.value) {
        return None;
    }
    let plain = raw.plain.as_ref().is_none_or(|at| at.value);
    let plain = plain.then(|| raw.listen.as_ref().map_or(DEFAULT_BROKER, |at| at.value));
    listeners(raw, plain, http, sink);
    if raw.users.is_empty() && raw.users_file.is_none() {
        let message = both!(
            "内置消息服务器没有用户，谁也连不上",
            "the embedded broker has no users: nobody can connect"
        );
        let hint = both!(
            "加上 [[broker.users]] 或 users_file，或设 enabled = false",
            "add [[broker.users]] or a users_file, or set enabled = false"
        );
        sink.warn(raw.place.clone(), said::caution(message, hint));
    }
    if let Some(at) = raw.limits.as_ref().and_then(|limits| limits.max_clients.as_ref())
        && limits.max_clients > CLIENTS_OF_THE_UNIT
    {
        let most = limits.max_clients;
        let message = both!(
            "{most} 个客户端需要约三倍的文件描述符",
            "{most} clients need about three file descriptors each"
        );
        let hint = both!(
            "在 systemd 单元中提高 LimitNOFILE；这么多设备更适合 mosquitto 或 EMQX",
            "raise LimitNOFILE in the systemd unit; so many devices are better off with mosquitto or EMQX"
        );
        sink.warn(at.span.clone(), said::caution(message, hint));
    }
    let max_packet_bytes = packet_limit(raw.max_packet_bytes.as_ref());
    unreachable_limits(raw, &limits, max_packet_bytes, sink);
    Some(EmbeddedBroker {
        name: raw.name.as_ref().map_or(EMBEDDED, |at| at.value.as_str()).into(),
        plain,
        tls,
        max_packet_bytes,
        limits,
        users,
        users_file: raw.users_file.as_ref().map(|at| vault.folder.join(&at.value)),
        subscriptions,
    })
}

/// The listener with TLS, when its section is whole and switched on.
fn encrypted(raw: &Tls, vault: &Vault<'_>) -> Option<BrokerTls> {
    let for_clients = [
        raw.client_certificates.as_ref().map(|at| &at.span),
        raw.client_name.as_ref().map(|at| &at.span),
    ];
    if let Some(span) = for_clients.into_iter().flatten().next()
        && raw.client_ca.is_none()
    {
        let message = both!(
            "没有 client_ca，不会检查客户端证书",
            "without client_ca no client certificate is looked at"
        );
        let hint = both!(
            "写 client_ca = \"tls/devices-ca.pem\"，或删去此项",
            "write client_ca = \"tls/devices-ca.pem\", or remove this key"
        );
        vault.sink.error(span.clone(), said::conflict(message, hint));
    }
    if raw.enabled.as_ref().is_some_and(|at| !at.value) {
        return None;
    }
    Some(BrokerTls {
        listen: raw.listen.as_ref()?.value,
        certificate: vault.folder.join(&raw.certificate.as_ref()?.value),
        key: vault.folder.join(&raw.key.as_ref()?.value),
        clients: raw.client_ca.as_ref().map(|at| ClientCertificates {
            authority: vault.folder.join(&at.value),
            required: raw.client_certificates.as_ref().is_some_and(|at| at.value),
            name: raw
                .client_name
                .as_ref()
                .map_or(CertificateName::CommonName, |at| at.value),
        }),
    })
}

fn listeners(raw: &Broker, plain: Option<SocketAddr>, http: &Http, sink: &Sink) {
    let tls = raw
        .tls
        .as_ref()
        .filter(|tls| tls.enabled.as_ref().is_none_or(|at| at.value));
    let at_tls = tls.and_then(|tls| tls.listen.as_ref());
    if plain.is_none() && tls.is_none() {
        let message = both!(
            "内置消息服务器没有监听地址，谁也连不上",
            "the embedded broker has no listener: nobody can connect"
        );
        let hint = both!(
            "设 plain = true，或加上 [broker.tls]，或设 enabled = false",
            "set plain = true, add [broker.tls], or set enabled = false"
        );
        sink.error(raw.place.clone(), said::conflict(message, hint));
    }
    let place = raw
        .listen
        .as_ref()
        .map_or(raw.place.clone(), |at| at.span.clone());
    if let Some(plain) = plain {
        apart(plain, place.clone(), http.listen, "http", sink);
    }
    if let Some(at) = at_tls {
        apart(at.value, at.span.clone(), http.listen, "http", sink);
        if let Some(plain) = plain {
            apart(at.value, at.span.clone(), plain, "broker.listen", sink);
        }
    }
    let Some(open) = plain.filter(|plain| !plain.ip().is_loopback()) else {
        return;
    };
    if raw.allow_plaintext {
        let message = both!(
            "{open} 上的密码和数据不加密传输",
            "passwords and readings travel unencrypted to {open}"
        );
        let hint = both!(
            "只用于传感器专网",
            "keep this to a network of its own that only sensors can reach"
        );
        sink.warn(place, said::caution(message, hint));
    } else {
        let message = both!(
            "{open} 对其他机器开放，且没有加密",
            "{open} is open to other machines, unencrypted"
        );
        let hint = both!(
            "用 [broker.tls] 让设备加密连接，把 listen 留在 127.0.0.1；传感器专网可设 allow_plaintext = true",
            "let devices in through [broker.tls] and keep listen on 127.0.0.1; on a network of sensors alone, allow_plaintext = true"
        );
        sink.error(place, said::conflict(message, hint));
    }
}

/// Notes limits that leave no room for what the rest of the section asks for.
fn unreachable_limits(raw: &Broker, limits: &BrokerLimits, max_packet_bytes: u32, sink: &Sink) {
    let given = raw.limits.as_ref();
    for topic in raw.subscriptions.iter().filter_map(|one| one.topic.as_ref()) {
        let (levels, most) = (topic.value.split('/').count(), limits.max_topic_levels);
        if levels > most as usize {
            let message = both!(
                "主题有 {levels} 层，max_topic_levels 只允许 {most} 层",
                "the topic has {levels} levels, and max_topic_levels allows {most}"
            );
            let hint = both!("提高 max_topic_levels", "raise max_topic_levels");
            sink.warn(topic.span.clone(), said::caution(message, hint));
        }
    }
    if let Some(at) = given.and_then(|limits| limits.max_backlog_bytes.as_ref())
        && limits.max_backlog_bytes < 4 * max_packet_bytes
    {
        let message = both!(
            "max_backlog_bytes 容不下四个最大报文",
            "max_backlog_bytes does not hold four packets of the largest size"
        );
        let hint = both!(
            "提高 max_backlog_bytes，或降低 max_packet_bytes",
            "raise max_backlog_bytes, or lower max_packet_bytes"
        );
        sink.warn(at.span.clone(), said::caution(message, hint));
    }
}

/// Notes that two listeners want the same port.
fn apart(one: SocketAddr, place: Range<usize>, other: SocketAddr, owner: &str, sink: &Sink) {
    let overlap = |a: IpAddr, b: IpAddr| a == b || a.is_unspecified() || b.is_unspecified();
    if one.port() == 0 || one.port() != other.port() || !overlap(one.ip(), other.ip()) {
        return;
    }
    let message: Text = both!(
        "{one} 已被 {owner} 使用",
        "{one} is already the address of {owner}"
    );
    let hint = both!(
        "换一个端口，例如 127.0.0.1:1883",
        "use another port, for example 127.0.0.1:1883"
    );
    sink.error(place, said::conflict(message, hint));
}

fn limits(raw: Option<&Limits>) -> BrokerLimits {
    let usual = BrokerLimits::default();
    let Some(raw) = raw else { return usual };
    let or = |at: &Option<At<i64>>, usual: u32| number(at.as_ref(), usual);
    BrokerLimits {
        max_clients: or(&raw.max_clients, usual.max_clients),
        max_clients_per_user: or(&raw.max_clients_per_user, usual.max_clients_per_user),
        messages_per_s: or(&raw.messages_per_s, usual.messages_per_s),
        bytes_per_s: or(&raw.bytes_per_s, usual.bytes_per_s),
        connects_per_s: or(&raw.connects_per_s, usual.connects_per_s),
        greeting_timeout: raw
            .greeting_timeout
            .as_ref()
            .map_or(usual.greeting_timeout, |at| at.value),
        max_keep_alive: raw
            .max_keep_alive
            .as_ref()
            .map_or(usual.max_keep_alive, |at| at.value),
        max_session_expiry: raw
            .max_session_expiry
            .as_ref()
            .map_or(usual.max_session_expiry, |at| at.value),
        max_subscriptions: or(&raw.max_subscriptions, usual.max_subscriptions),
        max_topic_bytes: or(&raw.max_topic_bytes, usual.max_topic_bytes),
        max_topic_levels: or(&raw.max_topic_levels, usual.max_topic_levels),
        max_queue: or(&raw.max_queue, usual.max_queue),
        max_backlog_bytes: or(&raw.max_backlog_bytes, usual.max_backlog_bytes),
    }
}
