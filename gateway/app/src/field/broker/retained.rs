//! Retained messages: a tree in memory for subscribers, filled from the ledger at start.
//!
//! What a message leaves retained is committed together with the message, in the hooks, before the library puts it
//! into this tree; the tree itself is never written anywhere. An expiry is kept over a restart; other properties of
//! MQTT 5 are not.

use crate::clock::SharedClock;
use async_trait::async_trait;
use linli_domain::time::{Monotonic, Timestamp};
use linli_ledger::RetainedRow;
use rmqtt::codec::types::Publish as CodecPublish;
use rmqtt::codec::v5::PublishProperties;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::types::{ClientId, From, Id, QoS, Retain, TopicFilter, TopicName};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Topics with a retained message. Past it a new topic is forwarded to subscribers but not retained, and counted.
const MAX_TOPICS: usize = 10_000;
/// Bytes of all of them, likewise.
const MAX_BYTES: usize = 32 << 20;
/// While there is no room, expired messages are looked for once per this long: it means going through all of them.
const LOOK: Duration = Duration::from_secs(1);

/// The retained messages of one broker.
pub(super) struct Retained {
    tree: DefaultRetainStorage,
    clock: SharedClock,
    sizes: Mutex<Sizes>,
}

/// How much is held, topic by topic; expired messages count until room is needed.
#[derive(Default)]
struct Sizes {
    by_topic: HashMap<Box<str>, usize>,
    bytes: usize,
    /// When expired ones were last looked for.
    looked: Option<Monotonic>,
}

impl Sizes {
    fn set(&mut self, topic: &str, bytes: usize) {
        let before = if bytes == 0 {
            self.by_topic.remove(topic)
        } else {
            self.by_topic.insert(topic.into(), bytes)
        };
        self.bytes = self.bytes + bytes - before.unwrap_or(0);
    }

    fn has_room_for(&self, topic: &str, bytes: usize) -> bool {
        let before = self.by_topic.get(topic).copied();
        (before.is_some() || self.by_topic.len() < MAX_TOPICS)
            && self.bytes + bytes - before.unwrap_or(0) <= MAX_BYTES
    }
}

impl Retained {
    /// Filled with what the ledger holds and has not expired.
    pub(super) async fn load(rows: Vec<RetainedRow>, clock: &SharedClock) -> rmqtt::Result<Self> {
        let now = clock.now().wall;
        let retained = Self {
            tree: DefaultRetainStorage::new(),
            clock: Arc::clone(clock),
            sizes: Mutex::default(),
        };
        for row in rows {
            let remaining = row.expires.map(|expires| expires.since(now));
            let Some(payload) = row
                .payload
                .filter(|_| remaining.is_none_or(|left| !left.is_zero()))
            else {
                continue;
            };
            let qos = match row.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            };
            let topic = TopicName::from(row.topic);
            let properties = row.expires.map(|expires| PublishProperties {
                message_expiry_interval: u32::try_from(expires.since(row.at).as_secs())
                    .ok()
                    .and_then(NonZeroU32::new),
                ..PublishProperties::default()
            });
            let publish = CodecPublish {
                dup: false,
                retain: true,
                qos,
                topic: topic.clone(),
                packet_id: None,
                payload: payload.into(),
                properties,
            };
            let retain = Retain {
                msg_id: None,
                from: From::from_system(Id::from(0, ClientId::from_static("ledger"))),
                publish: rmqtt::types::Publish::new(Box::new(publish), None, None, Some(row.at.as_millis())),
            };
            retained.keep(&topic, retain, remaining).await?;
        }
        Ok(retained)
    }

    /// Whether a message of `bytes` may stay on this topic.
    pub(super) async fn has_room_for(&self, topic: &str, bytes: usize) -> bool {
        let now = self.clock.now().monotonic;
        {
            let mut sizes = self.sizes();
            if sizes.has_room_for(topic, bytes) {
                return true;
            }
            if sizes.looked.is_some_and(|last| now.since(last) < LOOK) {
                return false;
            }
            sizes.looked = Some(now);
        }
        self.tree.remove_expired_messages().await;
        let Ok(left) = self.tree.get_message(&TopicFilter::from_static("#")).await else {
            return false;
        };
        let mut sizes = Sizes {
            looked: Some(now),
            ..Sizes::default()
        };
        for (topic, retain) in left {
            sizes.set(&topic, retain.publish.payload.len());
        }
        *self.sizes() = sizes;
        self.sizes().has_room_for(topic, bytes)
    }

    async fn keep(
        &self,
        topic: &TopicName,
        mut retain: Retain,
        expiry: Option<Duration>,
    ) -> rmqtt::Result<()> {
        // A payload on its way is counted among those that wait for subscribers; this one stays.
        retain.publish.inner.payload = retain.publish.payload.to_vec().into();
        self.sizes().set(topic, retain.publish.payload.len());
        self.tree.set_with_timeout(topic, retain, expiry).await
    }

    /// The messages under `filter`, each with what is left of its time: the library would hand on the whole of it.
    async fn found(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let now = self.clock.now().wall;
        let mut found = self.tree.get_message(filter).await?;
        found.retain_mut(|(_, retain)| {
            let published = retain.publish.create_time.map_or(now, Timestamp::from_millis);
            let whole = retain.publish.inner.properties.as_mut();
            let Some(expiry) = whole.and_then(|p| p.message_expiry_interval.as_mut()) else {
                return true;
            };
            let age = u32::try_from(now.since(published).as_secs()).unwrap_or(u32::MAX);
            match NonZeroU32::new(expiry.get().saturating_sub(age)) {
                Some(left) => *expiry = left,
                None => return false,
            }
            true
        });
        Ok(found)
    }

    fn sizes(&self) -> MutexGuard<'_, Sizes> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the library asks for it.
