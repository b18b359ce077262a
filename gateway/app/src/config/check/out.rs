//! Checks of `[[channels]]` and `[[routes]]`.

use super::Once;
use crate::config::problem::Sink;
use crate::config::raw::Raw;
use crate::config::raw::out::{Channel as RawChannel, Kind};
use crate::config::raw::secret::RawSecret;
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{Channel, ChannelKind, Route};
use linli_domain::id::ChannelId;
use linli_domain::measure::nearest;
use linli_domain::order::OrderRole;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Every role an order can be dispatched to.
const ROLES: [OrderRole; 3] = [OrderRole::Repair, OrderRole::Cleaning, OrderRole::Order];
/// A robot that answers later than this is not going to answer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The channels whose sections are whole.
pub(super) fn channels(raw: &[RawChannel], vault: &Vault<'_>) -> Vec<Channel> {
    let mut names = Once::new(both!("通道名", "channel name"), vault.sink);
    raw.iter()
        .filter_map(|channel| {
            names.see(channel.name.as_ref());
            one(channel, vault)
        })
        .collect()
}

fn one(raw: &RawChannel, vault: &Vault<'_>) -> Option<Channel> {
    let url = raw.url.as_ref().and_then(|secret| address(secret, vault));
    let keys: Vec<SecretString> = raw.keys.iter().filter_map(|key| vault.fetch(key)).collect();
    let kind = raw.kind.as_ref()?;
    if kind.value == Kind::Wecom && (raw.has_keys || raw.allow_private.is_some()) {
        let message = both!(
            "企业微信通道没有 keys 和 allow_private",
            "a wecom channel has neither keys nor allow_private"
        );
        let hint = both!("删去这些键", "remove these keys");
        vault.sink.error(raw.place.clone(), said::conflict(message, hint));
    }
    if kind.value == Kind::Webhook && raw.keys.is_empty() {
        let message = both!("webhook 没有签名密钥", "the webhook has no signing key");
        let hint = both!(
            "加上 keys = [{{ file = \"…\" }}]，接收方才能验证来源",
            "add keys = [{{ file = \"…\" }}] so that the receiver can tell who sent it"
        );
        vault.sink.error(raw.place.clone(), said::conflict(message, hint));
    }
    let kind = match kind.value {
        Kind::Wecom => ChannelKind::Wecom { url: url? },
        Kind::Webhook => ChannelKind::Webhook {
            url: url?,
            keys,
            allow_private: raw.allow_private.as_ref().is_some_and(|at| at.value),
        },
    };
    Some(Channel {
        id: raw.name.as_ref()?.value.clone(),
        kind,
        timeout: raw.timeout.as_ref().map_or(DEFAULT_TIMEOUT, |at| at.value),
    })
}

/// A web address out of a secret. Its text is never shown.
fn address(secret: &RawSecret, vault: &Vault<'_>) -> Option<SecretString> {
    let url = vault.fetch(secret)?;
    let span = secret.origin.span.clone();
    match reqwest::Url::parse(url.expose_secret()) {
        Ok(parsed) if parsed.scheme() == "https" && parsed.has_host() => {}
        Ok(parsed) if parsed.scheme() == "http" && parsed.has_host() => {
            let message = both!(
                "地址使用 http，内容不加密",
                "the address is plain http: what is sent can be read"
            );
            let hint = both!("改用 https", "use https");
            vault.sink.warn(span, said::caution(message, hint));
        }
        _ => {
            let key = secret.key;
            let message = both!(
                "\"{key}\" 的内容不是网址",
                "what \"{key}\" refers to is not a web address"
            );
            let hint = both!("内容应以 https:// 开头", "it starts with https://");
            vault.sink.error(span, said::conflict(message, hint));
            return None;
        }
    }
    Some(url)
}

/// The routes whose channels and roles exist.
pub(super) fn routes(raw: &Raw, sink: &Sink) -> Vec<Route> {
    let names: Vec<&ChannelId> = raw
        .channels
        .iter()
        .filter_map(|c| Some(&c.name.as_ref()?.value))
        .collect();
    let mut used: Vec<&str> = Vec::new();
    let mut routes = Vec::new();
    for route in &raw.routes {
        let mut channels = Vec::new();
        for at in &route.channels {
            used.push(&at.value);
            match names.iter().find(|name| name.as_str() == at.value) {
                Some(name) => channels.push((*name).clone()),
                None => {
                    let near = nearest(&at.value, names.iter().map(|name| name.as_str()));
                    let known = names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
                    let said = said::unknown_name(&both!("通道", "channel"), &at.value, near, &known);
                    sink.error(at.span.clone(), said);
                }
            }
        }
        routes.push(Route {
            roles: roles(&route.roles, sink),
            channels,
        });
    }
    for channel in &raw.channels {
        let Some(name) = channel
            .name
            .as_ref()
            .filter(|name| !used.contains(&name.value.as_str()))
        else {
            continue;
        };
        let id = &name.value;
        let message = both!("没有路由使用通道 \"{id}\"", "no route uses the channel \"{id}\"");
        let hint = both!(
            "加上 [[routes]] channels = [\"{id}\"]",
            "add [[routes]] with channels = [\"{id}\"]"
        );
        sink.warn(name.span.clone(), said::caution(message, hint));
    }
    routes
}

fn roles(raw: &[crate::config::read::At<String>], sink: &Sink) -> Vec<OrderRole> {
    let mut roles = Vec::new();
    for at in raw {
        match ROLES.into_iter().find(|role| role.as_str() == at.value) {
            Some(role) => roles.push(role),
            None => {
                let known = ROLES.map(OrderRole::as_str);
                let near = nearest(&at.value, known.into_iter());
                sink.error(
                    at.span.clone(),
                    said::not_one_of("roles", &at.value, near, &known),
                );
            }
        }
    }
    roles
}
