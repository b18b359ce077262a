//! A serial line behind a TCP converter, as bad as they get: what a slave says late goes to whoever is connected
//! by then. Every register's value is its own address, so a wrong attribution cannot hide.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;

#[derive(Clone, Copy)]
pub(crate) enum Slave {
    Prompt,
    Silent,
    /// Every n-th answer comes this late.
    Late(u32, Duration),
    /// Answers with this exception.
    Exception(u8),
    /// Has no register at this address.
    Hole(u16),
    /// Every n-th answer has a wrong checksum.
    Damaged(u32),
    /// Every n-th answer is cut short.
    Cut(u32),
    /// Every answer comes twice in one breath.
    Twice,
    /// Another unit's answer and noise come first.
    Noisy,
}

type Speaker = Arc<tokio::sync::Mutex<Option<OwnedWriteHalf>>>;

pub(crate) struct Converter {
    pub(crate) addr: SocketAddr,
    /// Requests seen, by unit.
    pub(crate) asked: Arc<Mutex<HashMap<u8, u32>>>,
    /// Writes seen, without their checksums.
    pub(crate) writes: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Converter {
    pub(crate) async fn start(slaves: &[(u8, Slave)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let writes: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let seen = Arc::clone(&writes);
        let (slaves, counts) = (
            slaves.iter().copied().collect::<HashMap<_, _>>(),
            Arc::clone(&asked),
        );
        tokio::spawn(async move {
            let speaker = Speaker::default();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (mut read, write) = stream.into_split();
                *speaker.lock().await = Some(write);
                let (slaves, counts, speaker) = (slaves.clone(), Arc::clone(&counts), Arc::clone(&speaker));
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut request = [0; 8];
                    while read.read_exact(&mut request).await.is_ok() {
                        let unit = request[0];
                        if matches!(request[1], 5 | 6) {
                            seen.lock().unwrap().push(request[..6].to_vec());
                        }
                        let count = {
                            let mut counts = counts.lock().unwrap();
                            let count: &mut u32 = counts.entry(unit).or_default();
                            *count += 1;
                            *count
                        };
                        answer(request, slaves.get(&unit).copied(), count, &speaker).await;
                    }
                });
            }
        });
        Self { addr, asked, writes }
    }
}

async fn answer(request: [u8; 8], slave: Option<Slave>, count: u32, speaker: &Speaker) {
    let Some(slave) = slave else { return };
    let start = u16::from_be_bytes([request[2], request[3]]);
    let asked = start..start + u16::from_be_bytes([request[4], request[5]]);
    let exception = |code| with_crc(vec![request[0], request[1] | 0x80, code]);
    let whole = match request[1] {
        // A write is confirmed by its own bytes.
        5 | 6 => request.to_vec(),
        _ => registers(request),
    };
    let now_and_then = |every: u32| count.is_multiple_of(every);
    let frame = match slave {
        Slave::Silent => return,
        Slave::Exception(code) => exception(code),
        Slave::Hole(address) if asked.contains(&address) => exception(2),
        Slave::Damaged(every) if now_and_then(every) => {
            let mut damaged = whole;
            damaged[4] ^= 0x10;
            damaged
        }
        Slave::Cut(every) if now_and_then(every) => whole[..whole.len() - 3].to_vec(),
        Slave::Twice => [whole.clone(), whole].concat(),
        Slave::Noisy => {
            say(speaker, &with_crc(vec![request[0] + 1, request[1], 2, 0, 7])).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            say(speaker, &[0x00, 0xFF, 0x13]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            whole
        }
        Slave::Late(every, delay) if now_and_then(every) => {
            let speaker = Arc::clone(speaker);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                say(&speaker, &whole).await;
            });
            return;
        }
        _ => whole,
    };
    say(speaker, &frame).await;
}

async fn say(speaker: &Speaker, frame: &[u8]) {
    if let Some(stream) = speaker.lock().await.as_mut() {
        let _ = stream.write_all(frame).await;
    }
}

pub(crate) fn registers(request: [u8; 8]) -> Vec<u8> {
    let start = u16::from_be_bytes([request[2], request[3]]);
    let count = u16::from_be_bytes([request[4], request[5]]);
    let mut frame = vec![request[0], request[1], u8::try_from(count * 2).unwrap()];
    for address in start..start + count {
        frame.extend(address.to_be_bytes());
    }
    with_crc(frame)
}

fn with_crc(mut frame: Vec<u8>) -> Vec<u8> {
    let mut crc = 0xFFFF_u16;
    for byte in &frame {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            };
        }
    }
    frame.extend(crc.to_le_bytes());
    frame
}
