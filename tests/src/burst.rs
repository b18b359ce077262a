//! Messages published once each with QoS 1, as fast as the broker takes them.

use crate::mqtt::{self, kind};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most unacknowledged messages.
const WINDOW: usize = 500;

/// Publishes every (topic, payload) and returns once the broker has acknowledged all of them.
///
/// # Panics
/// When the broker breaks the connection.
pub async fn publish(port: u16, client: &str, messages: impl IntoIterator<Item = (String, String)>) {
    let done = publish_all(port, client, messages.into_iter()).await;
    done.unwrap_or_else(|error| panic!("publish as {client}: {error}"));
}

async fn publish_all(
    port: u16,
    client: &str,
    mut messages: impl Iterator<Item = (String, String)>,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&mqtt::connect(client, None).encode()).await?;
    let (mut buffer, mut id, mut open, mut ended) = (Vec::new(), 0_u16, 0, false);
    let mut connected = false;
    while !(ended && open == 0) {
        let mut out = Vec::new();
        while connected && !ended && open < WINDOW {
            match messages.next() {
                Some((topic, payload)) => {
                    id = id % 60_000 + 1;
                    open += 1;
                    out.extend(mqtt::publish(&topic, id, false, payload.as_bytes()).encode());
                }
                None => ended = true,
            }
        }
        stream.write_all(&out).await?;
        if ended && open == 0 {
            break;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for packet in mqtt::take(&mut buffer) {
            match packet.kind() {
                kind::CONNACK => connected = packet.body.get(1) == Some(&0),
                kind::PUBACK => open -= 1,
                _ => {}
            }
        }
    }
    Ok(())
}
