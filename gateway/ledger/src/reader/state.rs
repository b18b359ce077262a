//! Alarms and orders as they are now: single rows and filtered pages, newest number first.

use super::{Reader, Wrong, id, page, time};
use crate::error::StoreError;
use crate::rows::{AlarmRow, OrderRow};
use linli_domain::id::{AlarmId, AssetId, Class, Fault, OrderId};
use linli_domain::time::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Row, params_from_iter};

/// A stretch of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<I> {
    /// Only numbers before this one; `None` begins with the newest.
    pub before: Option<I>,
    /// Most rows.
    pub limit: usize,
}

impl<I> Page<I> {
    /// The newest `limit` rows.
    pub fn newest(limit: usize) -> Self {
        Self { before: None, limit }
    }
}

/// Which alarms; every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmFilter {
    /// Live ones or ended ones.
    pub live: Option<bool>,
    /// About this asset.
    pub asset: Option<AssetId>,
    /// Of this class.
    pub class: Option<Class>,
    /// In one of these states; in any when there is none.
    pub states: Vec<String>,
    /// At least this urgent: priorities up to and including it.
    pub priority: Option<u8>,
    /// Raised at or after.
    pub raised_from: Option<Timestamp>,
    /// Raised before.
    pub raised_to: Option<Timestamp>,
    /// Explained by this alarm, now or when they were.
    pub cause: Option<AlarmId>,
    /// Known from late readings alone, or not.
    pub late: Option<bool>,
}

/// Which orders; every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Open ones or closed ones.
    pub open: Option<bool>,
    /// About this asset, alone or among others.
    pub asset: Option<AssetId>,
    /// For this fault.
    pub fault: Option<Fault>,
    /// In this state.
    pub state: Option<String>,
    /// The job of this role.
    pub role: Option<String>,
    /// At least this urgent: priorities up to and including it.
    pub priority: Option<u8>,
    /// Opened at or after.
    pub opened_from: Option<Timestamp>,
    /// Opened before.
    pub opened_to: Option<Timestamp>,
}

/// Conditions that are set, as SQL with its parameters.
#[derive(Default)]
pub(super) struct Conditions {
    sql: String,
    params: Vec<Sql>,
}

impl Conditions {
    /// Adds `condition`, in which `?` stands for the value.
    pub(super) fn and(mut self, condition: &str, value: Option<impl Into<Sql>>) -> Self {
        if let Some(value) = value {
            self.sql
                .push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
            self.sql.push_str(condition);
            self.params.push(value.into());
        }
        self
    }

    /// Adds a condition that says everything itself, as partial indexes want it.
    pub(super) fn and_that(mut self, condition: Option<&str>) -> Self {
        if let Some(condition) = condition {
            self.sql
                .push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
            self.sql.push_str(condition);
        }
        self
    }

    /// `select` and the conditions.
    pub(super) fn all(self, select: &str) -> (String, Vec<Sql>) {
        (format!("{select}{}", self.sql), self.params)
    }

    /// The whole query: `select`, the conditions, newest first, one page.
    pub(super) fn newest_first(mut self, select: &str, limit: usize) -> (String, Vec<Sql>) {
        self.params.push(Sql::Integer(page(limit)));
        (
            format!("{select}{} ORDER BY id DESC LIMIT ?", self.sql),
            self.params,
        )
    }
}

fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

const ALARM: &str =
    "SELECT id, asset, class, live, priority, state, raised, updated, document, cause FROM alarm";
const ORDER: &str = "SELECT id, asset, fault, open, state, version, priority, role, opened, updated, document FROM work_order";

impl Reader {
    /// Alarms that pass the filter, newest number first.
    pub fn alarms(&self, filter: &AlarmFilter, page: Page<AlarmId>) -> Result<Vec<AlarmRow>, StoreError> {
        let (sql, params) = alarms_sql(filter, page);
        self.all("list alarms", &sql, params_from_iter(params), alarm)
    }

    /// The alarm with this number.
    pub fn alarm(&self, id: AlarmId) -> Result<Option<AlarmRow>, StoreError> {
        self.first(
            "read an alarm",
            &format!("{ALARM} WHERE id = ?1"),
            [id.0 as i64],
            alarm,
        )
    }

