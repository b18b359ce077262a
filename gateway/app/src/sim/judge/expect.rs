//! What should be raised for what happened: a table of the usual ways an estate is guarded, not its rules.
//!
//! | happened | class | fault | after |
//! |---|---|---|---|
//! | water, drip | `leak` | `leak` | 5 s |
//! | heat of 60 °C | `bin-heat` | `bin-heat` | 10 s |
//! | a bin filled to 90 % | `bin-full` | `bin-full` | 10 min |
//! | a vehicle in a fire lane | `fire-lane` | `fire-lane` | 5 min |
//! | a dead device | `silent` | `device` | the estate's silence limit |
//! | a frozen sensor | that of a rule for stuck values | its | its, and one report |
//! | the broker is lost | `broker-lost` | none | 60 s |
//!
//! Where the orders of a rule are shared (`batch`), an order may come 30 s after its alarm, and what is over by then needs
//! none. A task in the order of others is the order of its asset.
//!
//! A rule of the estate may be slower or quicker: how late an alarm is, is measured against the rule's delay where there is
//! a rule. Whether something lasted long enough to be raised is measured against the shorter of the two, so that a rule
//! that waits for hours does not excuse itself.

use linli_domain::estate::builtin::GATEWAY;
use linli_domain::estate::{Asset, Device, Estate};
use linli_domain::id::AssetId;
use linli_domain::rule::{Rule, When};
use linli_sim::{Happening, Kind, Truth};
use std::sync::Arc;
use std::time::Duration;

/// Something that lasted within this of its delay may be raised or not.
const EITHER: Duration = Duration::from_secs(5);

/// How long an order that is shared waits for others.
const SHARED: Duration = Duration::from_secs(30);

/// One thing that should be raised.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    pub(super) asset: String,
    class: String,
    fault: Option<String>,
    /// From when an alarm may be about it.
    pub(super) begins: Duration,
    /// When it should be raised.
    pub(super) due: Duration,
    /// Until when an alarm is about it.
    pub(super) ends: Duration,
    /// Whether it must be raised; otherwise it may.
    pub(super) certain: bool,
    /// How much later its order may come.
    pub(super) shared: Duration,
    /// Whether it must have an order; otherwise it may.
    pub(super) ordered: bool,
    pub(super) has_rule: bool,
}

impl Expectation {
    /// What it is known by.
    pub(super) fn key(&self, what: super::What) -> Option<&str> {
        match what {
            super::What::Alarm => Some(&self.class),
            super::What::Order => self.fault.as_deref(),
        }
    }
}

/// True time since the play began.
pub(super) fn since(truth: &Truth, at_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms - truth.from).unwrap_or(0))
}

/// Everything that should or may be raised.
pub(super) fn expectations(truth: &Truth, estate: &Estate) -> Vec<Expectation> {
    let all = truth.happenings.iter().filter_map(|h| expect(truth, estate, h));
    let care = truth.happenings.iter().filter_map(|h| care(truth, h));
    all.chain(care).collect()
}

/// A sensor that comes and goes may get an order of its own, by whoever counts that.
fn care(truth: &Truth, happening: &Happening) -> Option<Expectation> {
    let asset = happening.asset.clone().filter(|_| happening.kind == Kind::Drip)?;
    let ends = since(truth, happening.heard_over.unwrap_or(truth.to));
    Some(Expectation {
        asset,
        class: "flapping".into(),
        fault: Some("flapping".into()),
        begins: since(truth, happening.from),
        due: ends,
        ends,
        certain: false,
        shared: Duration::ZERO,
        ordered: false,
        has_rule: false,
    })
}

/// How something is usually guarded.
struct Usual {
    class: String,
    fault: Option<&'static str>,
    after: Duration,
}

