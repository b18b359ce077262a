//! A client from its first byte to its CONNACK: TLS, CONNECT, the decision, and the way to the library.

use super::answers::{self, Answer, Refusal};
use super::carry::{Carried, Terms, Through};
use super::hello::{Hello, Speaks, Unreadable};
use super::packets::kind;
use super::{Gate, Listener, Unheard, stream};
use crate::field::broker::admit::{Admitted, Refused};
use crate::field::broker::guests::Guest;
use bytes::BytesMut;
use prometheus::IntGauge;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Longest CONNECT with its will. A longer one is closed without an answer.
const MAX_HELLO: usize = 64 << 10;
/// How long a refusal may take to be written.
const REFUSAL: Duration = Duration::from_secs(1);
/// Tries with the library while an older connection of the same client is on its way out, and the pause between them.
const TRIES: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(25);

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
                    "{} as {} from {peer}",
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
        Carried::new(self, &through, terms)
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
            match answers::answer(speaks, &packet) {
                Answer::Accepted => {
                    let greeting = if admitted.assigned {
                        answers::with_client_id(speaks, packet, &admitted.client_id)?
                    } else {
                        packet
                    };
                    return Some(Through {
                        library,
                        ahead,
                        greeting,
                        guest,
                        stay,
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

/// Refuses with a CONNACK and closes.
async fn refuse(client: &mut (impl AsyncRead + AsyncWrite + Unpin), speaks: Speaks, why: Refusal) {
    let Some(packet) = answers::refusal(speaks, why) else {
        return;
    };
    let said = async {
        client.write_all(&packet).await?;
        client.shutdown().await
    };
    let _ = timeout(REFUSAL, said).await;
}

/// The word for a TLS handshake that failed: whether the client's certificate was the reason.
fn tls_word(error: &io::Error) -> &'static str {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => "certificate",
        _ => "tls",
    }
}
