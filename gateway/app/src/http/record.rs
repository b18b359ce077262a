//! `GET /api/v1/record`: the frames the gateway takes in, whole and once each, in the form `linli replay` reads.
//!
//! First comes what decoding remembers of what came before, so that a recording can be understood by itself. Then
//! the stream is fed by the pipeline's recorder, which nobody can hold up: what is left out is told by an event `missed`
//! in its place. It ends by itself when its time is over, and says so.

use super::Http;
use super::auth::Principal;
use super::extract::Query;
use super::problem::{Code, Problem};
use super::stream::{self, Source};
use crate::ops::recording::{Known, Line};
use crate::pipeline::{self, Fetched, Recording};
use axum::extract::State;
use axum::response::Response;
use linli_domain::time::duration_text;
use serde::Deserialize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Sleep;
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
/// Events `known` carry what decoding remembers of what came before, one thing each; events `frame` carry one frame each.
/// Both are lines `linli replay` reads. `missed` says how many were left out at that place;
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
    // What is learnt between the two is in both, and is learnt twice alike.
    let known = http.readers.query(|reader| pipeline::known(reader)).await?;
    let tape = Tape {
        recording,
        known: known.into_iter(),
        ends: Box::pin(tokio::time::sleep(lasts)),
        frames: 0,
        missed: 0,
        over: false,
    };
    Ok(stream::answer(http, principal, "recording", tape))
}

/// What one who records gets.
struct Tape {
    recording: Recording,
    /// What is told before the first frame.
    known: std::vec::IntoIter<(String, Vec<u8>)>,
    ends: Pin<Box<Sleep>>,
    frames: u64,
    missed: u64,
    over: bool,
}

impl Source for Tape {
    async fn next(&mut self) -> Option<String> {
        if let Some((name, bytes)) = self.known.next() {
            let line = serde_json::to_string(&Known::new(name, &bytes)).unwrap_or_default();
            return Some(stream::event("known", &line));
        }
        if self.over {
            return None;
        }
        let fetched = tokio::select! {
            () = &mut self.ends => {
                self.over = true;
                let (frames, missed) = (self.frames, self.missed);
                return Some(stream::event("over", &format!("{{\"frames\":{frames},\"missed\":{missed}}}")));
            }
            fetched = self.recording.next() => fetched,
        };
        Some(match fetched {
            Fetched::Frame(frame) => {
                self.frames += 1;
                let line = serde_json::to_string(&Line::from(&frame)).unwrap_or_default();
                stream::event("frame", &line)
            }
            Fetched::Missed(missed) => {
                self.missed += missed;
                stream::missed(missed)
            }
        })
    }
}
