//! Checks of `[broker]`, `[[mqtt]]` and `[[modbus]]`.

use super::Once;
use crate::config::problem::Sink;
use crate::config::raw::field::{Broker, Modbus, Mqtt, Subscription as RawSubscription};
use crate::config::raw::{Raw, days};
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{
    BrokerUser, EmbeddedBroker, Http, ModbusBus, ModbusTransport, MqttConnection, MqttProtocol, MqttTls,
    Subscription,
};
use linli_decode::{Family, TopicPattern};
use linli_domain::measure::nearest;
use linli_domain::text::Text;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// The embedded broker answers this machine only, unless the file says otherwise.
const DEFAULT_BROKER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);
/// The connection name of the embedded broker.
pub(super) const EMBEDDED: &str = "embedded";
/// Packets past this size close the connection; no sensor comes near.
const DEFAULT_PACKET_BYTES: u32 = 1 << 20;
/// Unacknowledged messages: enough for one commit of two thousand, small enough for mosquitto's queue.
const DEFAULT_RECEIVE_MAXIMUM: u16 = 4096;

/// The embedded broker, when the section is whole and switched on.
pub(super) fn broker(raw: &Broker, http: &Http, vault: &Vault<'_>) -> Option<EmbeddedBroker> {
    let sink = vault.sink;
    let listen = raw.listen.as_ref().map_or(DEFAULT_BROKER, |at| at.value);
    let mut names = Once::new(both!("用户名", "user name"), sink);
    let mut users = Vec::new();
    for user in &raw.users {
        names.see(user.username.as_ref());
        for filter in user.publish.iter().chain(&user.subscribe) {
            if let Err(reason) = topic_filter(&filter.value) {
                sink.error(
                    filter.span.clone(),
                    said::bad_value("publish", &filter.value, &reason, "[\"a/+/b/#\"]"),
                );
            }
        }
        let password = user.password.as_ref().and_then(|secret| vault.fetch(secret));
        let (Some(username), Some(password)) = (&user.username, password) else {
            continue;
        };
        users.push(BrokerUser {
            username: username.value.clone(),
            password,
            publish: user.publish.iter().map(|at| at.value.clone()).collect(),
            subscribe: user.subscribe.iter().map(|at| at.value.clone()).collect(),
        });
    }
    let subscriptions = subscriptions(&raw.subscriptions, sink);
    if raw.enabled.as_ref().is_some_and(|at| !at.value) {
        return None;
    }
    if listen.port() == http.listen.port() && listen.port() != 0 && overlap(listen.ip(), http.listen.ip()) {
        let at = raw
            .listen
            .as_ref()
            .map_or(raw.place.clone(), |at| at.span.clone());
        let message = both!(
            "{listen} 已被 http 使用",
            "{listen} is already the address of http"
        );
        let hint = both!(
            "换一个端口，例如 127.0.0.1:1883",
            "use another port, for example 127.0.0.1:1883"
        );
        sink.error(at, said::conflict(message, hint));
    }
    if let Some(at) = raw.listen.as_ref().filter(|at| !at.value.ip().is_loopback()) {
        let message = both!(
            "{listen} 上的密码不加密传输",
            "passwords travel unencrypted to {listen}"
        );
        let hint = both!(
            "只用于传感器专网；否则使用带 TLS 的 mosquitto 或 EMQX",
            "keep this to a network of its own; otherwise use mosquitto or EMQX with TLS"
        );
        sink.warn(at.span.clone(), said::caution(message, hint));
    }
    if raw.users.is_empty() {
        let message = both!(
            "内置消息服务器没有用户，谁也连不上",
            "the embedded broker has no users: nobody can connect"
        );
        let hint = both!(
            "加上 [[broker.users]]，或设 enabled = false",
            "add [[broker.users]], or set enabled = false"
        );
        sink.warn(raw.place.clone(), said::caution(message, hint));
    }
    let name = raw.name.as_ref().map_or(EMBEDDED, |at| at.value.as_str());
    let max_packet_bytes = packet_limit(raw.max_packet_bytes.as_ref());
    Some(EmbeddedBroker {
        listen,
        max_packet_bytes,
        users,
        subscriptions,
        name: name.into(),
    })
}

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

