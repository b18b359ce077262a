//! `GET /api/v1/watch`: what devices say as it comes, raw beside decoded, as server-sent events.
//!
//! The stream is fed by the pipeline's tap, which nobody can hold up: what a watcher is too slow for, or what there is
//! too much of, is left out, and a `missed` event says how much. There is nothing to resume from.

use super::Http;
use super::auth::Principal;
use super::events::{HEARTBEAT, event_stream};
use super::extract::Query;
use super::problem::{Code, Problem};
use super::wire::heard::Heard;
use crate::pipeline::{Tapped, Watcher};
use axum::extract::State;
use axum::response::Response;
use futures_util::stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;

/// Most watchers at once.
pub const MAX_WATCHERS: usize = 8;

/// Whom to watch.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WatchQuery {
    /// The device with this id or key; everything that is heard when not given.
    pub device: Option<String>,
}

/// What devices say, as it comes
///
/// Events `heard` carry a message with its bytes and what was made of it; `missed` says how many were left out.
#[utoipa::path(get, path = "/watch", tag = "field", params(WatchQuery),
    responses((status = 200, description = "The stream of `Heard`", content_type = "text/event-stream", body = Heard)))]
pub async fn watch(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Query(query): Query<WatchQuery>,
) -> Result<Response, Problem> {
    let place = Arc::clone(&http.watchers).try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_WATCHERS} people are watching; let one stop, or try again");
        Problem::new(Code::TooManyListeners, detail)
    })?;
    let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    http.metrics.watchers.inc();
    let listener = Listener {
        watcher: http.door.watch(query.device.as_deref()),
        greeting: Some(": watching\n\n"),
        http,
        principal,
        heartbeat,
        _place: place,
    };
    Ok(event_stream(stream::unfold(listener, |mut listener| async {
        let piece = listener.next().await?;
        Some((Ok::<_, Infallible>(piece.into()), listener))
    })))
}

/// One connected client.
struct Listener {
    http: Arc<Http>,
    principal: Principal,
    watcher: Watcher,
    /// Sent first: whoever has it misses nothing that comes after.
    greeting: Option<&'static str>,
    heartbeat: Interval,
    /// Its place among [`MAX_WATCHERS`], given back when the stream ends.
    _place: OwnedSemaphorePermit,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.http.metrics.watchers.dec();
    }
}

impl Listener {
    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<String> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting.to_owned());
        }
        tokio::select! {
            () = self.http.shutdown.cancelled() => None,
            _ = self.heartbeat.tick() => {
                self.http.tokens.still_good(&self.principal).then(|| ": alive\n\n".to_owned())
            }
            tapped = self.watcher.next() => match tapped? {
                Tapped::Watched(said) => {
                    let heard = serde_json::to_string(&Heard::from(&*said)).unwrap_or_default();
                    Some(format!("event: heard\ndata: {heard}\n\n"))
                }
                Tapped::Missed(missed) => {
                    self.http.metrics.watch_missed.inc_by(missed);
                    Some(format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n"))
                }
            },
        }
    }
}
