//! Devices that are not in the estate, as a batch leaves them.

use super::{Failed, run};
use crate::unknown_rows::{UnknownChange, UnknownPayload, UnknownRow};
use rusqlite::{Connection, params};

/// Removals come first, so that a device may go and come again under a new number within one batch.
pub(super) fn devices(conn: &Connection, changes: &[UnknownChange]) -> Result<(), Failed> {
    for change in changes.iter().filter(|change| change.row.is_none()) {
        run(
            conn,
            "forget an unknown device",
            "DELETE FROM unknown_device WHERE id = ?1",
            params![change.id],
        )?;
    }
    for change in changes {
        let Some(row) = &change.row else { continue };
        device(conn, row)?;
        for number in &change.dropped {
            run(
                conn,
                "let a message of an unknown device go",
                "DELETE FROM unknown_payload WHERE device = ?1 AND number = ?2",
                params![change.id, *number as i64],
            )?;
        }
        change
            .added
            .iter()
            .try_for_each(|message| payload(conn, change.id, message))?;
    }
    Ok(())
}

fn device(conn: &Connection, row: &UnknownRow) -> Result<(), Failed> {
    let doing = "store an unknown device";
    // Most are there already, and an upsert would look after the sequence of numbers each time.
    let changed = conn
        .prepare_cached(
            "UPDATE unknown_device SET state = ?2, version = ?3, last_seen = ?4, heard = ?5, vendor = ?6, model = ?7
             WHERE id = ?1",
        )
        .and_then(|mut update| {
            update.execute(params![
                row.id,
                row.state.label(),
                row.version,
                row.last_seen.as_millis(),
                row.heard as i64,
                row.vendor,
                row.model
            ])
        });
    if changed.map_err(|source| (doing, source))? > 0 {
        return Ok(());
    }
    run(
        conn,
        doing,
        "INSERT INTO unknown_device (id, connection, family, key, state, version, first_seen, last_seen, heard, vendor, model)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            row.id,
            row.connection,
            row.family,
            row.key,
            row.state.label(),
            row.version,
            row.first_seen.as_millis(),
            row.last_seen.as_millis(),
            row.heard as i64,
            row.vendor,
            row.model
        ],
    )
}

fn payload(conn: &Connection, device: i64, message: &UnknownPayload) -> Result<(), Failed> {
    run(
        conn,
        "keep a message of an unknown device",
        "INSERT OR REPLACE INTO unknown_payload (device, number, at, topic, retained, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            device,
            message.number as i64,
            message.at.as_millis(),
            &*message.topic,
            message.retained,
            &*message.payload
        ],
    )
}
