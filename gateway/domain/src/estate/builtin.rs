//! What every estate has without being told: the gateway as an asset and a device, and rules about itself.
//!
//! They are ordinary data. A document that names an asset, device or rule with the same id replaces it.

use super::AssetKind;
use super::doc::{AppliesToDoc, RuleDoc, WhenDoc};
use crate::id::{InvalidId, RuleId};
use crate::measure::UnknownMeasure;
use crate::rule::{Priority, Vote};
use crate::text::Text;
use std::time::Duration;

/// Id of the asset, the device and the profile that stand for the gateway itself.
pub const GATEWAY: &str = "gateway";

/// The gateway's name.
pub fn gateway_name() -> Text {
    text("网关", "Gateway")
}

/// Why a built-in rule could not be written down; a test shows that it never happens.
#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// One of its ids is not an id.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// Its measure is not in the vocabulary.
    #[error(transparent)]
    Measure(#[from] UnknownMeasure),
}

/// The rules about the gateway itself: messages the broker dropped, a broker or a bus that cannot be reached.
pub fn builtin_rules() -> Result<Vec<RuleDoc>, BuiltinError> {
    let above_zero = WhenDoc {
        above: Some(1.0),
        clear: Some(0.0),
        ..WhenDoc::default()
    };
    let is_false = WhenDoc {
        state: Some(false),
        ..WhenDoc::default()
    };
    Ok(vec![
        rule(
            "gateway-broker-drops",
            "broker-drops",
            "gateway.broker_dropped",
            above_zero,
            Duration::ZERO,
            text("消息服务器丢弃了消息", "The broker dropped messages"),
            text(
                "检查消息服务器的队列上限和网关负载;丢弃的读数无法找回。",
                "Check the broker's queue limits and the gateway's load; dropped readings cannot be recovered.",
            ),
        )?,
        rule(
            "gateway-broker-lost",
            "broker-lost",
            "gateway.broker_connected",
            is_false,
            Duration::from_secs(60),
            text("与消息服务器的连接中断", "The connection to the broker is lost"),
            text(
                "检查消息服务器是否运行、网络是否连通、账号密码是否有效。",
                "Check that the broker runs, that the network reaches it and that the credentials are valid.",
            ),
        )?,
        rule(
            "gateway-bus-lost",
            "bus-lost",
            "gateway.bus_ok",
            is_false,
            Duration::from_secs(60),
            text("现场总线无应答", "A field bus does not answer"),
            text(
                "检查总线供电、接线和终端电阻,再逐个检查从站。",
                "Check the bus's power, wiring and termination, then its slaves one by one.",
            ),
        )?,
    ])
}

fn rule(
    id: &str,
    class: &str,
    measure: &str,
    when: WhenDoc,
    on_delay: Duration,
    name: Text,
    response: Text,
) -> Result<RuleDoc, BuiltinError> {
    Ok(RuleDoc {
        id: RuleId::new(id)?,
        name: Some(name),
        class: class.parse()?,
        fault: GATEWAY.parse()?,
        measure: measure.parse()?,
        applies_to: AppliesToDoc {
            kind: Some(AssetKind::Gateway),
            assets: None,
        },
        when,
        on_delay,
        off_delay: Duration::from_secs(10),
        vote: Vote::Any,
        during: None,
        latch: false,
        priority: Priority::P3,
        realarm: None,
        explains: Vec::new(),
        overrides: Vec::new(),
        cause: None,
        consequence: None,
        response,
        order: None,
    })
}

fn text(zh: &str, en: &str) -> Text {
    Text {
        zh: zh.into(),
        en: en.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_built_in_rule_can_be_written_down() {
        assert_eq!(super::builtin_rules().unwrap().len(), 3);
    }
}
