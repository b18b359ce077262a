//! The commands about unknown devices, profiles, and watching.

use super::duration;
use clap::Args;
use std::time::Duration;

/// `linli device list`.
#[derive(Debug, Args)]
pub struct DeviceList {
    /// Those that speak and are not in the estate, with what they may be
    #[arg(long)]
    pub unknown: bool,
    /// Those that are ignored
    #[arg(long, conflicts_with = "unknown")]
    pub ignored: bool,
    /// Most unknown ones, 1 to 500
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

/// Which unknown device.
#[derive(Debug, Args)]
pub struct Which {
    /// Its key: DevEUI, friendly name, part of the topic; see linli device list --unknown
    pub key: String,
    /// Connection it is heard on, when the key is heard on several
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
}

/// `linli device show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Which unknown device.
    #[command(flatten)]
    pub which: Which,
    /// Read its messages with this profile; otherwise with the best guess
    #[arg(long, value_name = "ID")]
    pub profile: Option<String>,
    /// What the device is used as, such as bin or tank
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
}

/// `linli device accept`.
#[derive(Debug, Args)]
pub struct Accept {
    /// Which unknown device.
    #[command(flatten)]
    pub which: Which,
    /// Profile; the best guess when it is clear and this is not given
    #[arg(long, value_name = "ID")]
    pub profile: Option<String>,
    /// Name for people
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// Name in English, when it differs
    #[arg(long, value_name = "TEXT")]
    pub name_en: Option<String>,
    /// Id in the estate; otherwise made out of the key
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Asset its points watch
    #[arg(long, value_name = "ASSET")]
    pub asset: Option<String>,
    /// What the device is used as, such as bin or tank
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// A point that watches another asset, such as leak.wet/DI3=b5-pipe; may be repeated
    #[arg(long, value_name = "MEASURE[/INSTANCE]=ASSET", value_parser = point)]
    pub point: Vec<Point>,
    /// How often it reports when all is well, such as 6h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub interval: Option<Duration>,
}

/// A point with an asset of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What is measured.
    pub measure: String,
    /// Which of several.
    pub instance: Option<String>,
    /// The asset it watches.
    pub asset: String,
}

/// `linli device watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Id or key of one device; everything that is heard when not given
    pub device: Option<String>,
    /// End after so many messages
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
}

fn point(text: &str) -> Result<Point, String> {
    let (point, asset) = text
        .split_once('=')
        .ok_or("write MEASURE=ASSET or MEASURE/INSTANCE=ASSET")?;
    let (measure, instance) = match point.split_once('/') {
        Some((measure, instance)) => (measure, Some(instance.to_owned())),
        None => (point, None),
    };
    Ok(Point {
        measure: measure.to_owned(),
        instance,
        asset: asset.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_bound_with_or_without_its_instance() {
        let bound = |measure: &str, instance: Option<&str>, asset: &str| Point {
            measure: measure.into(),
            instance: instance.map(Into::into),
            asset: asset.into(),
        };
        assert_eq!(point("leak.wet=b5-pipe"), Ok(bound("leak.wet", None, "b5-pipe")));
        assert_eq!(point("leak.wet/DI3=b5"), Ok(bound("leak.wet", Some("DI3"), "b5")));
        assert!(point("leak.wet").is_err());
    }
}
