//! The clock of a step: another boot, a clock that was set, delays that are over.
//!
//! Delays run on monotonic time, so a jump of the wall clock fires nothing. What has no delay of its own but may fall
//! silent is the business of [`super::lookout`].

use super::Engine;
use super::change::{AuditEvent, Changes};
use super::state::NOT_AT_ALL;
use super::store::Timer;
use crate::alarm::WatchEvent;
use crate::order::OrderState;
use crate::time::{Deadline, Now, Timestamp};
use std::sync::Arc;

/// A difference between wall and monotonic time beyond this is a clock that was set.
const JUMP_MS: i64 = 5_000;

impl Engine {
    /// Brings the engine to `now`: everything due until then happens.
    #[inline]
    pub(super) fn advance(&mut self, now: &Now, changes: &mut Changes) {
        // Nothing that was due then is left, and most readings of a batch come at one time.
        if self.store.state().counters.clock != Some(*now) {
            self.let_pass(now, changes);
        }
    }

    fn let_pass(&mut self, now: &Now, changes: &mut Changes) {
        match self.store.state().counters.clock {
            Some(last) if last.boot != now.boot => self.rebase(&last, now, changes),
            Some(last) => {
                let lived = now.monotonic.0.saturating_sub(last.monotonic.0);
                let counters = self.store.counters();
                counters.age = counters.age.saturating_add(lived);
                self.notice_jump(&last, now, changes);
            }
            None => {}
        }
        self.store.counters().clock = Some(*now);
        if self.next_wake().is_some_and(|d| d.is_due(now)) {
            self.fire(now, changes);
        }
    }

    fn fire(&mut self, now: &Now, changes: &mut Changes) {
        while let Some((deadline, timer)) = self.store.first_timer() {
            if !deadline.is_due(now) {
                break;
            }
            match timer.clone() {
                Timer::Watch(n) => self.watch_event(n, WatchEvent::DelayOver, now, changes),
                Timer::Look(n) => self.look_at(n, now, changes),
                Timer::Alarm(id) => self.alarm_due(id, now, changes),
                Timer::Service(what) => self.service_over(&what, now, changes),
                Timer::Flap(key) => self.look_at_flap(&key, now, changes),
                Timer::Gathering(key) => self.gathered(&key, now, changes),
                Timer::Crowd => self.tell_crowd(now, changes),
                Timer::Order(id) => self.review_order(id, now, changes),
            }
            // Whatever owned the timer has moved it; if it did not, it must not fire for ever.
            let fired = (deadline, timer);
            if self.store.first_timer().as_ref() == Some(&fired) {
                self.store.drop_timer(&fired);
            }
        }
        if self.store.state().counters.watchdog.is_due(now) {
            self.look_out(now, changes);
        }
    }

    /// Another boot: what remained of every delay still remains.
    fn rebase(&mut self, last: &Now, now: &Now, changes: &mut Changes) {
        let at = last.monotonic;
        let rebase = |deadline: Deadline| {
            if deadline >= NOT_AT_ALL {
                deadline
            } else {
                deadline.rebase(at, now)
            }
        };
        self.store.replace(|state| {
            for watch in &mut state.watches {
                *watch = watch.rebase(at, now);
            }
            for track in state.tracks.values_mut().filter(|track| track.look < NOT_AT_ALL) {
                Arc::make_mut(track).look = rebase(track.look);
            }
            let crowd = Arc::make_mut(&mut state.crowd);
            crowd.digest_at = crowd.digest_at.map(rebase);
            for group in crowd.groups.values_mut() {
                group.due = rebase(group.due);
            }
            for flap in state.flaps.values_mut() {
                flap.look = rebase(flap.look);
            }
            for alarm in state
                .alarms
                .values_mut()
                .filter(|alarm| alarm.deadline().is_some())
            {
                Arc::make_mut(alarm).rebase(at, now);
            }
            for out in state
                .out_of_service
                .values_mut()
                .filter(|out| out.until.is_some())
            {
                let out = Arc::make_mut(out);
                out.until = out.until.map(rebase);
            }
            for order in state.orders.values_mut() {
                if let OrderState::PendingVerification(verification) = order.state {
                    Arc::make_mut(order).state =
                        OrderState::PendingVerification(verification.rebase(at, now));
                }
                if order.batch.is_some() {
                    let moved = Arc::make_mut(order);
                    moved.batch.iter_mut().for_each(|batch| batch.rebase(at, now));
                }
            }
            for gathering in state.gatherings.values_mut() {
                gathering.due = rebase(gathering.due);
            }
            for point in &mut state.points {
                point.silent_at = rebase(point.silent_at);
            }
            state.counters.watchdog = rebase(state.counters.watchdog);
        });
        changes.audit.push(AuditEvent {
            at: now.wall,
            actor: None,
            action: "clock.boot".into(),
            subject: "gateway".into(),
            detail: format!("boot {} after boot {}", now.boot.0, last.boot.0),
        });
    }

    /// A clock that was set moves the completions evidence is compared with, and what was measured against it.
    fn notice_jump(&mut self, last: &Now, now: &Now, changes: &mut Changes) {
        let elapsed = i64::try_from(now.monotonic.since(last.monotonic).as_millis()).unwrap_or(i64::MAX);
        let expected = last.wall.as_millis().saturating_add(elapsed);
        let jump = now.wall.as_millis().saturating_sub(expected);
        if jump.saturating_abs() <= JUMP_MS {
            return;
        }
        let waiting: Vec<_> = self.orders().filter(|o| o.awaits_evidence()).cloned().collect();
        for mut order in waiting {
            let moved = Arc::make_mut(&mut order);
            if let OrderState::PendingVerification(verification) = &mut moved.state {
                let completed = verification.completed.as_millis().saturating_add(jump);
                verification.completed = Timestamp::from_millis(completed);
            }
            moved.batch.iter_mut().for_each(|batch| batch.clock_jumped(jump));
            self.store.set_order(order.id, Some(order));
        }
        let shelved: Vec<_> = self.alarms().filter(|a| a.shelving.is_some()).cloned().collect();
        for mut alarm in shelved {
            Arc::make_mut(&mut alarm).clock_jumped(jump);
            self.store.set_alarm(alarm.id, Some(alarm));
        }
        let out: Vec<_> = self.store.state().out_of_service.clone().into_iter().collect();
        for (what, mut out) in out.into_iter().filter(|(_, out)| out.ends_at.is_some()) {
            let ends_at = &mut Arc::make_mut(&mut out).ends_at;
            *ends_at = ends_at.map(|at| Timestamp::from_millis(at.as_millis().saturating_add(jump)));
            self.store.set_out_of_service(what, Some(out));
        }
        let clocks: Vec<_> = self.store.state().clocks.clone().into_iter().collect();
        for (device, mut clock) in clocks {
            clock.gateway_jumped(jump);
            self.store.set_clock(device, Some(clock));
        }
        if now.trusted && !last.trusted {
            self.put_dates_right(last, jump, now, changes);
        }
        changes.audit.push(AuditEvent {
            at: now.wall,
            actor: None,
            action: "clock.jump".into(),
            subject: "gateway".into(),
            detail: format!("{jump} ms"),
        });
    }
}
