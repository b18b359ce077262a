//! The listener itself: a real socket, a slow client, an end.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn answer(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let wait = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    wait.await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn the_listener_answers_and_ends_although_somebody_listens() {
    let story = Story::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(super::super::serve(
        listener,
        Arc::clone(&story.http),
        stop.clone(),
    ));

    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = answer(
        &mut stream,
        "GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        text.starts_with("HTTP/1.1 200"),
        "the peer is this machine: {text}"
    );

    let mut ear = TcpStream::connect(address).await.unwrap();
    let ask = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        story.staff
    );
    ear.write_all(ask.as_bytes()).await.unwrap();
    let mut first = [0u8; 64];
    assert!(ear.read(&mut first).await.unwrap() > 0);
    // A client that never finishes its request must not hold up the end either.
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /status HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();

    stop.cancel();
    // Without the deadline of the end, the slow one would hold it up until its own.
    let soon = super::super::serve::HEADER_DEADLINE - Duration::from_secs(1);
    tokio::time::timeout(soon, serving)
        .await
        .expect("an end within its time")
        .unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}
