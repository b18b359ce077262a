//! Advice 提醒 on the rules of an estate that is right: what is allowed and probably not meant.
//!
//! A contradiction is refused when an estate is resolved (`check_when`). Here stands what may be meant: two rules that do
//! the same job, a rule nothing can ever raise, one that nothing can ever end.
//! What devices can measure is only known to who has the catalogue, so it is asked for.

use super::{Asset, AssetIndex, AssetKind, Binding, Device, Estate, MAX_POINTS_PER_DEVICE};
use crate::id::{AssetId, RuleId};
use crate::measure::Measure;
use crate::rule::{Rule, Vote, When};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What may not be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Two rules raise alarms for the same fault on the same asset by the same kind of condition.
    Overlaps {
        /// The other rule.
        with: RuleId,
        /// Whether it came with the program.
        shipped: bool,
        /// The first asset both look after.
        asset: AssetId,
        /// How many there are.
        assets: usize,
    },
    /// No asset of the estate is looked after.
    NoAsset,
    /// No device of those assets measures what it looks at.
    NoDevice,
    /// It watches for a shorter time than it must be wrong.
    DelayOutlastsHours,
    /// A window forgets before the delay is over.
    DelayOutlastsWindow,
    /// More of its points must agree than there can be on any of its assets.
    VoteOutnumbers {
        /// How many must agree.
        wanted: u16,
    },
    /// Every value there can be is wrong.
    AlwaysWrong,
    /// A value is wrong to it or to another rule of its class, whatever it is.
    LeavesNoneRight {
        /// The other rule.
        with: RuleId,
        /// The first asset both look after.
        asset: AssetId,
    },
    /// An override names an asset the rule does not look after.
    IdleOverride {
        /// The asset.
        asset: AssetId,
    },
}

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The rule.
    pub rule: RuleId,
    /// Where in the document: `rules[3].vote`.
    pub path: String,
    /// What.
    pub kind: Kind,
}

impl Kind {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Overlaps { .. } => "overlaps",
            Self::NoAsset
            | Self::NoDevice
            | Self::DelayOutlastsHours
            | Self::DelayOutlastsWindow
            | Self::VoteOutnumbers { .. } => "never_fires",
            Self::AlwaysWrong | Self::LeavesNoneRight { .. } => "always_fires",
            Self::IdleOverride { .. } => "idle_override",
        }
    }

    fn part(&self) -> &'static str {
        match self {
            Self::Overlaps { .. } => "fault",
            Self::NoAsset => "applies_to",
            Self::NoDevice => "measure",
            Self::DelayOutlastsHours | Self::DelayOutlastsWindow => "on_delay",
            Self::VoteOutnumbers { .. } => "vote",
            Self::AlwaysWrong | Self::LeavesNoneRight { .. } => "when",
            Self::IdleOverride { .. } => "overrides",
        }
    }
}

/// What the devices of an estate can measure.
pub trait Measures {
    /// Whether a device may measure this; in doubt, as for one that describes itself, it may.
    fn may(&self, device: &Device, measure: Measure) -> bool;
    /// Whether a device may measure it at several places of its own; in doubt, it may.
    fn may_repeat(&self, device: &Device, measure: Measure) -> bool;
}

/// All advice on the rules of the document; shipped ones are only looked at beside them.
pub fn advise(estate: &Estate, measures: &dyn Measures) -> Vec<Advice> {
    let mut all = Vec::new();
    let own = estate.rules().iter().filter(|rule| !rule.shipped);
    for rule in own {
        let place = estate.doc().rules.iter().position(|doc| doc.id == rule.id);
        let mut add = |kind: Kind| {
            let path = format!("rules[{}].{}", place.unwrap_or(0), kind.part());
            all.push(Advice {
                rule: rule.id.clone(),
                path,
                kind,
            });
        };
        alone(estate, rule, measures).into_iter().for_each(&mut add);
        leaves_none_right(estate, rule).into_iter().for_each(&mut add);
        overlaps(estate, rule).into_iter().for_each(&mut add);
    }
    all
}

