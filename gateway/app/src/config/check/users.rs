//! Checks of `[[broker.users]]`: a way to show who they are, and rules that are topic filters.

use super::Once;
use super::subscriptions::topic_filter;
use crate::config::raw::broker::{Broker, User};
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::secrets::Vault;
use crate::config::{BrokerUser, OWN_PREFIX, UserLimits};

/// The users whose sections are whole.
pub(super) fn users(raw: &Broker, vault: &Vault<'_>) -> Vec<BrokerUser> {
    let mut names = Once::new(both!("用户名", "user name"), vault.sink);
    raw.users
        .iter()
        .filter_map(|user| {
            names.see(user.username.as_ref());
            let publish = rules(user.publish.as_deref(), "publish", vault);
            let subscribe = rules(user.subscribe.as_deref(), "subscribe", vault);
            let password = user.password.as_ref().map(|secret| vault.fetch(secret));
            let certificate = user.certificate.as_ref().is_some_and(|at| at.value);
            let username = user.username.as_ref()?;
            identified(raw, user, username, vault);
            let number = |at: &Option<At<i64>>| at.as_ref().and_then(|at| u32::try_from(at.value).ok());
            Some(BrokerUser {
                username: username.value.clone(),
                // A secret that is named and not to be had is a problem by now.
                password: match password {
                    Some(fetched) => Some(fetched?),
                    None => None,
                },
                certificate,
                publish,
                subscribe,
                limits: UserLimits {
                    max_clients: number(&user.max_clients),
                    messages_per_s: number(&user.messages_per_s),
                    bytes_per_s: number(&user.bytes_per_s),
                },
            })
        })
        .collect()
}

/// Whether the user can show who it is at all.
fn identified(raw: &Broker, user: &User, username: &At<String>, vault: &Vault<'_>) {
    let name = &username.value;
    let authority = raw.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    if let Some(at) = user.certificate.as_ref().filter(|at| at.value && !authority) {
        let message = both!(
            "用户 \"{name}\" 使用证书，但没有配置客户端证书的签发机构",
            "the user \"{name}\" comes with a certificate, but no authority of client certificates is configured"
        );
        let hint = both!(
            "在 [broker.tls] 中写 client_ca = \"tls/devices-ca.pem\"",
            "write client_ca = \"tls/devices-ca.pem\" in [broker.tls]"
        );
        vault.sink.error(at.span.clone(), said::conflict(message, hint));
    }
    let certificate = user.certificate.as_ref().is_some_and(|at| at.value);
    if !user.has_password && !certificate && raw.users_file.is_none() {
        let message = both!(
            "用户 \"{name}\" 没有密码，也不使用证书",
            "the user \"{name}\" has neither a password nor a certificate"
        );
        let hint = both!(
            "写 password = {{ file = \"secrets/{name}\" }} 或 certificate = true，或用 users_file",
            "write password = {{ file = \"secrets/{name}\" }} or certificate = true, or use a users_file"
        );
        vault
            .sink
            .error(username.span.clone(), said::conflict(message, hint));
    }
}

fn rules(given: Option<&[At<String>]>, key: &str, vault: &Vault<'_>) -> Vec<String> {
    let Some(given) = given else {
        return vec![OWN_PREFIX.to_owned()];
    };
    for filter in given {
        if let Err(reason) = topic_filter(&filter.value) {
            vault.sink.error(
                filter.span.clone(),
                said::bad_value(key, &filter.value, &reason, "[\"a/+/b/#\"]"),
            );
        }
    }
    given.iter().map(|at| at.value.clone()).collect()
}
