//! The stored form of an answer to a command with an idempotency key.
//!
//! The pipeline writes it in the transaction of the command; HTTP reads it back to answer a repeat with the
//! same words.

use linli_domain::command::Reply;
use linli_domain::id::{AlarmId, OrderId, PointKey};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    Done,
    Alarm(AlarmId, u32),
    Order(OrderId, u32),
    Point(PointKey),
}

/// The bytes to store.
pub fn answer_bytes(reply: &Reply) -> Vec<u8> {
    let stored = match reply {
        Reply::Done => Stored::Done,
        Reply::Alarm { alarm, version } => Stored::Alarm(*alarm, *version),
        Reply::Order { order, version } => Stored::Order(*order, *version),
        Reply::Point(point) => Stored::Point(*point),
    };
    serde_json::to_vec(&stored).unwrap_or_default()
}

/// The reply these bytes stand for; `None` for bytes of another program.
pub fn answer_reply(bytes: &[u8]) -> Option<Reply> {
    Some(match serde_json::from_slice(bytes).ok()? {
        Stored::Done => Reply::Done,
        Stored::Alarm(alarm, version) => Reply::Alarm { alarm, version },
        Stored::Order(order, version) => Reply::Order { order, version },
        Stored::Point(point) => Reply::Point(point),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        let order = OrderId(4);
        for reply in [Reply::Done, Reply::Order { order, version: 7 }, Reply::Point(PointKey(1))] {
            assert_eq!(answer_reply(&answer_bytes(&reply)), Some(reply));
        }
        assert_eq!(answer_reply(b""), None);
    }
}
