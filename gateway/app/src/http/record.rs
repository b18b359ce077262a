//! `GET /api/v1/record`: the frames the gateway takes in, whole and once each, in the form `linli replay` reads.
//!
//! The stream is fed by the pipeline's recorder, which nobody can hold up: what is left out is told by an event `missed`
//! in its place. It ends by itself when its time is over, and says so.

use super::Http;
use super::auth::Principal;
use super::events::{HEARTBEAT, event_stream};
use super::extract::Query;
use super::problem::{Code, Problem};
use crate::ops::recording::Line;
use crate::pipeline::{Fetched, Recording};
use axum::extract::State;
use axum::response::Response;
use futures_util::stream;
use linli_domain::time::duration_text;
use serde::Deserialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, Sleep};
use utoipa::IntoParams;

/// Ten minutes when nothing else is asked for.
const USUAL: Duration = Duration::from_secs(600);
/// Longest recording.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// How long.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordQuery {
    /// How long, such as `10m`, at most `7d`; ten minutes when not given.
    #[serde(rename = "for")]
    pub lasts: Option<String>,
}

/// Record what the gateway takes in
///
/// Events `frame` carry one frame each, as a line `linli replay` reads; `missed` says how many were left out at that place;
/// `over` ends the stream with how many there were. One records at a time.
#[utoipa::path(get, path = "/record", tag = "field", params(RecordQuery),
    responses((status = 200, description = "The stream of `Line`", content_type = "text/event-stream", body = Line)))]
pub async fn record(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Query(query): Query<RecordQuery>,
) -> Result<Response, Problem> {
    let lasts = match query.lasts.as_deref() {
        None => USUAL,
        Some(text) => duration_text::parse(text)
            .ok()
            .filter(|lasts| *lasts <= LONGEST && !lasts.is_zero())
            .ok_or_else(|| Problem::new(Code::BadQuery, "for is a time such as 10m, at most 7d"))?,
    };
    let recording = http.door.record().ok_or_else(|| {
        let detail = "somebody is recording; one does at a time";
        Problem::new(Code::TooManyListeners, detail)
    })?;
    let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        http,
        principal,
        recording,
        greeting: Some(": recording\n\n"),
        heartbeat,
        ends: Box::pin(tokio::time::sleep(lasts)),
        frames: 0,
        missed: 0,
        over: false,
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
    recording: Recording,
    /// Sent first: whoever has it misses nothing that comes after.
    greeting: Option<&'static str>,
    heartbeat: Interval,
    ends: Pin<Box<Sleep>>,
    frames: u64,
    missed: u64,
    over: bool,
}

impl Listener {
    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<String> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting.to_owned());
        }
        if self.over {
            return None;
        }
        tokio::select! {
            () = self.http.shutdown.cancelled() => None,
            () = &mut self.ends => {
                self.over = true;
                let (frames, missed) = (self.frames, self.missed);
                Some(format!("event: over\ndata: {{\"frames\":{frames},\"missed\":{missed}}}\n\n"))
            }
            _ = self.heartbeat.tick() => {
                self.http.tokens.still_good(&self.principal).then(|| ": alive\n\n".to_owned())
            }
            fetched = self.recording.next() => Some(match fetched {
                Fetched::Frame(frame) => {
                    self.frames += 1;
                    let line = serde_json::to_string(&Line::from(&frame)).unwrap_or_default();
                    format!("event: frame\ndata: {line}\n\n")
                }
                Fetched::Missed(missed) => {
                    self.missed += missed;
                    format!("event: missed\ndata: {{\"missed\":{missed}}}\n\n")
                }
            }),
        }
    }
}
