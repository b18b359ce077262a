//! One client from its first byte to its last: greeted, let in, carried, and seen off.
//!
//! A connection is carried piece by piece, so it holds two small buffers and never a whole packet. While a client is
//! too fast its socket is not read, which stops it by TCP and nobody else.

use super::hello::{Answer, Farewell, Hello, Refusal, Speaks, Unreadable};
use super::packets::{Packets, Wrong, kind};
use super::{Gate, Listener, Unheard, hello, stream};
use crate::field::broker::admit::{Admitted, Refused};
use crate::field::broker::bucket::Bucket;
use crate::field::broker::guests::{Guest, Stay};
use bytes::{Bytes, BytesMut};
use linli_domain::time::Monotonic;
use prometheus::IntGauge;
use rmqtt::codec::v5::DisconnectReasonCode;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Longest CONNECT with its will. A longer one is closed without an answer.
const MAX_HELLO: usize = 64 << 10;
/// A client that takes nothing of one piece for this long is closed.
const WRITE: Duration = Duration::from_secs(20);
/// How long what a client sent before it went may take in the library, its commits included.
const DRAIN: Duration = Duration::from_secs(30);
/// How long the library may take to say why it closed a connection.
const WHY: Duration = Duration::from_millis(300);
/// How long a farewell may take, and how long the client has to read it before the socket is gone.
const LINGER: Duration = Duration::from_secs(1);
/// Tries with the library while an older connection of the same client is on its way out, and the pause between them.
const TRIES: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(25);
/// One line per this long about a client that is too fast.
const SAID: Duration = Duration::from_secs(60);

impl Gate {
    /// Receives a client on either listener.
    pub(super) async fn receive(
        &self,
        client: TcpStream,
        peer: SocketAddr,
        listener: Listener,
        unheard: Unheard,
    ) {
        let deadline = Instant::now() + self.shared.limits.greeting_timeout;
        match &listener {
            Listener::Plain => self.greet(client, peer, None, &listener, deadline, unheard).await,
            Listener::Tls(server) => {
                let secured = match timeout_at(deadline, server.acceptor().accept(client)).await {
                    Ok(Ok(secured)) => secured,
                    Ok(Err(error)) => return self.shared.refused(tls_word(&error), &peer, &error),
                    Err(_) => {
                        return self
                            .shared
                            .refused("greeting", &peer, &"no TLS handshake in time");
                    }
                };
                let shown = secured
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(|chain| chain.first());
                let user = match shown.map(|certificate| server.user(certificate)) {
                    Some(None) => {
                        let why = "the certificate does not name exactly one user";
                        return self.shared.refused("certificate", &peer, &why);
                    }
                    user => user.flatten(),
                };
                self.greet(secured, peer, user, &listener, deadline, unheard)
                    .await;
            }
        }
    }

