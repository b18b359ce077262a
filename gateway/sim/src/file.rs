//! An estate file as far as its physics go: assets, and devices of makes that can be simulated.
//!
//! Whether the file makes sense is checked by the gateway, not here; its rules are not looked at.

use crate::plan::{Address, Asset, AssetKind, Device, Make, Plan};
use serde::Deserialize;

/// Why an estate file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not an estate file.
    #[error("not an estate file: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// Nothing in it can be simulated.
    #[error(
        "no device of the estate can be simulated: the makes that can are {}",
        makes()
    )]
    NothingToSimulate,
}

fn makes() -> String {
    Make::ALL.map(|(_, profile)| profile).join(", ")
}

#[derive(Deserialize)]
struct Estate {
    id: String,
    #[serde(default)]
    assets: Vec<AssetLine>,
    #[serde(default)]
    devices: Vec<DeviceLine>,
}

#[derive(Deserialize)]
struct Name {
    zh: String,
    en: String,
}

#[derive(Deserialize)]
struct AssetLine {
    id: String,
    kind: String,
    place: String,
    name: Name,
    bin: Option<BinLine>,
}

#[derive(Deserialize)]
struct BinLine {
    empty_distance_mm: f64,
    full_distance_mm: f64,
}

#[derive(Deserialize)]
struct DeviceLine {
    id: String,
    profile: String,
    asset: Option<String>,
    address: Option<AddressLine>,
    expected_interval: Option<String>,
}

#[derive(Deserialize)]
struct AddressLine {
    mqtt: Option<String>,
    key: Option<String>,
    bus: Option<String>,
    unit: Option<u8>,
}

impl Plan {
    /// The physics of an estate file. Devices of other makes stay silent and are named in
    /// [`Plan::not_simulated`](Plan).
    pub fn from_file(text: &str) -> Result<Self, FileError> {
        let estate: Estate = toml::from_str(text)?;
        let assets: Vec<Asset> = estate.assets.into_iter().map(asset).collect();
        let mut plan = Self {
            id: estate.id,
            places: Vec::new(),
            assets,
            devices: Vec::new(),
            text: Some(text.to_owned()),
            not_simulated: Vec::new(),
        };
        for line in estate.devices {
            match device(&line, &plan.assets) {
                Some(device) => plan.devices.push(device),
                None => plan.not_simulated.push(line.id),
            }
        }
        if plan.devices.is_empty() {
            return Err(FileError::NothingToSimulate);
        }
        Ok(plan)
    }
}

fn asset(line: AssetLine) -> Asset {
    Asset {
        kind: match line.kind.as_str() {
            "pipe_zone" => AssetKind::PipeZone,
            "pump_room" => AssetKind::PumpRoom,
            "bin" => AssetKind::Bin,
            "parking_bay" => AssetKind::ParkingBay,
            "fire_lane" => AssetKind::FireLane,
            _ => AssetKind::Other,
        },
        id: line.id,
        place: line.place,
        name: (line.name.zh, line.name.en),
        bin: line.bin.map(|bin| (bin.empty_distance_mm, bin.full_distance_mm)),
    }
}

fn device(line: &DeviceLine, assets: &[Asset]) -> Option<Device> {
    let make = Make::of_profile(&line.profile)?;
    let asset = line.asset.as_ref()?;
    let asset = assets.iter().position(|known| known.id == *asset)?;
    let address = line.address.as_ref()?;
    let address = match (&address.mqtt, &address.key, &address.bus, address.unit) {
        (Some(connection), Some(key), None, None) => Address::Mqtt {
            connection: connection.clone(),
            key: key.clone(),
        },
        (None, None, Some(bus), Some(unit)) => Address::Bus {
            bus: bus.clone(),
            unit,
        },
        _ => return None,
    };
    let wired = matches!(make, Make::NodeLeak | Make::NodeParking | Make::NodeBin);
    if wired != matches!(address, Address::Bus { .. }) {
        return None;
    }
    let interval_ms = line
        .expected_interval
        .as_deref()
        .and_then(interval_ms)
        .unwrap_or_else(|| make.interval_ms());
    Some(Device {
        id: line.id.clone(),
        make,
        address,
        asset,
        interval_ms,
    })
}

/// `"90s"`, `"20m"`, `"1h"` in milliseconds; at least a second.
fn interval_ms(text: &str) -> Option<i64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else {
        let unit = text.chars().last()?;
        let factor = match unit {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        (text.get(..text.len() - 1)?, factor)
    };
    let number: i64 = number.trim().parse().ok()?;
    Some(number.checked_mul(factor)?.max(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Size;

    #[test]
    fn an_estate_that_was_made_reads_back_as_the_same_physics() {
        let made = Plan::of_size(Size::Small, 3);
        let text = made.to_toml();
        let read = Plan::from_file(&text).expect("its own file");
        assert_eq!((&read.assets, &read.devices), (&made.assets, &made.devices));
        assert!(read.not_simulated.is_empty());
    }

    #[test]
    fn an_estate_nothing_of_which_can_be_played_is_refused_with_the_makes_that_can() {
        let text = "id = \"x\"\n[[devices]]\nid = \"a\"\nprofile = \"other\"\n";
        let error = Plan::from_file(text).expect_err("nothing to play");
        assert!(error.to_string().contains("dragino.lwl02"), "{error}");
        assert!(Plan::from_file("id = ").is_err());
    }

    #[test]
    fn intervals_are_read_as_the_estate_file_writes_them() {
        assert_eq!(interval_ms("90s"), Some(90_000));
        assert_eq!(interval_ms("20m"), Some(1_200_000));
        assert_eq!(interval_ms("1h"), Some(3_600_000));
        assert_eq!(
            interval_ms("10ms"),
            Some(1_000),
            "nothing speaks more than once a second"
        );
        assert_eq!((interval_ms("soon"), interval_ms("")), (None, None));
    }
}