/// The assets on which nothing but silence would be noticed, whatever their sensors see. Those without any sensor are not
/// among them, nor what is guarded by rules of its own only: a parking bay, and what has no kind.
pub fn unguarded<'e>(estate: &'e Estate, measures: &dyn Measures) -> Vec<&'e Asset> {
    let guardable = |asset: &&Asset| {
        !matches!(
            asset.kind,
            AssetKind::Gateway | AssetKind::Other | AssetKind::ParkingBay
        )
    };
    let has_sensor = |asset: &&Asset| {
        let here = estate.asset_by_id(&asset.id).map(|(index, _)| index);
        let watches = |device: &Device| {
            let own = device.bindings.iter().filter_map(|binding| binding.asset);
            own.chain(device.asset).any(|of| Some(of) == here)
        };
        estate.devices().iter().any(watches)
    };
    let is_guarded = |asset: &&Asset| {
        estate.rules().iter().any(|rule| {
            rule.when != When::Silent
                && !estate.is_replaced(rule, asset)
                && rule.on(&asset.id, asset.kind).is_some()
                && most_points(estate, &asset.id, rule.measure, measures) > 0
        })
    };
    let assets = estate.assets().iter().filter(guardable).filter(has_sensor);
    assets.filter(|asset| !is_guarded(asset)).collect()
}

fn covered<'e>(estate: &'e Estate, rule: &Rule) -> impl Iterator<Item = &'e Asset> {
    estate
        .assets()
        .iter()
        .filter(move |asset| rule.applies_to.covers(&asset.id, asset.kind))
}

/// What can be said of a rule by itself.
fn alone(estate: &Estate, rule: &Arc<Rule>, measures: &dyn Measures) -> Vec<Kind> {
    let mut found = Vec::new();
    let assets: Vec<&Asset> = covered(estate, rule).collect();
    let looked_at = assets
        .iter()
        .filter(|asset| rule.on(&asset.id, asset.kind).is_some());
    let most = looked_at.map(|asset| most_points(estate, &asset.id, rule.measure, measures));
    match (most.max(), rule.vote) {
        // Every asset it covers is overridden away, or there is none.
        (None, _) => found.push(Kind::NoAsset),
        (Some(0), _) => found.push(Kind::NoDevice),
        (Some(most), Vote::AtLeast(wanted)) if most < usize::from(wanted) => {
            found.push(Kind::VoteOutnumbers { wanted });
        }
        _ => {}
    }
    // As it looks at its assets, with what is different on some.
    let looks = assets.iter().filter_map(|asset| rule.on(&asset.id, asset.kind));
    let mut here: Vec<Arc<Rule>> = looks.collect();
    if here.is_empty() {
        here.push(rule.clone());
    }
    let somewhere = |is_so: fn(&Rule) -> bool| here.iter().any(|rule| is_so(rule));
    if somewhere(delay_outlasts_hours) {
        found.push(Kind::DelayOutlastsHours);
    }
    if somewhere(delay_outlasts_window) {
        found.push(Kind::DelayOutlastsWindow);
    }
    if somewhere(always_wrong) {
        found.push(Kind::AlwaysWrong);
    }
    for asset in rule.overrides.keys() {
        if !assets.iter().any(|covered| covered.id == *asset) {
            found.push(Kind::IdleOverride { asset: asset.clone() });
        }
    }
    found
}

fn delay_outlasts_hours(rule: &Rule) -> bool {
    let hours = rule.during.as_ref();
    hours.is_some_and(|during| during.longest() < rule.on_delay)
}

fn delay_outlasts_window(rule: &Rule) -> bool {
    matches!(rule.when, When::Rises { within, .. } | When::Falls { within, .. } | When::Often { within, .. }
        if rule.on_delay > within)
}

/// Most points of a measure there can be on an asset.
fn most_points(estate: &Estate, asset: &AssetId, measure: Measure, measures: &dyn Measures) -> usize {
    let Some((index, _)) = estate.asset_by_id(asset) else {
        return 0;
    };
    let of_device = |device: &Device| {
        let here = |of: Option<AssetIndex>| of.or(device.asset) == Some(index);
        let is_it = |b: &&Binding| here(b.asset) && b.becomes.unwrap_or(b.measure) == measure;
        let bound = device.bindings.iter().filter(is_it).count();
        let rest = match device.asset == Some(index) && measures.may(device, measure) {
            true if measures.may_repeat(device, measure) => MAX_POINTS_PER_DEVICE,
            speaks => usize::from(speaks),
        };
        bound.max(rest)
    };
    estate.devices().iter().map(of_device).sum()
}

/// A share lies between 0 and 100.
fn always_wrong(rule: &Rule) -> bool {
    if !matches!(rule.measure.unit().symbol(), "%" | "%RH") {
        return false;
    }
    match rule.when {
        When::Above { set, .. } => set <= 0.0,
        When::Below { set, .. } => set >= 100.0,
        When::Reaches { level, .. } => level <= 0.0,
        When::Stuck { band, .. } => band >= 100.0,
        _ => false,
    }
}