    /// Orders that pass the filter, newest number first.
    pub fn orders(&self, filter: &OrderFilter, page: Page<OrderId>) -> Result<Vec<OrderRow>, StoreError> {
        let (sql, params) = Conditions::default()
            .and("open = ?", filter.open.map(i64::from))
            .and(
                "id IN (SELECT work_order FROM order_asset WHERE asset = ?)",
                filter.asset.as_ref().map(|asset| asset.as_str().to_owned()),
            )
            .and(
                "fault = ?",
                filter.fault.as_ref().map(|fault| fault.as_str().to_owned()),
            )
            .and("state = ?", filter.state.clone())
            .and("role = ?", filter.role.clone())
            .and("priority <= ?", filter.priority.map(i64::from))
            .and("opened >= ?", millis(filter.opened_from))
            .and("opened < ?", millis(filter.opened_to))
            .and("id < ?", page.before.map(|id| id.0 as i64))
            .newest_first(ORDER, page.limit);
        self.all("list orders", &sql, params_from_iter(params), order)
    }

    /// The order with this number.
    pub fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
        self.first(
            "read an order",
            &format!("{ORDER} WHERE id = ?1"),
            [id.0 as i64],
            order,
        )
    }
}

/// The alarms that pass a filter, newest number first.
fn alarms_sql(filter: &AlarmFilter, page: Page<AlarmId>) -> (String, Vec<Sql>) {
    Conditions::default()
        .and_that(filter.live.map(|live| if live { "live" } else { "NOT live" }))
        .and_that(
            filter
                .late
                .map(|late| if late { "state = 'late'" } else { "state <> 'late'" }),
        )
        .and(
            "asset = ?",
            filter.asset.as_ref().map(|asset| asset.as_str().to_owned()),
        )
        .and(
            "class = ?",
            filter.class.as_ref().map(|class| class.as_str().to_owned()),
        )
        .and(
            "instr(?, ',' || state || ',') > 0",
            (!filter.states.is_empty()).then(|| format!(",{},", filter.states.join(","))),
        )
        .and("priority <= ?", filter.priority.map(i64::from))
        .and("raised >= ?", millis(filter.raised_from))
        .and("raised < ?", millis(filter.raised_to))
        .and("id < ?", page.before.map(|id| id.0 as i64))
        .and("cause = ?", filter.cause.map(|cause| cause.0 as i64))
        .newest_first(ALARM, page.limit)
}

fn alarm(row: &Row<'_>) -> Result<AlarmRow, Wrong> {
    Ok(AlarmRow {
        id: AlarmId(row.get::<_, i64>(0)? as u64),
        asset: id(row, 1, "alarm")?,
        class: id(row, 2, "alarm")?,
        live: row.get(3)?,
        priority: row.get(4)?,
        state: row.get(5)?,
        raised: time(row, 6)?,
        updated: time(row, 7)?,
        document: row.get(8)?,
        cause: row.get::<_, Option<i64>>(9)?.map(|cause| AlarmId(cause as u64)),
    })
}

fn order(row: &Row<'_>) -> Result<OrderRow, Wrong> {
    Ok(OrderRow {
        id: OrderId(row.get::<_, i64>(0)? as u64),
        asset: id(row, 1, "work_order")?,
        fault: id(row, 2, "work_order")?,
        open: row.get(3)?,
        state: row.get(4)?,
        version: row.get(5)?,
        priority: row.get(6)?,
        role: row.get(7)?,
        opened: time(row, 8)?,
        updated: time(row, 9)?,
        document: row.get(10)?,
        tasks: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::plans;

    #[test]
    fn living_alarms_late_ones_and_those_of_one_cause_are_found_without_looking_at_all() {
        let plan = |filter: AlarmFilter| plans::of(&alarms_sql(&filter, Page::newest(50)).0);
        for (filter, index) in [
            (
                AlarmFilter {
                    live: Some(true),
                    ..AlarmFilter::default()
                },
                "alarm_live",
            ),
            (
                AlarmFilter {
                    late: Some(true),
                    ..AlarmFilter::default()
                },
                "alarm_late",
            ),
            (
                AlarmFilter {
                    cause: Some(AlarmId(7)),
                    ..AlarmFilter::default()
                },
                "alarm_by_cause",
            ),
        ] {
            let plan = plan(filter);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
