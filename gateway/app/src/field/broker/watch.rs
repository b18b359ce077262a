//! Files that may change while the broker runs: the users file, the certificates. Looked at every few seconds and read
//! again when they changed.
//!
//! A file that cannot be used is told, counted and left: what was read before stays in use. Clients of users who are no
//! longer known, or whose password is another, are sent away; a renewed certificate is shown to the next client.

use super::gate::{Farewell, Server};
use super::shared::Shared;
use crate::config::EmbeddedBroker;
use rmqtt::codec::v5::DisconnectReasonCode;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(5);
/// From when on the log tells that the certificate expires, and how often.
const SOON: Duration = Duration::from_secs(14 * 86_400);
const REMIND: Duration = Duration::from_secs(86_400);

/// What a file was when it was last read. A file that is not there is a state like any other.
#[derive(Debug, PartialEq, Eq)]
struct State(Vec<Option<(u64, u64, i64, i64)>>);

impl State {
    async fn of(paths: &[PathBuf]) -> Self {
        let mut all = Vec::new();
        for path in paths {
            let meta = tokio::fs::metadata(path).await.ok();
            all.push(meta.map(|m| (m.ino(), m.size(), m.mtime(), m.mtime_nsec())));
        }
        Self(all)
    }
}

/// Looks until `stop`.
pub(super) async fn run(
    shared: Arc<Shared>,
    config: EmbeddedBroker,
    server: Option<Arc<Server>>,
    stop: CancellationToken,
) {
    let users: Vec<PathBuf> = config.users_file.into_iter().collect();
    let certificates: Vec<PathBuf> = config
        .tls
        .map(|tls| {
            let authority = tls.clients.map(|clients| clients.authority);
            [tls.certificate, tls.key].into_iter().chain(authority).collect()
        })
        .unwrap_or_default();
    let (mut known_users, mut known_certificates) = (State::of(&users).await, State::of(&certificates).await);
    let mut reminded = None;
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let held = i64::try_from(shared.backlog.held()).unwrap_or(i64::MAX);
        shared.metrics.broker_backlog.set(held);
        let now = State::of(&users).await;
        if now != known_users {
            known_users = now;
            reload_users(&shared, users.first().map(PathBuf::as_path)).await;
        }
        let Some(server) = &server else { continue };
        let now = State::of(&certificates).await;
        if now != known_certificates {
            known_certificates = now;
            match server.reload() {
                Ok(()) => {
                    tracing::info!(expires = %server.expires(), "certificates of the embedded broker read again")
                }
                Err(error) => kept(&shared, &error),
            }
        }
        let (wall, expires) = (shared.clock.now().wall, server.expires());
        shared
            .metrics
            .broker_certificate_expires
            .set(expires.as_millis() / 1_000);
        let soon = expires.since(wall) < SOON;
        if soon && reminded.is_none_or(|last| wall.since(last) >= REMIND) {
            reminded = Some(wall);
            tracing::warn!(%expires, "the certificate of the embedded broker expires; renew it, it is read without a restart");
        }
    }
}

async fn reload_users(shared: &Arc<Shared>, path: Option<&Path>) {
    match shared.accounts.reload() {
        Ok(revoked) => {
            let path = path.map(|path| path.display().to_string()).unwrap_or_default();
            tracing::info!(
                path,
                revoked = revoked.len(),
                "users of the embedded broker read again"
            );
            if !revoked.is_empty() {
                let why = "the user is gone or has another password";
                let farewell = Farewell::new(DisconnectReasonCode::NotAuthorized, why);
                shared.guests.send_away(&revoked, &farewell);
                shared
                    .end_sessions(|id| revoked.iter().any(|user| **user == *id.username_ref()))
                    .await;
            }
        }
        Err(error) => kept(shared, &error),
    }
}

fn kept(shared: &Shared, error: &dyn std::fmt::Display) {
    shared.metrics.broker_reload_failures.inc();
    tracing::error!(%error, "a file of the embedded broker changed and cannot be used; what was read before stays in use");
}
