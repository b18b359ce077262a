//! Firmware updates of nodes: begin one, look how far it is, end it. One at a time; written down before the first byte is
//! sent, and again when it is over.

use super::Http;
use super::auth::Principal;
use super::extract::{Body, Id, Unkeyed};
use super::problem::{Code, Problem};
use super::scans::not_taken;
use super::wire::order::Plain;
use super::wire::update::{NewUpdate, Update};
use super::writes::{audit, refused};
use crate::field::modbus::update::job::{Package, UpdateJob, UpdateState, version_text};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use linli_domain::estate::Address;
use linli_domain::id::DeviceId;
use linli_registers::Kind;
use std::sync::Arc;

/// Update the firmware of a node
///
/// A package of `linli device sign`, for a device with a profile `linli.node-…`, on a bus whose configuration says
/// `writes = true`. At most half of the bus's time is used. The node itself decides whether it believes the signature. What
/// broke off goes on where it was when it is asked for again. Ask `GET /updates/{id}` how far it is.
#[utoipa::path(post, path = "/devices/{id}/updates", tag = "devices", request_body = NewUpdate,
    params(("id" = String, Path, description = "The device's id; write each `/` as `%2F`")),
    responses((status = 202, body = Update)))]
pub async fn start(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<String>,
    _: Unkeyed,
    body: Body<NewUpdate>,
) -> Result<(StatusCode, Json<Update>), Problem> {
    let package = base64::engine::general_purpose::STANDARD
        .decode(body.value.package.trim())
        .map_err(|_| Problem::new(Code::InvalidBody, "the package is not base64"))?;
    let package = Package::parse(&package).map_err(|why| refused("not_a_package", why.to_string()))?;
    let estate = Arc::clone(&http.progress.borrow().estate);
    let device = id
        .parse::<DeviceId>()
        .ok()
        .and_then(|id| estate.device_by_id(&id))
        .and_then(|index| estate.device(index))
        .ok_or_else(|| Problem::not_found("device", &id))?;
    let Some(Address::Bus { bus, unit }) = &device.address else {
        return Err(refused(
            "not_on_a_bus",
            "the device does not hang on a Modbus bus",
        ));
    };
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| device.profile.as_str().strip_prefix("linli.node-") == Some(kind.name()));
    let kind = kind.ok_or_else(|| {
        refused(
            "not_a_node",
            "only devices with a profile linli.node-… take firmware",
        )
    })?;
    if kind != package.kind() {
        let (has, wants) = (package.kind().name(), kind.name());
        return Err(refused(
            "wrong_kind",
            format!("the package is for a {has} node, and the device is a {wants} node"),
        ));
    }
    http.buses()
        .may_write(bus)
        .map_err(|why| not_taken(&http, bus.as_str(), why))?;

    let what = format!(
        "{} (bus {bus}, unit {unit}, {} blocks)",
        told(&package),
        package.blocks()
    );
    audit(&http, &principal.name, "device.update", device.id.as_str(), what).await?;
    let job = http
        .buses()
        .update(
            (bus, *unit),
            &device.id,
            package,
            principal.name.to_string(),
            http.clock.now().wall,
        )
        .map_err(|why| not_taken(&http, bus.as_str(), why))?;
    tokio::spawn(write_down_the_end(
        Arc::clone(&http),
        Arc::clone(&job),
        principal.name.to_string(),
    ));
    Ok((StatusCode::ACCEPTED, Json(Update::new(&job))))
}

/// A firmware update and how far it is
///
/// The last one is kept, until the next begins.
#[utoipa::path(get, path = "/updates/{id}", tag = "devices",
    params(("id" = u64, Path, description = "Its number")), responses((status = 200, body = Update)))]
pub async fn show(State(http): State<Arc<Http>>, Id(id): Id<u64>) -> Result<Json<Update>, Problem> {
    Ok(Json(Update::new(&*job(&http, id)?)))
}

/// End a firmware update
///
/// The node goes on with what it runs, and keeps what it has received.
#[utoipa::path(post, path = "/updates/{id}/cancel", tag = "devices", request_body = Plain,
    params(("id" = u64, Path, description = "Its number")), responses((status = 200, body = Update)))]
pub async fn cancel(
    State(http): State<Arc<Http>>,
    Id(id): Id<u64>,
    _: Body<Plain>,
) -> Result<Json<Update>, Problem> {
    let job = job(&http, id)?;
    job.cancel.cancel();
    Ok(Json(Update::new(&job)))
}

fn job(http: &Http, id: u64) -> Result<Arc<UpdateJob>, Problem> {
    http.buses()
        .update_job(id)
        .ok_or_else(|| Problem::not_found("update", &id.to_string()))
}

/// `leak 1.2 for l432kc`.
fn told(package: &Package) -> String {
    let header = package.header();
    let board: String = header
        .board
        .iter()
        .filter(|byte| byte.is_ascii_graphic())
        .map(|byte| char::from(*byte))
        .collect();
    format!(
        "{} {} for {board}",
        package.kind().name(),
        version_text(header.version)
    )
}

/// Lives as long as its update, or the server.
async fn write_down_the_end(http: Arc<Http>, job: Arc<UpdateJob>, author: String) {
    tokio::select! {
        () = job.over.cancelled() => {}
        () = http.shutdown.cancelled() => {}
    }
    let came = match job.progress().state {
        UpdateState::Updated => "updated".to_owned(),
        UpdateState::Failed(reason) => format!("failed, {}", reason.word()),
        UpdateState::Cancelled => "cancelled".to_owned(),
        _ => "broken off: the gateway stopped".to_owned(),
    };
    let detail = format!("{}: {came}", told(&job.package));
    if let Err(problem) = audit(&http, &author, "device.updated", job.device.as_str(), detail).await {
        tracing::warn!(device = %job.device, came, error = problem.detail, "the end of a firmware update could not be written down");
    }
}