    /// Hears the CONNECT, decides, and carries whoever is let in.
    async fn greet(
        &self,
        mut client: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        certificate: Option<String>,
        listener: &Listener,
        deadline: Instant,
        unheard: Unheard,
    ) {
        let mut ahead = BytesMut::new();
        let most = MAX_HELLO.min(self.max_packet_bytes as usize);
        let first = kind::CONNECT << 4;
        let packet = match timeout_at(deadline, stream::packet(&mut client, &mut ahead, first, most)).await {
            Ok(Ok(packet)) => packet,
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return self
                    .shared
                    .refused("malformed", &peer, &"no CONNECT, or a too long one");
            }
            // Whoever goes before he is known is of no interest.
            Ok(Err(_)) => return,
            Err(_) => return self.shared.refused("greeting", &peer, &"no CONNECT in time"),
        };
        drop(unheard);
        let hello = match Hello::read(&packet) {
            Ok(hello) => hello,
            Err(Unreadable::Broken) => {
                return self
                    .shared
                    .refused("malformed", &peer, &"a CONNECT that cannot be read");
            }
            Err(Unreadable::Refused(why, speaks)) => {
                self.shared.refused("malformed", &peer, &format!("{why:?}"));
                return refuse(&mut client, speaks, why).await;
            }
        };
        drop(packet);
        let speaks = hello.speaks();
        let admitted = match self.shared.admit(&hello, peer, certificate.as_deref()).await {
            Ok(admitted) => admitted,
            Err(Refused(what, why)) => {
                let who = format!(
                    "{:?} as {:?} from {peer}",
                    hello.client_id(),
                    hello.username().unwrap_or_default()
                );
                self.shared.refused(what, &who, &format!("{why:?}"));
                return refuse(&mut client, speaks, why).await;
            }
        };
        let terms = Terms {
            speaks,
            patience: hello.patience(self.shared.limits.max_keep_alive),
            takes_bytes: hello.takes_bytes(),
        };
        let Some(through) = self.introduce(hello, &admitted, peer).await else {
            self.shared.refused(
                "busy",
                &admitted.client_id,
                &"the broker did not take the client in time",
            );
            return refuse(&mut client, speaks, Refusal::Busy).await;
        };
        let _present = Present::new(
            self.shared
                .metrics
                .broker_clients
                .with_label_values(&[listener.label()]),
        );
        Carried {
            gate: self,
            guest: Arc::clone(&through.guest),
            terms,
            messages: Bucket::new(admitted.user.messages),
            bytes: Bucket::new(admitted.user.bytes),
            said: None,
        }
        .run(client, ahead, through)
        .await;
    }

    /// Opens the way to the library for a client that may come in. A client that comes back at once meets its own
    /// older connection there; the library refuses it for some milliseconds, which the client need not know.
    async fn introduce(&self, hello: Hello, admitted: &Admitted, peer: SocketAddr) -> Option<Through> {
        let speaks = hello.speaks();
        let connect = hello.passed_on(&admitted.user.name, &admitted.client_id)?;
        for _ in 0..TRIES {
            let mut library = TcpStream::connect(self.inner).await.ok()?;
            library.set_nodelay(true).ok()?;
            let guest = Guest::new(peer, Arc::clone(&admitted.user), Arc::clone(&admitted.client_id));
            let guest = Arc::new(guest);
            let stay = self
                .shared
                .guests
                .enter(library.local_addr().ok()?, Arc::clone(&guest));
            library.write_all(&connect).await.ok()?;
            let mut ahead = BytesMut::new();
            let first = kind::CONNACK << 4;
            let packet = stream::packet(&mut library, &mut ahead, first, MAX_HELLO)
                .await
                .ok()?;
            match hello::answer(speaks, &packet) {
                Answer::Accepted => {
                    let greeting = if admitted.assigned {
                        hello::with_client_id(speaks, packet, &admitted.client_id)?
                    } else {
                        packet
                    };
                    return Some(Through {
                        library,
                        ahead,
                        greeting,
                        guest,
                        _stay: stay,
                    });
                }
                Answer::NotYet => sleep(TRY_AGAIN).await,
                Answer::Refused => return None,
            }
        }
        None
    }
}

/// A client counts as connected as long as this lives.
struct Present(IntGauge);

impl Present {
    fn new(clients: IntGauge) -> Self {
        clients.inc();
        Self(clients)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The library has taken a client.
struct Through {
    library: TcpStream,
    /// What it sent behind its CONNACK.
    ahead: BytesMut,
    greeting: Bytes,
    guest: Arc<Guest>,
    _stay: Stay,
}

/// What client and broker agreed on.
struct Terms {
    speaks: Speaks,
    /// Longest silence.
    patience: Duration,
    /// Longest packet for the client.
    takes_bytes: u32,
}

/// How carrying a connection ends.
enum End {
    /// The client closed, or its connection broke.
    ClientGone,
    /// The library closed; whether the client was told why.
    LibraryGone,
    /// The client takes nothing any more.
    Deaf,
    /// We end it, for this reason.
    Farewell(Farewell),
}

/// A connection that is carried.
struct Carried<'a> {
    gate: &'a Gate,
    guest: Arc<Guest>,
    terms: Terms,
    messages: Bucket,
    bytes: Bucket,
    said: Option<Monotonic>,
}

impl Carried<'_> {
    async fn run(mut self, client: impl AsyncRead + AsyncWrite + Unpin, ahead: BytesMut, through: Through) {
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
                () = gone.cancelled() => End::LibraryGone,
            }
        };
        if let End::Farewell(farewell) = &end {
            guest.parts(farewell.clone());
        }
        let library_open = !matches!(end, End::LibraryGone) || gone.is_cancelled();
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
            if library_open {
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
                user = %user.name, client = %self.guest.client_id, from = %self.guest.peer, ?pause,
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
        let who = format!(
            "{:?} as {:?} from {}",
            guest.client_id, guest.user.name, guest.peer
        );
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

/// Refuses with a CONNACK and closes.
async fn refuse(client: &mut (impl AsyncRead + AsyncWrite + Unpin), speaks: Speaks, why: Refusal) {
    let Some(packet) = hello::refusal(speaks, why) else {
        return;
    };
    let said = async {
        client.write_all(&packet).await?;
        client.shutdown().await
    };
    let _ = timeout(LINGER, said).await;
}

/// The word for a TLS handshake that failed: whether the client's certificate was the reason.
fn tls_word(error: &io::Error) -> &'static str {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => "certificate",
        _ => "tls",
    }
}
