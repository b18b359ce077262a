//! Packed bodies against targets that take them, that take none, and that take them and refuse a line.

use super::sink::{Http, Sink};
use super::verdict::Verdict;
use crate::config::{Forwarder, ForwarderKind};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use linli_domain::time::Timestamp;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What a target does with a packed body.
#[derive(Debug, Clone, Copy)]
enum Does {
    Unpacks,
    /// Answers 415.
    SaysSo,
    /// Reads the packed bytes as lines, and answers 400.
    Stumbles,
}

/// What it was sent: whether it came packed, and the lines it took.
type Sent = Arc<Mutex<Vec<(bool, Option<String>)>>>;

/// A target on a free port; lines that hold `bad` are refused with their request.
async fn target(does: Does) -> (Http, Sent) {
    async fn write(State((does, sent)): State<(Does, Sent)>, headers: HeaderMap, body: Bytes) -> Response {
        let packed = headers.get("content-encoding").is_some_and(|how| how == "gzip");
        let (status, text) = match (packed, does) {
            (true, Does::SaysSo) => (415, None),
            (true, Does::Stumbles) => (400, None),
            (true, Does::Unpacks) => {
                let mut text = String::new();
                let read = flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text);
                read.map_or((400, None), |_| (204, Some(text)))
            }
            (false, _) => (204, String::from_utf8(body.to_vec()).ok()),
        };
        let bad = text.as_ref().is_some_and(|text| text.contains("bad"));
        let (status, text) = if bad { (400, None) } else { (status, text) };
        sent.lock().unwrap().push((packed, text));
        let words = if bad {
            "partial write: field type conflict"
        } else {
            ""
        };
        (StatusCode::from_u16(status).unwrap(), words).into_response()
    }
    let sent = Sent::default();
    let app = Router::new()
        .fallback(write)
        .with_state((does, Arc::clone(&sent)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Http::new(&Forwarder {
        name: "store".into(),
        kind: ForwarderKind::VictoriaMetrics,
        url: format!("http://127.0.0.1:{port}"),
        from_history: false,
        ca: None,
    });
    (http.unwrap_or_else(|error| panic!("{error}")), sent)
}

fn many(last: &str) -> Vec<u8> {
    let line = "bin_fill,estate=riverside,device=bin-7,point=bin-7/bin.fill value=41.5 1767225600000\n";
    (line.repeat(200) + last).into_bytes()
}

async fn write(http: &Http, lines: Vec<u8>) -> Verdict {
    http.write(lines, Timestamp::from_millis(1_767_225_600_000)).await
}

#[tokio::test]
async fn many_lines_go_packed_and_a_few_as_they_are() {
    let (http, sent) = target(Does::Unpacks).await;
    assert_eq!(write(&http, many("")).await, Verdict::Taken);
    assert_eq!(write(&http, b"a value=1 1\n".to_vec()).await, Verdict::Taken);
    let wanted = [
        (true, String::from_utf8(many("")).ok()),
        (false, Some("a value=1 1\n".into())),
    ];
    assert_eq!(*sent.lock().unwrap(), wanted);
}

#[tokio::test]
async fn a_target_that_takes_no_packed_bodies_is_written_to_plainly_from_then_on() {
    for does in [Does::SaysSo, Does::Stumbles] {
        let (http, sent) = target(does).await;
        for _ in 0..3 {
            assert_eq!(write(&http, many("")).await, Verdict::Taken, "{does:?}");
        }
        let packed: Vec<bool> = sent.lock().unwrap().iter().map(|(packed, _)| *packed).collect();
        assert_eq!(packed, [true, false, false, false], "{does:?}");
    }
}

#[tokio::test]
async fn a_bad_line_is_not_taken_for_a_target_that_cannot_unpack() {
    let (http, sent) = target(Does::Unpacks).await;
    // The first packed body is refused: the same lines plainly are as well, so it is the lines.
    assert!(matches!(
        write(&http, many("bad")).await,
        Verdict::Refused { code: "refused", .. }
    ));
    assert_eq!(write(&http, many("")).await, Verdict::Taken);
    // Once one was taken, nothing is sent twice.
    assert!(matches!(write(&http, many("bad")).await, Verdict::Refused { .. }));
    let packed: Vec<bool> = sent.lock().unwrap().iter().map(|(packed, _)| *packed).collect();
    assert_eq!(packed, [true, false, true, true]);
}
