//! A client made of bytes, for what no library would send.

use crate::pipeline::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) struct Raw(pub(crate) TcpStream);

/// Text with its length before it.
fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// A packet with this first byte.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let digit = u8::try_from(left % 128).unwrap();
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// CONNECT with a clean session.
pub(crate) fn connect(version: u8, id: &str, user: &str, password: &str, keep_alive_s: u16) -> Vec<u8> {
    connect_with(version, 0b1100_0010, id, user, password, keep_alive_s, &[])
}

/// CONNECT with these flags; `will` is what stands between the client id and the user name.
pub(crate) fn connect_with(
    version: u8,
    flags: u8,
    id: &str,
    user: &str,
    password: &str,
    keep_alive_s: u16,
    will: &[u8],
) -> Vec<u8> {
    let mut body = [&text(b"MQTT")[..], &[version, flags], &keep_alive_s.to_be_bytes()].concat();
    if version == 5 {
        // A session expiry when the session is to be kept.
        let properties: &[u8] = if flags & 2 == 0 {
            &[5, 0x11, 0, 0, 14, 16]
        } else {
            &[0]
        };
        body.extend_from_slice(properties);
    }
    body.extend(text(id.as_bytes()));
    body.extend_from_slice(will);
    body.extend(text(user.as_bytes()));
    body.extend(text(password.as_bytes()));
    packet(0x10, &body)
}

/// PUBLISH with QoS 1 when there is an id.
pub(crate) fn publish(version: u8, topic: &[u8], id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    body.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    if version == 5 {
        body.push(0);
    }
    body.extend_from_slice(payload);
    packet(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// SUBSCRIBE with QoS 1.
pub(crate) fn subscribe(version: u8, filter: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 9];
    if version == 5 {
        body.push(0);
    }
    body.extend(text(filter));
    body.push(1);
    packet(0x82, &body)
}

/// UNSUBSCRIBE.
pub(crate) fn unsubscribe(version: u8, filter: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 9];
    if version == 5 {
        body.push(0);
    }
    body.extend(text(filter));
    packet(0xA2, &body)
}

impl Raw {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self::open_from("127.0.0.1", addr).await
    }

    /// From one of the many addresses of this machine.
    pub(crate) async fn open_from(source: &str, addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        let stream = within("a connection", socket.connect(addr)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Connects with a clean session and a keep-alive of a minute.
    pub(crate) async fn connect(addr: SocketAddr, version: u8, user: &str) -> Self {
        let mut raw = Self::open(addr).await;
        raw.send(&connect(version, user, user, &format!("{user}-secret"), 60))
            .await;
        let answer = raw.packet().await.expect("a CONNACK");
        assert_eq!((answer[0], answer[3]), (0x20, 0), "{answer:02x?}");
        raw
    }

    /// Sends; whoever was closed on does not care.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next packet whole; `None` once the connection is closed.
    pub(crate) async fn packet(&mut self) -> Option<Vec<u8>> {
        within("a packet or the end", async {
            let mut packet = vec![self.0.read_u8().await.ok()?];
            let (mut length, mut digit) = (0usize, 0);
            loop {
                let byte = self.0.read_u8().await.ok()?;
                packet.push(byte);
                length |= usize::from(byte & 0x7F) << (7 * digit);
                digit += 1;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let start = packet.len();
            packet.resize(start + length, 0);
            self.0.read_exact(&mut packet[start..]).await.ok()?;
            Some(packet)
        })
        .await
    }

    /// The next packet of this kind (upper half of its first byte).
    pub(crate) async fn packet_of(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let packet = self.packet().await.expect("the connection is open");
            if packet[0] >> 4 == kind {
                return packet;
            }
        }
    }

    /// The connection ends. The reason of a DISCONNECT before that.
    pub(crate) async fn ends(&mut self) -> Option<u8> {
        let mut reason = None;
        while let Some(packet) = self.packet().await {
            if packet[0] == 0xE0 {
                reason = Some(packet.get(2).copied().unwrap_or(0));
            }
        }
        reason
    }

    /// Still served: a ping is answered.
    pub(crate) async fn is_served(&mut self) {
        self.send(&[0xC0, 0]).await;
        self.packet_of(13).await;
    }
}
