//! Devices that speak and are not in the estate, with the messages that wait for a decision about them.

use super::state::Conditions;
use super::{Page, Reader, Wrong, time};
use crate::error::{Damage, StoreError};
use crate::unknown_rows::{UnknownPayload, UnknownRow, UnknownState};
use rusqlite::{Row, params, params_from_iter};

const DEVICE: &str = "SELECT id, connection, family, key, state, version, first_seen, last_seen, heard, vendor, model FROM unknown_device";

impl Reader {
    /// Unknown devices in a state, or in any, newest first.
    pub fn unknown_devices(
        &self,
        state: Option<UnknownState>,
        page: Page<i64>,
    ) -> Result<Vec<UnknownRow>, StoreError> {
        let (sql, params) = Conditions::default()
            .and("state = ?", state.map(|state| state.label().to_owned()))
            .and("id < ?", page.before)
            .newest_first(DEVICE, page.limit);
        self.all("list unknown devices", &sql, params_from_iter(params), device)
    }

    /// The unknown device with this number.
    pub fn unknown_device(&self, id: i64) -> Result<Option<UnknownRow>, StoreError> {
        let sql = format!("{DEVICE} WHERE id = ?1");
        self.first("read an unknown device", &sql, [id], device)
    }

    /// Unknown devices with this key, on every connection.
    pub fn unknown_devices_called(&self, key: &str) -> Result<Vec<UnknownRow>, StoreError> {
        let sql = format!("{DEVICE} WHERE key = ?1 ORDER BY id");
        self.all("look up an unknown device", &sql, [key], device)
    }

    /// The messages kept of an unknown device, oldest first.
    pub fn unknown_payloads(&self, device: i64) -> Result<Vec<UnknownPayload>, StoreError> {
        self.all(
            "read the messages of an unknown device",
            "SELECT number, at, topic, retained, payload FROM unknown_payload WHERE device = ?1 ORDER BY number",
            params![device],
            |row| {
                Ok(UnknownPayload {
                    number: row.get::<_, i64>(0)? as u64,
                    at: time(row, 1)?,
                    topic: row.get(2)?,
                    retained: row.get(3)?,
                    payload: row.get(4)?,
                })
            },
        )
    }

    /// The highest number ever given to an unknown device; 0 before the first.
    pub fn last_unknown_device(&self) -> Result<i64, StoreError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'unknown_device'";
        let last = self.first("read the last number of an unknown device", sql, [], |row| {
            Ok(row.get(0)?)
        })?;
        Ok(last.unwrap_or(0))
    }
}

fn device(row: &Row<'_>) -> Result<UnknownRow, Wrong> {
    let state = row.get_ref(4)?.as_str().ok().and_then(UnknownState::from_label);
    Ok(UnknownRow {
        id: row.get(0)?,
        connection: row.get(1)?,
        family: row.get(2)?,
        key: row.get(3)?,
        state: state.ok_or(Damage::Row {
            table: "unknown_device",
            what: "a state makes no sense",
        })?,
        version: row.get(5)?,
        first_seen: time(row, 6)?,
        last_seen: time(row, 7)?,
        heard: row.get::<_, i64>(8)? as u64,
        vendor: row.get(9)?,
        model: row.get(10)?,
    })
}
