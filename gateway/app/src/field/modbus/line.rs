//! The line of one bus: opening it, asking one thing at a time, and distrusting it after anything odd.
//!
//! Read-only by construction: the four read functions of [`Question`] are the only requests this program can send.
//!
//! RTU frames carry no transaction id, so a late answer looks like the answer to the next question. After a
//! timeout, a cancelled call, a foreign header or an I/O error the transport is dropped; an RTU one is read until
//! it is silent before it is used again.

use super::outcome::Failure;
use crate::config::{ModbusBus, ModbusTransport, Parity};
use linli_decode::{RegisterData, RegisterRequest};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::{Slave as SlaveId, SlaveContext};
use tokio_modbus::{Request, Response};
use tokio_serial::SerialPortBuilderExt;

/// An RTU line that said nothing for this long (and 3.5 characters) is silent. USB adapters deliver in steps of 16 ms.
const SILENCE: Duration = Duration::from_millis(40);
/// A network line has this long to open, or the bus's timeout when that is longer.
const OPEN: Duration = Duration::from_secs(3);

/// What may be asked: reading, nothing else.
#[derive(Debug, Clone, Copy)]
enum Question {
    Coils,
    Inputs,
    Holding,
    Input,
}

impl Question {
    fn of(request: &RegisterRequest) -> Option<Self> {
        match request.function {
            1 => Some(Self::Coils),
            2 => Some(Self::Inputs),
            3 => Some(Self::Holding),
            4 => Some(Self::Input),
            _ => None,
        }
    }

    fn request(self, asked: &RegisterRequest) -> Request<'static> {
        match self {
            Self::Coils => Request::ReadCoils(asked.start, asked.count),
            Self::Inputs => Request::ReadDiscreteInputs(asked.start, asked.count),
            Self::Holding => Request::ReadHoldingRegisters(asked.start, asked.count),
            Self::Input => Request::ReadInputRegisters(asked.start, asked.count),
        }
    }
}

/// One line. Everything on it is serial: one question, then its answer.
pub(super) struct Line {
    transport: ModbusTransport,
    timeout: Duration,
    open: Option<Context>,
    /// Bytes of an older question may still arrive.
    stale: bool,
}

impl Line {
    pub(super) fn new(bus: &ModbusBus) -> Self {
        Self {
            transport: bus.transport.clone(),
            timeout: bus.timeout,
            open: None,
            stale: false,
        }
    }

    /// Whether frames carry no transaction id.
    pub(super) fn is_rtu(&self) -> bool {
        !matches!(self.transport, ModbusTransport::Tcp(_))
    }

    /// Makes sure that the line is open and, after anything odd, silent.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        if self.open.is_none() {
            self.open = Some(self.connect().await?);
            self.stale = false;
        }
        Ok(())
    }

    /// Drops the transport: what is still on its way to it must not be read as an answer.
    pub(super) fn distrust(&mut self) {
        self.open = None;
        self.stale = true;
    }

    /// Asks `unit` once. After every failure but an exception the transport is gone.
    pub(super) async fn ask(&mut self, unit: u8, asked: &RegisterRequest) -> Result<RegisterData, Failure> {
        let question = Question::of(asked).ok_or(Failure::Unanswerable)?;
        self.ready().await.map_err(Failure::Closed)?;
        let result = match self.open.as_mut() {
            Some(context) => {
                // The slave is state of the context, not of the call.
                context.set_slave(SlaveId(unit));
                // Dropped by its timeout, a call leaves its answer on the line: see `distrust` below.
                match timeout(self.timeout, context.call(question.request(asked))).await {
                    Ok(Ok(Ok(response))) => registers(response, asked),
                    Ok(Ok(Err(exception))) => Err(Failure::Exception(exception)),
                    Ok(Err(error)) => Err(Failure::from(error)),
                    Err(_) => Err(Failure::Timeout),
                }
            }
            None => Err(Failure::Closed(io::ErrorKind::NotConnected.into())),
        };
        if result.as_ref().is_err_and(|failure| !failure.line_is_well()) {
            self.distrust();
        }
        result
    }

    async fn connect(&mut self) -> io::Result<Context> {
        let any = SlaveId(1);
        match &self.transport.clone() {
            ModbusTransport::Tcp(address) => Ok(tcp::attach_slave(self.dial(address).await?, any)),
            ModbusTransport::RtuOverTcp(address) => {
                let mut stream = self.dial(address).await?;
                // A serial server passes on what the slave still says, whoever is connected by then.
                self.drain(&mut stream, SILENCE).await?;
                Ok(rtu::attach_slave(stream, any))
            }
            ModbusTransport::Rtu {
                path,
                baud,
                parity,
                stop_bits,
            } => {
                let mut port = tokio_serial::new(path.to_string_lossy(), *baud)
                    .parity(match parity {
                        Parity::None => tokio_serial::Parity::None,
                        Parity::Even => tokio_serial::Parity::Even,
                        Parity::Odd => tokio_serial::Parity::Odd,
                    })
                    .stop_bits(if *stop_bits == 2 {
                        tokio_serial::StopBits::Two
                    } else {
                        tokio_serial::StopBits::One
                    })
                    .open_native_async()?;
                // 3.5 characters of 11 bits.
                let characters = Duration::from_secs_f64(38.5 / f64::from((*baud).max(300)));
                self.drain(&mut port, SILENCE + characters).await?;
                Ok(rtu::attach_slave(port, any))
            }
        }
    }

    async fn dial(&mut self, address: &str) -> io::Result<TcpStream> {
        let stream = timeout(self.timeout.max(OPEN), TcpStream::connect(address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // A request is one small write; Nagle's algorithm would hold it back for the answer to the last one.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Reads and discards until nothing came for `silence`. A line that never falls silent within the bus's timeout
    /// is reported as an error.
    async fn drain(
        &mut self,
        from: &mut (impl AsyncRead + AsyncWrite + Unpin),
        silence: Duration,
    ) -> io::Result<()> {
        if !self.stale {
            return Ok(());
        }
        let give_up = Instant::now() + self.timeout.max(silence * 4);
        let mut bytes = [0; 256];
        while Instant::now() < give_up {
            match timeout(silence, from.read(&mut bytes)).await {
                Err(_) => return Ok(()),
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
        Err(io::Error::other(
            "the line does not fall silent; is there a second master on it?",
        ))
    }
}

/// An answer of another length than asked for belongs to another question.
fn registers(response: Response, asked: &RegisterRequest) -> Result<RegisterData, Failure> {
    let count = usize::from(asked.count);
    match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)
            if words.len() == count =>
        {
            Ok(RegisterData::Words(words))
        }
        Response::ReadCoils(mut bits) | Response::ReadDiscreteInputs(mut bits)
            if bits.len().div_ceil(8) == count.div_ceil(8) && bits.len() >= count =>
        {
            bits.truncate(count);
            Ok(RegisterData::Bits(bits))
        }
        _ => Err(Failure::Foreign),
    }
}
