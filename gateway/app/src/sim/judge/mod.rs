//! The judge: what the gateway did, beside what happened.
//!
//! It reads the truth, which knows no rule, and the committed history of alarms and orders, and says of each thing that
//! happened whether it was raised, how often and how late. What should be raised is said by a table of its own
//! (`expect`), not by the rules: a broken rule shows as missed.

mod expect;
#[cfg(test)]
mod tests;

use crate::ops::rig::Told;
use expect::{Expectation, expectations};
use linli_domain::estate::Estate;
use linli_ledger::Subject;
use linli_sim::{Kind, Truth};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// An alarm may come so much later than its rule's delay.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the gateway was told a moment ago may still raise.
const ECHO: Duration = Duration::from_secs(60);

/// Alarms or orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An alarm.
    Alarm,
    /// An order.
    Order,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It happened and nothing was raised.
    Missed,
    /// Something was raised and nothing happened.
    False,
    /// It came later than the rule's delay and five seconds.
    Late,
    /// It came twice.
    Doubled,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Should have been raised.
    pub expected: u64,
    /// Were raised for something that was expected.
    pub raised: u64,
    /// Were expected and not raised.
    pub missed: u64,
    /// Were raised and not expected.
    #[serde(rename = "false")]
    pub false_ones: u64,
    /// Were raised too late; they count as raised.
    pub late: u64,
    /// Were raised once more for the same thing.
    pub doubled: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub what: What,
    /// What is wrong with it.
    pub wrong: Wrong,
    /// The asset.
    pub asset: String,
    /// The alarm's class, the order's fault.
    pub key: String,
    /// Seconds since the play began: when it came, or what was missed began.
    pub at_seconds: u64,
    /// How late, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_seconds: Option<f64>,
    /// Why, as a word: `nothing_happened`, `too_short`, `clock_wrong`, `broker_lost`, `no_rule`, `rule_silent`,
    /// `raised_twice`, `slow`.
    pub cause: &'static str,
}

/// The judgement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The seed of the play.
    pub seed: u64,
    /// Alarms.
    pub alarms: Tally,
    /// Orders.
    pub orders: Tally,
    /// Everything that is wrong, by its time.
    pub findings: Vec<Finding>,
    /// Faults that were asked for and found nothing they could happen to.
    pub impossible: Vec<&'static str>,
    /// Devices of the estate that were not simulated.
    pub not_simulated: Vec<String>,
}

impl Verdict {
    /// Whether the gateway missed nothing and said nothing twice.
    pub fn holds(&self) -> bool {
        let fine = |tally: &Tally| tally.missed == 0 && tally.doubled == 0;
        fine(&self.alarms) && fine(&self.orders)
    }
}

/// One thing the gateway raised or opened.
#[derive(Debug)]
struct Raised<'a> {
    at: Duration,
    id: u64,
    asset: &'a str,
    key: &'a str,
}

/// Judges.
pub(super) fn judge(truth: &Truth, estate: &Estate, history: &[Told]) -> Verdict {
    let expected = expectations(truth, estate);
    let mut verdict = Verdict {
        seed: truth.seed,
        impossible: truth.impossible.clone(),
        not_simulated: truth.not_simulated.clone(),
        ..Verdict::default()
    };
    for what in [What::Alarm, What::Order] {
        let raised: Vec<Raised<'_>> = history.iter().filter_map(|told| raised(what, told)).collect();
        let open = open_orders(what, history);
        let (tally, findings) = compare(what, truth, &expected, &raised, &open);
        match what {
            What::Alarm => verdict.alarms = tally,
            What::Order => verdict.orders = tally,
        }
        verdict.findings.extend(findings);
    }
    verdict
        .findings
        .sort_by(|a, b| (a.at_seconds, a.what, &a.asset).cmp(&(b.at_seconds, b.what, &b.asset)));
    verdict
}

fn raised(what: What, told: &Told) -> Option<Raised<'_>> {
    let (id, began) = match (what, told.subject) {
        (What::Alarm, Subject::Alarm(id)) => (id.0, matches!(told.event.as_str(), "raised" | "raised_again")),
        (What::Order, Subject::Order(id)) => (id.0, takes(told)),
        _ => return None,
    };
    began.then(|| Raised {
        at: told.at,
        id,
        asset: told.asset.as_str(),
        key: &told.key,
    })
}

/// Whether an asset has its order from here on: one of its own, or a task of one about several.
fn takes(told: &Told) -> bool {
    told.from == "none" || told.event == "task_joined"
}

/// An order, and until when it took further alarms.
struct Open<'a> {
    asset: &'a str,
    key: &'a str,
    from: Duration,
    to: Duration,
}

