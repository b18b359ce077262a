//! A recorder on the pipeline: frames as they came, whole and once each, for somebody who writes them down.
//!
//! It is off while nobody records, and then costs a commit one look at a flag. On, it copies the frames of a batch once it
//! has committed, in the order in which the engine saw them. Nobody who records can hold the pipeline up: what waits to be
//! fetched is at most [`MAX_FRAMES`] frames and [`MAX_BYTES`]. Past that nothing more is taken until all of it has been
//! fetched, and how much was left out is told in its place.

use super::telling::registers;
use crate::field::Frame;
use linli_domain::reading::{Reason, Value};
use linli_domain::time::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Frames that wait to be fetched.
const MAX_FRAMES: usize = 16_384;
/// Bytes of their topics and payloads.
const MAX_BYTES: usize = 16 << 20;

/// A frame as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// When it was received.
    pub at: Timestamp,
    /// The connection; `modbus` and `gateway` for what came over none.
    pub connection: Box<str>,
    /// Its topic, or the request it answers.
    pub origin: Box<str>,
    /// Whether the broker replayed it from its store.
    pub retained: bool,
    /// Whether the broker said that it may have sent it before.
    pub duplicate: bool,
    /// Packet id, where there was one.
    pub packet: Option<u16>,
    /// Its bytes, as far as the gateway kept them.
    pub payload: Box<[u8]>,
    /// How many there were.
    pub bytes: usize,
    /// What a fact of the gateway says, or why a slave did not answer.
    pub said: Option<Result<Value, Reason>>,
}

/// What somebody who records gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// A frame.
    Frame(Recorded),
    /// So many frames were left out here.
    Missed(u64),
}

#[derive(Debug, Default)]
struct Shelf {
    frames: VecDeque<Recorded>,
    bytes: usize,
    missed: u64,
}

/// The recorder. The pipeline holds one half, the HTTP interface the other.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    on: AtomicBool,
    shelf: Mutex<Shelf>,
    more: Notify,
}

/// Somebody who records; there is one at a time.
#[derive(Debug)]
pub struct Recording {
    recorder: Arc<Recorder>,
}

impl Recorder {
    /// Begins to record; `None` while somebody does.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Recording> {
        // What is left of the one before is not part of this one: frames are only taken after the flag is set.
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if self.on.swap(true, Ordering::AcqRel) {
            return None;
        }
        *shelf = Shelf::default();
        drop(shelf);
        Some(Recording {
            recorder: Arc::clone(self),
        })
    }

    /// Takes the frames of a batch that has committed.
    pub(super) fn take(&self, frames: &[Frame]) {
        if !self.on.load(Ordering::Acquire) || frames.is_empty() {
            return;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            shelf.put(frame);
        }
        drop(shelf);
        self.more.notify_one();
    }
}

impl Shelf {
    fn put(&mut self, frame: &Frame) {
        let origin = frame.origin();
        let cost = frame.cost();
        let fits = self.frames.len() < MAX_FRAMES && self.bytes + cost <= MAX_BYTES;
        if self.missed > 0 || !fits {
            self.missed += 1;
            return;
        }
        let (payload, bytes, said) = match frame {
            Frame::Mqtt(_) => (origin.payload.into(), origin.bytes, None),
            Frame::Modbus(answer) => {
                let (bytes, length) = registers(answer);
                let missing = answer.answer.as_ref().err();
                (bytes.into(), length, missing.map(|reason| Err(*reason)))
            }
            Frame::Fact(fact) => (Box::default(), 0, Some(Ok(fact.value.clone()))),
        };
        let (retained, duplicate, packet) = match frame {
            Frame::Mqtt(message) => (message.retained, message.duplicate, message.packet),
            Frame::Modbus(_) | Frame::Fact(_) => (false, false, None),
        };
        self.bytes += cost;
        self.frames.push_back(Recorded {
            at: frame.received(),
            connection: origin.connection.into(),
            origin: origin.from.into(),
            retained,
            duplicate,
            packet,
            payload,
            bytes,
            said,
        });
    }

    fn fetch(&mut self) -> Option<Fetched> {
        if let Some(frame) = self.frames.pop_front() {
            if self.frames.is_empty() {
                self.bytes = 0;
            }
            return Some(Fetched::Frame(frame));
        }
        let missed = std::mem::take(&mut self.missed);
        (missed > 0).then_some(Fetched::Missed(missed))
    }
}

impl Recording {
    /// The next frame, or how many were left out.
    pub async fn next(&mut self) -> Fetched {
        loop {
            let fetched = {
                let shelf = self.recorder.shelf.lock();
                shelf.unwrap_or_else(PoisonError::into_inner).fetch()
            };
            match fetched {
                Some(fetched) => return fetched,
                // One that was told between the look and the wait is kept for the next wait.
                None => self.recorder.more.notified().await,
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.recorder.on.store(false, Ordering::Release);
        let shelf = self.recorder.shelf.lock();
        *shelf.unwrap_or_else(PoisonError::into_inner) = Shelf::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Fact;
    use linli_domain::time::{BootId, Monotonic, Now};

    fn fact(n: usize) -> Frame {
        Frame::Fact(Fact {
            measure: "gateway.broker_connected".parse().unwrap(),
            instance: format!("main-{n}").into(),
            value: Value::State(true),
            received: Now {
                wall: Timestamp::from_millis(0),
                monotonic: Monotonic(0),
                boot: BootId(1),
                trusted: true,
            },
        })
    }

    fn frames(many: usize) -> Vec<Frame> {
        (0..many).map(fact).collect()
    }

    #[tokio::test]
    async fn one_records_at_a_time_and_nothing_is_kept_of_what_nobody_fetched() {
        let recorder = Arc::new(Recorder::default());
        recorder.take(&frames(3));
        let mut first = recorder.begin().unwrap();
        assert!(recorder.begin().is_none());
        recorder.take(&frames(2));
        let Fetched::Frame(frame) = first.next().await else {
            panic!("a frame");
        };
        assert_eq!(
            (&*frame.connection, &*frame.origin, frame.said),
            (
                "gateway",
                "gateway.broker_connected main-0",
                Some(Ok(Value::State(true)))
            )
        );
        drop(first);
        let mut second = recorder.begin().unwrap();
        recorder.take(&[fact(7)]);
        assert!(
            matches!(second.next().await, Fetched::Frame(frame) if &*frame.origin == "gateway.broker_connected main-7")
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_where_it_is_missing() {
        let recorder = Arc::new(Recorder::default());
        let mut recording = recorder.begin().unwrap();
        recorder.take(&frames(MAX_FRAMES + 5));
        assert!(matches!(recording.next().await, Fetched::Frame(_)));
        // There is room again, but what came first is not known to be whole yet.
        recorder.take(&frames(1));
        for _ in 1..MAX_FRAMES {
            assert!(matches!(recording.next().await, Fetched::Frame(_)));
        }
        assert_eq!(recording.next().await, Fetched::Missed(6));
        recorder.take(&[fact(9)]);
        assert!(matches!(recording.next().await, Fetched::Frame(frame) if frame.origin.ends_with("main-9")));
    }
}
