//! Times that a clock nobody had set has written: they are put right once it is set.
//!
//! A box without a battery counts from the last time it knows, or from 1970, until the network tells it the time, and raises
//! alarms meanwhile. How long ago that was is known by the monotonic clock, so what still lives gets the times it would have
//! had: an alarm of this night must not look as if it had stood for a week, or for half a century. Readings keep the time they were stored under, and so does what was
//! over before the time was known; the history says when times were put right.

use super::Engine;
use super::change::{AlarmEvent, Changes};
use crate::alarm::Alarm;
use crate::order::Order;
use crate::time::{Now, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The wall clock and the monotonic one are not read in the same instant. Whoever lets a boot begin with a time that is only
/// known to be no later keeps it further than this from what was dated before.
const SLACK: Duration = Duration::from_secs(1);

/// What such a clock has written since the machine started, and by how much it was wrong.
struct Misdated {
    from: Timestamp,
    to: Timestamp,
    by_ms: i64,
}

impl Misdated {
    fn put_right(&self, at: &mut Timestamp) -> bool {
        let wrong = (self.from..=self.to).contains(at);
        if wrong {
            *at = Timestamp::from_millis(at.as_millis().saturating_add(self.by_ms));
        }
        wrong
    }

    fn put_all_right<'a>(&self, times: impl IntoIterator<Item = &'a mut Timestamp>) -> bool {
        times
            .into_iter()
            .filter_map(|at| self.put_right(at).then_some(()))
            .count()
            > 0
    }

    fn alarm(&self, alarm: &mut Alarm) -> bool {
        let always = [&mut alarm.raised_at, &mut alarm.last_raised_at];
        let sometimes = [&mut alarm.cleared_at, &mut alarm.acknowledged_at];
        let suppressed = alarm.suppression.iter_mut().map(|s| &mut s.since);
        self.put_all_right(
            always
                .into_iter()
                .chain(sometimes.into_iter().flatten())
                .chain(suppressed),
        )
    }

    fn order(&self, order: &mut Order) -> bool {
        let sometimes = [
            &mut order.accepted_at,
            &mut order.started_at,
            &mut order.completed_at,
        ];
        let times = sometimes.into_iter().flatten();
        self.put_all_right(std::iter::once(&mut order.opened_at).chain(times))
    }
}

impl Engine {
    /// The clock, wrong until `last`, was set and has jumped by so much: what lives gets its right times.
    pub(super) fn put_dates_right(&mut self, last: &Now, by_ms: i64, now: &Now, changes: &mut Changes) {
        let lived = Duration::from_millis(last.monotonic.0).saturating_add(SLACK);
        let misdated = Misdated {
            from: last.wall.minus(lived),
            to: last.wall,
            by_ms,
        };
        for alarm in self.living() {
            if misdated.alarm(&mut alarm.as_ref().clone()) {
                self.change_alarm(alarm.id, AlarmEvent::Dated, None, now, changes, |alarm| {
                    misdated.alarm(alarm);
                });
            }
        }
        let open: Vec<_> = self.orders().cloned().collect();
        for order in open {
            if misdated.order(&mut order.as_ref().clone()) {
                self.note_order(order.id, now, changes, |order| {
                    misdated.order(order);
                });
            }
        }
        let out: Vec<_> = self.store.state().out_of_service.clone().into_iter().collect();
        for (what, mut out) in out {
            if misdated.put_right(&mut Arc::make_mut(&mut out).since) {
                self.store.set_out_of_service(what, Some(out));
            }
        }
    }
}
