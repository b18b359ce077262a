//! `GET /api/v1/events`: the live feed as server-sent events.
//!
//! An event's id is `<commit>.<place>`; with `Last-Event-ID` (or `after`) a listener goes on from there, or is told
//! to start over by a `reset` event. A heartbeat each 15 s carries the newest id, so a listener of a quiet topic
//! stays close to the end, and a revoked token ends the stream.

use super::Http;
use super::auth::Principal;
use super::extract::Query;
use super::live::{Event, EventId, Joined, Signal, Topic};
use super::problem::{Code, Problem};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;

/// Most listeners at once.
pub const MAX_LISTENERS: usize = 64;
/// Time between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// The header a browser resumes with.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which events.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// `alarms`, `orders`, `readings`, `devices`, separated by commas; all of them when not given.
    pub topics: Option<String>,
    /// Go on after this event id; the header `Last-Event-ID` comes first.
    pub after: Option<String>,
}

/// Live events
///
/// Events `alarm`, `order`, `point` and `device` carry the resource as its own listing shows it (a device without its
/// values), `readings` an array of readings with their points. On `reset` fetch everything again: events were lost.
#[utoipa::path(get, path = "/events", tag = "events", params(EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event seen")),
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String)))]
pub async fn events(
    State(http): State<Arc<Http>>,
    principal: Principal,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    let topics = read_topics(query.topics.as_deref())?;
    let last = headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok())
        .or(query.after.as_deref())
        .filter(|text| !text.is_empty())
        // An id this gateway never gave is as good as one that is gone.
        .map(|text| text.parse().unwrap_or_default());
    let place = Arc::clone(&http.listeners).try_acquire_owned().map_err(|_| {
        Problem::new(
            Code::TooManyListeners,
            format!("{MAX_LISTENERS} listeners are connected; close one or try again"),
        )
    })?;
    let listener = Listener::new(http, principal, topics, last, place);
    Ok(event_stream(stream::unfold(listener, |mut listener| async {
        let piece = listener.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), listener))
    })))
}

/// The answer that carries a stream of events.
pub(super) fn event_stream(
    pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = Body::from_stream(pieces).into_response();
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn read_topics(text: Option<&str>) -> Result<Vec<Topic>, Problem> {
    let Some(text) = text else {
        return Ok(Topic::ALL.to_vec());
    };
    text.split(',')
        .map(|word| Topic::ALL.into_iter().find(|topic| topic.as_str() == word.trim()))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            Problem::new(
                Code::BadQuery,
                "topics are alarms, orders, readings and devices, separated by commas",
            )
        })
}

/// One connected client.
struct Listener {
    http: Arc<Http>,
    principal: Principal,
    topics: Vec<Topic>,
    /// Text that is ready to be sent.
    ready: VecDeque<String>,
    missed: VecDeque<Arc<Event>>,
    signals: Receiver<Signal>,
    heartbeat: Interval,
    /// Its place among [`MAX_LISTENERS`], given back when the stream ends.
    _place: OwnedSemaphorePermit,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.http.metrics.live_listeners.dec();
    }
}

impl Listener {
    fn new(
        http: Arc<Http>,
        principal: Principal,
        topics: Vec<Topic>,
        last: Option<EventId>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        http.metrics.live_listeners.inc();
        let Joined {
            missed,
            newest,
            signals,
        } = http.live.join(last);
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first piece gives a new client a number to resume from, before anything has happened.
        let greeting = match (&missed, last) {
            (None, _) => reset(newest),
            (Some(_), None) => format!("retry: 3000\nid: {newest}\n\n"),
            (Some(_), Some(_)) => "retry: 3000\n\n".to_owned(),
        };
        Self {
            http,
            principal,
            topics,
            ready: VecDeque::from([greeting]),
            missed: missed.unwrap_or_default().into(),
            signals,
            heartbeat,
            _place: place,
        }
    }

    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if let Some(event) = self.missed.pop_front() {
                self.ready.extend(self.text(&event));
                continue;
            }
            let signal = tokio::select! {
                () = self.http.shutdown.cancelled() => return None,
                _ = self.heartbeat.tick() => {
                    if !self.http.tokens.still_good(&self.principal) {
                        return None;
                    }
                    // Only when nothing waits: else the number would run ahead of the events.
                    let newest = if self.signals.is_empty() { Some(self.http.live.newest()) } else { None };
                    let id = newest.filter(|_| self.signals.is_empty()).map(|id| format!("id: {id}\n"));
                    return Some(format!(": alive\n{}\n", id.unwrap_or_default()));
                }
                signal = self.signals.recv() => signal,
            };
            match signal {
                Ok(Signal::Event(event)) => self.ready.extend(self.text(&event)),
                Ok(Signal::Reset) => self.ready.push_back(reset(self.http.live.newest())),
                Err(RecvError::Lagged(_)) => {
                    self.http.metrics.live_resets.inc();
                    let joined = self.http.live.join(None);
                    self.signals = joined.signals;
                    self.ready.push_back(reset(joined.newest));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn text(&self, event: &Event) -> Option<String> {
        if !self.topics.contains(&event.topic()) {
            return None;
        }
        let json = event.json(|| self.http.names())?;
        Some(format!(
            "event: {}\nid: {}\ndata: {json}\n\n",
            event.name(),
            event.id
        ))
    }
}

fn reset(newest: EventId) -> String {
    format!(
        "event: reset\nid: {newest}\ndata: {{\"reason\":\"events were lost; fetch everything again\"}}\n\n"
    )
}
