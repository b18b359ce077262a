//! What people do: who may, on which version, with what.
//!
//! The checks come in the order a person would ask them: is it there, has it changed, may I, does its state allow
//! it, is something missing. A refused command changes nothing; a done one is audited.

use super::Engine;
use super::change::{AuditEvent, Changes};
use crate::alarm::{Ack, Alarm, AnnunciationEvent, Condition, Latch, Shelving};
use crate::command::{Action, Actor, ActorRole, Command, Refusal, Reply};
use crate::id::{AlarmId, OrderId};
use crate::order::verify::Verification;
use crate::order::{MAX_NOTE_BYTES, Order, OrderEvent, Refused};
use crate::time::{Now, Timestamp, duration_text};
use std::sync::Arc;

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::WrongState {
            state: refused.state,
            action: refused.event,
        }
    }
}

impl Engine {
    pub(super) fn command(
        &mut self,
        now: &Now,
        command: &Command,
        changes: &mut Changes,
    ) -> Result<Reply, Refusal> {
        let Command { actor, action } = command;
        let (reply, detail) = match action {
            Action::AcknowledgeAlarm { alarm, version } => {
                let seen = self.alarm_at(*alarm, *version)?;
                if seen.state.ack != Ack::Unack {
                    let by = seen
                        .acknowledged_by
                        .as_ref()
                        .map_or_else(|| seen.changed_by.clone(), |a| a.name.clone());
                    return Err(Refusal::AlreadyAcknowledged { by });
                }
                self.acknowledge(*alarm, actor, now, changes);
                (alarm_reply(*alarm, *version), "")
            }
            Action::ResetAlarm { alarm, version } => {
                let seen = self.alarm_at(*alarm, *version)?;
                manager_only(actor, action)?;
                if seen.state.latch == Latch::Off {
                    return Err(Refusal::NotLatched);
                }
                if seen.state.condition != Condition::Normal {
                    return Err(Refusal::AlarmStillActive { alarm: *alarm });
                }
                self.release_latch(*alarm, Some(actor), now, changes);
                (alarm_reply(*alarm, *version), "")
            }
            Action::Accept { order, version } => {
                let seen = self.order_at(*order, *version)?;
                let version =
                    self.change_order(*order, OrderEvent::Accept, Some(actor), now, changes, |o| {
                        o.assignee = Some(actor.clone());
                        o.accepted_at = Some(now.wall);
                    })?;
                for alarm in seen.all_alarms() {
                    self.acknowledge(alarm, actor, now, changes);
                }
                self.review_order(*order, now, changes);
                (order_reply(*order, version), "")
            }
            Action::Start { order, version } => {
                let seen = self.order_at(*order, *version)?;
                seen.state.next(OrderEvent::Start)?;
                assignee_only(actor, &seen)?;
                let version =
                    self.change_order(*order, OrderEvent::Start, Some(actor), now, changes, |o| {
                        o.started_at = Some(now.wall);
                    })?;
                (order_reply(*order, version), "")
            }
            Action::Complete { order, version, note } => {
                let version = self.complete(now, actor, (*order, *version), note.as_deref(), changes)?;
                (order_reply(*order, version), note.as_deref().unwrap_or_default())
            }
            Action::Override {
                order,
                version,
                reason,
                note,
            } => {
                let seen = self.order_at(*order, *version)?;
                manager_only(actor, action)?;
                let event = OrderEvent::Override(*reason);
                seen.state.next(event)?;
                if seen.completer.as_ref().is_some_and(|c| c.token == actor.token) {
                    return Err(Refusal::OwnCompletion);
                }
                let note = given(note, action)?;
                let version = self.change_order(*order, event, Some(actor), now, changes, |o| {
                    o.note = Some(note.into());
                })?;
                (order_reply(*order, version), note)
            }
            Action::Cancel {
                order,
                version,
                reason,
            } => {
                let seen = self.order_at(*order, *version)?;
                manager_only(actor, action)?;
                let reason = given(reason, action)?;
                let active = |a: &AlarmId| {
                    let state = self.alarm(*a).map(|a| a.state.condition);
                    matches!(state, Some(Condition::Active | Condition::Clearing))
                };
                if let Some(alarm) = seen.all_alarms().find(active) {
                    return Err(Refusal::AlarmStillActive { alarm });
                }
                let version =
                    self.change_order(*order, OrderEvent::Cancel, Some(actor), now, changes, |o| {
                        o.note = Some(reason.into());
                    })?;
                (order_reply(*order, version), reason)
            }
            Action::ShelveAlarm {
                alarm,
                version,
                lasts,
                reason,
                no_order,
            } => {
                self.alarm_at(*alarm, *version)?;
                let reason = given(reason, action)?;
                let shelving = Shelving {
                    until: now.after(*lasts),
                    ends_at: now.wall.plus(*lasts),
                    reason: reason.into(),
                    by: actor.clone(),
                    no_order: *no_order,
                };
                self.shelve(*alarm, shelving, *lasts, now, changes)?;
                (alarm_reply(*alarm, *version), reason)
            }
            Action::UnshelveAlarm { alarm, version } => {
                let seen = self.alarm_at(*alarm, *version)?;
                seen.state.annunciation.next(AnnunciationEvent::Unshelve)?;
                self.unshelve(*alarm, Some(actor), now, changes);
                (alarm_reply(*alarm, *version), "")
            }
            Action::SuppressAlarm {
                alarm,
                version,
                cause,
                reason,
            } => {
                let seen = self.alarm_at(*alarm, *version)?;
                let reason = given(reason, action)?;
                self.suppress_by(&seen, (*cause, reason), actor, now, changes)?;
                (alarm_reply(*alarm, *version), reason)
            }
            Action::UnsuppressAlarm { alarm, version } => {
                let seen = self.alarm_at(*alarm, *version)?;
                self.unsuppress(&seen, actor, now, changes)?;
                (alarm_reply(*alarm, *version), "")
            }
            Action::TakeOutOfService { what, reason, lasts } => {
                let reason = given(reason, action)?;
                self.take_out(what, actor, (reason, *lasts), now, changes)?;
                (Reply::Done, reason)
            }
            Action::BringBack { what } => {
                self.bring_back(what, actor, now, changes)?;
                (Reply::Done, "")
            }
        };
        changes.audit.push(audit(now, actor, action, detail));
        Ok(match reply {
            // An alarm may have ended on the way; its version then is the one after the command.
            Reply::Alarm { alarm, version } => Reply::Alarm {
                alarm,
                version: self.alarm(alarm).map_or(version, |a| a.version),
            },
            other => other,
        })
    }

