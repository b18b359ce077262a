//! Checks of `[[forwarders]]`: what a kind of target needs, and what has no meaning for it.

use super::Once;
use crate::config::raw::forwarder::{Forwarder as Raw, Kind};
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{Forwarder, ForwarderKind};
use std::ops::Range;

/// The forwarders whose sections are whole.
pub(super) fn forwarders(raw: &[Raw], vault: &Vault<'_>) -> Vec<Forwarder> {
    let mut names = Once::new(both!("转存目标名", "forwarder name"), vault.sink);
    raw.iter()
        .filter_map(|forwarder| {
            names.see(forwarder.name.as_ref());
            one(forwarder, vault)
        })
        .collect()
}

fn one(raw: &Raw, vault: &Vault<'_>) -> Option<Forwarder> {
    let token = raw.token.as_ref().and_then(|secret| vault.fetch(secret));
    let password = raw.password.as_ref().and_then(|secret| vault.fetch(secret));
    let kind = raw.kind.as_ref()?.value;
    let url = raw.url.as_ref()?;
    match reqwest::Url::parse(&url.value) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
            let secret =
                !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some();
            if secret {
                let message = both!(
                    "url 中含有用户、密码或参数",
                    "the url holds a user, a password or parameters"
                );
                let hint = both!(
                    "用 token 或 username 和 password",
                    "use token, or username and password"
                );
                vault.sink.error(url.span.clone(), said::conflict(message, hint));
                return None;
            }
            if parsed.scheme() == "http" && token.is_some() && !is_loopback(&parsed) {
                let message = both!(
                    "地址使用 http，令牌不加密",
                    "the address is plain http: the token can be read"
                );
                let hint = both!("改用 https", "use https");
                vault.sink.warn(url.span.clone(), said::caution(message, hint));
            }
        }
        _ => {
            let message = both!("url 不是网址", "the url is not a web address");
            let hint = both!("例如 http://127.0.0.1:8086", "such as http://127.0.0.1:8086");
            vault.sink.error(url.span.clone(), said::conflict(message, hint));
            return None;
        }
    }
    let keys = [
        ("org", raw.org.is_some(), Kind::Influx2),
        ("bucket", raw.bucket.is_some(), Kind::Influx2),
        ("token", raw.token.is_some(), Kind::Influx2),
        ("database", raw.database.is_some(), Kind::Influx1),
        ("username", raw.username.is_some(), Kind::Influx1),
        ("password", raw.password.is_some(), Kind::Influx1),
    ];
    let mut whole = true;
    for (key, given, of) in keys {
        if given && of != kind {
            let message = both!("这种目标没有 \"{key}\"", "this kind of target has no \"{key}\"");
            let hint = both!("删去该键，或更改 kind", "remove it, or change kind");
            vault.sink.error(raw.place.clone(), said::conflict(message, hint));
        }
        if !given && of == kind && !matches!(key, "username" | "password") {
            missing(key, raw.place.clone(), vault);
            whole = false;
        }
    }
    if raw.username.is_some() != raw.password.is_some() {
        missing(
            if raw.username.is_some() {
                "password"
            } else {
                "username"
            },
            raw.place.clone(),
            vault,
        );
    }
    let text = |at: &Option<crate::config::read::At<String>>| at.as_ref().map(|at| at.value.clone());
    let kind = match kind {
        Kind::Influx2 => ForwarderKind::Influx2 {
            org: text(&raw.org)?,
            bucket: text(&raw.bucket)?,
            token: token?,
        },
        Kind::Influx1 => ForwarderKind::Influx1 {
            database: text(&raw.database)?,
            credentials: text(&raw.username).zip(password),
        },
        Kind::VictoriaMetrics => ForwarderKind::VictoriaMetrics,
    };
    whole.then_some(Forwarder {
        name: raw.name.as_ref()?.value.clone(),
        kind,
        url: url.value.clone(),
        from_history: raw.history.as_ref().is_some_and(|at| at.value),
        ca: raw.ca.as_ref().map(|at| vault.folder.join(&at.value)),
    })
}

fn missing(key: &str, place: Range<usize>, vault: &Vault<'_>) {
    let message = both!("缺少 \"{key}\"", "\"{key}\" is missing");
    let hint = both!("这种目标需要它", "this kind of target needs it");
    vault.sink.error(place, said::conflict(message, hint));
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