/// The orders of a history. An open one takes what follows on its asset; alarms are raised again by themselves.
fn open_orders(what: What, history: &[Told]) -> Vec<Open<'_>> {
    let orders = history.iter().filter(|told| what == What::Order && takes(told));
    let orders = orders.filter(|told| matches!(told.subject, Subject::Order(_)));
    orders
        .map(|opened| {
            let ends = |told: &&Told| {
                told.subject == opened.subject && matches!(told.to.as_str(), "closed" | "cancelled")
            };
            Open {
                asset: opened.asset.as_str(),
                key: &opened.key,
                from: opened.at,
                to: history.iter().find(ends).map_or(Duration::MAX, |told| told.at),
            }
        })
        .collect()
}

fn compare(
    what: What,
    truth: &Truth,
    expected: &[Expectation],
    raised: &[Raised<'_>],
    open: &[Open<'_>],
) -> (Tally, Vec<Finding>) {
    let mut tally = Tally::default();
    let mut findings = Vec::new();
    let mut explained: BTreeSet<usize> = BTreeSet::new();
    for expectation in expected {
        let Some(key) = expectation.key(what) else {
            continue;
        };
        let (due, certain) = match what {
            What::Alarm => (expectation.due, expectation.certain),
            What::Order => (expectation.due + expectation.shared, expectation.ordered),
        };
        let here = |r: &Raised<'_>| r.asset == expectation.asset && r.key == key;
        let window = expectation.begins..=expectation.ends + ECHO;
        let mut found: Vec<(usize, &Raised<'_>)> = raised
            .iter()
            .enumerate()
            .filter(|(_, r)| here(r) && window.contains(&r.at))
            .collect();
        explained.extend(found.iter().map(|(n, _)| *n));
        if !certain {
            continue;
        }
        tally.expected += 1;
        let finding = |wrong, at: Duration, late: Option<Duration>, cause| Finding {
            what,
            wrong,
            asset: expectation.asset.clone(),
            key: key.to_owned(),
            at_seconds: at.as_secs(),
            late_seconds: late.map(|late| late.as_secs_f64()),
            cause,
        };
        found.sort_by_key(|(_, r)| r.at);
        let joined = |order: &Open<'_>| {
            order.asset == expectation.asset
                && order.key == key
                && order.from < expectation.begins
                && order.to >= due
        };
        if open.iter().any(joined) && found.is_empty() {
            tally.raised += 1;
            continue;
        }
        let Some((_, first)) = found.first() else {
            tally.missed += 1;
            let cause = if expectation.has_rule {
                "rule_silent"
            } else {
                "no_rule"
            };
            findings.push(finding(Wrong::Missed, expectation.begins, None, cause));
            continue;
        };
        tally.raised += 1;
        let latest = due + PATIENCE;
        if first.at > latest {
            tally.late += 1;
            let cause = around(truth, expectation.begins, first.at).unwrap_or("slow");
            findings.push(finding(Wrong::Late, first.at, Some(first.at - latest), cause));
        }
        let ids: BTreeSet<u64> = found.iter().map(|(_, r)| r.id).collect();
        if ids.len() > 1 {
            tally.doubled += ids.len() as u64 - 1;
            let last = found.last().map_or(first.at, |(_, r)| r.at);
            findings.push(finding(Wrong::Doubled, last, None, "raised_twice"));
        }
    }
    let unexplained = raised.iter().enumerate().filter(|(n, _)| !explained.contains(n));
    for (_, r) in unexplained {
        tally.false_ones += 1;
        findings.push(Finding {
            what,
            wrong: Wrong::False,
            asset: r.asset.to_owned(),
            key: r.key.to_owned(),
            at_seconds: r.at.as_secs(),
            late_seconds: None,
            cause: why_false(truth, r),
        });
    }
    (tally, findings)
}

/// What was wrong with the gateway's surroundings between two moments.
fn around(truth: &Truth, from: Duration, to: Duration) -> Option<&'static str> {
    let between = |kind| {
        truth.happenings.iter().any(|h| {
            h.kind == kind && expect::since(truth, h.from) <= to && expect::since(truth, h.to) + ECHO >= from
        })
    };
    if between(Kind::Clock) {
        Some("clock_wrong")
    } else if between(Kind::Broker) {
        Some("broker_lost")
    } else {
        None
    }
}

fn why_false(truth: &Truth, raised: &Raised<'_>) -> &'static str {
    if let Some(cause) = around(truth, raised.at, raised.at) {
        return cause;
    }
    let happened = truth.happenings.iter().any(|h| {
        h.asset.as_deref() == Some(raised.asset)
            && expect::since(truth, h.from) <= raised.at
            && raised.at <= expect::since(truth, h.to) + 10 * ECHO
    });
    if happened { "too_short" } else { "nothing_happened" }
}
