//! Whether a password is right, and the users as they are now.
//!
//! Checking a digest is slow on purpose, so it happens on a thread of its own, a few at a time; others wait in a short
//! line. A wrong password costs the same time whoever it is for.

use super::password::{Digest, Fingerprint};
use super::policy::Policy;
use super::user::{Secret, User};
use super::users_file::{self, Entry};
use crate::config::{self, EmbeddedBroker};
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Digests checked at once; each takes a core and some megabytes meanwhile.
const CHECKS: usize = 2;
/// Clients that wait for such a check. Further ones are told that the broker is busy and come again.
const WAITING: usize = 512;

/// Why the users file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("read the users file {}: {why}; check the path and that the service user may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A line of it is wrong.
    #[error("read the users file {}: line {line}: {what}; `linli check` shows all of them", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The first wrong line.
        line: usize,
        /// What is wrong with it.
        what: users_file::Wrong,
    },
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Right,
    Wrong,
    /// Too many wait for theirs.
    Busy,
}

/// The users, and the means to check their passwords.
pub(super) struct Accounts {
    policy: ArcSwap<Policy>,
    config: EmbeddedBroker,
    checks: Semaphore,
    waiting: Semaphore,
    /// Costs what a real one costs; no password is right.
    dummy: Option<Digest>,
}

impl Accounts {
    /// The users of the configuration and its users file.
    pub(super) fn new(config: &EmbeddedBroker) -> Result<Self, UsersError> {
        let mut salt = [0; 16];
        let dummy = getrandom::fill(&mut salt)
            .ok()
            .and_then(|()| Digest::of(&salt, salt).ok());
        Ok(Self {
            policy: ArcSwap::from_pointee(read(config)?),
            config: config.clone(),
            checks: Semaphore::new(CHECKS),
            waiting: Semaphore::new(WAITING),
            dummy,
        })
    }

    /// The users as they are now.
    pub(super) fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Reads the users file again. Returns who may not stay; on an error everything stays as it was.
    pub(super) fn reload(&self) -> Result<Vec<Arc<str>>, UsersError> {
        let next = Arc::new(read(&self.config)?);
        let before = self.policy.swap(Arc::clone(&next));
        Ok(before.revoked_by(&next))
    }

    /// Whether `password` is that of the user; `None` is one that does not exist.
    pub(super) async fn check(&self, user: Option<&Arc<User>>, password: Bytes) -> Checked {
        let given = Fingerprint::of(&password);
        let secret = user.map(|user| &user.secret);
        if secret.is_some_and(|secret| secret.recalls(given)) {
            return Checked::Right;
        }
        let digest = match secret {
            Some(Secret::Digest(digest, _)) => Some(digest.clone()),
            _ if self.policy.load().has_digests() => self.dummy.clone(),
            _ => None,
        };
        let Some(digest) = digest else {
            return Checked::Wrong;
        };
        let Ok(_place) = self.waiting.try_acquire() else {
            return Checked::Busy;
        };
        let Ok(_turn) = self.checks.acquire().await else {
            return Checked::Busy;
        };
        let checked = tokio::task::spawn_blocking(move || digest.is_of(&password));
        let fits = checked.await.unwrap_or(false);
        // Without a digest of the user's own a stand-in was checked, for the time it takes.
        let Some(Secret::Digest(_, right)) = secret.filter(|_| fits) else {
            return Checked::Wrong;
        };
        if let Ok(mut right) = right.lock() {
            *right = Some(given);
        }
        Checked::Right
    }
}

fn read(config: &EmbeddedBroker) -> Result<Policy, UsersError> {
    let entries = match &config.users_file {
        Some(path) => read_file(path)?,
        None => Vec::new(),
    };
    Ok(Policy::new(&config.users, &entries, config.limits))
}

fn read_file(path: &Path) -> Result<Vec<Entry>, UsersError> {
    let text = config::read_limited(path, users_file::MAX_BYTES).map_err(|said| UsersError::Read {
        path: path.to_owned(),
        why: said.message.en,
    })?;
    users_file::read(&text).map_err(|problems| {
        let first = problems.into_iter().next();
        let (line, what) = first.map_or((0, users_file::Wrong::NoColon), |problem| {
            let before = text.get(..problem.span.start).unwrap_or_default();
            (before.matches('\n').count() + 1, problem.what)
        });
        UsersError::Line {
            path: path.to_owned(),
            line,
            what,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerLimits, BrokerUser, UserLimits};

    fn accounts(file: &Path) -> Accounts {
        let user = |name: &str, password: Option<&str>| BrokerUser {
            username: name.to_owned(),
            password: password.map(|password| password.to_owned().into()),
            certificate: false,
            publish: Vec::new(),
            subscribe: Vec::new(),
            limits: UserLimits::default(),
        };
        let digest = Digest::of(b"kept as a digest", [5; 16]).unwrap();
        std::fs::write(file, format!("bin:{digest}\n")).unwrap();
        Accounts::new(&EmbeddedBroker {
            name: "embedded".into(),
            plain: None,
            tls: None,
            max_packet_bytes: 1_024,
            limits: BrokerLimits::default(),
            users: vec![user("gate", Some("in a secret file")), user("lost", None)],
            users_file: Some(file.to_owned()),
            subscriptions: Vec::new(),
        })
        .unwrap()
    }

    #[tokio::test]
    async fn each_password_opens_its_own_user_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = accounts(&folder.path().join("users"));
        let policy = accounts.policy();
        for (name, password, expected) in [
            ("gate", "in a secret file", Checked::Right),
            ("gate", "kept as a digest", Checked::Wrong),
            ("bin", "kept as a digest", Checked::Right),
            ("bin", "in a secret file", Checked::Wrong),
            ("bin", "kept as a digest", Checked::Right),
            ("lost", "", Checked::Wrong),
            ("nobody", "kept as a digest", Checked::Wrong),
        ] {
            let checked = accounts.check(policy.user(name), password.into()).await;
            assert_eq!(checked, expected, "{name} with {password:?}");
        }
    }

    #[tokio::test]
    async fn who_was_right_before_does_not_wait_and_a_crowd_of_others_is_told_to_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = accounts(&folder.path().join("users"));
        let policy = accounts.policy();
        let right = || Bytes::from_static(b"kept as a digest");
        assert_eq!(accounts.check(policy.user("bin"), right()).await, Checked::Right);
        let _crowd = accounts.waiting.acquire_many(WAITING as u32).await.unwrap();
        assert_eq!(accounts.check(policy.user("bin"), right()).await, Checked::Right);
        let guess = Bytes::from_static(b"guess");
        assert_eq!(
            accounts.check(policy.user("bin"), guess.clone()).await,
            Checked::Busy
        );
        // A user that does not exist is answered alike.
        assert_eq!(accounts.check(None, guess).await, Checked::Busy);
    }
}
