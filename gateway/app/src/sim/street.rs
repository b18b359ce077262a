//! The wired half of the simulated estate: streets of `node-sim`, nodes of the project's own firmware and a foreign input
//! module, served over TCP.

use super::world::World;
use linli_domain::estate::{Address, Device, Estate};
use linli_domain::id::{AssetId, BusId};
use linli_domain::measure::Measure;
use linli_node_sim::{Kind, MODULE_CHANNELS, NodeConfig, SharedStreet, Street, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often the nodes look at the world.
const LOOK: Duration = Duration::from_millis(200);

/// Serves every bus of the estate on a loopback port of its own; returns where.
pub(super) async fn serve(
    estate: &Arc<Estate>,
    transports: &BTreeMap<BusId, Transport>,
    world: &World,
    stop: &CancellationToken,
) -> anyhow::Result<BTreeMap<BusId, SocketAddr>> {
    let mut addresses = BTreeMap::new();
    for (bus, transport) in transports {
        let devices: Vec<Device> = estate
            .devices()
            .iter()
            .filter(|d| matches!(&d.address, Some(Address::Bus { bus: b, .. }) if b == bus))
            .cloned()
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.insert(bus.clone(), listener.local_addr()?);
        let nodes = devices.iter().filter_map(|d| {
            Some(NodeConfig {
                unit: unit(d)?,
                kind: kind(d)?,
            })
        });
        let modules = devices.iter().filter(|d| kind(d).is_none()).filter_map(unit);
        let mut all = Street::new(nodes)?;
        for module in modules {
            all = all.with_module(module)?;
        }
        let street = SharedStreet::new(all);
        tokio::spawn(linli_node_sim::serve(
            listener,
            *transport,
            street.clone(),
            stop.clone().cancelled_owned(),
        ));
        tokio::spawn(live(
            street,
            devices,
            Arc::clone(estate),
            world.clone(),
            stop.clone(),
        ));
    }
    Ok(addresses)
}

fn unit(device: &Device) -> Option<u8> {
    if let Some(Address::Bus { unit, .. }) = &device.address {
        Some(*unit)
    } else {
        None
    }
}

fn kind(device: &Device) -> Option<Kind> {
    match device.profile.as_str() {
        "linli.node-parking" => Some(Kind::Parking),
        "linli.node-bin" => Some(Kind::Bin),
        "linli.node-leak" => Some(Kind::Leak),
        _ => None,
    }
}

/// Which zone each contact of a foreign module looks at, as the estate wires it: instance `DI1` is the first.
fn contacts(device: &Device, estate: &Estate) -> Vec<(u8, AssetId)> {
    let Ok(wet) = "leak.wet".parse::<Measure>() else {
        return Vec::new();
    };
    (1..=MODULE_CHANNELS)
        .filter_map(|number| {
            let asset = device.asset_of(wet, Some(&format!("DI{number}")))?;
            Some((number, estate.asset(asset)?.id.clone()))
        })
        .collect()
}

/// Lets the nodes' sensors see the world.
async fn live(
    street: SharedStreet,
    devices: Vec<Device>,
    estate: Arc<Estate>,
    world: World,
    stop: CancellationToken,
) {
    let mut looks = tokio::time::interval(LOOK);
    let mut round = 0u32;
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        round = round.wrapping_add(1);
        for device in &devices {
            let Some(unit) = unit(device) else { continue };
            let Some(kind) = kind(device) else {
                for (number, zone) in contacts(device, &estate) {
                    street.set_contact(unit, number, world.is_wet(&zone));
                }
                continue;
            };
            let Some(asset) = device.asset.and_then(|a| estate.asset(a)) else {
                continue;
            };
            let known = match kind {
                Kind::Leak => street.set_leak(unit, world.is_wet(&asset.id)),
                Kind::Parking if round.is_multiple_of(25) => street.park(unit, world.is_parked(&asset.id)),
                Kind::Parking => true,
                Kind::Bin => {
                    let (empty, full) = asset
                        .bin
                        .map_or((1200.0, 200.0), |g| (g.empty_distance_mm, g.full_distance_mm));
                    let distance = empty - (empty - full) * world.fill(&asset.id) / 100.0;
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "clamped to u16"
                    )]
                    let distance = distance.round().clamp(0.0, 65_535.0) as u16;
                    street.set_distance_mm(unit, distance)
                }
            };
            debug_assert!(known, "unit {unit} was made from the same estate");
        }
    }
}
