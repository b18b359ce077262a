//! What happens, by dice: the faults that were asked for, each on an asset or a device of its own, and an ordinary day.

use crate::dice::Dice;
use crate::plan::{Address, AssetKind, Plan};
use crate::truth::{Happening, Kind};
use std::collections::BTreeSet;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Before this nothing goes wrong: every device has spoken.
const QUIET_MS: i64 = 2 * HOUR;
/// After the last fault begins there is time for it to be noticed and to be over.
const TAIL_MS: i64 = 7 * HOUR;
/// Shortest play that has room for faults.
pub(crate) const SHORTEST_MS: i64 = QUIET_MS + TAIL_MS + 2 * HOUR;

/// A fault that can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Water in a zone.
    Leak,
    /// A bin burns.
    Fire,
    /// A bin is filled at once.
    BinSurge,
    /// A vehicle stays in a fire lane.
    BlockedLane,
    /// A slave of a bus is without power.
    DeadSlave,
    /// A radio device is without power.
    DeadDevice,
    /// Water drips on a sensor: it flaps.
    Flapping,
    /// A fill sensor says the same whatever happens.
    StuckSensor,
    /// The gateway's clock is set wrong for a while.
    ClockJump,
    /// The broker cannot be reached for a while.
    BrokerLoss,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Leak,
        Self::Fire,
        Self::BinSurge,
        Self::BlockedLane,
        Self::DeadSlave,
        Self::DeadDevice,
        Self::Flapping,
        Self::StuckSensor,
        Self::ClockJump,
        Self::BrokerLoss,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Fire => "fire",
            Self::BinSurge => "bin-surge",
            Self::BlockedLane => "blocked-lane",
            Self::DeadSlave => "dead-slave",
            Self::DeadDevice => "dead-device",
            Self::Flapping => "flapping",
            Self::StuckSensor => "stuck-sensor",
            Self::ClockJump => "clock-jump",
            Self::BrokerLoss => "broker-loss",
        }
    }

    /// The fault with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// How many of it there are among so many assets.
    fn count(self, assets: usize) -> usize {
        let fifties = assets.div_ceil(50).max(1);
        match self {
            Self::Leak | Self::BinSurge => 2 * fifties,
            Self::ClockJump | Self::BrokerLoss => 1,
            _ => fifties,
        }
    }

    /// What it is in the world, how long it takes to be beyond doubt, and how long it lasts at least and at most.
    fn shape(self) -> (Kind, i64, (i64, i64)) {
        match self {
            Self::Leak => (Kind::Water, 0, (30 * MINUTE, 120 * MINUTE)),
            Self::Fire => (Kind::Heat, 2 * MINUTE, (20 * MINUTE, 40 * MINUTE)),
            Self::BinSurge => (Kind::Waste, 10 * MINUTE, (100 * MINUTE, 180 * MINUTE)),
            Self::BlockedLane => (Kind::Vehicle, 0, (10 * MINUTE, 60 * MINUTE)),
            Self::DeadSlave => (Kind::Dead, 0, (40 * MINUTE, 120 * MINUTE)),
            Self::DeadDevice => (Kind::Dead, 0, (5 * HOUR, 6 * HOUR)),
            Self::Flapping => (Kind::Drip, 0, (8 * MINUTE, 20 * MINUTE)),
            Self::StuckSensor => (Kind::Frozen, 0, (5 * HOUR, 6 * HOUR)),
            Self::ClockJump => (Kind::Clock, 0, (10 * MINUTE, 30 * MINUTE)),
            Self::BrokerLoss => (Kind::Broker, 0, (3 * MINUTE, 12 * MINUTE)),
        }
    }

    /// Whether it can happen to what this device watches, or to the device.
    fn suits(self, plan: &Plan, n: usize) -> bool {
        let (Some(device), Some(asset)) = (plan.devices.get(n), plan.asset_of(n)) else {
            return false;
        };
        let wired = matches!(device.address, Address::Bus { .. });
        match self {
            Self::Leak => asset.kind.may_leak(),
            Self::Flapping => asset.kind.may_leak() && !wired,
            Self::Fire => asset.kind == AssetKind::Bin && device.make.feels_heat(),
            Self::BinSurge => asset.kind == AssetKind::Bin,
            Self::BlockedLane => asset.kind == AssetKind::FireLane,
            Self::DeadSlave => wired,
            // A device that is silent for hours anyway proves nothing in a day.
            Self::DeadDevice => !wired && device.interval_ms <= HOUR,
            Self::StuckSensor => device.make.measures_fill(),
            Self::ClockJump | Self::BrokerLoss => false,
        }
    }
}

