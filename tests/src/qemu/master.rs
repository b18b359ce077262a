//! A Modbus master for what an installer does with a node: learn the bay, give an address, send new firmware.
//!
//! The gateway has its own; this one is here so that a node can be prepared before the gateway polls it.

use super::machine::connect;
use linli_modbus_slave::rtu::checksum;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer is waited for. A shared host lets an emulator stand still for a second or two.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A node that was just switched on does not hear yet; what it was asked is asked again.
const TRIES: u32 = 5;

/// A connection to a node's converter.
#[derive(Debug)]
pub struct Master(TcpStream);

impl Master {
    pub(super) async fn connect(port: u16) -> Self {
        Self(connect(port).await)
    }

    /// Sends a request without its checksum; the answer without its own.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let mut frame = request.to_vec();
        frame.extend(checksum(request).to_le_bytes());
        for _ in 0..TRIES {
            self.0.write_all(&frame).await.map_err(|e| e.to_string())?;
            if let Ok(answer) = tokio::time::timeout(TIMEOUT, self.answer()).await {
                return answer.map_err(|e| e.to_string());
            }
        }
        Err(format!("no answer to {request:02x?}"))
    }

    async fn answer(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; 3];
        self.0.read_exact(&mut bytes).await?;
        let rest = match bytes[1] {
            1..=4 => usize::from(bytes[2]) + 2,
            0x80.. => 2,
            _ => 5,
        };
        let mut tail = vec![0; rest];
        self.0.read_exact(&mut tail).await?;
        bytes.extend(tail);
        if checksum(&bytes) != 0 {
            return Err(std::io::Error::other(format!("a damaged answer: {bytes:02x?}")));
        }
        bytes.truncate(bytes.len() - 2);
        Ok(bytes)
    }

    /// Reads one register of function 3 or 4.
    ///
    /// # Panics
    /// When the node does not answer with it.
    pub async fn read(&mut self, unit: u8, function: u8, address: u16) -> u16 {
        let [a1, a0] = address.to_be_bytes();
        match self.ask(&[unit, function, a1, a0, 0, 1]).await.as_deref() {
            Ok(&[_, _, 2, high, low]) => u16::from_be_bytes([high, low]),
            other => panic!("register {address:#06x} of unit {unit}: {other:02x?}"),
        }
    }

    /// Writes one holding register.
    ///
    /// # Panics
    /// When the node refuses or does not answer.
    pub async fn write(&mut self, unit: u8, address: u16, value: u16) {
        let ([a1, a0], [v1, v0]) = (address.to_be_bytes(), value.to_be_bytes());
        let request = [unit, 6, a1, a0, v1, v0];
        assert_eq!(self.ask(&request).await, Ok(request.to_vec()));
    }

    /// Switches one coil on.
    ///
    /// # Panics
    /// When the node refuses or does not answer.
    pub async fn switch_on(&mut self, unit: u8, address: u16) {
        let [a1, a0] = address.to_be_bytes();
        let request = [unit, 5, a1, a0, 0xFF, 0];
        assert_eq!(self.ask(&request).await, Ok(request.to_vec()));
    }

    /// Waits until a coil that was switched on is off again: what it started is done.
    ///
    /// # Panics
    /// When the node refuses or does not answer, or the coil stays on.
    pub async fn until_off(&mut self, unit: u8, address: u16) {
        let [a1, a0] = address.to_be_bytes();
        let started = std::time::Instant::now();
        loop {
            let answer = self.ask(&[unit, 1, a1, a0, 0, 1]).await;
            match answer.as_deref() {
                Ok(&[_, 1, 1, 0]) => return,
                Ok(&[_, 1, 1, 1]) if started.elapsed() < crate::wait::PATIENCE => {}
                _ => panic!("coil {address:#06x} of unit {unit}: {answer:02x?}"),
            }
        }
    }
}