/// A rule below a level beside one of its class above a level that is no higher: whatever the value, one alarm goes on for
/// ever. Told once, at the later one.
fn leaves_none_right(estate: &Estate, rule: &Arc<Rule>) -> Option<Kind> {
    let place = |id: &RuleId| estate.doc().rules.iter().position(|doc| doc.id == *id);
    let others = estate.rules().iter().filter(|other| {
        !other.shipped
            && place(&other.id) < place(&rule.id)
            && (&other.class, other.measure) == (&rule.class, rule.measure)
            && other.during == rule.during
    });
    others.into_iter().find_map(|other| {
        let asset = covered(estate, rule).find(|asset| {
            let whens = [rule, other].map(|rule| Some(rule.on(&asset.id, asset.kind)?.when));
            matches!(
                whens,
                [Some(When::Above { set: above, .. }), Some(When::Below { set: below, .. })]
                | [Some(When::Below { set: below, .. }), Some(When::Above { set: above, .. })] if above <= below
            )
        })?;
        Some(Kind::LeavesNoneRight {
            with: other.id.clone(),
            asset: asset.id.clone(),
        })
    })
}

/// The rules that do the same job on some asset: the same fault, the same measure, the same kind of condition. A pair of
/// the estate's own is told once, at the later one.
fn overlaps(estate: &Estate, rule: &Arc<Rule>) -> Vec<Kind> {
    let same = |other: &&Arc<Rule>| {
        other.id != rule.id
            && other.fault == rule.fault
            && other.measure == rule.measure
            && std::mem::discriminant(&other.when) == std::mem::discriminant(&rule.when)
            // Other hours are another job.
            && other.during == rule.during
            // A shipped rule of the same class stays away by itself.
            && !(other.shipped && other.class == rule.class)
    };
    let place = |id: &RuleId| estate.doc().rules.iter().position(|doc| doc.id == *id);
    let mut found: BTreeMap<RuleId, Kind> = BTreeMap::new();
    for other in estate.rules().iter().filter(same) {
        if !other.shipped && place(&other.id) > place(&rule.id) {
            continue;
        }
        let mut both = covered(estate, rule).filter(|asset| {
            let here = [rule, other].map(|rule| rule.on(&asset.id, asset.kind));
            matches!(&here, [Some(one), Some(two)] if !are_levels(one, two))
                && !estate.is_replaced(other, asset)
        });
        if let Some(first) = both.next() {
            let kind = Kind::Overlaps {
                with: other.id.clone(),
                shipped: other.shipped,
                asset: first.id.clone(),
                assets: 1 + both.count(),
            };
            found.insert(other.id.clone(), kind);
        }
    }
    found.into_values().collect()
}

/// Whether two rules are levels of one alarm: the further one is more urgent, so that it can become worse.
fn are_levels(one: &Rule, two: &Rule) -> bool {
    let (urgent, other) = match one.priority.cmp(&two.priority) {
        Ordering::Less => (one, two),
        Ordering::Greater => (two, one),
        Ordering::Equal => return false,
    };
    urgent.class == other.class
        && match (urgent.when, other.when) {
            (When::Above { set: far, .. }, When::Above { set: near, .. }) => far > near,
            (When::Below { set: far, .. }, When::Below { set: near, .. }) => far < near,
            (
                When::Rises {
                    by: far, within: a, ..
                },
                When::Rises {
                    by: near, within: b, ..
                },
            )
            | (
                When::Falls {
                    by: far, within: a, ..
                },
                When::Falls {
                    by: near, within: b, ..
                },
            ) => far > near && a == b,
            // The same for longer.
            (a, b) => a == b && urgent.on_delay > other.on_delay,
        }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlaps {
                with, asset, assets, ..
            } => write!(
                f,
                "does the job of rule {with} on {asset} ({assets} assets): two alarms for one fault"
            ),
            Self::NoAsset => f.write_str("looks after no asset of the estate: it is never raised"),
            Self::NoDevice => f.write_str("no device of its assets measures this: it is never raised"),
            Self::DelayOutlastsHours => {
                f.write_str("must be wrong for longer than its hours last: it is never raised")
            }
            Self::DelayOutlastsWindow => {
                f.write_str("must be wrong for longer than its window remembers: it is hardly ever raised")
            }
            Self::VoteOutnumbers { wanted } => write!(
                f,
                "wants {wanted} points to agree, and no asset of it has so many: it is never raised"
            ),
            Self::AlwaysWrong => f.write_str("every value from 0 to 100 is wrong: it is always raised"),
            Self::LeavesNoneRight { with, asset } => write!(
                f,
                "whatever the value on {asset}, it is wrong to this rule or to rule {with}: it is always raised"
            ),
            Self::IdleOverride { asset } => {
                write!(f, "overrides {asset}, which the rule does not look after")
            }
        }
    }
}
