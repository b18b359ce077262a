//! What happened: the transitions of an alarm or order, and the audit with its chain.

use super::{MAX_PAGE, Page, Reader, Wrong, page, time};
use crate::audit::{AuditHash, chain};
use crate::batch::{Subject, TransitionRow};
use crate::error::{Damage, Doing, StoreError};
use crate::rows::AuditRow;
use crate::write::subject_columns;
use linli_domain::id::AlarmId;
use linli_domain::time::Timestamp;
use rusqlite::{Row, params};

/// A transition and its number in the history of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Its number.
    pub id: i64,
    /// What changed.
    pub row: TransitionRow,
}

/// An audit row and its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, counted from 1 without gaps.
    pub id: i64,
    /// What was done.
    pub row: AuditRow,
    /// The hash over it and everything before it.
    pub hash: AuditHash,
}

/// One transition of an alarm, with what the alarm is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmTransition {
    /// Its number in the history.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Label of the state before.
    pub from: String,
    /// Label of the state after.
    pub to: String,
    /// What made it change.
    pub event: String,
    /// The alarm.
    pub alarm: AlarmId,
    /// Its asset.
    pub asset: String,
    /// Its class.
    pub class: String,
    /// Its urgency as it is now; 1 is the most urgent.
    pub priority: u8,
}

/// The end of the audit. Kept elsewhere, it shows later that nothing was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEnd {
    /// Rows of the audit.
    pub rows: i64,
    /// Hash of the last; all zero without rows.
    pub hash: AuditHash,
}

const ALARM_TRANSITIONS: &str = "SELECT t.id, t.at, t.previous, t.next, t.event, t.subject, a.asset, a.class, a.priority
     FROM transition t CROSS JOIN alarm a ON a.id = t.subject
     WHERE t.kind = 'alarm' AND t.at >= ?1 AND (t.at > ?1 OR t.id > ?2) AND t.at < ?3 ORDER BY t.at, t.id LIMIT ?4";
const CLOSINGS: &str = "SELECT count(*) FILTER (WHERE event = 'override'), count(*) FROM transition
     WHERE kind = 'order' AND next = 'closed' AND previous <> 'closed' AND at >= ?1 AND at < ?2";
const AUDIT: &str = "SELECT id, at, actor, action, subject, detail, hash FROM audit";

impl Reader {
    /// The transitions of one alarm or order, oldest first, at most [`MAX_PAGE`].
    pub fn transitions(&self, subject: Subject) -> Result<Vec<Transition>, StoreError> {
        let (kind, number) = subject_columns(subject);
        self.all(
            "read the history",
            "SELECT id, at, previous, next, event, actor, beside FROM transition
             WHERE kind = ?1 AND subject = ?2 ORDER BY id LIMIT ?3",
            params![kind, number, page(MAX_PAGE)],
            |row| {
                Ok(Transition {
                    id: row.get(0)?,
                    row: TransitionRow {
                        subject,
                        at: time(row, 1)?,
                        from: row.get(2)?,
                        to: row.get(3)?,
                        event: row.get(4)?,
                        actor: row.get(5)?,
                        beside: row.get(6)?,
                    },
                })
            },
        )
    }

    /// Transitions of alarms with `from <= at < to`, oldest first, going on after the last page's last one; at most
    /// [`MAX_PAGE`], each with the asset, the class and the urgency of its alarm.
    pub fn alarm_transitions(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<&AlarmTransition>,
    ) -> Result<Vec<AlarmTransition>, StoreError> {
        let (at, id) = after.map_or((from, i64::MIN), |last| (last.at, last.id));
        self.all(
            "read what happened to alarms",
            ALARM_TRANSITIONS,
            params![at.as_millis(), id, to.as_millis(), page(MAX_PAGE)],
            |row| {
                Ok(AlarmTransition {
                    id: row.get(0)?,
                    at: time(row, 1)?,
                    from: row.get(2)?,
                    to: row.get(3)?,
                    event: row.get(4)?,
                    alarm: AlarmId(row.get::<_, i64>(5)?.unsigned_abs()),
                    asset: row.get(6)?,
                    class: row.get(7)?,
                    priority: row.get(8)?,
                })
            },
        )
    }

    /// How often orders were closed by a manager's decision, and how often they were closed at all, `from <= at < to`.
    pub fn closings(&self, from: Timestamp, to: Timestamp) -> Result<(u64, u64), StoreError> {
        let counts = self.first(
            "count how orders were closed",
            CLOSINGS,
            params![from.as_millis(), to.as_millis()],
            |row| {
                Ok((
                    row.get::<_, i64>(0)?.unsigned_abs(),
                    row.get::<_, i64>(1)?.unsigned_abs(),
                ))
            },
        )?;
        Ok(counts.unwrap_or_default())
    }

    /// A page of the audit, newest first.
    pub fn audit(&self, asked: Page<i64>) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = format!("{AUDIT} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
        let before = asked.before.unwrap_or(i64::MAX);
        self.all(
            "read the audit",
            &sql,
            params![before, page(asked.limit)],
            audit_entry,
        )
    }

    /// Walks over the whole audit and checks that each row follows from the one before.
    ///
    /// Returns the end of the chain, or names the first row that does not fit.
    pub fn verify_audit(&self) -> Result<AuditEnd, StoreError> {
        let doing = "verify the audit";
        let sql = format!("{AUDIT} WHERE id > ?1 ORDER BY id LIMIT ?2");
        let mut end = AuditEnd {
            rows: 0,
            hash: [0; 32],
        };
        loop {
            let entries = self.all(doing, &sql, params![end.rows, 1_000], audit_entry)?;
            if entries.is_empty() {
                return Ok(end);
            }
            for entry in entries {
                let follows = entry.id == end.rows + 1 && entry.hash == chain(&end.hash, &entry.row);
                if !follows {
                    return Err(Damage::Audit { row: entry.id }).doing(doing);
                }
                end = AuditEnd {
                    rows: entry.id,
                    hash: entry.hash,
                };
            }
        }
    }
}

fn audit_entry(row: &Row<'_>) -> Result<AuditEntry, Wrong> {
    let hash = row
        .get_ref(6)?
        .as_blob()
        .ok()
        .and_then(|hash| hash.try_into().ok());
    Ok(AuditEntry {
        id: row.get(0)?,
        row: AuditRow {
            at: time(row, 1)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            subject: row.get(4)?,
            detail: row.get(5)?,
        },
        // A hash of the wrong length fits no chain; verification reports it at its row.
        hash: hash.unwrap_or([0xFF; 32]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::plans;

    #[test]
    fn what_happened_in_a_time_is_found_by_the_time() {
        for sql in [ALARM_TRANSITIONS, CLOSINGS] {
            let plan = plans::of(sql);
            assert!(
                plan.contains("transition_by_time (kind=? AND at>? AND at<?)")
                    && !plan.contains("TEMP B-TREE"),
                "{plan}"
            );
        }
    }
}
