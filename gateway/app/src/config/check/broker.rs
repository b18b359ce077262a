//! Checks of `[broker]`, and of subscriptions.

use super::{EMBEDDED, Once, packet_limit};
use crate::config::problem::Sink;
use crate::config::raw::broker::{Broker, Subscription as RawSubscription};
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{BrokerUser, EmbeddedBroker, Http, Subscription};
use linli_decode::{Family, TopicPattern};
use linli_domain::measure::nearest;
use linli_domain::text::Text;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

/// The embedded broker answers this machine only, unless the file says otherwise.
const DEFAULT_BROKER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

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

/// The subscriptions whose sections are whole.
pub(super) fn subscriptions(raw: &[RawSubscription], sink: &Sink) -> Vec<Subscription> {
    let mut topics = Once::new(both!("主题", "topic"), sink);
    raw.iter()
        .filter_map(|one| {
            topics.see(one.topic.as_ref());
            let family = family(one.family.as_ref()?, sink)?;
            let (text, span) = match (&one.topic, family.default_pattern()) {
                (Some(at), _) => (at.value.as_str(), at.span.clone()),
                (None, Some(pattern)) => (pattern, one.family.as_ref()?.span.clone()),
                (None, None) => {
                    let table = both!("{family} 订阅需要 topic", "a {family} subscription needs a topic");
                    let hint = both!(
                        "例如：topic = \"site/{{device}}/up\"",
                        "for example: topic = \"site/{{device}}/up\""
                    );
                    sink.error(one.family.as_ref()?.span.clone(), said::conflict(table, hint));
                    return None;
                }
            };
            let pattern = pattern(text, span.clone(), sink)?;
            if pattern.filter().starts_with(['+', '#']) {
                greedy(text, span, sink);
            }
            states(one, family, sink);
            Some(Subscription {
                family,
                pattern,
                states: one.states.iter().map(|at| at.value.clone()).collect(),
                rebirth: one.rebirth.as_ref().is_none_or(|at| at.value),
            })
        })
        .collect()
}

/// A pattern that begins with the device hears everything on the broker.
fn greedy(text: &str, span: Range<usize>, sink: &Sink) {
    let message = both!(
        "主题 \"{text}\" 会收到服务器上的全部消息",
        "the topic \"{text}\" hears every message of the broker"
    );
    let hint = both!(
        "如设备有共同前缀，请写出，例如 \"site/{{device}}/{{path...}}\"；并把这一订阅放在最后",
        "name a prefix where the devices have one, for example \"site/{{device}}/{{path...}}\", and put this subscription last"
    );
    sink.warn(span, said::caution(message, hint));
}

/// Announced entities publish their states anywhere, so the configuration says where they may be listened to.
fn states(raw: &RawSubscription, family: Family, sink: &Sink) {
    let discovery = family == Family::HaDiscovery;
    for filter in &raw.states {
        if let Err(reason) = topic_filter(&filter.value) {
            let said = said::bad_value("states", &filter.value, &reason, "[\"estate/#\"]");
            sink.error(filter.span.clone(), said);
        }
    }
    let place = raw.family.as_ref().map(|at| at.span.clone());
    if discovery && raw.states.is_empty() {
        let message = both!(
            "未写 states，只能发现实体，收不到其状态",
            "without `states` entities are found and their values never heard"
        );
        let hint = both!(
            "例如：states = [\"estate/#\"]",
            "for example: states = [\"estate/#\"]"
        );
        sink.warn(place.clone().unwrap_or_default(), said::caution(message, hint));
    }
    let misplaced = (!discovery && !raw.states.is_empty(), "states")
        .max((family != Family::SparkplugB && raw.rebirth.is_some(), "rebirth"));
    if let (true, key) = misplaced {
        let message = both!("{family} 订阅没有 {key}", "a {family} subscription has no {key}");
        let hint = both!("删去 {key}", "remove {key}");
        sink.error(place.unwrap_or_default(), said::conflict(message, hint));
    }
}

fn family(at: &At<String>, sink: &Sink) -> Option<Family> {
    let found = Family::from_name(&at.value);
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
