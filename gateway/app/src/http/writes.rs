//! Writing a register: allowed by the profile by name and range, by the bus's configuration, and by the person's role;
//! written down before it is sent, and told with what was read back.

use super::Http;
use super::auth::Principal;
use super::command::failed;
use super::extract::{Body, Id, Unkeyed};
use super::problem::{Code, Problem};
use super::scans::not_taken;
use super::wire::bus::{NewWrite, WriteDone, WriteOutcome};
use crate::field::modbus::errand::{WriteOrder, WriteOutcome as Outcome, Written};
use crate::pipeline::Request;
use axum::Json;
use axum::extract::State;
use linli_decode::modbus::NotWritable;
use linli_domain::estate::Address;
use linli_domain::id::DeviceId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// A bus that has not come to a write within this long is not asked any more: the write is dropped, not done later.
const PATIENCE: Duration = Duration::from_secs(20);

/// Write a register of a device
///
/// Only what its profile allows by name and range, on a bus whose configuration says `writes = true`. The request is in
/// the audit before it is sent; the answer tells what came of it and what was read back.
#[utoipa::path(post, path = "/devices/{id}/writes", tag = "devices", request_body = NewWrite,
    params(("id" = String, Path, description = "The device's id; write each `/` as `%2F`")),
    responses((status = 200, body = WriteDone)))]
pub async fn write(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<String>,
    _: Unkeyed,
    body: Body<NewWrite>,
) -> Result<Json<WriteDone>, Problem> {
    let NewWrite { name, value } = body.value;
    let value = value.number();
    let estate = Arc::clone(&http.progress.borrow().estate);
    let missing = || Problem::not_found("device", &id);
    let device = id
        .parse::<DeviceId>()
        .ok()
        .and_then(|id| estate.device_by_id(&id));
    let device = device
        .and_then(|index| estate.device(index))
        .ok_or_else(missing)?;
    let Some(Address::Bus { bus, unit }) = &device.address else {
        return Err(refused(
            "not_on_a_bus",
            "the device does not hang on a Modbus bus",
        ));
    };
    let profile = http.profiles.catalogue().get(&device.profile);
    let profile =
        profile.ok_or_else(|| refused("unknown_write", "the device's profile is not in the catalogue"))?;
    let map = profile
        .modbus()
        .ok_or_else(|| refused("unknown_write", "the device's profile has no registers"))?;
    let request = map.write(&name, value).map_err(|why| not_writable(&why))?;
    http.buses()
        .may_write(bus)
        .map_err(|why| not_taken(&http, bus.as_str(), why))?;

    let (function, start) = (request.function, request.read_back.start);
    let what = format!("{name} = {value} (bus {bus}, unit {unit}, function {function}, address {start})");
    audit(&http, &principal.name, "device.write", device.id.as_str(), what).await?;
    let (reply, mut answer) = oneshot::channel();
    let sent = Arc::new(AtomicBool::new(false));
    let order = WriteOrder {
        device: device.id.clone(),
        unit: *unit,
        profile: Arc::clone(&profile),
        request: request.clone(),
        sent: Arc::clone(&sent),
        reply,
    };
    http.buses()
        .write(bus, order)
        .map_err(|why| not_taken(&http, bus.as_str(), why))?;
    let written = match tokio::time::timeout(PATIENCE, &mut answer).await {
        Ok(Ok(written)) => written,
        _ => {
            // From here on the bus sees that nobody waits, and does not send it; unless it has begun to.
            answer.close();
            let outcome = if sent.load(Ordering::SeqCst) {
                Outcome::Unknown
            } else {
                Outcome::NotSent("the bus had no time for it")
            };
            answer.try_recv().unwrap_or(Written {
                outcome,
                read_back: None,
            })
        }
    };
    let done = WriteDone {
        device: device.id.to_string(),
        outcome: WriteOutcome::from(&written.outcome),
        exception: if let Outcome::Refused(code) = written.outcome {
            Some(code)
        } else {
            None
        },
        reason: if let Outcome::NotSent(why) = written.outcome {
            Some(why.to_owned())
        } else {
            None
        },
        read_back: written
            .read_back
            .as_ref()
            .and_then(|data| map.written(&name, data)),
        confirmed: written
            .read_back
            .as_ref()
            .is_some_and(|data| request.is_confirmed_by(data)),
        name,
        value,
    };
    let read_back = done
        .read_back
        .map_or("nothing".to_owned(), |value| value.to_string());
    let came = format!(
        "{} = {value}: {}, read back {read_back}",
        done.name,
        done.outcome.as_str()
    );
    audit(&http, &principal.name, "device.written", device.id.as_str(), came).await?;
    Ok(Json(done))
}

/// Writes a line of the audit, durable when this returns.
pub(super) async fn audit(
    http: &Http,
    author: &str,
    action: &'static str,
    subject: &str,
    detail: String,
) -> Result<(), Problem> {
    let (author, subject) = (author.to_owned(), subject.to_string());
    let asked = http
        .door
        .ask(|reply| Request::Audit {
            author,
            action,
            subject,
            detail,
            reply,
        })
        .await;
    asked.and_then(|done| done).map_err(|e| failed(&e))
}

pub(super) fn refused(word: &'static str, detail: impl Into<String>) -> Problem {
    let mut problem = Problem::new(Code::Refused, detail);
    problem.word = word;
    problem
}

fn not_writable(why: &NotWritable) -> Problem {
    let word = match why {
        NotWritable::Unknown { .. } => "unknown_write",
        NotWritable::OutOfRange { .. } | NotWritable::NoSuchStep { .. } => "write_out_of_range",
    };
    refused(word, why.to_string())
}