    fn complete(
        &mut self,
        now: &Now,
        actor: &Actor,
        (order, version): (OrderId, u32),
        note: Option<&str>,
        changes: &mut Changes,
    ) -> Result<u32, Refusal> {
        let seen = self.order_at(order, version)?;
        let event = OrderEvent::Complete(match seen.batch {
            // Each task has its own.
            Some(_) => Verification::after(now.wall),
            None => {
                let sensors = self.sensors(&seen, Timestamp::from_millis(i64::MAX));
                Verification::begin(now, seen.profile.verify, sensors)
            }
        });
        seen.state.next(event)?;
        assignee_only(actor, &seen)?;
        let note = note.map(text).transpose()?.flatten();
        if seen.profile.guards.note_required && note.is_none() {
            return Err(Refusal::NoteRequired);
        }
        let tasks = self.completed_tasks(&seen, now);
        let version = self.change_order(order, event, Some(actor), now, changes, |o| {
            o.batch
                .iter_mut()
                .zip(tasks)
                .for_each(|(batch, tasks)| batch.tasks = tasks);
            o.completer = Some(actor.clone());
            o.completed_at = Some(now.wall);
            o.note = note.map(Arc::from);
        })?;
        self.review_order(order, now, changes);
        Ok(self.order(order).map_or(version, |o| o.version))
    }

