//! The ways bytes travel: a serial port, a connection we make, a connection a DTU made.
//!
//! What the bytes mean is not known here.

use super::dtu::Dialled;
use crate::config::{ModbusBus, ModbusTransport, Parity};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_serial::{SerialPortBuilderExt, SerialStream};

/// A network line has this long to open, or the bus's timeout when that is longer.
const OPEN: Duration = Duration::from_secs(3);

/// An open line.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Serial(SerialStream),
}

/// Opens the line of `bus`; of a DTU the connection it made last.
pub(super) async fn open(bus: &ModbusBus, dialled: Option<&Dialled>) -> io::Result<Stream> {
    match &bus.transport {
        ModbusTransport::Tcp(address) | ModbusTransport::RtuOverTcp(address) => {
            dial(address, bus.timeout).await
        }
        ModbusTransport::Dtu(_) => {
            let stream = dialled.and_then(Dialled::take);
            let none = || {
                io::Error::new(
                    io::ErrorKind::NotConnected,
                    "no DTU has dialled in with this registration",
                )
            };
            stream.map(Stream::Tcp).ok_or_else(none)
        }
        ModbusTransport::Rtu {
            path,
            baud,
            parity,
            stop_bits,
        } => {
            let port = tokio_serial::new(path.to_string_lossy(), *baud)
                .parity(match parity {
                    Parity::None => tokio_serial::Parity::None,
                    Parity::Even => tokio_serial::Parity::Even,
                    Parity::Odd => tokio_serial::Parity::Odd,
                })
                .stop_bits(match stop_bits {
                    2 => tokio_serial::StopBits::Two,
                    _ => tokio_serial::StopBits::One,
                });
            Ok(Stream::Serial(port.open_native_async()?))
        }
    }
}

async fn dial(address: &str, patience: Duration) -> io::Result<Stream> {
    let stream = timeout(patience.max(OPEN), TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // A request is one small write; Nagle's algorithm would hold it back for the answer to the last one.
    stream.set_nodelay(true)?;
    Ok(Stream::Tcp(stream))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Serial(port) => Pin::new(port).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Serial(port) => Pin::new(port).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            // Waiting until a port has sent everything blocks the thread; the answer tells as much.
            Self::Serial(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Serial(port) => Pin::new(port).poll_shutdown(cx),
        }
    }
}
