//! A stream of events that one source feeds: greeting, heartbeat, the token that must stay good, the end with the gateway.
//!
//! What a source has to say, and when it has no more, is its own. The live feed of `events` resumes and is not fed this way.

use super::Http;
use super::auth::Principal;
use super::events::{HEARTBEAT, event_stream};
use axum::response::Response;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::{Interval, MissedTickBehavior};

/// What feeds a stream. `next` may be dropped while it waits and loses nothing by it.
pub(super) trait Source: Send + 'static {
    /// The next piece; `None` ends the stream.
    fn next(&mut self) -> impl Future<Output = Option<String>> + Send;
}

/// One event as it is sent.
pub(super) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// So many were left out at this place.
pub(super) fn missed(count: u64) -> String {
    event("missed", &format!("{{\"missed\":{count}}}"))
}

/// The answer that streams what `source` says. Whoever has its greeting misses nothing that comes after.
pub(super) fn answer(
    http: Arc<Http>,
    principal: Principal,
    greeting: &'static str,
    source: impl Source,
) -> Response {
    let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        http,
        principal,
        greeting: Some(greeting),
        heartbeat,
        source,
    };
    event_stream(stream::unfold(listener, |mut listener| async {
        let piece = listener.next().await?;
        Some((Ok::<_, Infallible>(piece.into()), listener))
    }))
}

/// One connected client.
struct Listener<S> {
    http: Arc<Http>,
    principal: Principal,
    greeting: Option<&'static str>,
    heartbeat: Interval,
    source: S,
}

impl<S: Source> Listener<S> {
    async fn next(&mut self) -> Option<String> {
        if let Some(greeting) = self.greeting.take() {
            return Some(format!(": {greeting}\n\n"));
        }
        tokio::select! {
            () = self.http.shutdown.cancelled() => None,
            _ = self.heartbeat.tick() => {
                self.http.tokens.still_good(&self.principal).then(|| ": alive\n\n".to_owned())
            }
            piece = self.source.next() => piece,
        }
    }
}
