//! Readings over time: in buckets for a chart, as changes of state, and as a stream of lines.

use super::Http;
use super::devices::freshness;
use super::extract::Query;
use super::points::find;
use super::problem::{Code, Problem};
use super::wire::series::{Buckets, Changes};
use crate::ops::export::{self, Form};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use linli_domain::health::Freshness;
use linli_domain::id::{DeviceId, PointKey};
use linli_domain::measure::Measure;
use linli_domain::time::{Timestamp, duration_text};
use linli_ledger::{HOUR, PointRow, Reader};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// Buckets of an answer unless asked otherwise.
const BUCKETS: u32 = 500;
/// Most changes of state in one answer.
const MAX_CHANGES: usize = 5_000;
/// Samples looked at for changes of state at most.
const MAX_LOOKED: usize = 500_000;
/// Lines read in one piece of an export.
const PIECE: usize = 5_000;

/// Which buckets.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BucketsQuery {
    /// Observed at or after; a day before `to` when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Observed before; now when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Width of a bucket, such as `15m`; chosen by `max_buckets` when not given.
    pub width: Option<String>,
    /// Most buckets, 1 to 2,000; 500 when not given.
    #[param(minimum = 1, maximum = 2000)]
    pub max_buckets: Option<u32>,
}

/// A point over time in buckets
///
/// Columns of equal length, one entry a bucket: numbers as count, least, greatest, mean and last, states as the time
/// they were true, how long they were known, and how often they changed. A state holds from one reading to the next,
/// and for as long as its device is heard; silence is unknown and not a state. A bucket in which nothing is known holds
/// nulls, so gaps stay visible. When no width is given, it is a whole number of hours, minutes or seconds, and the first
/// bucket begins at a multiple of it.
#[utoipa::path(get, path = "/points/{point}/buckets", tag = "points",
    params(("point" = String, Path, description = "Its id with `/` as `%2F`, or its key such as `P12`"), BucketsQuery),
    responses((status = 200, body = Buckets)))]
pub async fn buckets(
    State(http): State<Arc<Http>>,
    Path(point): Path<String>,
    Query(query): Query<BucketsQuery>,
) -> Result<Json<Buckets>, Problem> {
    let row = find(&http, &point).await?;
    let now = http.clock.now().wall;
    let (from, to) = span(query.from, query.to, now)?;
    let most = i64::from(query.max_buckets.unwrap_or(BUCKETS).clamp(1, 2_000));
    let length = to.as_millis() - from.as_millis();
    let (from, width) = match &query.width {
        Some(text) => {
            let width = duration_text::parse(text).map_err(|error| Problem::new(Code::BadQuery, error))?;
            let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX);
            if width == 0 {
                return Err(Problem::new(
                    Code::BadQuery,
                    "width: a bucket lasts at least a millisecond; take a width such as 15m",
                ));
            }
            if length / width >= 20_000 {
                return Err(Problem::new(
                    Code::BadQuery,
                    "width: at most 20,000 buckets; take a wider one or a shorter range",
                ));
            }
            (from, width)
        }
        None => {
            let width = even_width(length, most);
            (
                Timestamp::from_millis(from.as_millis().div_euclid(width) * width),
                width,
            )
        }
    };
    let (key, wide) = (row.key, Duration::from_millis(width.unsigned_abs()));
    let spans = http
        .readers
        .query(move |reader| reader.spans(key, from, to, wide))
        .await?;
    let holds_until = if spans.goes_on {
        to
    } else if is_known(&http, key).await {
        to.min(now)
    } else {
        from
    };
    Ok(Json(Buckets::new(from, to, holds_until, &spans)))
}

/// Whether the engine stands by the newest value of a point.
async fn is_known(http: &Http, key: PointKey) -> bool {
    let freshness = freshness(http, vec![key]).await.remove(&key);
    matches!(freshness, Some(Freshness::Fresh | Freshness::Stale))
}

/// The narrowest even width that makes no more than `most` buckets.
fn even_width(length: i64, most: i64) -> i64 {
    const EVEN: [i64; 13] = [
        1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
        HOUR,
    ];
    let least = length.max(1).div_euclid(most) + 1;
    // One more than asked comes of a range that begins within a bucket.
    EVEN.into_iter()
        .find(|width| *width >= least)
        .unwrap_or_else(|| least.div_euclid(HOUR).saturating_add(1) * HOUR)
}

/// Which changes.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangesQuery {
    /// Observed at or after; a day before `to` when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Observed before; now when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
}

/// When a point showed something else than before
///
/// At most 5,000 changes; `complete` is false when there are more, then ask again from the last one.
#[utoipa::path(get, path = "/points/{point}/changes", tag = "points",
    params(("point" = String, Path, description = "Its id with `/` as `%2F`, or its key such as `P12`"), ChangesQuery),
    responses((status = 200, body = Changes)))]
