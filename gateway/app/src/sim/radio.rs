//! The radio half of the simulated estate: LoRaWAN and Zigbee devices publishing to the broker as their network
//! server and bridge would, some broken frames among them.

use super::world::World;
use crate::clock::SharedClock;
use linli_domain::estate::{Address, AssetKind, Device, Estate};
use linli_domain::id::AssetId;
use linli_sim::payload;
use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Every device speaks this often.
const PERIOD: Duration = Duration::from_secs(2);
/// One round in so many carries a frame that must be refused.
const BROKEN_EVERY: u32 = 4;

/// Who may publish to the broker.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Host and port of the broker.
    pub address: std::net::SocketAddr,
    /// User name, also the client id.
    pub user: String,
    /// Password.
    pub password: String,
}

/// Publishes for all radio devices of the estate until cancelled.
pub(super) async fn play(
    account: Account,
    estate: Arc<Estate>,
    world: World,
    clock: SharedClock,
    stop: CancellationToken,
) {
    let mut options = MqttOptions::new(
        &account.user,
        account.address.ip().to_string(),
        account.address.port(),
    );
    options
        .set_credentials(&account.user, &account.password)
        .set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 256);
    let poll = tokio::spawn(async move {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    tracing::debug!("simulated network server connected")
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "simulated network server reconnects");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    });
    let mut ticks = tokio::time::interval(PERIOD);
    let mut round = 0u32;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        round += 1;
        for device in estate.devices() {
            if let Some((topic, payload)) = message(device, &estate, &world, round, &clock) {
                let _ = client.publish(topic, QoS::AtLeastOnce, false, payload).await;
            }
        }
        if round.is_multiple_of(BROKEN_EVERY) {
            for (topic, payload) in broken(round, &clock) {
                let _ = client.publish(topic, QoS::AtLeastOnce, false, payload).await;
            }
        }
    }
    let _ = client.disconnect().await;
    poll.abort();
}

/// What a device says this round, as its profile id tells its make.
fn message(
    device: &Device,
    estate: &Estate,
    world: &World,
    round: u32,
    clock: &SharedClock,
) -> Option<(String, Vec<u8>)> {
    let Some(Address::Mqtt { key, .. }) = &device.address else {
        return None;
    };
    let asset = estate.asset(device.asset?)?;
    let celsius = 18.0 + 4.0 * world.chance();
    let battery = 96;
    let (port, bytes) = match device.profile.as_str() {
        "milesight.em400-udl" => (
            85,
            payload::em400_udl(battery, celsius, distance_mm(world, &asset.id, asset.bin), false),
        ),
        "milesight.em310-udl" => (
            85,
            payload::em310_udl(battery, distance_mm(world, &asset.id, asset.bin), false),
        ),
        "bosch.tps110" => (2, payload::tps110(occupied(world, &asset.id, asset.kind), 19)),
        "pni.placepod" => (
            2,
            payload::placepod(occupied(world, &asset.id, asset.kind), celsius),
        ),
        "dragino.lwl02" => (10, payload::lwl02(world.is_wet(&asset.id), 3100, round / 8, 0)),
        "aqara.sjcgq11lm" => {
            let state = payload::sjcgq11lm(world.is_wet(&asset.id), battery, celsius);
            return Some((format!("zigbee2mqtt/{key}"), state.into_bytes()));
        }
        _ => return None,
    };
    let (topic, event) = payload::chirpstack(
        key,
        device.id.as_str(),
        port,
        round,
        &bytes,
        clock.now().wall.as_millis(),
    );
    Some((topic, event.into_bytes()))
}

/// Cars come and go in bays; a fire lane stays as the script leaves it.
fn occupied(world: &World, bay: &AssetId, kind: AssetKind) -> bool {
    if kind == AssetKind::FireLane {
        world.stands(bay)
    } else {
        world.is_parked(bay)
    }
}

fn distance_mm(world: &World, bin: &AssetId, geometry: Option<linli_domain::estate::BinGeometry>) -> u16 {
    let (empty, full) = geometry.map_or((1200.0, 200.0), |g| (g.empty_distance_mm, g.full_distance_mm));
    let distance = empty - (empty - full) * world.fill(bin) / 100.0;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of u16"
    )]
    let distance = distance.round().clamp(0.0, 65_535.0) as u16;
    distance
}

/// Frames that must be refused: cut short, of nobody, not text, nested without end.
fn broken(round: u32, clock: &SharedClock) -> Vec<(String, Vec<u8>)> {
    let stranger = "00000000deadbeef";
    let (topic, event) =
        payload::chirpstack(stranger, "stranger", 2, round, &[1], clock.now().wall.as_millis());
    let base = format!("application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{stranger}/event/up");
    vec![
        (topic, event.into_bytes()),
        (base.clone(), vec![0xff, 0xfe, 0x00]),
        (base.clone(), b"{\"deviceInfo\": {\"devEui\": NaN}}".to_vec()),
        (base, "[".repeat(10_000).into_bytes()),
    ]
}
