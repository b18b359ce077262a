//! The street on a serial line: an RS485 adapter, or a pseudo terminal in tests.
//!
//! Not responsible for: the direction pin of an RS485 driver; adapters switch it by themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use crate::server::converse;
use crate::session::Session;
use crate::shared::{SAMPLE_PERIOD, SharedStreet};

/// 3.5 characters take 4 ms at 9600 baud; adapters and busy hosts make longer gaps inside a frame.
const SILENCE_ON_LINE: Duration = Duration::from_millis(20);
/// An adapter that was unplugged is looked for this often.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Why a line cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// It could not be opened at the start.
    #[error("failed to open the serial line {}", .path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A serial line that was opened (8 data bits, no parity, 1 stop bit).
pub struct SerialLine {
    path: PathBuf,
    baud: u32,
    stream: SerialStream,
}

impl SerialLine {
    /// Opens the serial device at `path`. Needs a running runtime.
    pub fn open(path: impl AsRef<Path>, baud: u32) -> Result<SerialLine, SerialError> {
        let path = path.as_ref().to_owned();
        match open(&path, baud) {
            Ok(stream) => Ok(SerialLine { path, baud, stream }),
            Err(source) => Err(SerialError::Open { path, source }),
        }
    }

    /// Serves the street until `shutdown` completes. A line that fails meanwhile, as an unplugged adapter
    /// does, is opened again until it works.
    ///
    /// While it runs it steps the nodes of the street.
    pub async fn serve(self, street: SharedStreet, shutdown: impl Future) {
        let SerialLine { path, baud, stream } = self;
        let line = async {
            let mut stream = Some(stream);
            loop {
                if let Some(stream) = stream.take() {
                    // Why the line failed does not matter here: it is opened again either way.
                    let _ = converse(stream, Session::rtu(), street.clone(), SILENCE_ON_LINE).await;
                }
                sleep(REOPEN_AFTER).await;
                stream = open(&path, baud).ok();
            }
        };
        let samples = async {
            let mut samples = interval(SAMPLE_PERIOD);
            samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                samples.tick().await;
                street.tick();
            }
        };
        tokio::select! {
            _ = shutdown => {}
            () = line => {}
            () = samples => {}
        }
    }
}

/// Opens the serial device at `path` and serves the street on it until `shutdown` completes.
pub async fn serve_serial(
    path: impl AsRef<Path>,
    baud: u32,
    street: SharedStreet,
    shutdown: impl Future,
) -> Result<(), SerialError> {
    SerialLine::open(path, baud)?.serve(street, shutdown).await;
    Ok(())
}

fn open(path: &Path, baud: u32) -> io::Result<SerialStream> {
    let name = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(tokio_serial::new(name, baud).open_native_async()?)
}
