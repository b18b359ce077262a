//! Advice on rules in both languages, and what devices can measure by the catalogue.

use crate::config::said::{Said, both};
use crate::profiles::ANNOUNCED;
use linli_decode::Catalogue;
use linli_domain::estate::advice::{self, Advice, Kind, Measures, advise};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::estate::{Asset, AssetKind, Device, Estate};
use linli_domain::measure::Measure;
use linli_domain::text::Text;

/// What the devices of an estate may measure, as far as the catalogue knows.
struct Known<'c> {
    estate: &'c Estate,
    catalogue: &'c Catalogue,
}

impl Measures for Known<'_> {
    fn may(&self, device: &Device, measure: Measure) -> bool {
        if matches!(device.profile.as_str(), ANNOUNCED | GATEWAY) {
            return true;
        }
        let Some(profile) = self.catalogue.get(&device.profile) else {
            return true;
        };
        // A distance or a depth becomes a fill level by the geometry of what is below.
        let asset = device.asset.and_then(|asset| self.estate.asset(asset));
        let becomes: &[&str] = match measure.name() {
            "bin.fill" if asset.is_some_and(|asset| asset.bin.is_some()) => &["bin.distance"],
            "level.fill" if asset.is_some_and(|asset| asset.tank.is_some()) => {
                &["level.distance", "level.depth"]
            }
            _ => &[],
        };
        let may = |measure: Measure| profile.may_measure(measure).is_some();
        may(measure) || becomes.iter().any(|name| name.parse().is_ok_and(may))
    }

    fn may_repeat(&self, device: &Device, measure: Measure) -> bool {
        let profile = self.catalogue.get(&device.profile);
        profile.is_none_or(|profile| profile.may_measure(measure) == Some(true))
    }
}

/// All advice on the rules of an estate.
pub fn of(estate: &Estate, catalogue: &Catalogue) -> Vec<Advice> {
    advise(estate, &Known { estate, catalogue })
}

/// Assets with sensors that no rule looks at: where in the document, and what to do.
pub fn unguarded(estate: &Estate, catalogue: &Catalogue) -> Vec<(String, Said)> {
    let assets = advice::unguarded(estate, &Known { estate, catalogue });
    let place = |asset: &Asset| estate.doc().assets.iter().position(|doc| doc.id == asset.id);
    let told = assets.into_iter().filter_map(|asset| {
        let id = &asset.id;
        let message = both!(
            "没有规则看护 {id} 上传感器所测的量：除失联外不会有任何告警",
            "no rule looks at what the sensors of {id} measure: nothing there but silence is ever an alarm"
        );
        let said = Said::new("unguarded", message).hint(guard(asset));
        Some((format!("assets[{}]", place(asset)?), said))
    });
    told.collect()
}

fn guard(asset: &Asset) -> Text {
    match asset.kind {
        AssetKind::Bin if asset.bin.is_none() => both!(
            "写明桶的尺寸 bin = {{ empty_distance_mm = 1200, full_distance_mm = 200 }}，或为它写一条规则",
            "give the bin its geometry, bin = {{ empty_distance_mm = 1200, full_distance_mm = 200 }}, or write a rule for it"
        ),
        AssetKind::Sump if asset.tank.is_none() => both!(
            "写明深浅 tank = {{ empty_distance_mm = 2400, full_distance_mm = 400 }}，或为它写一条规则",
            "say how deep it is, tank = {{ empty_distance_mm = 2400, full_distance_mm = 400 }}, or write a rule for it"
        ),
        _ => both!(
            "核对设备的用途（role）和型号，或为它写一条规则",
            "check the role and the profile of its devices, or write a rule for it"
        ),
    }
}

/// One piece of advice in words.
pub fn said(advice: &Advice) -> Said {
    Said::new(advice.kind.code(), message(advice)).hint(hint(&advice.kind))
}

fn message(advice: &Advice) -> Text {
    let rule = &advice.rule;
    match &advice.kind {
        Kind::Overlaps {
            with, asset, assets, ..
        } => both!(
            "规则 {rule} 与 {with} 在 {asset} 等 {assets} 个资产上做同一件事：一个故障会有两条告警",
            "the rules {rule} and {with} do the same on {asset} ({assets} assets in all): two alarms for one fault"
        ),
        Kind::NoAsset => both!(
            "规则 {rule} 不管小区中的任何资产，永远不会触发",
            "the rule {rule} looks after no asset of the estate: it is never raised"
        ),
        Kind::NoDevice => both!(
            "规则 {rule} 的资产上没有设备测量该量，永远不会触发",
            "no device on the assets of the rule {rule} measures this: it is never raised"
        ),
        Kind::DelayOutlastsHours => both!(
            "规则 {rule} 的延时比它的时段还长，永远不会触发",
            "the rule {rule} must be wrong for longer than its hours last: it is never raised"
        ),
        Kind::DelayOutlastsWindow => both!(
            "规则 {rule} 的延时比它的窗口还长，几乎不会触发",
            "the rule {rule} must be wrong for longer than its window remembers: it is hardly ever raised"
        ),
        Kind::VoteOutnumbers { wanted } => both!(
            "规则 {rule} 要 {wanted} 个测点一致，它的资产上没有这么多，永远不会触发",
            "the rule {rule} wants {wanted} points to agree, and none of its assets has so many: it is never raised"
        ),
        Kind::LeavesNoneRight { with, asset } => both!(
            "{asset} 上无论什么值，规则 {rule} 与 {with} 总有一条判为异常，会一直触发",
            "whatever the value on {asset}, it is wrong to rule {rule} or to rule {with}: the alarm is always raised"
        ),
        Kind::AlwaysWrong => both!(
            "规则 {rule} 把 0 到 100 的任何值都判为异常，会一直触发",
            "the rule {rule} calls every value from 0 to 100 wrong: it is always raised"
        ),
        Kind::IdleOverride { asset } => both!(
            "规则 {rule} 不管 {asset}，对它的例外没有作用",
            "the rule {rule} does not look after {asset}: what it overrides there has no effect"
        ),
    }
}

fn hint(kind: &Kind) -> Text {
    match kind {
        Kind::Overlaps { shipped: true, .. } => both!(
            "写同一个 class 以取代随附的规则，或换一个 fault",
            "give it the class of the shipped rule to take its place, or another fault"
        ),
        Kind::Overlaps { .. } => both!(
            "删去其中一条，或用 overrides 区分资产",
            "remove one of them, or tell their assets apart with overrides"
        ),
        Kind::NoAsset => both!("核对 applies_to", "check applies_to"),
        Kind::NoDevice => both!(
            "核对 measure 和资产的尺寸（bin、tank），或先接入设备",
            "check the measure and the geometry of the asset (bin, tank), or add the device first"
        ),
        Kind::DelayOutlastsHours | Kind::DelayOutlastsWindow => {
            both!("缩短 on_delay", "make on_delay shorter")
        }
        Kind::VoteOutnumbers { .. } => both!(
            "减小 vote，或先接入设备",
            "make the vote smaller, or add the devices first"
        ),
        Kind::LeavesNoneRight { .. } => both!(
            "让两个设定值之间留出正常范围",
            "leave a range that is right between the two set values"
        ),
        Kind::AlwaysWrong => both!("核对设定值", "check the set value"),
        Kind::IdleOverride { .. } => both!("删去这条例外", "remove the override"),
    }
}
