//! Scans of a bus: begin one, look how far it is, end it. One at a time; only reads.

use super::Http;
use super::auth::Principal;
use super::extract::{Body, Id, Unkeyed};
use super::problem::{Code, Problem};
use super::wire::bus::{NewScan, Scan};
use super::wire::order::Plain;
use crate::field::modbus::errand::{NotTaken, ScanJob};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linli_domain::id::BusId;
use std::sync::Arc;

/// The last unit there can be; on a serial line it is 247.
const LAST_UNIT: u8 = 255;

/// Look who answers on a bus
///
/// Only reads, and leaves half of the bus's time to its polling. Ask `GET /scans/{id}` how far it is.
#[utoipa::path(post, path = "/scans", tag = "devices", request_body = NewScan, responses((status = 202, body = Scan)))]
pub async fn start(
    State(http): State<Arc<Http>>,
    principal: Principal,
    _: Unkeyed,
    body: Body<NewScan>,
) -> Result<(StatusCode, Json<Scan>), Problem> {
    let NewScan { bus, units } = body.value;
    let id: BusId = bus.parse().map_err(|_| no_bus(&http, &bus))?;
    let units = read_units(&units).map_err(|why| Problem::new(Code::InvalidBody, why))?;
    let job = http
        .buses()
        .scan(&id, units, principal.name.to_string(), http.clock.now().wall)
        .map_err(|why| not_taken(&http, &bus, why))?;
    Ok((StatusCode::ACCEPTED, Json(shown(&http, &job))))
}

/// A scan and what it has found so far
///
/// The last one is kept, until the next begins.
#[utoipa::path(get, path = "/scans/{id}", tag = "devices",
    params(("id" = u64, Path, description = "Its number")), responses((status = 200, body = Scan)))]
pub async fn show(State(http): State<Arc<Http>>, Id(id): Id<u64>) -> Result<Json<Scan>, Problem> {
    Ok(Json(shown(&http, &*job(&http, id)?)))
}

/// End a scan
#[utoipa::path(post, path = "/scans/{id}/cancel", tag = "devices", request_body = Plain,
    params(("id" = u64, Path, description = "Its number")), responses((status = 200, body = Scan)))]
pub async fn cancel(
    State(http): State<Arc<Http>>,
    Id(id): Id<u64>,
    _: Body<Plain>,
) -> Result<Json<Scan>, Problem> {
    let job = job(&http, id)?;
    job.cancel.cancel();
    Ok(Json(shown(&http, &job)))
}

fn job(http: &Http, id: u64) -> Result<Arc<ScanJob>, Problem> {
    http.buses()
        .scan_job(id)
        .ok_or_else(|| Problem::not_found("scan", &id.to_string()))
}

fn shown(http: &Http, job: &ScanJob) -> Scan {
    let estate = Arc::clone(&http.progress.borrow().estate);
    Scan::new(job, |unit| {
        let device = estate
            .device_by_bus(&job.bus, unit)
            .and_then(|index| estate.device(index));
        device.map(|device| device.id.to_string())
    })
}

/// `1-32`, `1-8,20`: each unit once, in order.
fn read_units(text: &str) -> Result<Vec<u8>, String> {
    let wrong =
        || format!("units are written like \"1-32\" or \"1-8,20\", from 1 to {LAST_UNIT}; not {text:?}");
    let mut units = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u8>().ok().filter(|unit| *unit > 0);
        let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
        if first > last {
            return Err(wrong());
        }
        units.extend(first..=last);
    }
    units.sort_unstable();
    units.dedup();
    Ok(units)
}

pub(super) fn no_bus(http: &Http, name: &str) -> Problem {
    let known: Vec<&str> = http.buses().names().map(|bus| bus.as_str()).collect();
    let mut problem = Problem::not_found("bus", name);
    if !known.is_empty() {
        problem.detail = format!("{}; there are {}", problem.detail, known.join(", "));
    }
    problem.word = "unknown_bus";
    problem
}

pub(super) fn not_taken(http: &Http, bus: &str, why: NotTaken) -> Problem {
    let (code, word, detail) = match why {
        NotTaken::NoBus => return no_bus(http, bus),
        NotTaken::ScanUnderWay => (
            Code::InvalidTransition,
            "scan_under_way",
            "a scan is under way already; wait for its end, or cancel it",
        ),
        NotTaken::UpdateUnderWay => (
            Code::InvalidTransition,
            "update_under_way",
            "a firmware update is under way already; wait for its end, or cancel it",
        ),
        NotTaken::TooMany => (
            Code::Overloaded,
            "bus_busy",
            "too much is asked of the bus already; try again in a moment",
        ),
        NotTaken::ReadOnly => (
            Code::Refused,
            "bus_read_only",
            "the bus is only read; writes = true in its [[modbus]] section of linli.toml allows writing",
        ),
    };
    let mut problem = Problem::new(code, detail);
    problem.word = word;
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_people_write_them() {
        assert_eq!(read_units("1-3,7, 2").unwrap(), [1, 2, 3, 7]);
        assert_eq!(read_units("1-255").unwrap().len(), 255);
        for wrong in ["", "0", "0-3", "5-3", "1-256", "a", "1-", "1--3"] {
            assert!(read_units(wrong).unwrap_err().contains("\"1-32\""), "{wrong}");
        }
    }
}
