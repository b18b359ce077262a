//! An estate that was made, as the file the gateway reads.

use crate::plan::{Address, AssetKind, Plan};
use std::fmt::Write as _;

/// A rule the shipped ones do not bring: a distance sensor that reports the same for hours looks at dirt. Data for the
/// gateway; nothing here looks at it.
const RULES: &str = r#"
[[rules]]
id = "bin-frozen"
name = { zh = "满溢传感器读数不变", en = "Fill sensor does not move" }
class = "frozen"
fault = "device"
measure = "bin.fill"
applies_to = { kind = "bin" }
when = { stuck = "3h", band = 0.5 }
priority = "P4"
cause = { zh = "镜头脏污或被遮挡", en = "A dirty or covered sensor" }
consequence = { zh = "该桶无人看护", en = "Nobody watches this bin" }
response = { zh = "清洁或更换传感器。", en = "Clean or change the sensor." }
order = { role = "repair", profile = "care" }

[[order_profiles]]
id = "care"
name = { zh = "设备维护", en = "Device care" }
verify = { hold = "0s", grace = "30m" }
"#;

impl Plan {
    /// The estate file.
    pub fn to_toml(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut out = String::with_capacity(400 * self.assets.len());
        let _ = writeln!(
            out,
            "id = \"{}\"\nname = {{ zh = \"模拟小区\", en = \"Simulated estate\" }}\ntimezone = \"Asia/Shanghai\"",
            self.id
        );
        for place in &self.places {
            let (id, kind, (zh, en)) = (&place.id, place.kind, &place.name);
            let _ = writeln!(
                out,
                "\n[[places]]\nid = \"{id}\"\nkind = \"{kind}\"\nname = {{ zh = \"{zh}\", en = \"{en}\" }}"
            );
            if let Some(parent) = place.parent {
                let _ = writeln!(out, "parent = \"{parent}\"");
            }
        }
        for asset in &self.assets {
            let (zh, en) = &asset.name;
            let _ = writeln!(
                out,
                "\n[[assets]]\nid = \"{}\"\nkind = \"{}\"\nplace = \"{}\"\nname = {{ zh = \"{zh}\", en = \"{en}\" }}",
                asset.id,
                kind(asset.kind),
                asset.place
            );
            if let Some((empty, full)) = asset.bin {
                let _ = writeln!(
                    out,
                    "bin = {{ empty_distance_mm = {empty:?}, full_distance_mm = {full:?} }}"
                );
            }
        }
        for device in &self.devices {
            let address = match &device.address {
                Address::Mqtt { connection, key } => {
                    format!("{{ mqtt = \"{connection}\", key = \"{key}\" }}")
                }
                Address::Bus { bus, unit } => format!("{{ bus = \"{bus}\", unit = {unit} }}"),
            };
            let asset = self
                .assets
                .get(device.asset)
                .map_or("", |asset| asset.id.as_str());
            let _ = writeln!(
                out,
                "\n[[devices]]\nid = \"{0}\"\nprofile = \"{1}\"\nname = {{ zh = \"{0}\", en = \"{0}\" }}\naddress = {address}\nasset = \"{asset}\"\nexpected_interval = \"{2}s\"",
                device.id,
                device.make.profile(),
                device.interval_ms / 1_000
            );
        }
        out.push_str(RULES);
        out
    }
}

fn kind(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::PipeZone => "pipe_zone",
        AssetKind::PumpRoom => "pump_room",
        AssetKind::Bin => "bin",
        AssetKind::ParkingBay => "parking_bay",
        AssetKind::FireLane => "fire_lane",
        AssetKind::Other => "other",
    }
}
