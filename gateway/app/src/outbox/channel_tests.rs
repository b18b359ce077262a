//! The channels against strict servers on loopback ports.

use super::signature::{SigningKey, verify};
use super::webhook::Webhook;
use super::wecom::{Card, MAX_MARKDOWN_BYTES, Wecom};
use super::{Message, Outcome, Send};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use linli_domain::text::Language;
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BODY: &[u8] = br#"{"specversion":"1.0"}"#;

fn now() -> Now {
    Now {
        wall: Timestamp::from_millis(1_700_000_000_999),
        monotonic: Monotonic(0),
        boot: BootId(1),
        trusted: true,
    }
}

fn message(payload: &[u8]) -> Message<'_> {
    Message {
        id: "e1_WO-1_order_dispatched_1",
        payload,
        attempts: 0,
        last_code: None,
    }
}

type Seen = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;
type Answer = Arc<dyn Fn() -> Response + std::marker::Send + Sync>;

/// A server that answers every request alike and remembers what it got.
async fn server(answer: impl Fn() -> Response + std::marker::Send + Sync + 'static) -> (String, Seen) {
    async fn any(
        State((answer, seen)): State<(Answer, Seen)>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        seen.lock().unwrap().push((uri.to_string(), headers, body));
        answer()
    }
    let seen = Seen::default();
    let app = Router::new()
        .fallback(any)
        .with_state((Arc::new(answer) as Answer, Arc::clone(&seen)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/hook?key=secret"), seen)
}

/// A server that says exactly these bytes to whoever sends anything, and then holds the line.
async fn raw_server(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut request = [0u8; 8192];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            });
        }
    });
    format!("http://{address}/hook")
}

fn webhook(url: &str, timeout: Duration) -> Webhook {
    Webhook::new(&url.into(), &[KEY.into()], true, timeout).unwrap()
}

async fn post(url: &str) -> Outcome {
    webhook(url, Duration::from_secs(5))
        .send(message(BODY), now())
        .await
}

#[tokio::test]
async fn a_webhook_carries_its_id_the_time_of_the_attempt_and_a_valid_signature() {
    let (url, seen) = server(|| StatusCode::NO_CONTENT.into_response()).await;
    assert_eq!(post(&url).await, Outcome::Delivered { provider_id: None });
    let (_, headers, body) = seen.lock().unwrap().remove(0);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-id"), "e1_WO-1_order_dispatched_1");
    assert_eq!(header("webhook-timestamp"), "1700000000");
    assert!(header("content-type").starts_with("application/cloudevents+json"));
    assert_eq!(body, BODY);
    let key = SigningKey::parse(KEY).unwrap();
    let signature = header("webhook-signature");
    assert!(verify(
        &[key],
        &header("webhook-id"),
        1_700_000_000,
        &body,
        &signature
    ));
}

#[tokio::test]
async fn only_2xx_is_success() {
    let retry = |code: &str| Outcome::retry(code);
    for (status, expected) in [
        (200, Outcome::Delivered { provider_id: None }),
        (202, Outcome::Delivered { provider_id: None }),
        (301, Outcome::permanent("http_301")),
        (400, retry("http_400")),
        (404, retry("http_404")),
        (500, retry("http_500")),
        (503, retry("http_503")),
        (
            410,
            Outcome::Permanent {
                code: "http_410".into(),
                gone: true,
            },
        ),
    ] {
        let (url, _) = server(move || StatusCode::from_u16(status).unwrap().into_response()).await;
        assert_eq!(post(&url).await, expected);
    }
}

