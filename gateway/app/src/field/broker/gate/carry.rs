//! A client that was let in, carried both ways between it and the library, held back when it is too fast, and seen off.
//!
//! It is carried piece by piece, so a connection holds two small buffers and never a whole packet. While a client is
//! too fast its socket is not read, which stops it by TCP and nobody else.

use super::answers::Farewell;
use super::hello::Speaks;
use super::packets::{Packets, Wrong, kind};
use super::{Gate, stream};
use crate::field::broker::bucket::Bucket;
use crate::field::broker::guests::{Guest, Stay};
use bytes::{Bytes, BytesMut};
use linli_domain::time::Monotonic;
use rmqtt::codec::v5::DisconnectReasonCode;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A client that takes nothing of one piece for this long is closed.
const WRITE: Duration = Duration::from_secs(20);
/// How long what a client sent before it went may take in the library, its commits included.
const DRAIN: Duration = Duration::from_secs(30);
/// How long the library may take to say why it closed a connection.
const WHY: Duration = Duration::from_millis(300);
/// How long a farewell may take, and how long the client has to read it before the socket is gone.
const LINGER: Duration = Duration::from_secs(1);
/// One line per this long about a client that is too fast.
const SAID: Duration = Duration::from_secs(60);

/// The library has taken a client.
pub(super) struct Through {
    pub(super) library: TcpStream,
    /// What it sent behind its CONNACK.
    pub(super) ahead: BytesMut,
    pub(super) greeting: Bytes,
    pub(super) guest: Arc<Guest>,
    /// In the list of guests as long as this lives.
    pub(super) stay: Stay,
}

/// What client and broker agreed on.
pub(super) struct Terms {
    pub(super) speaks: Speaks,
    /// Longest silence.
    pub(super) patience: Duration,
    /// Longest packet for the client.
    pub(super) takes_bytes: u32,
}

/// How carrying a connection ends.
enum End {
    /// The client closed, or its connection broke.
    ClientGone,
    /// The library closed.
    LibraryGone,
    /// The client has to go; why is noted at its guest.
    SentAway,
    /// The client takes nothing any more.
    Deaf,
    /// We end it, for this reason.
    Farewell(Farewell),
}

/// A connection that is carried.
pub(super) struct Carried<'a> {
    gate: &'a Gate,
    guest: Arc<Guest>,
    terms: Terms,
    messages: Bucket,
    bytes: Bucket,
    said: Option<Monotonic>,
}

impl<'a> Carried<'a> {
    pub(super) fn new(gate: &'a Gate, through: &Through, terms: Terms) -> Self {
        let user = &through.guest.user;
        Self {
            gate,
            guest: Arc::clone(&through.guest),
            terms,
            messages: Bucket::new(user.messages),
            bytes: Bucket::new(user.bytes),
            said: None,
        }
    }

