//! The street on a TCP port.
//!
//! Responsible for: accepting a bounded number of connections, telling sessions when the line was silent,
//! holding late answers back without holding others up, and stepping the nodes while it serves. Not
//! responsible for: what is answered; see `session`.

use std::io;
use std::time::Duration;

use linli_modbus_slave::rtu;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::session::{Reply, Session};
use crate::shared::{SAMPLE_PERIOD, SharedStreet};

/// The most connections at a time; a further one is closed at once.
const MAX_CONNECTIONS: usize = 32;
/// The most late answers held back per connection; the oldest beyond that is never sent.
const MAX_LATE: usize = 32;
/// A client that does not read for this long is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Segments of one frame may come this far apart through a converter.
const SILENCE_OVER_TCP: Duration = Duration::from_millis(100);

/// How frames travel on a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Modbus TCP.
    Tcp,
    /// RTU frames as they are, as a serial converter sends them.
    RtuOverTcp,
}

/// Serves the street on `listener` until `shutdown` completes; then every connection is closed.
///
/// While it runs it steps the nodes of the street.
pub async fn serve(listener: TcpListener, transport: Transport, street: SharedStreet, shutdown: impl Future) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut samples = interval(SAMPLE_PERIOD);
    samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut shutdown => break,
            _ = samples.tick() => street.tick(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                    // A byte per packet and a delayed acknowledgement make 40 ms; failing to set it costs only that.
                    let _ = stream.set_nodelay(true);
                    let session = match transport {
                        Transport::Tcp => Session::tcp(),
                        Transport::RtuOverTcp => Session::rtu(),
                    };
                    connections.spawn(converse(stream, session, street.clone(), SILENCE_OVER_TCP));
                }
                Ok((stream, _)) => drop(stream),
                // Out of file descriptors or an aborted handshake: the next sample period is soon enough.
                Err(_) => {
                    samples.tick().await;
                    street.tick();
                }
            },
        }
    }
    connections.shutdown().await;
}

/// Talks to one client until it leaves, breaks the protocol or stops reading.
pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut session: Session,
    street: SharedStreet,
    silence_after: Duration,
) -> io::Result<()> {
    let mut buffer = [0; rtu::MAX_FRAME];
    let mut late = LateReplies::default();
    let mut heard_at = Instant::now();
    loop {
        let silent_at = heard_at + silence_after;
        let next_late = late.next();
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let count = read?;
                if count == 0 {
                    return Ok(());
                }
                heard_at = Instant::now();
                let heard = buffer.get(..count).unwrap_or(&[]);
                let replies = street.with(|street| session.hear(heard, street));
                let Ok(replies) = replies else { return Err(io::ErrorKind::InvalidData.into()) };
                for reply in replies {
                    send_or_hold(&mut stream, reply, &mut late).await?;
                }
            }
            () = sleep_until(silent_at), if session.awaits_silence() => {
                if let Some(reply) = street.with(|street| session.silence(street)) {
                    send_or_hold(&mut stream, reply, &mut late).await?;
                }
            }
            () = sleep_until(next_late.unwrap_or(silent_at)), if next_late.is_some() => {
                if let Some(bytes) = late.take_due(Instant::now()) {
                    send(&mut stream, &bytes).await?;
                }
            }
        }
    }
}

async fn send_or_hold(
    stream: &mut (impl AsyncWrite + Unpin),
    reply: Reply,
    late: &mut LateReplies,
) -> io::Result<()> {
    if reply.delay.is_zero() {
        return send(stream, &reply.bytes).await;
    }
    late.hold(Instant::now() + reply.delay, reply.bytes);
    Ok(())
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let written = timeout(WRITE_TIMEOUT, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    });
    written
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Answers whose time has not come, in the order they were given.
#[derive(Default)]
struct LateReplies(Vec<(Instant, Vec<u8>)>);

impl LateReplies {
    fn hold(&mut self, due: Instant, bytes: Vec<u8>) {
        if self.0.len() == MAX_LATE {
            self.0.remove(0);
        }
        self.0.push((due, bytes));
    }

    fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(due, _)| *due).min()
    }

    fn take_due(&mut self, now: Instant) -> Option<Vec<u8>> {
        let index = self.0.iter().position(|(due, _)| *due <= now)?;
        Some(self.0.remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_answers_are_bounded_and_leave_when_they_are_due() {
        let mut late = LateReplies::default();
        let start = Instant::now();
        for number in 0..40_u8 {
            late.hold(start + Duration::from_secs(u64::from(number)), vec![number]);
        }
        assert_eq!(late.0.len(), MAX_LATE, "the oldest eight are gone");
        assert_eq!(late.next(), Some(start + Duration::from_secs(8)));
        assert_eq!(late.take_due(start), None);
        assert_eq!(late.take_due(start + Duration::from_secs(9)), Some(vec![8]));
        assert_eq!(late.take_due(start + Duration::from_secs(9)), Some(vec![9]));
        assert_eq!(late.take_due(start + Duration::from_secs(9)), None);
    }
}