#[tokio::test]
async fn a_busy_receiver_names_the_time() {
    for status in [429, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        let (url, _) = server(move || (status, [("retry-after", "37")]).into_response()).await;
        let expected = Outcome::Retry {
            code: format!("http_{}", status.as_u16()),
            after: Some(Duration::from_secs(37)),
            whole_channel: true,
        };
        assert_eq!(post(&url).await, expected);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, reached) = server(|| StatusCode::OK.into_response()).await;
    let (url, _) = server(move || (StatusCode::FOUND, [("location", target.clone())]).into_response()).await;
    assert_eq!(post(&url).await, Outcome::permanent("http_302"));
    assert!(reached.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_leaves_the_outcome_open() {
    let url = raw_server(Vec::new()).await;
    let hook = webhook(&url, Duration::from_millis(200));
    let code = "timed_out".into();
    assert_eq!(hook.send(message(BODY), now()).await, Outcome::Unknown { code });
}

#[tokio::test]
async fn nobody_there_means_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(post(&url).await, Outcome::retry("not_sent"));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_a_slow_one_does_not_undo_the_success() {
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n".to_vec();
    endless.extend(vec![b'x'; 1 << 20]);
    let url = raw_server(endless).await;
    // More than is promised never comes: who reads on waits for an hour.
    let patient = webhook(&url, Duration::from_secs(3_600));
    let outcome = tokio::time::timeout(Duration::from_secs(60), patient.send(message(BODY), now())).await;
    assert_eq!(
        outcome.expect("it read on"),
        Outcome::Delivered { provider_id: None }
    );

    let url = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()).await;
    let hook = webhook(&url, Duration::from_secs(2));
    assert_eq!(
        hook.send(message(BODY), now()).await,
        Outcome::Delivered { provider_id: None }
    );
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_reached() {
    let (url, reached) = server(|| StatusCode::OK.into_response()).await;
    let url = url.replace("127.0.0.1", "localhost");
    let guarded = Webhook::new(&url.clone().into(), &[KEY.into()], false, Duration::from_secs(5)).unwrap();
    let outcome = guarded.send(message(BODY), now()).await;
    assert_eq!(outcome, Outcome::permanent("internal_address"));
    assert!(reached.lock().unwrap().is_empty());
    assert_eq!(post(&url).await, Outcome::Delivered { provider_id: None });
}

#[test]
fn a_webhook_without_a_key_or_with_a_bad_one_is_refused() {
    let build = |keys: &[&str]| {
        let keys: Vec<secrecy::SecretString> = keys.iter().map(|k| (*k).into()).collect();
        Webhook::new(
            &"https://example.org/".into(),
            &keys,
            false,
            Duration::from_secs(1),
        )
    };
    assert!(build(&[KEY]).is_ok());
    assert!(build(&[]).is_err());
    assert!(build(&[KEY; 5]).is_err());
    assert!(!format!("{:?}", build(&["whsec_secret"]).unwrap_err()).contains("secret\""));
}

fn card(text: &str) -> Vec<u8> {
    let card = Card {
        language: Language::Zh,
        priority: "P2".into(),
        title: "标题".into(),
        text: text.into(),
        calls: Vec::new(),
    };
    serde_json::to_vec(&card).unwrap()
}

fn robot(url: &str) -> Wecom {
    Wecom::new(&url.into(), Duration::from_secs(5)).unwrap()
}

#[tokio::test]
async fn a_robot_gets_markdown_and_its_code_decides() {
    let (url, seen) = server(|| r#"{"errcode":0,"errmsg":"ok"}"#.into_response()).await;
    let payload = card("**漏水**");
    assert_eq!(
        robot(&url).send(message(&payload), now()).await,
        Outcome::Delivered { provider_id: None }
    );
    let (uri, _, body) = seen.lock().unwrap().remove(0);
    assert_eq!(uri, "/hook?key=secret");
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let expected = serde_json::json!({"msgtype": "markdown", "markdown": {"content": "**漏水**"}});
    assert_eq!(said, expected);

    let (url, _) = server(|| r#"{"errcode":93000,"errmsg":"ok"}"#.into_response()).await;
    let gone = Outcome::Permanent {
        code: "wecom_93000".into(),
        gone: true,
    };
    assert_eq!(robot(&url).send(message(&payload), now()).await, gone);
}

#[tokio::test]
async fn a_long_text_is_cut_and_cut_again_when_the_robot_insists() {
    let (url, seen) = server(|| r#"{"errcode":40058,"errmsg":"too long"}"#.into_response()).await;
    let payload = card(&"水".repeat(3000));
    let robot = robot(&url);
    let first = robot.send(message(&payload), now()).await;
    assert!(matches!(first, Outcome::Retry { .. }), "{first:?}");
    let again = Message {
        attempts: 1,
        last_code: Some("wecom_40058"),
        ..message(&payload)
    };
    assert_eq!(robot.send(again, now()).await, Outcome::permanent("wecom_40058"));
    let lengths: Vec<usize> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(_, _, body)| {
            let said: serde_json::Value = serde_json::from_slice(body).unwrap();
            said["markdown"]["content"].as_str().unwrap().len()
        })
        .collect();
    assert!(
        lengths[0] <= MAX_MARKDOWN_BYTES && lengths[0] > 4000,
        "{lengths:?}"
    );
    assert!(lengths[1] <= 2000, "{lengths:?}");
}