/// The buses whose sections are whole.
pub(super) fn modbus(raw: &[Modbus], sink: &Sink) -> Vec<ModbusBus> {
    let mut names = Once::new(both!("总线名", "bus name"), sink);
    let mut lines = Once::new(both!("总线地址", "bus address"), sink);
    let mut buses = Vec::new();
    for bus in raw {
        names.see(bus.name.as_ref());
        if bus.transports_given != 1 {
            let message = both!(
                "总线需要且只需要 tcp、rtu_over_tcp、serial 之一",
                "a bus has exactly one of tcp, rtu_over_tcp and serial"
            );
            let hint = both!(
                "例如：tcp = \"10.0.0.5:502\"",
                "for example: tcp = \"10.0.0.5:502\""
            );
            sink.error(bus.place.clone(), said::conflict(message, hint));
        }
        let Some(transport) = bus.transport.first() else {
            continue;
        };
        lines.see(Some(&At {
            value: line(&transport.value),
            span: transport.span.clone(),
        }));
        let Some(name) = &bus.name else { continue };
        buses.push(ModbusBus {
            bus: name.value.clone(),
            transport: transport.value.clone(),
            timeout: bus
                .timeout
                .as_ref()
                .map_or(Duration::from_millis(500), |at| at.value),
            period: bus.period.as_ref().map_or(Duration::from_secs(5), |at| at.value),
            pause: bus.pause.as_ref().map_or(Duration::from_millis(5), |at| at.value),
        });
    }
    buses
}

fn line(transport: &ModbusTransport) -> String {
    match transport {
        ModbusTransport::Tcp(address) | ModbusTransport::RtuOverTcp(address) => address.clone(),
        ModbusTransport::Rtu { path, .. } => path.display().to_string(),
    }
}

fn subscriptions(raw: &[RawSubscription], sink: &Sink) -> Vec<Subscription> {
    let mut topics = Once::new(both!("主题", "topic"), sink);
    raw.iter()
        .filter_map(|one| {
            topics.see(one.topic.as_ref());
            let family = family(one.family.as_ref()?, sink)?;
            let (text, span) = match (&one.topic, family.default_pattern()) {
                (Some(at), _) => (at.value.as_str(), at.span.clone()),
                (None, Some(pattern)) => (pattern, one.family.as_ref()?.span.clone()),
                (None, None) => {
                    let table = both!("json 订阅需要 topic", "a json subscription needs a topic");
                    let hint = both!(
                        "例如：topic = \"site/{{device}}/up\"",
                        "for example: topic = \"site/{{device}}/up\""
                    );
                    sink.error(one.family.as_ref()?.span.clone(), said::conflict(table, hint));
                    return None;
                }
            };
            Some(Subscription {
                family,
                pattern: pattern(text, span, sink)?,
            })
        })
        .collect()
}

fn family(at: &At<String>, sink: &Sink) -> Option<Family> {
    let found = Family::ALL.into_iter().find(|family| family.name() == at.value);
    if found.is_none() {
        let known = Family::ALL.map(Family::name);
        let near = nearest(&at.value, known.into_iter());
        sink.error(
            at.span.clone(),
            said::not_one_of("family", &at.value, near, &known),
        );
    }
    found
}

fn pattern(text: &str, span: Range<usize>, sink: &Sink) -> Option<TopicPattern> {
    let result = text.parse::<TopicPattern>();
    if result.is_err() {
        let reason = both!(
            "须有且只有一个 {{device}} 或 {{device...}}，不写 + 和 #",
            "a pattern has exactly one {{device}} or {{device...}}, and {{names}} where a filter has + or #"
        );
        sink.error(
            span,
            said::bad_value("topic", text, &reason, "\"site/{device}/up\""),
        );
    }
    result.ok()
}

/// Rules of MQTT 5 section 4.7 for filters.
fn topic_filter(filter: &str) -> Result<(), Text> {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    let fits = |(n, level): (usize, &&str)| match *level {
        "#" => n == last,
        "+" => true,
        level => !level.contains(['+', '#', '\0']),
    };
    if filter.is_empty() || !levels.iter().enumerate().all(fits) {
        return Err(both!(
            "+ 须独占一级，# 须独占最后一级",
            "+ stands alone on a level, # alone on the last one"
        ));
    }
    Ok(())
}

fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

fn packet_limit(at: Option<&At<i64>>) -> u32 {
    number(at, DEFAULT_PACKET_BYTES)
}

fn number<T: TryFrom<i64>>(at: Option<&At<i64>>, default: T) -> T {
    at.and_then(|at| T::try_from(at.value).ok()).unwrap_or(default)
}
