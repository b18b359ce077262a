//! `GET /api/v1/watch`: what devices say as it comes, raw beside decoded, as server-sent events.
//!
//! The stream is fed by the pipeline's tap, which nobody can hold up: what a watcher is too slow for, or what there is
//! too much of, is left out, and a `missed` event says how much. There is nothing to resume from.

use super::Http;
use super::auth::Principal;
use super::extract::Query;
use super::problem::{Code, Problem};
use super::stream::{self, Source};
use super::wire::heard::Heard;
use crate::pipeline::{Tapped, Watcher};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
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
    http.metrics.watchers.inc();
    let watching = Watching {
        watcher: http.door.watch(query.device.as_deref()),
        http: Arc::clone(&http),
        _place: place,
    };
    Ok(stream::answer(http, principal, "watching", watching))
}

/// One who watches.
struct Watching {
    http: Arc<Http>,
    watcher: Watcher,
    /// Its place among [`MAX_WATCHERS`], given back when the stream ends.
    _place: OwnedSemaphorePermit,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.http.metrics.watchers.dec();
    }
}

impl Source for Watching {
    async fn next(&mut self) -> Option<String> {
        Some(match self.watcher.next().await? {
            Tapped::Watched(said) => {
                let heard = serde_json::to_string(&Heard::from(&*said)).unwrap_or_default();
                stream::event("heard", &heard)
            }
            Tapped::Missed(missed) => {
                self.http.metrics.watch_missed.inc_by(missed);
                stream::missed(missed)
            }
        })
    }
}
