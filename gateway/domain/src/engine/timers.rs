//! The clock of a step: another boot, a clock that was set, delays that are over, points that fell silent.
//!
//! Delays run on monotonic time, so a jump of the wall clock fires nothing. The look-out for silent points is
//! lazy: a reading only writes down when its point would be silent, and all points are looked at when the first
//! of them could be.

use super::Engine;
use super::change::{AuditEvent, Changes, NoticeKind};
use super::state::NEVER;
use super::store::Timer;
use crate::alarm::{Condition, WatchEvent};
use crate::order::OrderState;
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use std::time::Duration;

/// A difference between wall and monotonic time beyond this is a clock that was set.
const JUMP_MS: i64 = 5_000;
/// The look-out for silent points runs at most this often.
const WATCHDOG_PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Brings the engine to `now`: everything due until then happens.
    pub(super) fn advance(&mut self, now: &Now, changes: &mut Changes) {
        match self.store.state().counters.clock {
            Some(last) if last.boot != now.boot => self.rebase(&last, now, changes),
            Some(last) => self.notice_jump(&last, now, changes),
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
            match timer {
                Timer::Watch(n) => self.watch_event(n, WatchEvent::DelayOver, now, changes),
                Timer::Order(id) => self.review_order(id, now, changes),
            }
            // Whatever owned the timer has moved it; if it did not, it must not fire for ever.
            if self.store.first_timer() == Some((deadline, timer)) {
                self.store.drop_timer((deadline, timer));
            }
        }
        if self.store.state().counters.watchdog.is_due(now) {
            self.look_for_silence(now, changes);
        }
    }

    fn look_for_silence(&mut self, now: &Now, changes: &mut Changes) {
        let mut next = NEVER;
        for n in 0..self.store.state().points.len() {
            let Some(silent_at) = self.store.state().points.get(n).map(|p| p.silent_at) else {
                continue;
            };
            if !silent_at.is_due(now) {
                next = next.min(silent_at);
                continue;
            }
            if let Some(point) = self.store.point_mut(n) {
                point.silent_at = NEVER;
            }
            let watches = self.store.index().points.get(n).map(|p| p.watches.clone());
            for watch in watches.unwrap_or_default() {
                self.watch_event(watch, WatchEvent::Lost, now, changes);
                let def = self.store.index().watches.get(watch);
                let alarm = def.and_then(|d| self.alarm_of(&d.asset, &d.rule.class));
                if let Some(id) = alarm
                    .filter(|a| a.state.condition == Condition::Unknown)
                    .map(|a| a.id)
                {
                    self.notice_alarm(NoticeKind::AlarmUnknown, id, now, changes);
                }
            }
        }
        self.store.counters().watchdog = if next == NEVER {
            NEVER
        } else {
            next.max(now.after(WATCHDOG_PAUSE))
        };
    }

    /// Another boot: what remained of every delay still remains.
    fn rebase(&mut self, last: &Now, now: &Now, changes: &mut Changes) {
        let at = last.monotonic;
        let rebase = |deadline: Deadline| {
            if deadline == NEVER {
                NEVER
            } else {
                deadline.rebase(at, now)
            }
        };
        self.store.replace(|state| {
            for watch in &mut state.watches {
                *watch = watch.rebase(at, now);
            }
            for order in state.orders.values_mut() {
                if let OrderState::PendingVerification(verification) = order.state {
                    let mut moved = order.as_ref().clone();
                    moved.state = OrderState::PendingVerification(verification.rebase(at, now));
                    *order = moved.into();
                }
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

    /// A clock that was set moves the completions evidence is compared with, and nothing else.
    fn notice_jump(&mut self, last: &Now, now: &Now, changes: &mut Changes) {
        let elapsed = i64::try_from(now.monotonic.since(last.monotonic).as_millis()).unwrap_or(i64::MAX);
        let expected = last.wall.as_millis().saturating_add(elapsed);
        let jump = now.wall.as_millis().saturating_sub(expected);
        if jump.saturating_abs() <= JUMP_MS {
            return;
        }
        let waiting: Vec<_> = self
            .orders()
            .filter_map(|order| match order.state {
                OrderState::PendingVerification(v) => Some((order.clone(), v)),
                _ => None,
            })
            .collect();
        for (order, mut verification) in waiting {
            let moved = verification.completed.as_millis().saturating_add(jump);
            verification.completed = Timestamp::from_millis(moved);
            let mut order = order.as_ref().clone();
            order.state = OrderState::PendingVerification(verification);
            self.store.set_order(order.id, Some(order.into()));
        }
        changes.audit.push(AuditEvent {
            at: now.wall,
            actor: None,
            action: "clock.jump".into(),
            subject: "gateway".into(),
            detail: format!("{jump} ms"),
        });
    }

    /// Notes when a point would be silent.
    pub(super) fn expect_again(&mut self, n: usize, now: &Now) {
        let Some(links) = self.store.index().points.get(n) else {
            return;
        };
        let at = Monotonic(now.monotonic.0.saturating_add(links.silence_ms));
        let silent_at = Deadline { at };
        if let Some(point) = self.store.point_mut(n) {
            point.silent_at = silent_at;
        }
        let counters = self.store.counters();
        counters.watchdog = counters.watchdog.min(silent_at);
    }
}