/// What happens, by its beginning, and the faults nothing suited.
pub(crate) fn write(
    plan: &Plan,
    faults: &[FaultKind],
    seed: u64,
    begins: i64,
    ends: i64,
) -> (Vec<Happening>, Vec<&'static str>) {
    let mut script = Vec::new();
    let mut impossible = Vec::new();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    // What suits the fewest devices chooses first.
    let mut wanted: Vec<FaultKind> = FaultKind::ALL
        .into_iter()
        .filter(|fault| faults.contains(fault))
        .collect();
    wanted.sort_by_key(|fault| (0..plan.devices.len()).filter(|n| fault.suits(plan, *n)).count());
    for fault in wanted {
        let mut dice = Dice::of(seed, fault.name());
        if matches!(fault, FaultKind::ClockJump | FaultKind::BrokerLoss) {
            script.push(around_the_gateway(fault, &mut dice, begins, ends));
            continue;
        }
        let mut suited = false;
        for _ in 0..fault.count(plan.assets.len()) {
            let free: Vec<usize> = (0..plan.devices.len())
                .filter(|n| {
                    fault.suits(plan, *n) && plan.devices.get(*n).is_some_and(|d| !taken.contains(&d.asset))
                })
                .collect();
            let Some(device) = dice.pick(&free).and_then(|n| plan.devices.get(*n)) else {
                break;
            };
            suited = true;
            taken.insert(device.asset);
            let asset = plan.assets.get(device.asset).map(|asset| asset.id.clone());
            script.push(happening(
                fault,
                asset,
                Some(device.id.clone()),
                &mut dice,
                begins,
                ends,
            ));
        }
        if !suited {
            impossible.push(fault.name());
        }
    }
    ordinary_day(plan, seed, (begins, ends), &mut script);
    script.sort_by(|a, b| (a.from, a.kind, &a.asset, &a.device).cmp(&(b.from, b.kind, &b.asset, &b.device)));
    (script, impossible)
}

fn happening(
    fault: FaultKind,
    asset: Option<String>,
    device: Option<String>,
    dice: &mut Dice,
    begins: i64,
    ends: i64,
) -> Happening {
    let (kind, doubt, (least, most)) = fault.shape();
    let from = dice.between(begins + QUIET_MS, ends - TAIL_MS);
    let certain = from + doubt;
    let to = certain + dice.between(least, most);
    Happening {
        kind,
        asset,
        device,
        from,
        certain,
        to,
        heard: None,
        heard_over: None,
        offset_ms: None,
    }
}

fn around_the_gateway(fault: FaultKind, dice: &mut Dice, begins: i64, ends: i64) -> Happening {
    let mut happens = happening(fault, None, None, dice, begins, ends);
    happens.heard = Some(happens.from);
    happens.heard_over = Some(happens.to);
    if fault == FaultKind::ClockJump {
        // Ahead, behind, or as a clock without a battery begins.
        let offsets = [2 * HOUR, -2 * HOUR, -happens.from];
        happens.offset_ms = dice.pick(&offsets).copied();
    }
    happens
}

/// Vehicles come and go: for hours in bays, for moments in lanes.
fn ordinary_day(plan: &Plan, seed: u64, (begins, ends): (i64, i64), script: &mut Vec<Happening>) {
    for asset in &plan.assets {
        let (pause, stay) = match asset.kind {
            AssetKind::ParkingBay => ((30 * MINUTE, 4 * HOUR), (HOUR, 5 * HOUR)),
            AssetKind::FireLane => ((2 * HOUR, 6 * HOUR), (MINUTE, 4 * MINUTE)),
            _ => continue,
        };
        let mut dice = Dice::of(seed, &asset.id);
        let busy: Vec<(i64, i64)> = script
            .iter()
            .filter(|h| h.kind == Kind::Vehicle && h.asset.as_deref() == Some(asset.id.as_str()))
            .map(|h| (h.from - 10 * MINUTE, h.to + 10 * MINUTE))
            .collect();
        let mut at = begins + dice.between(pause.0, pause.1);
        while at < ends - HOUR {
            let to = at + dice.between(stay.0, stay.1);
            if !busy.iter().any(|(from, until)| at < *until && to > *from) {
                script.push(Happening {
                    kind: Kind::Vehicle,
                    asset: Some(asset.id.clone()),
                    device: None,
                    from: at,
                    certain: at,
                    to,
                    heard: None,
                    heard_over: None,
                    offset_ms: None,
                });
            }
            at = to + dice.between(pause.0, pause.1);
        }
    }
}
