//! May this client in? Asked by the gate once it has read a CONNECT, before the library hears of it.
//!
//! In this order: who it is, whether that is true, whose session it asks for, what it would leave behind, and whether
//! there is room. Topics are checked later, message by message, in `hooks`.

use super::accounts::Checked;
use super::attempts::Source;
use super::gate::{Hello, Refusal};
use super::guests::Reserved;
use super::shared::Shared;
use super::user::User;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

/// Longest client id in bytes.
const MAX_CLIENT_ID: usize = 256;

/// A client that may come in.
pub(super) struct Admitted {
    pub(super) user: Arc<User>,
    pub(super) client_id: Arc<str>,
    /// The client gave no id and gets this one.
    pub(super) assigned: bool,
    /// The id is taken as long as this lives.
    _reserved: Reserved,
}

/// A client that may not, and the word for it in metrics and logs.
pub(super) struct Refused(pub(super) &'static str, pub(super) Refusal);

impl Shared {
    /// Decides. `certificate` is the user's name in the certificate the client has shown.
    pub(super) async fn admit(
        &self,
        hello: &Hello,
        peer: SocketAddr,
        certificate: Option<&str>,
    ) -> Result<Admitted, Refused> {
        if hello.wants_more_steps() {
            return Err(Refused("auth_method", Refusal::AuthMethod));
        }
        let user = self.identify(hello, peer, certificate).await?;
        let policy = self.accounts.policy();
        let assigned = hello.client_id().is_empty();
        let client_id: Arc<str> = if assigned {
            id_for(&user.name).ok_or(Refused("busy", Refusal::Busy))?.into()
        } else {
            hello.client_id().into()
        };
        if client_id.len() > MAX_CLIENT_ID {
            return Err(Refused("client_id", Refusal::ClientId));
        }
        if !policy.is_client_of(&client_id, &user.name) {
            return Err(Refused("client_id", Refusal::NotAuthorized));
        }
        // The library publishes a will without a topic check, so its topic is checked before the client is let in.
        if hello
            .will()
            .is_some_and(|topic| !policy.may_publish(&user.name, topic))
        {
            return Err(Refused("will", Refusal::NotAuthorized));
        }
        let reserved = self.room(&client_id, &user).await?;
        Ok(Admitted {
            user,
            client_id,
            assigned,
            _reserved: reserved,
        })
    }

    /// Who it is: by certificate, by password, or by both where a certificate alone is not enough.
    async fn identify(
        &self,
        hello: &Hello,
        peer: SocketAddr,
        certificate: Option<&str>,
    ) -> Result<Arc<User>, Refused> {
        let name = match (certificate, hello.username()) {
            (Some(shown), Some(said)) if shown != said => {
                return Err(Refused("certificate", Refusal::NotAuthorized));
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => return Err(Refused("anonymous", Refusal::Credentials)),
        };
        let user = self.accounts.policy().user(name).cloned();
        if let Some(user) = &user
            && certificate.is_some()
            && user.certificate
        {
            return Ok(Arc::clone(user));
        }
        let Some(password) = hello.password() else {
            let what = if certificate.is_some() {
                "certificate"
            } else {
                "anonymous"
            };
            return Err(Refused(what, Refusal::Credentials));
        };
        let (source, known) = (Source::of(peer.ip()), user.as_ref().map(|user| &user.name));
        let now = || self.clock.now().monotonic;
        if !self.attempts().may_try(source, known, now()) {
            return Err(Refused("blocked", Refusal::TooOften));
        }
        match (self.accounts.check(user.as_ref(), password).await, &user) {
            (Checked::Right, Some(user)) => {
                self.attempts().succeeded(source, &user.name);
                Ok(Arc::clone(user))
            }
            (Checked::Busy, _) => Err(Refused("busy", Refusal::Busy)),
            (Checked::Wrong | Checked::Right, _) => {
                self.attempts().failed(source, known, now());
                Err(Refused("password", Refusal::Credentials))
            }
        }
    }

    /// Whether one more client is to be known, of this user and of all. One that is known already always is: it comes
    /// back, perhaps before we noticed that it had gone.
    async fn room(&self, client_id: &Arc<str>, user: &User) -> Result<Reserved, Refused> {
        let reserved = self.guests.reserve(client_id, &user.name);
        let sessions: Vec<_> = self
            .library
            .extends
            .shared()
            .await
            .iter()
            .map(|s| s.id())
            .collect();
        let here = self.guests.ids();
        let is_here = |id: &str| here.iter().any(|(known, _)| **known == *id);
        let kept = sessions.iter().filter(|session| !is_here(&session.client_id));
        let (mut all, mut own) = (here.len(), here.iter().filter(|(_, u)| *u == user.name).count());
        for session in kept {
            all += 1;
            own += usize::from(session.username_ref() == &*user.name);
        }
        let known = sessions.iter().any(|session| *session.client_id == **client_id);
        let full = own > user.max_clients as usize || all > self.limits.max_clients as usize;
        if full && !known {
            return Err(Refused("clients", Refusal::Quota));
        }
        Ok(reserved)
    }
}

/// A client id for a client without one.
fn id_for(user: &str) -> Option<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok()?;
    let mut id = format!("{user}-");
    for byte in random {
        let _ = write!(id, "{byte:02x}");
    }
    Some(id)
}
