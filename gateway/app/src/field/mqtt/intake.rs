//! What a connection does with what the broker says: frames to the door, complaints to facts, the rest to the log.
//!
//! When to read and when to stop is decided in the parent module.

use super::Connection;
use super::link::Requests;
use super::protocol::Outcome;
use super::subscriptions::{Answer, Subscriptions};
use super::sys::News;
use super::wire::Message;
use crate::field::facts::About;
use crate::field::{AckTicket, Done, Frame, MqttFrame, Unwanted};
use std::sync::Arc;
use std::time::Duration;

/// Bytes kept of a message that is only recorded as rejected.
const UNWANTED_HEAD: usize = 1024;

/// What is on its way to the door.
#[derive(Default)]
pub(super) struct Burst {
    pub(super) frames: Vec<Frame>,
    pub(super) bytes: usize,
}

impl Connection {
    pub(super) async fn connected(
        &mut self,
        session_present: bool,
        subscriptions: &mut Subscriptions,
        requests: &Requests,
    ) -> bool {
        let name = &self.config.name;
        self.negotiation.learn(Outcome::Accepted);
        tracing::info!(connection = %name, session_present, version = ?self.negotiation.version(), "connected");
        if self.met {
            if !session_present {
                self.metrics.sessions_lost.with_label_values(&[&**name]).inc();
                tracing::warn!(
                    connection = %name,
                    "the broker has lost our session: what it queued meanwhile is lost; check its persistence"
                );
            }
            self.push(self.facts.state(About::SessionKept, session_present))
                .await;
        }
        self.met = true;
        self.tell_up(true).await;
        subscriptions.ask(&self.routes.filters(), self.sys_wanted, requests)
    }

    pub(super) async fn subscribed(&mut self, answer: Answer) {
        match answer {
            Answer::Refused(filters) => {
                for (filter, why) in filters {
                    tracing::error!(
                        connection = %self.config.name, filter, why,
                        "the broker refuses a subscription; check its access rules"
                    );
                }
                self.push(self.facts.state(About::SubscriptionsOk, false)).await;
            }
            Answer::Complete => self.push(self.facts.state(About::SubscriptionsOk, true)).await,
            Answer::More => {}
        }
    }

    pub(super) async fn take(&mut self, message: Message, burst: &mut Burst) {
        let received = self.clock.now();
        if message.topic.starts_with("$SYS/") {
            return self.broker_says(&message).await;
        }
        let ticket = message.packet.map(|packet| AckTicket {
            connection: self.index,
            generation: self.generation,
            packet,
        });
        if ticket.is_some() {
            self.life.owe();
        }
        let bytes = message.payload.len();
        let route = self.routes.subscription(&message.topic);
        let (unwanted, payload) = if bytes > self.config.max_packet_bytes as usize {
            let head = message.payload.get(..UNWANTED_HEAD).unwrap_or(&message.payload);
            (Some(Unwanted::TooLarge { bytes }), head.into())
        } else {
            (route.is_none().then_some(Unwanted::Unrouted), message.payload)
        };
        let frame = Frame::Mqtt(MqttFrame {
            connection: Arc::clone(&self.config.name),
            subscription: route.unwrap_or_default(),
            topic: message.topic,
            payload,
            unwanted,
            keep: None,
            retained: message.retained,
            duplicate: message.duplicate,
            session: self.session,
            packet: message.packet,
            received,
            done: ticket.map_or(Done::Nothing, Done::Ack),
        });
        burst.bytes += frame.cost();
        burst.frames.push(frame);
    }

    async fn broker_says(&mut self, message: &Message) {
        let name = &self.config.name;
        match self
            .sys
            .read(&message.topic, &message.payload, self.clock.now().monotonic)
        {
            News::Version(version) => tracing::info!(connection = %name, version, "broker"),
            News::Dropped { total, rise } => {
                let total = i64::try_from(total).unwrap_or(i64::MAX);
                self.metrics
                    .broker_dropped
                    .with_label_values(&[&**name])
                    .set(total);
                match rise {
                    Some(0) => {}
                    Some(rise) => {
                        tracing::warn!(connection = %name, rise, "the broker drops messages; raise max_queued_messages");
                        self.push(self.facts.count(About::BrokerDropped, rise)).await;
                    }
                    None => self.push(self.facts.count(About::BrokerDropped, 0)).await,
                }
            }
            News::Nothing => {}
        }
    }

    pub(super) fn sys_quiet_in(&self) -> Option<Duration> {
        self.sys.wake().map(|at| at.since(self.clock.now().monotonic))
    }

    pub(super) async fn tell_up(&mut self, up: bool) {
        self.up_metric(up);
        if self.told_up != Some(up) {
            self.told_up = Some(up);
            self.push(self.facts.state(About::BrokerConnected, up)).await;
        }
    }

    pub(super) fn up_metric(&self, up: bool) {
        self.metrics
            .connector_up
            .with_label_values(&[&*self.config.name, "mqtt"])
            .set(i64::from(up));
    }

    pub(super) async fn hand_over(&self, burst: &mut Burst) {
        if burst.frames.is_empty() {
            return;
        }
        burst.bytes = 0;
        let frames = std::mem::take(&mut burst.frames);
        let count = frames.len() as u64;
        self.metrics
            .messages_received
            .with_label_values(&[&*self.config.name, "mqtt"])
            .inc_by(count);
        self.push(frames).await;
    }

    /// Waits while the inbox is full. Once the pipeline has ended frames go nowhere; unacknowledged, they come again.
    pub(super) async fn push(&self, frames: Vec<Frame>) {
        if !frames.is_empty() && self.door.push(frames).await.is_err() {
            tracing::debug!(connection = %self.config.name, "the pipeline has ended");
        }
    }
}