pub(super) struct Storage(pub(super) Arc<Retained>);

#[async_trait]
impl RetainStorage for Storage {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        // The listener's default expiry is set to none, which arrives as zero.
        self.0.keep(topic, retain, expiry.filter(|e| !e.is_zero())).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.0.found(filter).await
    }

    async fn count(&self) -> isize {
        self.0.tree.count().await
    }

    async fn max(&self) -> isize {
        self.0.tree.max().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use linli_domain::time::{BootId, Now};

    fn row(topic: &str, at_s: i64, expires_s: Option<i64>) -> RetainedRow {
        RetainedRow {
            topic: topic.into(),
            payload: Some(b"on".to_vec()),
            qos: 1,
            at: Timestamp::from_millis(at_s * 1_000),
            expires: expires_s.map(|s| Timestamp::from_millis(s * 1_000)),
        }
    }

    /// Stands still at a second of its own.
    struct Stopped(i64);

    impl Clock for Stopped {
        fn now(&self) -> Now {
            Now {
                wall: Timestamp::from_millis(self.0 * 1_000),
                monotonic: Monotonic(0),
                boot: BootId(0),
                trusted: true,
            }
        }
    }

    #[tokio::test]
    async fn what_expires_is_there_for_the_rest_of_its_time() {
        let rows = vec![
            row("stays", 0, None),
            row("goes", 0, Some(90)),
            row("gone", 0, Some(60)),
        ];
        let clock: SharedClock = Arc::new(Stopped(60));
        let retained = Retained::load(rows, &clock).await.unwrap();
        let found = retained.found(&"#".into()).await.unwrap();
        let mut left: Vec<_> = found
            .iter()
            .map(|(topic, retain)| {
                let properties = retain.publish.properties.as_ref();
                let expiry = properties.and_then(|p| p.message_expiry_interval);
                (topic.to_string(), expiry.map(NonZeroU32::get))
            })
            .collect();
        left.sort();
        assert_eq!(left, [("goes".into(), Some(30)), ("stays".into(), None)]);
    }

    #[tokio::test]
    async fn a_full_store_takes_what_it_knows_and_what_fits() {
        let retained = Retained::load(Vec::new(), &(Arc::new(Stopped(0)) as SharedClock))
            .await
            .unwrap();
        {
            let mut sizes = retained.sizes();
            (0..MAX_TOPICS).for_each(|n| sizes.set(&format!("bay/{n}"), 10));
            assert!(sizes.has_room_for("bay/7", 20) && !sizes.has_room_for("bay/new", 1));
            sizes.set("bay/7", 0);
            assert!(sizes.has_room_for("bay/new", 1));
            assert!(!sizes.has_room_for("bay/new", MAX_BYTES));
            assert_eq!(sizes.bytes, (MAX_TOPICS - 1) * 10);
        }
        assert!(
            retained.has_room_for("bay/new", MAX_BYTES).await,
            "looked at again, the tree is empty"
        );
    }
}
