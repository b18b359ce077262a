//! Deliveries of the outbox.

use super::{Page, Reader, Wrong, maybe_time, page, time};
use crate::error::{Damage, StoreError};
use crate::outbox_rows::{Delivery, DeliveryState, NewDelivery};
use linli_domain::time::Timestamp;
use rusqlite::{Row, params};

const DELIVERY: &str = "SELECT id, channel, subject_kind, subject, payload, idempotency, created, first_at, state, \
                        attempts, next_at, last_error, delivered_at FROM delivery";

impl Reader {
    /// Lines a forwarder's target refused for good, newest first, with their numbers.
    pub fn parked(&self, target: &str, asked: Page<i64>) -> Result<Vec<(i64, crate::ParkedRow)>, StoreError> {
        let sql = "SELECT id, target, at, line, reason FROM parked WHERE target = ?1 AND id < ?2
                   ORDER BY id DESC LIMIT ?3";
        let before = asked.before.unwrap_or(i64::MAX);
        self.all(
            "list parked lines",
            sql,
            params![target, before, page(asked.limit)],
            |row| {
                let parked = crate::ParkedRow {
                    target: row.get(1)?,
                    at: time(row, 2)?,
                    line: row.get(3)?,
                    reason: row.get(4)?,
                };
                Ok((row.get(0)?, parked))
            },
        )
    }

    /// Pending deliveries whose time has come at `now`, the longest due first.
    pub fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let sql =
            format!("{DELIVERY} WHERE state = 'pending' AND next_at <= ?1 ORDER BY next_at, id LIMIT ?2");
        self.all(
            "read due deliveries",
            &sql,
            params![now.as_millis(), page(limit)],
            delivery,
        )
    }

    /// When the next pending delivery is due, if there is one.
    pub fn next_delivery_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT next_at FROM delivery WHERE state = 'pending' ORDER BY next_at, id LIMIT 1";
        self.first("read when the next delivery is due", sql, [], |row| {
            Ok(time(row, 0)?)
        })
    }

    /// Deliveries in a state, newest first.
    pub fn deliveries(&self, state: DeliveryState, asked: Page<i64>) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!("{DELIVERY} WHERE state = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
        let before = asked.before.unwrap_or(i64::MAX);
        self.all(
            "list deliveries",
            &sql,
            params![state.label(), before, page(asked.limit)],
            delivery,
        )
    }

    /// The delivery with this number.
    pub fn delivery(&self, id: i64) -> Result<Option<Delivery>, StoreError> {
        self.first(
            "read a delivery",
            &format!("{DELIVERY} WHERE id = ?1"),
            [id],
            delivery,
        )
    }

    /// What was said about one subject, oldest first.
    pub fn deliveries_about(
        &self,
        subject_kind: &str,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!("{DELIVERY} WHERE subject_kind = ?1 AND subject = ?2 ORDER BY id LIMIT ?3");
        self.all(
            "list what was said about a subject",
            &sql,
            params![subject_kind, subject, page(limit)],
            delivery,
        )
    }
}

fn delivery(row: &Row<'_>) -> Result<Delivery, Wrong> {
    let what = "a state makes no sense";
    let state = row.get_ref(8)?.as_str().ok().and_then(DeliveryState::from_label);
    Ok(Delivery {
        id: row.get(0)?,
        message: NewDelivery {
            channel: row.get(1)?,
            subject_kind: row.get(2)?,
            subject: row.get(3)?,
            payload: row.get(4)?,
            idempotency: row.get(5)?,
            created: time(row, 6)?,
            next_at: time(row, 7)?,
        },
        state: state.ok_or(Damage::Row {
            table: "delivery",
            what,
        })?,
        attempts: row.get(9)?,
        next_at: time(row, 10)?,
        last_error: row.get(11)?,
        delivered_at: maybe_time(row, 12)?,
    })
}
