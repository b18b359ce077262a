//! The line of one bus: opening it, asking one thing at a time, and bringing it to rest after anything odd.
//!
//! Nothing is sent that [`Question`] cannot hold. Which answer belongs to which question is decided in `tap`; whose turn
//! it is elsewhere.

use super::Permit;
use super::dtu::Dialled;
use super::outcome::Failure;
use super::stream;
use super::tap::{Tap, Verdict};
use crate::clock::SharedClock;
use crate::config::{ModbusBus, ModbusTransport};
use linli_decode::modbus::WriteRequest;
use linli_decode::modbus::wire::{Fault, Forbidden, Framing, Matcher, Quarantine, Shape};
use linli_decode::{RegisterData, RegisterRequest};
use linli_domain::time::Monotonic;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::prelude::ReadCode;
use tokio_modbus::slave::{Slave as SlaveId, SlaveContext};
use tokio_modbus::{Request, Response};

/// What is asked. Everything but a write only reads, and a write needs a permit no read-only bus has.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// One of the four reads.
    Read(RegisterRequest),
    /// Device identification (function 43/14).
    Identify,
    /// One coil, one register or a few of them.
    Write(WriteRequest, Permit),
}

impl Question {
    fn request(&self) -> Option<Request<'static>> {
        match self {
            Self::Read(asked) => match asked.function {
                1 => Some(Request::ReadCoils(asked.start, asked.count)),
                2 => Some(Request::ReadDiscreteInputs(asked.start, asked.count)),
                3 => Some(Request::ReadHoldingRegisters(asked.start, asked.count)),
                4 => Some(Request::ReadInputRegisters(asked.start, asked.count)),
                _ => None,
            },
            Self::Identify => Some(Request::ReadDeviceIdentification(ReadCode::Basic, 0)),
            Self::Write(write, _) => {
                let start = write.read_back.start;
                match (write.function, write.words.as_slice()) {
                    (5, [on]) => Some(Request::WriteSingleCoil(start, *on != 0)),
                    (6, [word]) => Some(Request::WriteSingleRegister(start, *word)),
                    (16, words) => Some(Request::WriteMultipleRegisters(start, words.to_vec().into())),
                    _ => None,
                }
            }
        }
    }

    fn shape(&self) -> Option<Shape> {
        match self {
            Self::Read(asked) => Shape::of_read(asked),
            Self::Identify => Some(Shape::IDENTIFY),
            Self::Write(write, _) => Shape::of_write(write),
        }
    }
}

/// One line. Everything on it is serial: one question, then its answer.
pub(super) struct Line {
    bus: Arc<ModbusBus>,
    dialled: Option<Arc<Dialled>>,
    framing: Framing,
    tap: Tap,
    client: Option<Context>,
    was_open: bool,
    /// Nothing is sent before.
    rest_until: Instant,
}

impl Line {
    pub(super) fn new(bus: Arc<ModbusBus>, dialled: Option<Arc<Dialled>>, clock: SharedClock) -> Self {
        let framing = match bus.transport {
            ModbusTransport::Tcp(_) => Framing::Tcp,
            _ => Framing::Rtu,
        };
        let mut matcher = Matcher::new(framing);
        if bus.writes {
            matcher = matcher.writable();
        }
        if let ModbusTransport::Dtu(dtu) = &bus.transport {
            // Some DTUs keep their connection with their registration.
            matcher = matcher.ignoring(dtu.heartbeat.iter().cloned().chain([dtu.registration.clone()]));
        }
        let characters = bus.speed.map_or(Duration::ZERO, |speed| speed.silence());
        Self {
            tap: Tap::new(matcher, bus.frame_gap + characters, clock),
            bus,
            dialled,
            framing,
            client: None,
            was_open: false,
            rest_until: Instant::now(),
        }
    }

    /// Whether frames carry a transaction number.
    pub(super) fn has_transactions(&self) -> bool {
        self.framing == Framing::Tcp
    }

    /// From when on this can be asked of `unit`; `None` at once.
    pub(super) fn blocked_until(&self, unit: u8, question: &Question) -> Option<Monotonic> {
        let shape = question.shape()?;
        match self.tap.matcher(|matcher, now| matcher.may_ask(unit, shape, now)) {
            Err(Forbidden::Until(until)) => Some(until),
            _ => None,
        }
    }

    /// What was kept from everybody since this was last asked.
    pub(super) fn take_quarantine(&self) -> Quarantine {
        self.tap.take_quarantine()
    }

