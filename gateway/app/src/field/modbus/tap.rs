//! The tap between the client library and the line: it lets through the answer that was waited for and nothing else.
//!
//! tokio-modbus encodes requests and decodes replies, and it is right about both. It does not know which reply belongs
//! to which request once a call was given up: over RTU it compares the slave and the function, so a late answer to the
//! previous question becomes the value of this one, and over TCP one late answer is an error and leaves the next call
//! to guess. Both ends meet in its transport, so the transport decides: [`Tap`] shows every request and every byte to
//! the [`Matcher`], and hands the library one whole frame per call, or none.
//!
//! The verdict on a question that fails travels beside the library, not through it: an error of the transport would
//! leave its framing in a state of its own.

use super::stream::Stream;
use crate::clock::SharedClock;
use linli_decode::modbus::wire::{Fault, Heard, Matcher, Quarantine, Question};
use linli_domain::time::Monotonic;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Bytes read at once; longer than any frame.
const READ_BYTES: usize = 512;

/// The tap of one line; clones share it. Held for moments only, by the one task of its bus.
#[derive(Clone)]
pub(super) struct Tap(Arc<Mutex<State>>);

/// Why a question ended without an answer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The line is there; this was not answered.
    Fault(Fault),
    /// The line is gone.
    Broken(io::Error),
}

struct State {
    stream: Option<Stream>,
    matcher: Matcher,
    clock: SharedClock,
    /// How long the present question is waited for, and how late its device may answer.
    window: Duration,
    lateness: Duration,
    frame_gap: Duration,
    /// The frame that may pass, and how much of it has.
    passing: Vec<u8>,
    passed: usize,
    /// Bytes of the present request that are not written yet.
    to_write: usize,
    verdict: Option<Verdict>,
    /// Ends a frame on RTU; running only while half a frame waits.
    quiet: Pin<Box<Sleep>>,
}

impl Tap {
    pub(super) fn new(matcher: Matcher, frame_gap: Duration, clock: SharedClock) -> Self {
        Self(Arc::new(Mutex::new(State {
            stream: None,
            matcher,
            clock,
            window: Duration::ZERO,
            lateness: Duration::ZERO,
            frame_gap,
            passing: Vec::new(),
            passed: 0,
            to_write: 0,
            verdict: None,
            quiet: Box::pin(sleep(Duration::ZERO)),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state is still a state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection. `afresh`: the first one of this line.
    pub(super) fn connect(&self, stream: Stream, afresh: bool) {
        let mut state = self.lock();
        state.stream = Some(stream);
        state.forget();
        if !afresh {
            let now = state.now();
            state.matcher.reconnected(now);
        }
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.stream = None;
        state.forget();
    }

    /// Asks the matcher.
    pub(super) fn matcher<T>(&self, ask: impl FnOnce(&Matcher, Monotonic) -> T) -> T {
        let state = self.lock();
        ask(&state.matcher, state.now())
    }

    /// What was kept back since this was last asked.
    pub(super) fn take_quarantine(&self) -> Quarantine {
        self.lock().matcher.take_quarantine()
    }

    /// The next request is waited for so long, and its device may answer so late.
    pub(super) fn expect(&self, window: Duration, lateness: Duration) {
        let mut state = self.lock();
        state.forget();
        (state.window, state.lateness) = (window, lateness);
    }

    /// The verdict on the present question, if there is one; taken.
    pub(super) fn take_verdict(&self) -> Option<Verdict> {
        self.lock().verdict.take()
    }

    /// The present question is not waited for any longer.
    pub(super) fn give_up(&self) -> Verdict {
        let mut state = self.lock();
        let now = state.now();
        let half_sent = state.to_write > 0;
        let fault = state.matcher.give_up(now);
        state.forget();
        match fault {
            // The rest of it would go out in front of the next one.
            _ if half_sent => Verdict::Broken(io::Error::other("the line does not take a request")),
            Some(fault) => Verdict::Fault(fault),
            None => Verdict::Broken(io::Error::other("the request was not sent")),
        }
    }

    /// Takes what lies on the line already, without waiting; nobody asked for it.
    pub(super) fn glance(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut state = self.lock();
        loop {
            match state.poll_hear(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    /// Reads until nothing came for a while. `false`: the line did not fall silent until `give_up`.
    pub(super) async fn drain(&self, give_up: Instant) -> io::Result<bool> {
        let gap = self.lock().frame_gap;
        loop {
            let heard = std::future::poll_fn(|cx| self.lock().poll_hear(cx));
            match tokio::time::timeout(gap, heard).await {
                Err(_) => {
                    self.lock().matcher.settled();
                    return Ok(true);
                }
                Ok(Err(error)) => return Err(error),
                Ok(Ok(_)) if Instant::now() >= give_up => return Ok(false),
                Ok(Ok(_)) => {}
            }
        }
    }
}

impl State {
    fn now(&self) -> Monotonic {
        self.clock.now().monotonic
    }

    fn forget(&mut self) {
        self.passing.clear();
        self.passed = 0;
        self.to_write = 0;
        self.verdict = None;
    }

    /// Bytes of the line into the matcher; what came of the question.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Heard>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let mut bytes = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(Ok(())) => {
                let now = self.now();
                let heard = self.matcher.hear(buffer.filled(), now);
                if self.matcher.awaits_silence() {
                    self.quiet.as_mut().reset(Instant::now() + self.frame_gap);
                }
                Poll::Ready(Ok(heard))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if self.matcher.awaits_silence() => {
                ready!(self.quiet.as_mut().poll(cx));
                let now = self.now();
                Poll::Ready(Ok(self.matcher.silence(now)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        loop {
            let passed = state.passed;
            if let Some(rest) = state.passing.get(passed..).filter(|rest| !rest.is_empty()) {
                let count = rest.len().min(buffer.remaining());
                buffer.put_slice(&rest[..count]);
                state.passed += count;
                return Poll::Ready(Ok(()));
            }
            // With a verdict the one who waits looks for it after each poll.
            if state.verdict.is_some() {
                return Poll::Pending;
            }
            match ready!(state.poll_hear(cx)) {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Answer) => {
                    let State {
                        passing,
                        matcher,
                        passed,
                        ..
                    } = &mut *state;
                    passing.clear();
                    passing.extend_from_slice(matcher.answer());
                    *passed = 0;
                }
                Ok(Heard::Failed(fault)) => state.verdict = Some(Verdict::Fault(fault)),
                Ok(Heard::OutOfStep) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "what comes is not Modbus TCP");
                    state.verdict = Some(Verdict::Broken(error));
                }
                Err(error) => state.verdict = Some(Verdict::Broken(error)),
            }
        }
    }
}

impl AsyncWrite for Tap {
    /// The library writes one whole request frame at a time.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.to_write == 0 {
            let now = state.now();
            let question = Question {
                frame: bytes,
                window: state.window,
                lateness: state.lateness,
            };
            state.matcher.asked(question, now).map_err(io::Error::other)?;
            state.to_write = bytes.len();
        }
        let Some(stream) = &mut state.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let count = ready!(Pin::new(stream).poll_write(cx, bytes))?;
        state.to_write = state.to_write.saturating_sub(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}
