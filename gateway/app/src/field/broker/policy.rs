//! Who may connect to the embedded broker, and which topics each user may publish and subscribe.
//!
//! Pure. Nobody is anonymous and nobody is above the rules: a superuser would also skip the hook that commits.

use crate::config::BrokerUser;
use crate::field::topic;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use subtle::ConstantTimeEq;

/// Stands for the user's name in a topic rule.
const USER: &str = "%u";

/// The rules of every user. Passwords are kept as digests only.
pub(super) struct Policy {
    users: HashMap<String, User>,
}

struct User {
    password: [u8; 32],
    publish: Vec<String>,
    subscribe: Vec<String>,
}

impl Policy {
    pub(super) fn new(users: &[BrokerUser]) -> Self {
        let users = users.iter().map(|user| {
            let rules = |rules: &[String]| {
                rules
                    .iter()
                    .filter_map(|rule| rule_of(rule, &user.username))
                    .collect()
            };
            let known = User {
                password: digest(user.password.expose_secret().as_bytes()),
                publish: rules(&user.publish),
                subscribe: rules(&user.subscribe),
            };
            (user.username.clone(), known)
        });
        Self {
            users: users.collect(),
        }
    }

    /// Whether the password is the user's. Takes the same time for an unknown user and for any wrong password.
    pub(super) fn is_password(&self, user: &str, password: &[u8]) -> bool {
        let given = digest(password);
        match self.users.get(user) {
            Some(known) => known.password.ct_eq(&given).into(),
            None => {
                let _ = given.ct_eq(&[0; 32]);
                false
            }
        }
    }

    /// Whether a client id belongs to this user: it is the user's name, or starts with it and a `-`, and no other
    /// user's name fits it better. A CONNECT takes over the session of its client id, so ids must not be free.
    pub(super) fn is_client_of(&self, client_id: &str, user: &str) -> bool {
        fits(client_id, user)
            && !self
                .users
                .keys()
                .any(|other| other.len() > user.len() && fits(client_id, other))
    }

    /// Whether the user may publish to `topic`. Topics that start with `$` belong to the broker.
    pub(super) fn may_publish(&self, user: &str, topic: &str) -> bool {
        !topic.is_empty()
            && !topic.starts_with('$')
            && !topic.contains(['+', '#', '\0'])
            && self
                .users
                .get(user)
                .is_some_and(|u| u.publish.iter().any(|rule| topic::matches(rule, topic)))
    }

    /// Whether the user may subscribe to `filter`: one rule must cover all of it.
    pub(super) fn may_subscribe(&self, user: &str, filter: &str) -> bool {
        topic::is_filter(filter)
            && self
                .users
                .get(user)
                .is_some_and(|u| u.subscribe.iter().any(|rule| topic::covers(rule, filter)))
    }
}

fn fits(client_id: &str, user: &str) -> bool {
    client_id
        .strip_prefix(user)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The rule with the user's name in it; `None` when the name itself would widen the rule, or it is no filter.
fn rule_of(rule: &str, user: &str) -> Option<String> {
    if rule.contains(USER) && user.contains(['+', '#', '/']) {
        return None;
    }
    Some(rule.replace(USER, user)).filter(|rule| topic::is_filter(rule))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let user = |name: &str, publish: &[&str], subscribe: &[&str]| BrokerUser {
            username: name.to_owned(),
            password: format!("{name}-secret").into(),
            publish: publish.iter().map(|s| (*s).to_owned()).collect(),
            subscribe: subscribe.iter().map(|s| (*s).to_owned()).collect(),
        };
        Policy::new(&[
            user("bin", &["site/%u/#", "site/+/hello"], &["site/%u/#", "news/+"]),
            user("bin-yard", &["#"], &["#"]),
            user("x/#", &["site/%u"], &[]),
        ])
    }

    #[test]
    fn only_the_right_password_opens() {
        let policy = policy();
        assert!(policy.is_password("bin", b"bin-secret"));
        assert!(!policy.is_password("bin", b"bin-secret2"));
        assert!(!policy.is_password("bin", b""));
        assert!(!policy.is_password("nobody", b"bin-secret"));
    }

    #[test]
    fn a_client_id_belongs_to_the_user_it_names_best() {
        let policy = policy();
        assert!(policy.is_client_of("bin", "bin"));
        assert!(policy.is_client_of("bin-7", "bin"));
        assert!(policy.is_client_of("bin-yard-1", "bin-yard"));
        for (client, user) in [
            ("bin-yard", "bin"),
            ("bin-yard-1", "bin"),
            ("binary", "bin"),
            ("", "bin"),
            ("x", "bin"),
        ] {
            assert!(!policy.is_client_of(client, user), "{client} of {user}");
        }
    }

    #[test]
    fn topics_follow_the_rules_of_their_user() {
        let policy = policy();
        for (topic, allowed) in [
            ("site/bin/up", true),
            ("site/bin", true),
            ("site/other/up", false),
            ("site/other/hello", true),
            ("$SYS/broker/version", false),
            ("site/bin/+", false),
            ("", false),
        ] {
            assert_eq!(policy.may_publish("bin", topic), allowed, "{topic}");
        }
        for (filter, allowed) in [
            ("site/bin/#", true),
            ("site/bin/a/+", true),
            ("site/#", false),
            ("#", false),
            ("news/x", true),
            ("news/#", false),
            ("site/bin/a#", false),
        ] {
            assert_eq!(policy.may_subscribe("bin", filter), allowed, "{filter}");
        }
        assert!(!policy.may_publish("bin-yard", "$SYS/x"));
        assert!(!policy.may_subscribe("bin-yard", "$SYS/#"));
        assert!(!policy.may_subscribe("bin-yard", "$share/group/#"));
        assert!(!policy.may_publish("nobody", "site/nobody"));
    }

    #[test]
    fn a_user_name_cannot_widen_a_rule() {
        assert!(!policy().may_publish("x/#", "site/x/anything"));
    }
}
