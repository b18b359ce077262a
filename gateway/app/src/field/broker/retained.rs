//! Retained messages: a tree in memory for subscribers, written through to the ledger, filled from it at start.
//!
//! The library awaits [`RetainStorage::set`] before the PUBACK. A message with an expiry lives in memory only: after
//! a restart it counts as expired. Properties of MQTT 5 other than the payload are not kept over a restart.

use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::pipeline::{Door, Request};
use async_trait::async_trait;
use linli_ledger::RetainedRow;
use rmqtt::codec::types::Publish as CodecPublish;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::types::{ClientId, From, Id, QoS, Retain, TopicFilter, TopicName};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Topics with a retained message. Past it a new topic is forwarded to subscribers but not retained, and counted.
const MAX_TOPICS: isize = 10_000;
/// QoS 0 retained messages on their way to the ledger. Past it they are kept in memory only, and counted.
const MAX_UNAWAITED: usize = 64;

pub(super) struct Retained {
    tree: DefaultRetainStorage,
    door: Door,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    unawaited: Arc<Semaphore>,
}

impl Retained {
    /// Filled with what the ledger holds.
    pub(super) async fn load(
        rows: Vec<RetainedRow>,
        door: Door,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> rmqtt::Result<Self> {
        let tree = DefaultRetainStorage::new();
        for row in rows {
            let Some(payload) = row.payload else { continue };
            let qos = match row.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let topic = TopicName::from(row.topic);
            let publish = CodecPublish {
                dup: false,
                retain: true,
                qos,
                topic: topic.clone(),
                packet_id: None,
                payload: payload.into(),
                properties: None,
            };
            let retain = Retain {
                msg_id: None,
                from: From::from_system(Id::from(0, ClientId::from_static("ledger"))),
                publish: rmqtt::types::Publish::new(Box::new(publish), None, None, Some(row.at.as_millis())),
            };
            tree.set_with_timeout(&topic, retain, None).await?;
        }
        Ok(Self {
            tree,
            door,
            clock,
            metrics,
            unawaited: Arc::new(Semaphore::new(MAX_UNAWAITED)),
        })
    }

    async fn has_room_for(&self, topic: &TopicName) -> rmqtt::Result<bool> {
        if self.tree.count().await < MAX_TOPICS {
            return Ok(true);
        }
        self.tree.remove_expired_messages().await;
        Ok(self.tree.count().await < MAX_TOPICS || !self.tree.get_message(topic).await?.is_empty())
    }

    fn lost(&self, what: &str, topic: &str) {
        self.metrics.broker_lost.with_label_values(&[what]).inc();
        tracing::warn!(topic, what, "a retained message is not kept");
    }

    /// Writes without being waited for; `false` when too many are on their way.
    fn write_unawaited(&self, row: RetainedRow) -> bool {
        let Ok(permit) = Arc::clone(&self.unawaited).try_acquire_owned() else {
            return false;
        };
        let door = self.door.clone();
        tokio::spawn(async move {
            let topic = row.topic.clone();
            let stored = door.ask(|reply| Request::Retained(row, reply)).await;
            if !matches!(stored, Ok(Ok(()))) {
                tracing::warn!(
                    topic,
                    "a retained message at QoS 0 was not stored; it is lost at a restart"
                );
            }
            drop(permit);
        });
        true
    }
}

#[async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        // The listener's default expiry is set to none, which arrives as zero.
        let expiry = expiry.filter(|e| !e.is_zero());
        let clears = retain.publish.payload.is_empty();
        if !clears && !self.has_room_for(topic).await? {
            self.lost("retained_full", topic);
            return Ok(());
        }
        let row = RetainedRow {
            topic: topic.to_string(),
            payload: (!clears && expiry.is_none()).then(|| retain.publish.payload.to_vec()),
            qos: retain.publish.qos as u8,
            at: self.clock.now().wall,
        };
        if row.qos == 0 {
            if !self.write_unawaited(row) {
                self.lost("retained_qos0", topic);
            }
        } else if let Err(error) = self
            .door
            .ask(|reply| Request::Retained(row, reply))
            .await
            .and_then(|stored| stored)
        {
            // An error here ends the connection, so the client sends the message again.
            return Err(error.into());
        }
        self.tree.set_with_timeout(topic, retain, expiry).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.tree.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.tree.count().await
    }

    async fn max(&self) -> isize {
        self.tree.max().await
    }
}