    /// Carries `client` until it goes or has to. `ahead` is what it sent behind its CONNECT.
    pub(super) async fn run(
        mut self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        ahead: BytesMut,
        through: Through,
    ) {
        let _stay = through.stay;
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_library, mut to_library) = tokio::io::split(through.library);
        let mut out = Outward {
            packets: Packets::of_broker(),
            whole: true,
        };
        let (gate, guest, gone) = (self.gate, Arc::clone(&self.guest), self.guest.gone.clone());
        let greeted = write(&mut to_client, &through.greeting).await;
        let end = if greeted.is_err() {
            End::ClientGone
        } else {
            tokio::select! {
                end = self.inward(ahead, &mut from_client, &mut to_library) => end,
                end = out.carry(through.ahead, &mut from_library, &mut to_client, &guest, gate) => end,
                () = gone.cancelled() => End::SentAway,
            }
        };
        if let End::Farewell(farewell) = &end {
            guest.parts(farewell.clone());
        }
        let told = out.packets.last() == kind::DISCONNECT;
        let seen_off = async {
            let may_speak = self.terms.speaks == Speaks::V5 && out.may_speak() && !told;
            if may_speak
                && !matches!(end, End::ClientGone | End::Deaf)
                && let Some(farewell) = guest.farewell(WHY).await
                && let Some(packet) = farewell.packet(self.terms.takes_bytes)
            {
                let _ = timeout(LINGER, to_client.write_all(&packet)).await;
            }
            if !matches!(end, End::ClientGone) {
                linger(&mut from_client, &mut to_client).await;
            }
        };
        // What the client sent before is still worked on: the library is told that nothing more comes, and heard out.
        let heard_out = async {
            let _ = to_library.shutdown().await;
            if !matches!(end, End::LibraryGone) {
                let mut nowhere = tokio::io::sink();
                let _ = timeout(DRAIN, tokio::io::copy(&mut from_library, &mut nowhere)).await;
            }
        };
        tokio::join!(seen_off, heard_out);
    }

    /// From the client to the library, as fast as the client may.
    async fn inward(
        &mut self,
        mut buffer: BytesMut,
        client: &mut ReadHalf<impl AsyncRead + AsyncWrite>,
        library: &mut WriteHalf<TcpStream>,
    ) -> End {
        let mut packets = Packets::of_client(self.gate.max_packet_bytes);
        let mut deadline = Instant::now() + self.terms.patience;
        loop {
            if buffer.is_empty() {
                buffer.reserve(stream::PIECE);
                match timeout_at(deadline, client.read_buf(&mut buffer)).await {
                    Err(_) => {
                        return self.refuse(
                            DisconnectReasonCode::KeepAliveTimeout,
                            "silent",
                            "no packet in time",
                        );
                    }
                    Ok(Ok(0) | Err(_)) => return End::ClientGone,
                    Ok(Ok(_)) => {}
                }
            }
            let (seen, wrong) = packets.follow(&buffer);
            self.hold_back(seen.messages, seen.bytes).await;
            if library.write_all(&buffer[..seen.bytes]).await.is_err() {
                // The reading side sees that it has closed, and knows why.
                std::future::pending::<()>().await;
            }
            if let Some(wrong) = wrong {
                return self.wrong(wrong);
            }
            buffer.clear();
            // Half a packet is no sign of life, or a byte now and then would hold a connection for ever.
            if seen.ended > 0 {
                deadline = Instant::now() + self.terms.patience;
            }
        }
    }

    /// Waits until this much may go on.
    async fn hold_back(&mut self, messages: u32, bytes: usize) {
        let now = self.gate.shared.clock.now().monotonic;
        let pause = self
            .messages
            .take(u64::from(messages), now)
            .max(self.bytes.take(bytes as u64, now));
        if pause.is_zero() {
            return;
        }
        let user = &self.guest.user;
        self.gate
            .shared
            .metrics
            .broker_throttled
            .with_label_values(&[&*user.name])
            .inc();
        if self.said.is_none_or(|said| now.since(said) >= SAID) {
            self.said = Some(now);
            tracing::warn!(
                user = &*user.name, client = &*self.guest.client_id, from = %self.guest.peer, ?pause,
                messages_per_s = user.messages.per_s, bytes_per_s = user.bytes.per_s,
                "a client is too fast for the embedded broker; its socket is not read meanwhile"
            );
        }
        sleep(pause).await;
    }

    fn wrong(&self, wrong: Wrong) -> End {
        let most = self.gate.max_packet_bytes;
        match wrong {
            Wrong::TooLarge { bytes } => {
                let why = format!("a packet of {bytes} bytes, {most} are allowed");
                self.refuse(DisconnectReasonCode::PacketTooLarge, "packet_size", &why)
            }
            Wrong::Malformed => self.refuse(
                DisconnectReasonCode::MalformedPacket,
                "malformed",
                "a malformed packet",
            ),
            Wrong::NotForClients => {
                let why = "a packet that a client may not send here";
                self.refuse(DisconnectReasonCode::ProtocolError, "malformed", why)
            }
        }
    }

    fn refuse(&self, code: DisconnectReasonCode, what: &'static str, why: &str) -> End {
        let guest = &self.guest;
        let who = format!("{} as {} from {}", guest.client_id, guest.user.name, guest.peer);
        self.gate.shared.refused(what, &who, &why);
        End::Farewell(Farewell::new(code, why))
    }
}

/// The way to the client.
struct Outward {
    packets: Packets,
    /// Everything that was read from the library has reached the client's socket.
    whole: bool,
}

impl Outward {
    /// From the library to the client, for as long as it takes something.
    async fn carry(
        &mut self,
        mut buffer: BytesMut,
        library: &mut ReadHalf<TcpStream>,
        client: &mut WriteHalf<impl AsyncRead + AsyncWrite>,
        guest: &Guest,
        gate: &Gate,
    ) -> End {
        loop {
            if buffer.is_empty() {
                buffer.reserve(stream::PIECE);
                if !matches!(library.read_buf(&mut buffer).await, Ok(1..)) {
                    return End::LibraryGone;
                }
            }
            self.packets.follow(&buffer);
            self.whole = false;
            guest.writing(Some(gate.shared.clock.now().monotonic));
            let written = timeout(WRITE, write(client, &buffer)).await;
            guest.writing(None);
            match written {
                Ok(Ok(())) => self.whole = true,
                Ok(Err(_)) => return End::ClientGone,
                Err(_) => {
                    gate.shared
                        .refused("slow", &guest.client_id, &format!("took nothing for {WRITE:?}"));
                    return End::Deaf;
                }
            }
            buffer.clear();
        }
    }

    /// Whether a packet of ours would not fall into the middle of another.
    fn may_speak(&self) -> bool {
        self.whole && self.packets.between()
    }
}

async fn write(client: &mut WriteHalf<impl AsyncRead + AsyncWrite>, bytes: &[u8]) -> io::Result<()> {
    client.write_all(bytes).await?;
    client.flush().await
}

/// Closes so that the client can read our last packet: whoever closes with something unread cuts it off.
async fn linger(
    from_client: &mut ReadHalf<impl AsyncRead + AsyncWrite>,
    to_client: &mut WriteHalf<impl AsyncRead + AsyncWrite>,
) {
    let gone = async {
        let _ = to_client.shutdown().await;
        let _ = tokio::io::copy(from_client, &mut tokio::io::sink()).await;
    };
    let _ = timeout(LINGER, gone).await;
}
