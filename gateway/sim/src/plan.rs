//! What there is in an estate: assets, and the devices that watch them. Made to size, or read from an estate file.

use crate::dice::Dice;

/// How large an estate is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 50 assets: a few buildings.
    Small,
    /// 500 assets: an estate.
    Medium,
    /// 5,000 assets: a quarter of a town.
    Large,
}

impl Size {
    /// How many assets that is.
    pub fn assets(self) -> usize {
        match self {
            Self::Small => 50,
            Self::Medium => 500,
            Self::Large => 5_000,
        }
    }

    /// The size with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "small" => Some(Self::Small),
            "medium" => Some(Self::Medium),
            "large" => Some(Self::Large),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// What kind of thing an asset is, as far as something happens to it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetKind {
    /// A stretch of pipe.
    PipeZone,
    /// A pump room.
    PumpRoom,
    /// A waste bin.
    Bin,
    /// A parking bay.
    ParkingBay,
    /// A fire lane.
    FireLane,
    /// Something else; nothing happens to it.
    Other,
}

impl AssetKind {
    /// Whether water may come there.
    pub fn may_leak(self) -> bool {
        matches!(self, Self::PipeZone | Self::PumpRoom)
    }
}

/// One asset.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: AssetKind,
    /// The place it stands in.
    pub place: String,
    /// Its name in Chinese and in English.
    pub name: (String, String),
    /// Distance from the lid of a bin to its floor and to a full bin, in millimetres.
    pub bin: Option<(f64, f64)>,
}

/// The make of a device: what it says, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Milesight EM400-UDL: distance, temperature; LoRaWAN.
    Em400,
    /// Milesight EM310-UDL: distance; LoRaWAN.
    Em310,
    /// Bosch TPS110: occupied; LoRaWAN.
    Tps110,
    /// PNI PlacePod: occupied; LoRaWAN.
    PlacePod,
    /// Dragino LWL02: wet; LoRaWAN.
    Lwl02,
    /// Aqara SJCGQ11LM: wet; Zigbee.
    Sjcgq11lm,
    /// The project's own leak node; Modbus.
    NodeLeak,
    /// The project's own parking node; Modbus.
    NodeParking,
    /// The project's own bin node; Modbus.
    NodeBin,
}

impl Make {
    /// Every make with the id of its profile.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Em400, "milesight.em400-udl"),
        (Self::Em310, "milesight.em310-udl"),
        (Self::Tps110, "bosch.tps110"),
        (Self::PlacePod, "pni.placepod"),
        (Self::Lwl02, "dragino.lwl02"),
        (Self::Sjcgq11lm, "aqara.sjcgq11lm"),
        (Self::NodeLeak, "linli.node-leak"),
        (Self::NodeParking, "linli.node-parking"),
        (Self::NodeBin, "linli.node-bin"),
    ];

    /// The make with this profile.
    pub fn of_profile(profile: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, id)| *id == profile)
            .map(|(make, _)| make)
    }

    /// The id of its profile.
    pub fn profile(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(make, _)| *make == self)
            .map_or("", |(_, id)| id)
    }

    /// How often it speaks when nothing happens, in milliseconds, unless its estate says otherwise.
    pub(crate) fn interval_ms(self) -> i64 {
        const MINUTE: i64 = 60_000;
        match self {
            Self::Em400 | Self::Em310 => 20 * MINUTE,
            Self::Tps110 | Self::PlacePod => 240 * MINUTE,
            Self::Lwl02 | Self::Sjcgq11lm => 60 * MINUTE,
            Self::NodeLeak | Self::NodeParking | Self::NodeBin => MINUTE,
        }
    }

    /// Whether it feels heat.
    pub(crate) fn feels_heat(self) -> bool {
        matches!(self, Self::Em400 | Self::NodeBin)
    }

    /// Whether it measures how full a bin is.
    pub(crate) fn measures_fill(self) -> bool {
        matches!(self, Self::Em400 | Self::Em310)
    }
}

/// Where a device is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On a broker.
    Mqtt {
        /// Name of the connection.
        connection: String,
        /// What identifies the device there.
        key: String,
    },
    /// On a bus.
    Bus {
        /// Name of the bus.
        bus: String,
        /// Its unit.
        unit: u8,
    },
}

/// One device that is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its make.
    pub make: Make,
    /// Where it is heard.
    pub address: Address,
    /// The asset it watches, by its place in the plan.
    pub asset: usize,
    /// How often it speaks when nothing happens, in milliseconds. A slave is asked once in 30 s.
    pub interval_ms: i64,
}

/// One place of an estate that was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) parent: Option<&'static str>,
    pub(crate) kind: &'static str,
    /// Its name in Chinese and in English.
    pub(crate) name: (String, String),
}

/// An estate: what there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its places; none when it was read from a file.
    pub(crate) places: Vec<Place>,
    /// Its assets.
    pub assets: Vec<Asset>,
    /// The devices that are simulated.
    pub devices: Vec<Device>,
    /// The file it was read from, word for word; none when it was made.
    pub(crate) text: Option<String>,
    /// Devices of the file that no simulation exists for; they stay silent.
    pub not_simulated: Vec<String>,
}

