//! The lists of the status page: live alarms, open orders, and how the gateway itself is.

use super::Writing;
use crate::http::problem::Problem;
use crate::http::status_text::code;
use crate::http::wire::Priority;
use crate::http::wire::order::Trade;
use crate::http::{Http, alarms, orders};
use linli_ledger::{AlarmFilter, OrderFilter, Page, Trouble};
use prometheus::core::Collector;

/// Most assets of a batch that its line names.
const MAX_NAMED: usize = 8;
/// Most lines of a list.
pub(super) const MAX_LINES: usize = 200;

/// A list that may have been cut.
pub(super) struct Listed<T> {
    pub(super) lines: Vec<T>,
    pub(super) cut: bool,
}

impl<T> Listed<T> {
    pub(super) fn new(mut lines: Vec<T>) -> Self {
        let cut = lines.len() > MAX_LINES;
        lines.truncate(MAX_LINES);
        Self { lines, cut }
    }
}

/// One alarm.
pub(super) struct AlarmLine {
    pub(super) id: String,
    /// `p1` to `p4`: the class of the mark beside the word.
    pub(super) class: &'static str,
    pub(super) priority: String,
    pub(super) what: String,
    pub(super) asset_id: String,
    pub(super) asset: String,
    pub(super) place: String,
    pub(super) since: String,
    pub(super) state: String,
}

/// One order.
pub(super) struct OrderLine {
    pub(super) id: String,
    pub(super) class: &'static str,
    pub(super) priority: String,
    pub(super) task: String,
    pub(super) asset: String,
    pub(super) place: String,
    pub(super) role: String,
    pub(super) state: String,
    /// How many tasks of a batch have ended, of how many.
    pub(super) progress: Option<String>,
    pub(super) since: String,
    pub(super) assignee: Option<String>,
}

/// One connection to the field.
pub(super) struct Connection {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) up: bool,
}

/// How the gateway is.
pub(super) struct Health {
    pub(super) connections: Vec<Connection>,
    pub(super) commit: String,
    pub(super) pending: u64,
    pub(super) dead: u64,
    pub(super) rejects: u64,
    /// Why nothing can be stored, when that is so, and what to do.
    pub(super) trouble: Option<&'static str>,
    pub(super) well: bool,
}

fn class(priority: Priority) -> (&'static str, &'static str) {
    match priority {
        Priority::P1 => ("p1", "P1"),
        Priority::P2 => ("p2", "P2"),
        Priority::P3 => ("p3", "P3"),
        Priority::P4 => ("p4", "P4"),
    }
}

/// Reads all three from one reader.
pub(super) async fn read(
    http: &Http,
    writing: &Writing,
) -> Result<(Listed<AlarmLine>, Listed<OrderLine>, Health), Problem> {
    let (mut alarm_rows, mut order_rows, counts) = http
        .readers
        .query(|reader| {
            let alarms = AlarmFilter {
                live: Some(true),
                ..AlarmFilter::default()
            };
            let orders = OrderFilter {
                open: Some(true),
                ..OrderFilter::default()
            };
            Ok((
                reader.alarms(&alarms, Page::newest(MAX_LINES + 1))?,
                reader.orders(&orders, Page::newest(MAX_LINES + 1))?,
                reader.counts()?,
            ))
        })
        .await?;
    // The most urgent first, then the oldest: what has waited longest stands on top of its kind.
    alarm_rows.sort_by_key(|row| (row.priority, row.raised));
    order_rows.sort_by_key(|row| (row.priority, row.opened));
    let alarms = alarms::wire(http, &alarm_rows).await?;
    let alarms = alarms.into_iter().map(|alarm| alarm_line(alarm, writing));
    let alarms = Listed::new(alarms.collect());
    let orders = order_rows
        .iter()
        .map(|row| orders::wire(http, row).map(|order| order_line(order, writing)));
    let orders = Listed::new(orders.collect::<Result<Vec<_>, _>>()?);
    let connections = connections(http);
    let trouble = http.progress.borrow().trouble.map(|trouble| match trouble {
        Trouble::Full => writing.words.disk_full,
        Trouble::ReadOnly => writing.words.disk_read_only,
        Trouble::Failing => writing.words.disk_failing,
    });
    let well = trouble.is_none()
        && alarms.lines.is_empty()
        && counts.dead_deliveries == 0
        && connections.iter().all(|c| c.up);
    let health = Health {
        connections,
        commit: http.progress.borrow().commit.to_string(),
        pending: counts.pending_deliveries,
        dead: counts.dead_deliveries,
        rejects: counts.rejects,
        trouble,
        well,
    };
    Ok((alarms, orders, health))
}

fn alarm_line(alarm: crate::http::wire::alarm::Alarm, writing: &Writing) -> AlarmLine {
    let (class, priority) = class(alarm.priority);
    AlarmLine {
        id: alarm.id,
        class,
        priority: code(writing.language, priority).to_owned(),
        what: writing.wire(alarm.name),
        asset_id: alarm.asset,
        asset: writing.wire(alarm.asset_name),
        place: writing.wire(alarm.place),
        since: writing.time(alarm.last_raised_at),
        state: code(writing.language, &alarm.state).to_owned(),
    }
}

fn order_line(order: crate::http::wire::order::Order, writing: &Writing) -> OrderLine {
    let (class, priority) = class(order.priority);
    let role = match order.role {
        Trade::Repair => "repair",
        Trade::Cleaning => "cleaning",
        Trade::Order => "order",
    };
    OrderLine {
        progress: order.progress(),
        asset: place_of(&order, writing),
        id: order.id,
        class,
        priority: code(writing.language, priority).to_owned(),
        task: writing.wire(order.task),
        place: writing.wire(order.place),
        role: code(writing.language, role).to_owned(),
        state: code(writing.language, &order.state).to_owned(),
        since: writing.time(order.opened_at),
        assignee: order.assignee,
    }
}

/// The asset of an order, or those of its open tasks.
fn place_of(order: &crate::http::wire::order::Order, writing: &Writing) -> String {
    let open = order.tasks.iter().filter(|task| task.state == "open");
    let mut names: Vec<String> = open
        .map(|task| writing.wire(task.asset_name.clone()))
        .take(MAX_NAMED + 1)
        .collect();
    if names.is_empty() {
        return writing.wire(order.asset_name.clone());
    }
    if names.len() > MAX_NAMED {
        names.truncate(MAX_NAMED);
        names.push("…".into());
    }
    names.join(writing.words.comma)
}

/// What the gauges say about each connection.
fn connections(http: &Http) -> Vec<Connection> {
    let families = http.metrics.connector_up.collect();
    let mut connections: Vec<Connection> = families
        .iter()
        .flat_map(|family| family.get_metric())
        .map(|metric| {
            let label = |name: &str| {
                let label = metric.get_label().iter().find(|label| label.name() == name);
                label.map(|label| label.value().to_owned()).unwrap_or_default()
            };
            Connection {
                name: label("connection"),
                kind: label("kind"),
                up: metric.get_gauge().value() > 0.0,
            }
        })
        .collect();
    connections.sort_by(|a, b| a.name.cmp(&b.name));
    connections
}