    /// Makes sure that the line is open and at rest: what nobody waits for is read away before anything is asked.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        // A DTU that dialled in again has left its old connection, whatever that looks like from here.
        if self.client.is_some() && self.dialled.as_ref().is_some_and(|dialled| dialled.has_new()) {
            self.close();
        }
        if self.client.is_some() && poll_fn(|cx| Poll::Ready(self.tap.glance(cx))).await.is_err() {
            self.close();
        }
        if self.client.is_some() && self.has_transactions() && self.tap.matcher(|matcher, _| matcher.is_odd())
        {
            self.close();
        }
        if self.client.is_none() {
            let stream = stream::open(&self.bus, self.dialled.as_deref()).await?;
            self.tap.connect(stream, !self.was_open);
            self.was_open = true;
            let any = SlaveId(1);
            self.client = Some(match self.framing {
                Framing::Tcp => tcp::attach_slave(self.tap.clone(), any),
                Framing::Rtu => rtu::attach_slave(self.tap.clone(), any),
            });
        }
        if self.tap.matcher(|matcher, _| matcher.is_odd()) {
            let patience = self.bus.timeout.max(self.bus.frame_gap * 4);
            if !self.tap.drain(Instant::now() + patience).await? {
                self.close();
                return Err(io::Error::other(
                    "the line does not fall silent; is there a second master on it?",
                ));
            }
        }
        Ok(())
    }

    /// Closes the line.
    pub(super) fn close(&mut self) {
        self.client = None;
        self.tap.close();
    }

    /// Asks `unit` once. `pause` before it at least, `lateness` is what its device states.
    pub(super) async fn ask(
        &mut self,
        unit: u8,
        question: &Question,
        pause: Duration,
        lateness: Duration,
    ) -> Result<Response, Failure> {
        let request = question.request().ok_or(Failure::Unanswerable)?;
        self.ready().await.map_err(Failure::Closed)?;
        let pause = pause
            .max(self.bus.pause)
            .max(self.bus.speed.map_or(Duration::ZERO, |speed| speed.silence()));
        let at_rest = self.rest_until + pause;
        // The runtime's timers count whole milliseconds: one that has passed may cost another.
        if Instant::now() < at_rest {
            sleep_until(at_rest).await;
        }
        let result = self.call(unit, request, lateness).await;
        self.rest_until = Instant::now();
        if matches!(result, Err(Failure::Line(_))) {
            self.close();
        }
        result
    }

    async fn call(
        &mut self,
        unit: u8,
        request: Request<'_>,
        lateness: Duration,
    ) -> Result<Response, Failure> {
        let (window, tap) = (self.bus.timeout, &self.tap);
        let Some(client) = &mut self.client else {
            return Err(Failure::Closed(io::ErrorKind::NotConnected.into()));
        };
        tap.expect(window, lateness);
        // The slave is state of the client, not of the call.
        client.set_slave(SlaveId(unit));
        let mut call = pin!(client.call(request));
        let answered = poll_fn(|cx| match call.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending => tap
                .take_verdict()
                .map_or(Poll::Pending, |verdict| Poll::Ready(Err(verdict))),
        });
        let verdict = match timeout(window, answered).await {
            Ok(Ok(Ok(Ok(response)))) => return Ok(response),
            Ok(Ok(Ok(Err(exception)))) => return Err(Fault::Exception(exception.into()).into()),
            // The frame was the right one and the library cannot read it, or the transport refused to send.
            Ok(Ok(Err(error))) => Verdict::Broken(io::Error::other(error)),
            Ok(Err(verdict)) => verdict,
            Err(_) => tap.give_up(),
        };
        Err(match verdict {
            Verdict::Fault(fault) => fault.into(),
            Verdict::Broken(error) => Failure::Line(error),
        })
    }
}

/// The registers of a response to `asked`. The matcher has compared the lengths; bits come in whole bytes.
pub(super) fn registers(response: Response, asked: &RegisterRequest) -> Result<RegisterData, Failure> {
    let count = usize::from(asked.count);
    match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)
            if words.len() == count =>
        {
            Ok(RegisterData::Words(words))
        }
        Response::ReadCoils(mut bits) | Response::ReadDiscreteInputs(mut bits) if bits.len() >= count => {
            bits.truncate(count);
            Ok(RegisterData::Bits(bits))
        }
        _ => Err(Failure::Unanswerable),
    }
}
