//! What a device says about a moment: vendor bytes in the envelope of its network, or the registers of a slave.

use crate::dice::Dice;
use crate::payload;
use crate::plan::{Address, Make, Plan};
use crate::play::Image;
use crate::world::World;

/// What a radio device publishes: topic and payload. `shown` is the moment its sensor shows, `at` the moment it speaks.
pub(crate) fn message(
    plan: &Plan,
    world: &World,
    n: usize,
    counter: u32,
    shown: i64,
    at: i64,
) -> Option<(String, String)> {
    let device = plan.devices.get(n)?;
    let asset = device.asset;
    let Address::Mqtt { key, .. } = &device.address else {
        return None;
    };
    let noise = noise(n, counter, shown == at);
    let (port, bytes) = match device.make {
        Make::Em400 => {
            let celsius = world.celsius(asset, shown) + 0.2 * noise;
            (
                85,
                payload::em400_udl(92, celsius, distance_mm(plan, world, asset, shown, noise), false),
            )
        }
        Make::Em310 => (
            85,
            payload::em310_udl(92, distance_mm(plan, world, asset, shown, noise), false),
        ),
        Make::Tps110 => (2, payload::tps110(world.is_parked(asset, shown), 14)),
        Make::PlacePod => (2, payload::placepod(world.is_parked(asset, shown), 14.0 + noise)),
        Make::Lwl02 => (10, payload::lwl02(world.is_wet(asset, shown), 3_100, counter, 0)),
        Make::Sjcgq11lm => {
            let state = payload::sjcgq11lm(world.is_wet(asset, shown), 92, 18.0 + noise);
            return Some((format!("zigbee2mqtt/{key}"), state));
        }
        Make::NodeLeak | Make::NodeParking | Make::NodeBin => return None,
    };
    Some(payload::chirpstack(key, &device.id, port, counter, &bytes, at))
}

/// The registers a slave holds. The layout is that of its data sheet, written by hand and not taken from the catalogue.
pub(crate) fn registers(plan: &Plan, world: &World, n: usize, shown: i64) -> Option<Image> {
    let device = plan.devices.get(n)?;
    let asset = device.asset;
    let centi = |celsius: f64| {
        #[allow(clippy::cast_possible_truncation, reason = "clamped to i16")]
        let centi = (celsius * 100.0).clamp(-32_000.0, 32_000.0) as i16;
        centi.cast_unsigned()
    };
    let state = |on: bool| u16::from(on);
    let inputs = match device.make {
        Make::NodeLeak => {
            let wet = world.is_wet(asset, shown);
            vec![
                state(wet),
                0,
                centi(18.0),
                if wet { 2_600 } else { 110 },
                0,
                0,
                0xffff,
            ]
        }
        Make::NodeParking => vec![state(world.is_parked(asset, shown)), 0, centi(14.0), 0, 0],
        Make::NodeBin => {
            let (fill, celsius) = (world.fill(asset, shown), world.celsius(asset, shown));
            let distance = distance_mm(plan, world, asset, shown, 0.0);
            vec![
                state(fill >= 90.0),
                0,
                centi(celsius),
                distance,
                0,
                state(celsius >= 60.0),
            ]
        }
        _ => return None,
    };
    Some(Image {
        inputs_from_0x20: inputs,
    })
}

/// Between -1 and 1; still when the sensor is frozen.
fn noise(device: usize, counter: u32, lives: bool) -> f64 {
    if !lives {
        return 0.0;
    }
    let seed = u64::from(counter) << 32 | u64::try_from(device).unwrap_or(0);
    2.0 * Dice::new(seed).fraction() - 1.0
}

fn distance_mm(plan: &Plan, world: &World, asset: usize, shown: i64, noise: f64) -> u16 {
    let (empty, full) = plan
        .assets
        .get(asset)
        .and_then(|asset| asset.bin)
        .unwrap_or((1_200.0, 200.0));
    let distance = empty - (empty - full) * world.fill(asset, shown) / 100.0 + 2.0 * noise;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to u16"
    )]
    let distance = distance.round().clamp(0.0, 65_535.0) as u16;
    distance
}
