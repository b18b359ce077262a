//! A stream of server-sent events as the commands listen to it.

use crate::cli::Failure;
use crate::cli::client::Client;
use crate::cli::text::Key;
use serde_json::Value;
use std::time::Duration;

/// A stream lasts as long as somebody watches.
const FOR_EVER: Duration = Duration::from_secs(366 * 86_400);
/// Longest silence of a stream: three of its heartbeats.
const STREAM_SILENCE: Duration = Duration::from_secs(45);
/// Largest event of a stream.
const MAX_EVENT_BYTES: usize = 4 << 20;
/// Whether a listener wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Yes.
    More,
    /// No.
    Stop,
}

impl Client {
    /// Listens to a stream of events until `take` says that it is enough, or the stream ends.
    pub(crate) fn listen(
        &self,
        path: &str,
        mut take: impl FnMut(&str, &Value) -> Result<Wish, Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let request = self
                .http
                .get(format!("{}{path}", self.base))
                .bearer_auth(&self.token);
            // The stream is alive as long as its heartbeats come.
            let answered = request.timeout(FOR_EVER).send().await;
            let mut response = answered.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            if !status.is_success() {
                let body = response.text().await.unwrap_or_default();
                return Err(self.refused(status, &body));
            }
            let mut received = Vec::new();
            loop {
                let piece = tokio::time::timeout(STREAM_SILENCE, response.chunk()).await;
                let piece = piece.map_err(|_| self.fail(Key::StreamSilent, &[("url", &self.base)]))?;
                let Some(piece) = piece.map_err(|error| self.unreachable(&error))? else {
                    return Err(self.fail(Key::StreamEnded, &[("url", &self.base)]));
                };
                received.extend_from_slice(&piece);
                while let Some(event) = next_event(&mut received) {
                    let Some((name, data)) = event else { continue };
                    if take(&name, &self.json(&data)?)? == Wish::Stop {
                        return Ok(());
                    }
                }
                if received.len() > MAX_EVENT_BYTES {
                    return Err(self.fail(Key::NotJson, &[("error", "an event without an end")]));
                }
            }
        })
    }
}

/// Takes the next whole event off the front: its name and data, or nothing for a comment. `None`: there is none yet.
fn next_event(received: &mut Vec<u8>) -> Option<Option<(String, String)>> {
    let end = received.windows(2).position(|pair| pair == b"\n\n")?;
    let event: Vec<u8> = received.drain(..end + 2).collect();
    let text = String::from_utf8_lossy(&event);
    let of = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)).map(str::to_owned)
    };
    Some(of("event: ").zip(of("data: ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole_and_comments_are_passed_over() {
        let mut received = b": watching\n\nevent: heard\ndata: {\"a\":1}\n\nevent: mi".to_vec();
        assert_eq!(next_event(&mut received), Some(None));
        let heard = Some(("heard".to_owned(), "{\"a\":1}".to_owned()));
        assert_eq!(next_event(&mut received), Some(heard));
        assert_eq!(
            (next_event(&mut received), received.as_slice()),
            (None, &b"event: mi"[..])
        );
    }
}
