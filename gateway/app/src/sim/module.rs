//! A foreign Modbus TCP device of the simulated estate: an input module with eight dry contacts, one per zone.

use super::world::World;
use linli_domain::estate::{Device, Estate};
use linli_domain::id::AssetId;
use linli_domain::measure::Measure;
use std::future::{Ready, ready};
use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response};
use tokio_util::sync::CancellationToken;

/// Contacts and outputs of the module.
const CHANNELS: usize = 8;

/// Which zone each contact looks at.
#[derive(Debug, Clone)]
pub(super) struct Module {
    zones: [Option<AssetId>; CHANNELS],
    world: World,
}

impl Module {
    /// The module as the estate wires it: instance `DI1` is the first contact.
    pub(super) fn new(device: &Device, estate: &Estate, world: &World) -> Self {
        let wet = "leak.wet".parse::<Measure>().ok();
        let zone = |channel: usize| {
            let asset = device.asset_of(wet?, Some(&format!("DI{}", channel + 1)))?;
            estate.asset(asset).map(|a| a.id.clone())
        };
        Self {
            zones: std::array::from_fn(zone),
            world: world.clone(),
        }
    }

    fn contact(&self, channel: usize) -> Option<bool> {
        let zone = self.zones.get(channel)?;
        Some(zone.as_ref().is_some_and(|zone| self.world.is_wet(zone)))
    }
}

impl Service for Module {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Request<'static>) -> Self::Future {
        let channels = |start: u16, count: u16| usize::from(start)..usize::from(start) + usize::from(count);
        let answer = match request {
            Request::ReadDiscreteInputs(start, count) => channels(start, count)
                .map(|channel| self.contact(channel))
                .collect::<Option<Vec<bool>>>()
                .map(Response::ReadDiscreteInputs),
            Request::ReadCoils(start, count) => channels(start, count)
                .map(|channel| (channel < CHANNELS).then_some(false))
                .collect::<Option<Vec<bool>>>()
                .map(Response::ReadCoils),
            _ => return ready(Err(ExceptionCode::IllegalFunction)),
        };
        ready(answer.ok_or(ExceptionCode::IllegalDataAddress))
    }
}

/// Serves the module until `stop`.
pub(super) async fn serve(listener: TcpListener, module: Module, stop: CancellationToken) {
    let server = Server::new(listener);
    let connected = move |stream, address| {
        let module = module.clone();
        async move { accept_tcp_connection(stream, address, move |_| Ok(Some(module.clone()))) }
    };
    let failed = |error| tracing::debug!(%error, "the simulated input module lost its master");
    if let Err(error) = server
        .serve_until(&connected, failed, stop.cancelled_owned())
        .await
    {
        tracing::debug!(%error, "the simulated input module ended");
    }
}
