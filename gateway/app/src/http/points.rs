//! Points and their readings.

use super::Http;
use super::devices::freshness;
use super::extract::Query;
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::point::{Point, Reading};
use axum::Json;
use axum::extract::{Path, State};
use linli_domain::id::{AssetId, DeviceId};
use linli_domain::measure::Measure;
use linli_domain::reading::Reading as DomainReading;
use linli_domain::time::Timestamp;
use linli_ledger::{PointRow, SampleCursor};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which points.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PointsQuery {
    /// Of this device.
    #[param(value_type = Option<String>)]
    pub device: Option<DeviceId>,
    /// Watching this asset.
    #[param(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// Of this measure, such as `leak.wet`.
    #[param(value_type = Option<String>)]
    pub measure: Option<Measure>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Points with their newest readings, in the order in which they first spoke
#[utoipa::path(get, path = "/points", tag = "points", params(PointsQuery),
    responses((status = 200, body = Page<Point>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<PointsQuery>,
) -> Result<Json<Page<Point>>, Problem> {
    let filter = format!("points {:?} {:?} {:?}", query.device, query.asset, query.measure);
    let ask = Ask::new(query.limit, query.cursor.as_deref(), &filter)?;
    let after = ask.after_number()?;
    let names = http.names();
    let passes = |row: &Arc<PointRow>| {
        after.is_none_or(|after| u64::from(row.key.0) > after)
            && query.device.as_ref().is_none_or(|device| row.device == *device)
            && query.measure.is_none_or(|measure| row.measure == measure.name())
            && query
                .asset
                .as_ref()
                .is_none_or(|asset| names.asset_of(row).is_some_and(|watched| watched.id == *asset))
    };
    let rows: Vec<_> = names
        .points
        .all()
        .into_iter()
        .filter(passes)
        .take(ask.limit + 1)
        .collect();
    let latest = http.live.latest(rows.iter().map(|row| row.key));
    let page = ask.page(rows, |row| row.key.0.to_string());
    let freshness = freshness(&http, page.items.iter().map(|row| row.key).collect()).await;
    let items = page
        .items
        .iter()
        .map(|row| {
            Point::new(
                row,
                latest.get(&row.key),
                freshness.get(&row.key).copied(),
                &names,
            )
        })
        .collect();
    Ok(Json(Page {
        items,
        next_cursor: page.next_cursor,
    }))
}

pub(super) async fn find(http: &Http, text: &str) -> Result<Arc<PointRow>, Problem> {
    if let Some(row) = http.points.table().find(text) {
        return Ok(Arc::clone(row));
    }
    // The ledger may already know it although the live feed has not yet told of it.
    http.points.catch_up(&http.readers, http.commit()).await?;
    http.points.table().find(text).map(Arc::clone).ok_or_else(|| {
        let mut problem = Problem::not_found("point", text);
        problem.detail.push_str("; write each / of its id as %2F");
        problem
    })
}

/// One point with its newest reading
#[utoipa::path(get, path = "/points/{point}", tag = "points",
    params(("point" = String, Path, description = "Its id with `/` as `%2F`, or its key such as `P12`")),
    responses((status = 200, body = Point)))]
pub async fn show(State(http): State<Arc<Http>>, Path(point): Path<String>) -> Result<Json<Point>, Problem> {
    let row = find(&http, &point).await?;
    let latest = http.live.latest(std::iter::once(row.key));
    let freshness = freshness(&http, vec![row.key]).await.remove(&row.key);
    let point = Point::new(&row, latest.get(&row.key), freshness, &http.names());
    Ok(Json(point))
}

/// Which readings.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadingsQuery {
    /// Observed at or after; a day before `to` when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Observed before; now when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before. It remembers `from` and `to`, so give them again only if they were given.
    pub cursor: Option<String>,
}

/// Readings of a point, oldest first
#[utoipa::path(get, path = "/points/{point}/readings", tag = "points",
    params(("point" = String, Path, description = "Its id with `/` as `%2F`, or its key such as `P12`"), ReadingsQuery),
    responses((status = 200, body = Page<Reading>)))]
pub async fn readings(
    State(http): State<Arc<Http>>,
    Path(point): Path<String>,
    Query(query): Query<ReadingsQuery>,
) -> Result<Json<Page<Reading>>, Problem> {
    let row = find(&http, &point).await?;
    let filter = format!("readings {} {:?} {:?}", row.key, query.from, query.to);
    let ask = Ask::new(query.limit, query.cursor.as_deref(), &filter)?;
    let place = ask.after.as_deref().map(read_place).transpose()?;
    let (from, to, after) = match place {
        Some((from, to, cursor)) => (from, to, Some(cursor)),
        None => {
            let to = query.to.unwrap_or_else(|| http.clock.now().wall);
            let day = std::time::Duration::from_secs(86_400);
            (query.from.unwrap_or_else(|| to.minus(day)), to, None)
        }
    };
    if from >= to {
        return Err(Problem::new(
            Code::BadQuery,
            format!("from ({from}) must be before to ({to})"),
        ));
    }
    let (key, limit) = (row.key, ask.limit);
    let page = http
        .readers
        .query(move |reader| reader.samples(key, from, to, limit, after))
        .await?;
    let items = page.samples.into_iter().map(|sample| {
        Reading::from(&DomainReading {
            point: key,
            observed: sample.observed,
            received: sample.received,
            value: sample.value,
            quality: sample.quality,
        })
    });
    Ok(Json(Page {
        items: items.collect(),
        next_cursor: page.next.map(|next| ask.cursor(&write_place(from, to, next))),
    }))
}

fn write_place(from: Timestamp, to: Timestamp, next: SampleCursor) -> String {
    format!(
        "{}/{}/{}/{}",
        from.as_millis(),
        to.as_millis(),
        next.observed.as_millis(),
        next.given
    )
}

fn read_place(text: &str) -> Result<(Timestamp, Timestamp, SampleCursor), Problem> {
    let wrong = || Problem::new(Code::CursorMismatch, "the cursor was not given by this listing");
    let mut parts = text.split('/');
    let mut time = || parts.next()?.parse().ok().map(Timestamp::from_millis);
    let times = (time(), time(), time());
    match (times, parts.next().and_then(|given| given.parse().ok())) {
        ((Some(from), Some(to), Some(observed)), Some(given)) => {
            Ok((from, to, SampleCursor { observed, given }))
        }
        _ => Err(wrong()),
    }
}
