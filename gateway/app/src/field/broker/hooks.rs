//! The hooks by which the library asks us: may this client in, may it subscribe, and is this message committed?
//!
//! `MessagePublishCheckAcl` is awaited before the PUBACK, so it is where a message waits for its commit.
//! `MessagePublish` runs before it, cannot refuse, and is all that a will message passes.

use super::policy::Policy;
use crate::clock::SharedClock;
use crate::field::mqtt::session_of;
use crate::field::topic::Routes;
use crate::field::{Done, Frame, MqttFrame};
use crate::metrics::Metrics;
use crate::pipeline::Door;
use async_trait::async_trait;
use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason};
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ConnectInfo, FromType, LastWill, Publish, PublishAclResult, PublishResult, Subscribe,
    SubscribeAclResult,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the hooks share; one for the whole broker.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) policy: Policy,
    pub(super) routes: Routes,
    pub(super) door: Door,
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
}

#[derive(Clone)]
pub(super) struct Hooks(pub(super) Arc<Shared>);

#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, parameter: &Parameter, earlier: Option<HookResult>) -> ReturnType {
        let result = match parameter {
            Parameter::ClientAuthenticate(connect) => HookResult::AuthResult(self.0.admit(connect)),
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                HookResult::SubscribeAclResult(self.0.subscribe(session, subscribe))
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                HookResult::PublishAclResult(self.0.publish(session, publish).await)
            }
            Parameter::MessagePublish(_, from, publish) if matches!(from.typ(), FromType::LastWill) => {
                if !self.0.store(&from.id.client_id, publish).await {
                    self.0.metrics.broker_lost.with_label_values(&["will"]).inc();
                    tracing::warn!(client = %from.id.client_id, "a will message was not stored");
                }
                return (true, earlier);
            }
            _ => return (true, earlier),
        };
        (false, Some(result))
    }
}

impl Shared {
    fn admit(&self, connect: &ConnectInfo) -> AuthResult {
        let (user, password) = (connect.username(), connect.password());
        let (Some(user), Some(password)) = (user, password) else {
            return self.refuse("anonymous", connect, AuthResult::BadUsernameOrPassword);
        };
        if !self.policy.is_password(user, password) {
            return self.refuse("password", connect, AuthResult::BadUsernameOrPassword);
        }
        if !self.policy.is_client_of(connect.client_id(), user) {
            return self.refuse("client_id", connect, AuthResult::NotAuthorized);
        }
        // A will is published without a topic check, so its topic is checked before the client is let in.
        let will = connect.last_will().map(|will| match will {
            LastWill::V3(will) => will.topic.clone(),
            LastWill::V5(will) => will.topic.clone(),
        });
        if will.is_some_and(|topic| !self.policy.may_publish(user, &topic)) {
            return self.refuse("will", connect, AuthResult::NotAuthorized);
        }
        // Never a superuser: one would skip both topic checks, and with them the commit.
        AuthResult::Allow(false, None)
    }

    fn refuse(&self, what: &str, connect: &ConnectInfo, result: AuthResult) -> AuthResult {
        self.metrics.broker_refused.with_label_values(&[what]).inc();
        tracing::warn!(
            what, client = %connect.client_id(), user = connect.username().map(|u| &**u).unwrap_or_default(),
            from = ?connect.ipaddress(), "connection refused"
        );
        result
    }

    fn subscribe(&self, session: &Session, subscribe: &Subscribe) -> SubscribeAclResult {
        let user = session.id.username_ref();
        if self.policy.may_subscribe(user, &subscribe.topic_filter) {
            return SubscribeAclResult::new_success(subscribe.opts.qos(), None);
        }
        self.metrics
            .broker_refused
            .with_label_values(&["subscribe"])
            .inc();
        tracing::warn!(user, filter = %subscribe.topic_filter, "subscription refused by the user's rules");
        SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
    }

    async fn publish(&self, session: &Session, publish: &Publish) -> PublishAclResult {
        let user = session.id.username_ref();
        if !self.policy.may_publish(user, &publish.topic) {
            self.metrics.broker_refused.with_label_values(&["publish"]).inc();
            tracing::warn!(user, topic = %publish.topic, "message refused by the user's rules");
            return PublishAclResult::rejected(false, None);
        }
        if self.store(&session.id.client_id, publish).await {
            return PublishAclResult::allow();
        }
        // A 3.1.1 client would get a normal PUBACK for a refusal, and a version 5 client does not send again after a
        // negative one. Only a closed connection makes both send the message again.
        self.metrics.broker_lost.with_label_values(&["commit"]).inc();
        tracing::warn!(client = %session.id.client_id, "not committed; the connection is closed so that it comes again");
        PublishAclResult(PublishResult::reason_code(
            PublishAckReason::QuotaExceeded,
            None,
            true,
        ))
    }

    /// Hands a message to the pipeline. QoS 1 and 2: waits for the commit and tells whether it happened. QoS 0: never
    /// waits, because everything else of its connection would wait with it; what finds the inbox full is counted and
    /// lost. A message that no subscription asks for is only brokered.
    async fn store(&self, client_id: &str, publish: &Publish) -> bool {
        let Some(subscription) = self.routes.subscription(&publish.topic) else {
            return true;
        };
        let waits = publish.qos as u8 > 0;
        let (sender, committed) = oneshot::channel();
        let frame = Frame::Mqtt(MqttFrame {
            connection: Arc::clone(&self.name),
            subscription,
            topic: (&*publish.topic).into(),
            payload: (&*publish.payload).into(),
            // The flag of a publisher asks us to retain; it does not say that the message is a replay.
            retained: false,
            duplicate: publish.dup,
            session: session_of(client_id, &self.name),
            packet: publish.packet_id.map(u16::from).filter(|_| waits),
            unwanted: None,
            received: self.clock.now(),
            done: if waits {
                Done::Waiting(sender)
            } else {
                Done::Nothing
            },
        });
        self.metrics
            .messages_received
            .with_label_values(&[&*self.name, "broker"])
            .inc();
        if waits {
            return self.door.push(vec![frame]).await.is_ok() && committed.await.unwrap_or(false);
        }
        if self.door.offer(vec![frame]).is_err() {
            self.metrics.broker_lost.with_label_values(&["qos0"]).inc();
        }
        true
    }
}