pub async fn changes(
    State(http): State<Arc<Http>>,
    Path(point): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> Result<Json<Changes>, Problem> {
    let row = find(&http, &point).await?;
    let (from, to) = span(query.from, query.to, http.clock.now().wall)?;
    let key = row.key;
    let (before, samples) = http
        .readers
        .query(move |reader| {
            Ok((
                reader.last_before(key, from)?,
                reader.range(key, from, to, MAX_LOOKED)?,
            ))
        })
        .await?;
    Ok(Json(Changes::new(
        before.as_ref(),
        &samples,
        MAX_CHANGES,
        samples.len() < MAX_LOOKED,
    )))
}

fn span(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Problem> {
    let to = to.unwrap_or(now);
    let from = from.unwrap_or_else(|| to.minus(Duration::from_secs(86_400)));
    let length = to.as_millis().checked_sub(from.as_millis());
    match length {
        Some(length) if length > 0 => Ok((from, to)),
        _ => Err(Problem::new(
            Code::BadQuery,
            format!("from ({from}) must be before to ({to})"),
        )),
    }
}

/// Which readings, and how they are written.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `csv` or `ndjson`; `csv` when not given.
    pub format: Option<String>,
    /// Observed at or after; a day before `to` when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Observed before; now when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Only this point, by id or key.
    pub point: Option<String>,
    /// Only points of this device.
    #[param(value_type = Option<String>)]
    pub device: Option<DeviceId>,
    /// Only points of this measure.
    #[param(value_type = Option<String>)]
    pub measure: Option<Measure>,
}

/// Readings as CSV or JSON lines
///
/// A stream, point by point and in order of time, however much it is.
#[utoipa::path(get, path = "/readings/export", tag = "points", params(ExportQuery),
    responses((status = 200, description = "The lines", content_type = "text/csv", body = String)))]
pub async fn export(
    State(http): State<Arc<Http>>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let form = match query.format.as_deref() {
        None | Some("csv") => Form::Csv,
        Some("ndjson") => Form::Ndjson,
        Some(other) => {
            let detail = format!("format: {other:?} is neither csv nor ndjson");
            return Err(Problem::new(Code::BadQuery, detail));
        }
    };
    let range = span(query.from, query.to, http.clock.now().wall)?;
    if let Some(device) = &query.device {
        known(&http, device).await?;
    }
    let points: Vec<PointRow> = match &query.point {
        Some(point) => vec![find(&http, point).await?.as_ref().clone()],
        None => http
            .names()
            .points
            .all()
            .iter()
            .map(|row| row.as_ref().clone())
            .collect(),
    };
    let points: Vec<PointRow> = points
        .into_iter()
        .filter(|row| {
            query.device.as_ref().is_none_or(|device| row.device == *device)
                && query.measure.is_none_or(|measure| row.measure == measure.name())
        })
        .collect();
    let start = Piece {
        points: Arc::new(points),
        progress: export::Progress::default(),
        head: true,
        more: true,
    };
    let pieces = stream::unfold(start, move |piece| {
        let http = Arc::clone(&http);
        async move { next_piece(&http, piece, range, form).await }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(form.media_type()),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        header::HeaderValue::from_static(match form {
            Form::Csv => "attachment; filename=\"readings.csv\"",
            Form::Ndjson => "attachment; filename=\"readings.ndjson\"",
        }),
    );
    Ok(response)
}

/// Refuses a device that is neither in the estate nor in the ledger: no lines would look like no readings.
async fn known(http: &Http, device: &DeviceId) -> Result<(), Problem> {
    if http.names().estate.device_by_id(device).is_some() {
        return Ok(());
    }
    http.points.catch_up(&http.readers, http.commit()).await?;
    let points = http.points.table();
    match points.all().iter().any(|row| row.device == *device) {
        true => Ok(()),
        false => Err(Problem::not_found("device", device.as_str())),
    }
}

struct Piece {
    points: Arc<Vec<PointRow>>,
    progress: export::Progress,
    head: bool,
    more: bool,
}

async fn next_piece(
    http: &Http,
    mut piece: Piece,
    range: (Timestamp, Timestamp),
    form: Form,
) -> Option<(Result<Bytes, std::io::Error>, Piece)> {
    if !piece.more || http.shutdown.is_cancelled() {
        return None;
    }
    let mut out = Vec::new();
    if std::mem::take(&mut piece.head) {
        out.extend_from_slice(form.head().as_bytes());
    }
    let (points, mut progress) = (Arc::clone(&piece.points), piece.progress.clone());
    let read = http.readers.query(move |reader: &mut Reader| {
        let more = export::piece(reader, &points, range, form, PIECE, &mut progress, &mut out)?;
        Ok((out, progress, more))
    });
    match read.await {
        Ok((out, progress, more)) => {
            (piece.progress, piece.more) = (progress, more);
            Some((Ok(Bytes::from(out)), piece))
        }
        // The stream breaks off, which a client can see; a quiet end would look like all there is.
        Err(problem) => {
            piece.more = false;
            Some((Err(std::io::Error::other(problem.detail)), piece))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_is_even_and_makes_no_more_buckets_than_wanted() {
        for (length, most) in [
            (1, 1),
            (86_400_000, 500),
            (31_536_000_000, 500),
            (3_600_000, 2_000),
            (i64::MAX / 4, 7),
        ] {
            let width = even_width(length, most);
            assert!(length / width < most.max(1) + 1, "{length} {most} {width}");
            assert!(
                width % 1_000 == 0 && (width < HOUR || width % HOUR == 0),
                "{width}"
            );
        }
        assert_eq!(even_width(31_536_000_000, 500), 18 * HOUR);
    }
}