/// Slaves on one bus.
const UNITS: usize = 30;
/// Assets in one building.
const BUILDING: usize = 50;

impl Plan {
    /// An estate of a size. The seed decides which makes watch what.
    pub fn of_size(size: Size, seed: u64) -> Self {
        let mut plan = Self {
            id: format!("sim-{}", size.name()),
            places: vec![place("estate", None, "estate_part", "小区", "Estate")],
            assets: Vec::with_capacity(size.assets()),
            devices: Vec::with_capacity(size.assets()),
            text: None,
            not_simulated: Vec::new(),
        };
        let mut dice = Dice::of(seed, "plan");
        let mut slaves = 0;
        for n in 0..size.assets() {
            let building = n / BUILDING + 1;
            let of_building = format!("b{building}");
            if n % BUILDING == 0 {
                let (zh, en) = (format!("{building}号楼"), format!("Building {building}"));
                plan.places
                    .push(place(&of_building, Some("estate"), "building", &zh, &en));
            }
            let asset = plan.assets.len();
            plan.assets.push(new_asset(n, of_building));
            let kind = plan
                .assets
                .get(asset)
                .map_or(AssetKind::Other, |asset| asset.kind);
            let make = make_for(kind, &mut dice);
            let address = if make == Make::NodeLeak {
                slaves += 1;
                let unit = u8::try_from((slaves - 1) % UNITS + 1).unwrap_or(1);
                Address::Bus {
                    bus: format!("bus-{}", (slaves - 1) / UNITS + 1),
                    unit,
                }
            } else {
                let key = match make {
                    Make::Sjcgq11lm => format!("sensor-{n:04}"),
                    _ => format!("24e124{n:010x}"),
                };
                Address::Mqtt {
                    connection: "main".into(),
                    key,
                }
            };
            let interval_ms = if kind == AssetKind::FireLane {
                3_600_000
            } else {
                make.interval_ms()
            };
            plan.devices.push(Device {
                id: format!("dev-{n:04}"),
                make,
                address,
                asset,
                interval_ms,
            });
        }
        plan
    }

    /// The asset a device watches.
    pub(crate) fn asset_of(&self, device: usize) -> Option<&Asset> {
        self.assets.get(self.devices.get(device)?.asset)
    }

    /// The buses its slaves hang on, each once.
    pub fn buses(&self) -> Vec<&str> {
        let mut buses: Vec<&str> = self
            .devices
            .iter()
            .filter_map(|device| match &device.address {
                Address::Bus { bus, .. } => Some(bus.as_str()),
                Address::Mqtt { .. } => None,
            })
            .collect();
        buses.sort_unstable();
        buses.dedup();
        buses
    }
}

fn place(id: &str, parent: Option<&'static str>, kind: &'static str, zh: &str, en: &str) -> Place {
    Place {
        id: id.to_owned(),
        parent,
        kind,
        name: (zh.to_owned(), en.to_owned()),
    }
}

/// Of fifty assets: ten pipe zones, two pump rooms, fifteen bins, twenty bays, three fire lanes.
fn new_asset(n: usize, place: String) -> Asset {
    let kind = match n % BUILDING {
        0..10 => AssetKind::PipeZone,
        10..12 => AssetKind::PumpRoom,
        12..27 => AssetKind::Bin,
        27..47 => AssetKind::ParkingBay,
        _ => AssetKind::FireLane,
    };
    let (id, zh, en) = match kind {
        AssetKind::PipeZone => ("zone", "管段", "Pipe zone"),
        AssetKind::PumpRoom => ("pump", "水泵房", "Pump room"),
        AssetKind::Bin => ("bin", "垃圾桶", "Bin"),
        AssetKind::ParkingBay => ("bay", "车位", "Bay"),
        AssetKind::FireLane | AssetKind::Other => ("lane", "消防通道", "Fire lane"),
    };
    Asset {
        id: format!("{id}-{n:04}"),
        kind,
        place,
        name: (format!("{n} {zh}"), format!("{en} {n}")),
        bin: (kind == AssetKind::Bin).then_some((1_200.0, 200.0)),
    }
}

fn make_for(kind: AssetKind, dice: &mut Dice) -> Make {
    let roll = dice.fraction();
    match kind {
        AssetKind::PipeZone | AssetKind::PumpRoom if roll < 0.25 => Make::NodeLeak,
        AssetKind::PipeZone | AssetKind::PumpRoom if roll < 0.5 => Make::Sjcgq11lm,
        AssetKind::PipeZone | AssetKind::PumpRoom => Make::Lwl02,
        AssetKind::Bin if roll < 0.5 => Make::Em400,
        AssetKind::Bin => Make::Em310,
        AssetKind::ParkingBay if roll < 0.5 => Make::PlacePod,
        _ => Make::Tps110,
    }
}