    fn order_at(&self, order: OrderId, version: u32) -> Result<Arc<Order>, Refusal> {
        let Some(seen) = self.order(order) else {
            let given = (1..self.store.state().counters.next_order).contains(&order.0);
            return Err(if given {
                Refusal::OrderEnded { order }
            } else {
                Refusal::UnknownOrder { order }
            });
        };
        if seen.version != version {
            return Err(Refusal::VersionConflict {
                current: seen.version,
                by: seen.changed_by.clone(),
            });
        }
        Ok(seen.clone())
    }

    fn alarm_at(&self, alarm: AlarmId, version: u32) -> Result<Arc<Alarm>, Refusal> {
        let Some(seen) = self.alarm(alarm) else {
            let given = (1..self.store.state().counters.next_alarm).contains(&alarm.0);
            return Err(if given {
                Refusal::AlarmEnded { alarm }
            } else {
                Refusal::UnknownAlarm { alarm }
            });
        };
        if seen.version != version {
            return Err(Refusal::VersionConflict {
                current: seen.version,
                by: seen.changed_by.clone(),
            });
        }
        Ok(seen.clone())
    }
}

fn alarm_reply(alarm: AlarmId, version: u32) -> Reply {
    let version = version.saturating_add(1);
    Reply::Alarm { alarm, version }
}

fn order_reply(order: OrderId, version: u32) -> Reply {
    Reply::Order { order, version }
}

fn manager_only(actor: &Actor, action: &Action) -> Result<(), Refusal> {
    match actor.role {
        ActorRole::Manager => Ok(()),
        ActorRole::Staff => Err(Refusal::ManagerOnly {
            action: action.name(),
        }),
    }
}

fn assignee_only(actor: &Actor, order: &Order) -> Result<(), Refusal> {
    match &order.assignee {
        Some(assignee) if assignee.token != actor.token && actor.role != ActorRole::Manager => {
            let assignee = assignee.name.clone();
            Err(Refusal::NotAssignee { assignee })
        }
        _ => Ok(()),
    }
}

/// What a person wrote, if anything.
fn text(written: &str) -> Result<Option<&str>, Refusal> {
    let written = written.trim();
    if written.len() > MAX_NOTE_BYTES {
        return Err(Refusal::TextTooLong);
    }
    Ok(Some(written).filter(|w| !w.is_empty()))
}

/// What a person must write.
fn given<'a>(written: &'a str, action: &Action) -> Result<&'a str, Refusal> {
    text(written)?.ok_or(Refusal::ReasonRequired {
        action: action.name(),
    })
}

fn audit(now: &Now, actor: &Actor, action: &Action, detail: &str) -> AuditEvent {
    let (kind, subject) = match action {
        Action::AcknowledgeAlarm { alarm, .. }
        | Action::ResetAlarm { alarm, .. }
        | Action::ShelveAlarm { alarm, .. }
        | Action::UnshelveAlarm { alarm, .. }
        | Action::SuppressAlarm { alarm, .. }
        | Action::UnsuppressAlarm { alarm, .. } => ("alarm", alarm.to_string()),
        Action::TakeOutOfService { what, .. } | Action::BringBack { what } => ("service", what.to_string()),
        Action::Accept { order, .. }
        | Action::Start { order, .. }
        | Action::Complete { order, .. }
        | Action::Override { order, .. }
        | Action::Cancel { order, .. } => ("order", order.to_string()),
    };
    let detail = match action {
        Action::Override { reason, .. } => format!("{}: {detail}", reason.as_str()),
        Action::ShelveAlarm { lasts, no_order, .. } => format!(
            "for {}{}: {detail}",
            duration_text::format(*lasts),
            if *no_order { ", without orders" } else { "" }
        ),
        Action::SuppressAlarm { cause, .. } => format!("by {cause}: {detail}"),
        Action::TakeOutOfService {
            lasts: Some(lasts), ..
        } => {
            format!("for {}: {detail}", duration_text::format(*lasts))
        }
        _ => detail.to_owned(),
    };
    AuditEvent {
        at: now.wall,
        actor: Some(actor.clone()),
        action: format!("{kind}.{}", action.name()).into(),
        subject,
        detail,
    }
}
