//! The rows that face outwards: outbox, identities, retained and rejected messages, documents, tokens, audit.

use super::{Failed, run};
use crate::audit::AuditHash;
use crate::batch::{Batch, NamedValue};
use crate::outbox_rows::{DeliveryUpdate, NewDelivery};
use crate::rows::*;
use linli_domain::id::CommitId;
use linli_domain::time::Timestamp;
use rusqlite::{Connection, params};

pub(super) fn delivery(conn: &Connection, row: &NewDelivery) -> Result<(), Failed> {
    run(
        conn,
        "store a delivery",
        "INSERT INTO delivery (channel, subject_kind, subject, payload, idempotency, state, attempts, next_at, created,
         first_at) VALUES (?1, ?2, ?3, ?4, ?5, 'pending', 0, ?6, ?7, ?6) ON CONFLICT (idempotency) DO NOTHING",
        params![
            row.channel,
            row.subject_kind,
            row.subject,
            row.payload,
            row.idempotency,
            row.next_at.as_millis(),
            row.created.as_millis()
        ],
    )
}

pub(super) fn delivery_update(conn: &Connection, row: &DeliveryUpdate) -> Result<(), Failed> {
    run(
        conn,
        "store the result of a delivery",
        "UPDATE delivery SET state = ?2, attempts = ?3, next_at = ?4, last_error = ?5, delivered_at = ?6 WHERE id = ?1",
        params![
            row.id,
            row.state.label(),
            row.attempts,
            row.next_at.as_millis(),
            row.last_error,
            row.delivered_at.map(Timestamp::as_millis)
        ],
    )
}

pub(super) fn once(conn: &Connection, commit: CommitId, batch: &Batch<'_>) -> Result<(), Failed> {
    if let Some(expires) = batch.identities.iter().map(|identity| identity.expires).max() {
        run(
            conn,
            "store identities of messages",
            "INSERT INTO identity (id, expires, data) VALUES (?1, ?2, ?3)",
            params![
                commit.0 as i64,
                expires.as_millis(),
                crate::once::pack_identities(batch.identities)
            ],
        )?;
    }
    if batch.packet_marks.is_empty() {
        return Ok(());
    }
    run(
        conn,
        "store packet ids",
        "INSERT INTO packet_mark (id, data) VALUES (?1, ?2)",
        params![commit.0 as i64, crate::once::pack_marks(batch.packet_marks)],
    )
}

pub(super) fn retained(conn: &Connection, row: &RetainedRow) -> Result<(), Failed> {
    let doing = "store a retained message";
    let Some(payload) = &row.payload else {
        return run(
            conn,
            doing,
            "DELETE FROM retained WHERE topic = ?1",
            params![row.topic],
        );
    };
    run(
        conn,
        doing,
        "INSERT INTO retained (topic, payload, qos, at, expires) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (topic) DO UPDATE SET payload = ?2, qos = ?3, at = ?4, expires = ?5",
        params![
            row.topic,
            payload,
            row.qos,
            row.at.as_millis(),
            row.expires.map(Timestamp::as_millis)
        ],
    )
}

pub(super) fn parked(conn: &Connection, rows: &[ParkedRow]) -> Result<(), Failed> {
    let doing = "park a refused line";
    for row in rows {
        let sql = "INSERT INTO parked (target, at, line, reason) VALUES (?1, ?2, ?3, ?4)";
        run(
            conn,
            doing,
            sql,
            params![row.target, row.at.as_millis(), row.line, row.reason],
        )?;
    }
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM parked WHERE id <= (SELECT max(id) FROM parked) - ?1";
    run(conn, doing, sql, params![MAX_PARKED])
}

pub(super) fn rejects(conn: &Connection, rows: &[RejectRow]) -> Result<(), Failed> {
    let doing = "set a rejected message aside";
    for row in rows {
        let payload = &row.payload[..row.payload.len().min(MAX_REJECT_PAYLOAD)];
        run(
            conn,
            doing,
            "INSERT INTO reject (at, connection, origin, device, reason, detail, facts, bytes, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                row.at.as_millis(),
                row.connection,
                row.origin,
                row.device,
                row.reason,
                row.detail,
                row.facts,
                row.bytes as i64,
                payload
            ],
        )?;
    }
    if rows.is_empty() {
        return Ok(());
    }
    run(
        conn,
        doing,
        "DELETE FROM reject WHERE id <= (SELECT max(id) FROM reject) - ?1",
        params![MAX_REJECTS],
    )
}

pub(super) fn document(conn: &Connection, row: &DocumentRow) -> Result<(), Failed> {
    run(
        conn,
        "store a document",
        "INSERT INTO document (kind, name, version, at, author, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            row.kind,
            row.name,
            row.version,
            row.at.as_millis(),
            row.author,
            row.body
        ],
    )
}

pub(super) fn token(conn: &Connection, row: &TokenRow) -> Result<(), Failed> {
    run(
        conn,
        "store a token",
        "INSERT INTO token (id, name, role, hash, created, rotated, revoked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET name = ?2, role = ?3, hash = ?4, rotated = ?6, revoked = ?7",
        params![
            row.id,
            row.name,
            row.role,
            row.hash,
            row.created.as_millis(),
            row.rotated.map(Timestamp::as_millis),
            row.revoked.map(Timestamp::as_millis)
        ],
    )
}

pub(super) fn answer(conn: &Connection, row: &IdempotentAnswer) -> Result<(), Failed> {
    run(
        conn,
        "store the answer to a command",
        "INSERT INTO answer (key, principal, body_hash, answer, expires) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key, principal) DO UPDATE SET body_hash = ?3, answer = ?4, expires = ?5",
        params![
            row.key,
            row.principal,
            row.body_hash,
            row.answer,
            row.expires.as_millis()
        ],
    )
}

pub(super) fn named_value(conn: &Connection, row: &NamedValue<'_>) -> Result<(), Failed> {
    let doing = "store a named value";
    let Some(value) = row.value else {
        return run(
            conn,
            doing,
            "DELETE FROM named_value WHERE name = ?1",
            params![row.name],
        );
    };
    run(
        conn,
        doing,
        "INSERT INTO named_value (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        params![row.name, value],
    )
}

pub(super) fn audit_row(conn: &Connection, row: &AuditRow, hash: &AuditHash) -> Result<(), Failed> {
    run(
        conn,
        "store an audit row",
        "INSERT INTO audit (at, actor, action, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            row.at.as_millis(),
            row.actor,
            row.action,
            row.subject,
            row.detail,
            hash
        ],
    )
}
