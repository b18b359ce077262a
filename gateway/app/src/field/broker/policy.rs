//! Who is known to the embedded broker, and which topics each user may publish and subscribe.
//!
//! Pure. Nobody is anonymous and nobody is above the rules: a superuser would also skip the hook that commits. Whether
//! a password is right is settled in `accounts`, because that takes time.

use super::password::{Digest, Fingerprint};
use super::user::{Secret, User};
use super::users_file::Entry;
use crate::config::{BrokerLimits, BrokerUser, OWN_PREFIX};
use crate::field::topic;
use secrecy::ExposeSecret;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The users and what all of them are held to.
pub(super) struct Policy {
    users: HashMap<Arc<str>, Arc<User>>,
    limits: BrokerLimits,
}

impl Policy {
    /// The users of the configuration and those of the users file. Who stands in both has the rules of the one and the
    /// digest of the other; who stands in the file alone has the rules of a user who gives none.
    pub(super) fn new(users: &[BrokerUser], file: &[Entry], limits: BrokerLimits) -> Self {
        let digests: HashMap<&str, &Digest> = file.iter().map(|e| (e.name.as_str(), &e.digest)).collect();
        let of_file = |name: &str| match digests.get(name) {
            Some(digest) => Secret::Digest((*digest).clone(), Mutex::default()),
            None => Secret::None,
        };
        let configured = users.iter().map(|user| {
            let secret = match &user.password {
                Some(password) => Secret::Known(Fingerprint::of(password.expose_secret().as_bytes())),
                None => of_file(&user.username),
            };
            User::new(user, secret, &limits)
        });
        let known = |name: &str| users.iter().any(|user| user.username == name);
        let others = file.iter().filter(|entry| !known(&entry.name)).map(|entry| {
            let user = BrokerUser {
                username: entry.name.clone(),
                password: None,
                certificate: false,
                publish: vec![OWN_PREFIX.to_owned()],
                subscribe: vec![OWN_PREFIX.to_owned()],
                limits: crate::config::UserLimits::default(),
            };
            User::new(&user, of_file(&entry.name), &limits)
        });
        let users = configured
            .chain(others)
            .map(|user| (Arc::clone(&user.name), Arc::new(user)));
        Self {
            users: users.collect(),
            limits,
        }
    }

    pub(super) fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// Whether any password is kept as a digest, which takes long to check.
    pub(super) fn has_digests(&self) -> bool {
        self.users
            .values()
            .any(|user| matches!(user.secret, Secret::Digest(..)))
    }

    /// Users of this policy who would not get in any more under `next` with what they have.
    pub(super) fn revoked_by(&self, next: &Self) -> Vec<Arc<str>> {
        let stays = |user: &User| {
            next.user(&user.name).is_some_and(|new| {
                new.secret.is_still(&user.secret) && (new.certificate || !user.certificate)
            })
        };
        let gone = self.users.values().filter(|user| !stays(user));
        gone.map(|user| Arc::clone(&user.name)).collect()
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
            && self.is_within_limits(topic)
            && self
                .users
                .get(user)
                .is_some_and(|u| u.publish.iter().any(|rule| topic::matches(rule, topic)))
    }

    /// Whether the user may subscribe to `filter`: one rule must cover all of it.
    pub(super) fn may_subscribe(&self, user: &str, filter: &str) -> bool {
        topic::is_filter(filter)
            && self.is_within_limits(filter)
            && self
                .users
                .get(user)
                .is_some_and(|u| u.subscribe.iter().any(|rule| topic::covers(rule, filter)))
    }

    /// The library walks its trees of topics by recursion, so their depth is limited before it sees one.
    fn is_within_limits(&self, topic: &str) -> bool {
        topic.len() <= self.limits.max_topic_bytes as usize
            && topic.split('/').count() <= self.limits.max_topic_levels as usize
    }
}

fn fits(client_id: &str, user: &str) -> bool {
    client_id
        .strip_prefix(user)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UserLimits;

    fn user(name: &str, publish: &[&str], subscribe: &[&str]) -> BrokerUser {
        BrokerUser {
            username: name.to_owned(),
            password: Some(format!("{name}-secret").into()),
            certificate: false,
            publish: publish.iter().map(|s| (*s).to_owned()).collect(),
            subscribe: subscribe.iter().map(|s| (*s).to_owned()).collect(),
            limits: UserLimits::default(),
        }
    }

    fn entry(name: &str, password: &str) -> Entry {
        Entry {
            name: name.into(),
            digest: Digest::of(password.as_bytes(), [1; 16]).unwrap(),
        }
    }

    fn policy() -> Policy {
        let users = [
            user("bin", &["site/%u/#", "site/+/hello"], &["site/%u/#", "news/+"]),
            user("bin-yard", &["#"], &["#"]),
            user("x/#", &["site/%u"], &[]),
        ];
        Policy::new(&users, &[], BrokerLimits::default())
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

    #[test]
    fn a_user_of_the_file_alone_has_its_own_prefix_and_nothing_else() {
        let policy = Policy::new(&[], &[entry("bay-7", "x")], BrokerLimits::default());
        assert!(policy.may_publish("bay-7", "bay-7/state"));
        assert!(policy.may_subscribe("bay-7", "bay-7/#"));
        for foreign in ["bay-8/state", "state", "x/bay-7"] {
            assert!(!policy.may_publish("bay-7", foreign), "{foreign}");
        }
        assert!(!policy.may_subscribe("bay-7", "+/state"));
    }

    #[test]
    fn topics_that_are_too_long_or_too_deep_are_nobodys() {
        let policy = policy();
        let levels = |n: usize| vec!["a"; n].join("/");
        assert!(policy.may_publish("bin-yard", &levels(16)));
        assert!(policy.may_subscribe("bin-yard", &levels(16)));
        assert!(!policy.may_publish("bin-yard", &levels(17)));
        assert!(!policy.may_subscribe("bin-yard", &levels(17)));
        assert!(policy.may_publish("bin-yard", &"a".repeat(256)));
        assert!(!policy.may_publish("bin-yard", &"a".repeat(257)));
        assert!(!policy.may_publish("bin-yard", &"/".repeat(65_535)));
    }

    #[test]
    fn who_lost_a_way_in_is_revoked_and_nobody_else() {
        let with_certificate = BrokerUser {
            certificate: true,
            ..user("gate", &[], &[])
        };
        let limits = BrokerLimits::default();
        let before = [entry("kept", "a"), entry("changed", "a"), entry("gone", "a")];
        let after = [entry("kept", "a"), entry("changed", "b"), entry("new", "a")];
        let old = Policy::new(&[user("bin", &[], &[]), with_certificate], &before, limits);
        let new = Policy::new(
            &[user("bin", &["#"], &[]), user("gate", &[], &[])],
            &after,
            limits,
        );
        let mut revoked = old.revoked_by(&new);
        revoked.sort();
        assert_eq!(revoked, ["changed", "gate", "gone"].map(Arc::from));
        assert!(new.revoked_by(&new).is_empty());
    }
}
