//! The newest events in a bounded ring, found again by the number of the last one seen.

use super::event::{Event, EventId, What};
use std::collections::VecDeque;
use std::sync::Arc;

/// Events and readings the ring holds together; the oldest go first.
pub(super) const RING: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    weight: usize,
    /// Number of the newest event, in the ring or gone.
    pub(super) newest: EventId,
    /// Number of the event before the first one in the ring, when there was one and nothing was lost between.
    before: Option<EventId>,
}

impl Ring {
    pub(super) fn push(&mut self, commit: u64, what: What) -> Arc<Event> {
        let place = if commit == self.newest.commit {
            self.newest.place + 1
        } else {
            1
        };
        let id = EventId { commit, place }.max(EventId {
            place: self.newest.place + 1,
            ..self.newest
        });
        let event = Event::new(id, what);
        self.newest = id;
        self.weight += event.weight();
        self.events.push_back(Arc::clone(&event));
        while self.weight > RING {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.weight -= oldest.weight();
            self.before = Some(oldest.id);
        }
        event
    }

    /// What came after `last`, if everything since is still here.
    pub(super) fn after(&self, last: EventId) -> Option<Vec<Arc<Event>>> {
        let position = self.events.binary_search_by_key(&last, |event| event.id).ok();
        let from = match position {
            Some(position) => position + 1,
            None if self.before == Some(last) => 0,
            None => return None,
        };
        Some(self.events.range(from..).map(Arc::clone).collect())
    }

    /// Begins anew behind a gap: nobody resumes across it, everybody can from its far side.
    pub(super) fn begin_anew(&mut self) {
        self.events.clear();
        self.weight = 0;
        // A number that no event was ever given.
        self.newest.place += 1;
        self.before = Some(self.newest);
    }
}
