//! What a connection may ask of the field: a Sparkplug node's birth certificates, and nothing else.
//!
//! The pipeline says what it would like to know after the commit that found it missing. Here is the list of what may
//! be published at all; a question that is not on it, or that finds no connection, is counted and dropped. It is
//! asked again by the next message that needs the answer.

use super::acks::CurrentLife;
use crate::config::Subscription;
use crate::field::topic::matches;
use crate::metrics::Metrics;
use linli_decode::{Family, Request};
use linli_domain::time::Timestamp;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Questions that may wait for a connection; a further one is dropped.
pub const WAITING_ASKS: usize = 256;

/// The only topics this program ever publishes to.
const ALLOWED: &str = "spBv1.0/+/NCMD/+";

/// A question on its way to a connection.
#[derive(Debug)]
pub struct Ask {
    /// What is wanted.
    pub request: Request,
    /// When it came up.
    pub at: Timestamp,
}

/// Runs until the pipeline has dropped its half of `asks`.
pub(super) async fn run(
    name: Arc<str>,
    subscriptions: Vec<Subscription>,
    mut asks: mpsc::Receiver<Ask>,
    life: CurrentLife,
    metrics: Arc<Metrics>,
) {
    while let Some(ask) = asks.recv().await {
        let (topic, payload) = ask.request.message(ask.at);
        let outcome = match (is_allowed(&subscriptions, &topic), life.requests()) {
            (false, _) => "not_allowed",
            (true, None) => "not_connected",
            (true, Some(requests)) => match requests.publish(&topic, payload).await {
                Ok(()) => "sent",
                Err(_) => "not_connected",
            },
        };
        metrics.field_asks.with_label_values(&[&*name, outcome]).inc();
        tracing::info!(connection = %name, topic, outcome, "asked a node to announce itself again");
    }
}

/// Whether a subscription to Sparkplug nodes lets them be asked.
fn is_allowed(subscriptions: &[Subscription], topic: &str) -> bool {
    let asks =
        |subscription: &Subscription| subscription.family == Family::SparkplugB && subscription.rebirth;
    matches(ALLOWED, topic) && subscriptions.iter().any(asks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(family: Family, rebirth: bool) -> Subscription {
        Subscription {
            family,
            pattern: family.default_pattern().unwrap().parse().unwrap(),
            states: Vec::new(),
            rebirth,
        }
    }

    #[test]
    fn a_rebirth_is_all_that_is_ever_published_and_only_where_it_is_wanted() {
        let asks = [
            subscription(Family::Tasmota, true),
            subscription(Family::SparkplugB, true),
        ];
        assert!(is_allowed(&asks, "spBv1.0/estate/NCMD/plc"));
        for topic in [
            "spBv1.0/estate/DCMD/plc/valve",
            "spBv1.0/estate/NCMD/plc/x",
            "cmnd/plug/POWER",
            "spBv1.0/a/NCMD",
        ] {
            assert!(!is_allowed(&asks, topic), "{topic}");
        }
        let silent = [
            subscription(Family::Tasmota, true),
            subscription(Family::SparkplugB, false),
        ];
        assert!(!is_allowed(&silent, "spBv1.0/estate/NCMD/plc"));
    }
}