fn expect(truth: &Truth, estate: &Estate, happening: &Happening) -> Option<Expectation> {
    let id = AssetId::new(happening.asset.as_deref().unwrap_or(GATEWAY)).ok()?;
    let (_, asset) = estate.asset_by_id(&id)?;
    let usual = usual(estate, asset, happening)?;
    let rules = in_effect(estate, asset, &usual.class);
    // When nothing can see it, nothing is expected.
    let heard = since(truth, happening.heard?);
    let over = since(truth, happening.heard_over.unwrap_or(truth.to)).max(heard);
    // Several rules of a class: any may raise it, the slowest must have by then.
    let waits = || rules.iter().map(|rule| waiting(rule, usual.after));
    let lasted = over - heard;
    let needed = waits().min().unwrap_or(usual.after).min(usual.after);
    let fault = match rules.iter().find(|rule| rule.order.is_some()) {
        Some(rule) => Some(rule.fault.to_string()),
        None if rules.is_empty() => usual.fault.map(str::to_owned),
        None => None,
    };
    let shares = |rule: &Arc<Rule>| rule.order.as_ref().is_some_and(|plan| plan.batch);
    let shared = if rules.iter().any(shares) {
        SHARED
    } else {
        Duration::ZERO
    };
    let due = heard + waits().max().unwrap_or(usual.after);
    if lasted + EITHER < needed {
        return None;
    }
    Some(Expectation {
        asset: id.to_string(),
        class: usual.class,
        fault,
        begins: since(truth, happening.from),
        due,
        ends: over.max(heard + needed),
        certain: lasted >= needed + EITHER,
        shared,
        ordered: lasted >= needed + shared + EITHER,
        has_rule: !rules.is_empty(),
    })
}

fn usual(estate: &Estate, asset: &Asset, happening: &Happening) -> Option<Usual> {
    let of = |class: &str, fault, after| {
        Some(Usual {
            class: class.to_owned(),
            fault,
            after,
        })
    };
    let seconds = Duration::from_secs;
    match happening.kind {
        Kind::Water | Kind::Drip => of("leak", Some("leak"), seconds(5)),
        Kind::Heat => of("bin-heat", Some("bin-heat"), seconds(10)),
        Kind::Waste => of("bin-full", Some("bin-full"), seconds(600)),
        Kind::Vehicle if asset.kind == linli_domain::estate::AssetKind::FireLane => {
            of("fire-lane", Some("fire-lane"), seconds(300))
        }
        Kind::Vehicle => {
            // How long a car may stand in a bay is for each estate to say.
            let overstay = estate.rules().iter().find(|rule| {
                rule.measure.name() == "parking.occupied"
                    && rule.when == When::State(true)
                    && rule.on(&asset.id, asset.kind).is_some()
            })?;
            of(overstay.class.as_str(), None, overstay.on_delay)
        }
        Kind::Dead => of("silent", Some("device"), device(estate, happening)?.silence_limit),
        Kind::Frozen => {
            let stuck = |rule: &&Arc<Rule>| {
                matches!(rule.when, When::Stuck { .. }) && rule.on(&asset.id, asset.kind).is_some()
            };
            let rule = estate.rules().iter().find(stuck)?;
            let When::Stuck { after, .. } = rule.when else {
                return None;
            };
            // Only a report can tell that nothing has moved: the first one after that time.
            let interval = device(estate, happening)?.expected_interval.unwrap_or_default();
            of(rule.class.as_str(), None, after + interval)
        }
        Kind::Broker => of("broker-lost", None, seconds(60)),
        Kind::Clock => None,
    }
}

/// The device that is ill.
fn device<'e>(estate: &'e Estate, happening: &Happening) -> Option<&'e Device> {
    let id = happening.device.as_deref()?;
    estate.devices().iter().find(|device| device.id.as_str() == id)
}

/// The rules of a class that look after an asset: those of the estate, and the shipped ones they do not replace.
fn in_effect(estate: &Estate, asset: &Asset, class: &str) -> Vec<Arc<Rule>> {
    let all = estate.rules().iter().filter(|rule| rule.class.as_str() == class);
    all.filter(|rule| !estate.is_replaced(rule, asset))
        .filter_map(|rule| rule.on(&asset.id, asset.kind))
        .collect()
}

/// How long a rule waits before its alarm. Silence and stuck values wait by themselves before the delay begins.
fn waiting(rule: &Rule, usual: Duration) -> Duration {
    match rule.when {
        When::Silent | When::Stuck { .. } => usual + rule.on_delay,
        _ => rule.on_delay,
    }
}
