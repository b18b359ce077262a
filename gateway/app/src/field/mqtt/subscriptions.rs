//! Subscribing after each CONNACK, and telling which filter a SUBACK refuses.
//!
//! Every life subscribes anew, whether the broker kept the session or not: it costs one packet per fifty filters
//! and repairs a session that another version of the configuration left behind.

use super::link::Requests;
use super::sys;
use std::collections::VecDeque;

/// Filters of one SUBSCRIBE packet. Fifty of 100 bytes stay under the smallest packet limit in use (8 kB).
const FILTERS_PER_PACKET: usize = 50;

/// What came of a SUBACK.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These filters were refused, each with the broker's word for it.
    Refused(Vec<(String, String)>),
    /// All filters of the configuration are granted.
    Complete,
    /// Some are still to be answered, or this was about `$SYS`.
    More,
}

/// The subscriptions of one life.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// Asked for, in the order in which they leave.
    queued: VecDeque<Packet>,
    /// Sent, by packet id; at most one per SUBSCRIBE packet of this life.
    sent: Vec<(u16, Packet)>,
    refused: bool,
}

struct Packet {
    filters: Vec<String>,
    sys: bool,
}

impl Subscriptions {
    /// Asks for everything. `false`: the request channel has no room, which ends the life.
    pub(super) fn ask(&mut self, filters: &[String], with_sys: bool, requests: &Requests) -> bool {
        let data = filters.chunks(FILTERS_PER_PACKET).map(|chunk| Packet {
            filters: chunk.to_vec(),
            sys: false,
        });
        let sys = with_sys.then(|| Packet {
            filters: sys::TOPICS.map(str::to_owned).to_vec(),
            sys: true,
        });
        for packet in data.chain(sys) {
            if !requests.subscribe(&packet.filters, !packet.sys) {
                return false;
            }
            self.queued.push_back(packet);
        }
        true
    }

    /// A SUBSCRIBE left with this packet id.
    pub(super) fn sent(&mut self, id: u16) {
        if let Some(packet) = self.queued.pop_front() {
            self.sent.push((id, packet));
        }
    }

    /// A SUBACK came.
    pub(super) fn answered(&mut self, id: u16, codes: &[Result<(), String>]) -> Answer {
        let Some(at) = self.sent.iter().position(|(sent, _)| *sent == id) else {
            return Answer::More;
        };
        let (_, packet) = self.sent.swap_remove(at);
        if packet.sys {
            return Answer::More;
        }
        let refused: Vec<_> = packet
            .filters
            .into_iter()
            .zip(codes)
            .filter_map(|(filter, code)| code.as_ref().err().map(|why| (filter, why.clone())))
            .collect();
        if !refused.is_empty() {
            self.refused = true;
            return Answer::Refused(refused);
        }
        let open = self
            .queued
            .iter()
            .chain(self.sent.iter().map(|(_, p)| p))
            .any(|p| !p.sys);
        if open || self.refused {
            Answer::More
        } else {
            Answer::Complete
        }
    }

    /// Whether everything but `$SYS` was answered: some managed brokers close the connection on it.
    pub(super) fn stuck_on_sys(&self) -> bool {
        self.queued.is_empty() && matches!(self.sent.as_slice(), [(_, packet)] if packet.sys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(parts: &[(u16, &[&str], bool)]) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        for (id, filters, sys) in parts {
            subscriptions.queued.push_back(Packet {
                filters: filters.iter().map(|f| (*f).to_owned()).collect(),
                sys: *sys,
            });
            subscriptions.sent(*id);
        }
        subscriptions
    }

    #[test]
    fn a_refusal_names_its_filter() {
        let mut subscriptions = sent(&[(1, &["a/+", "b/#"], false)]);
        assert_eq!(
            subscriptions.answered(1, &[Ok(()), Err("NotAuthorized".to_owned())]),
            Answer::Refused(vec![("b/#".to_owned(), "NotAuthorized".to_owned())])
        );
    }

    #[test]
    fn it_is_complete_when_all_data_filters_are_granted() {
        let mut subscriptions = sent(&[(1, &["a"], false), (2, &["b"], false), (3, &["$SYS/x"], true)]);
        assert_eq!(subscriptions.answered(2, &[Ok(())]), Answer::More);
        assert_eq!(subscriptions.answered(1, &[Ok(())]), Answer::Complete);
        assert!(subscriptions.stuck_on_sys());
        assert_eq!(
            subscriptions.answered(3, &[Err("refused".to_owned())]),
            Answer::More
        );
        assert!(!subscriptions.stuck_on_sys());
    }
}
