//! The hooks by which the library asks us: may this client subscribe, and is this message committed?
//!
//! `MessagePublishCheckAcl` is awaited before the PUBACK, so it is where a message waits for its commit.
//! `MessagePublish` runs before it, cannot refuse, and is all that a will message passes. Who may come in was decided
//! by the gate (`admit`); here it is only seen that a client came through it.

use super::gate::Farewell;
use super::shared::Shared;
use crate::field::mqtt::session_of;
use crate::field::{Done, Frame, Keep, MqttFrame};
use crate::pipeline::{Door, Request};
use async_trait::async_trait;
use linli_ledger::RetainedRow;
use rmqtt::codec::v5::{DisconnectReasonCode, PublishAckReason, SubscribeAckReason, ToReasonCode};
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ConnectInfo, FromType, Publish, PublishAclResult, PublishResult, Reason, Subscribe,
    SubscribeAclResult,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

#[derive(Clone)]
pub(super) struct Hooks(pub(super) Arc<Shared>);

#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, parameter: &Parameter, earlier: Option<HookResult>) -> ReturnType {
        let result = match parameter {
            Parameter::ClientAuthenticate(connect) => HookResult::AuthResult(self.0.came_through(connect)),
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                HookResult::SubscribeAclResult(self.0.subscribe(session, subscribe).await)
            }
            Parameter::MessagePublish(_, from, publish) => {
                let publish = self.0.take(publish).await;
                if matches!(from.typ(), FromType::LastWill)
                    && !self.0.store(&from.id.client_id, &publish).await
                {
                    self.0
                        .lost("will", &from.id.client_id, &"a will message was not stored");
                }
                HookResult::Publish(publish)
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                HookResult::PublishAclResult(self.0.publish(session, publish).await)
            }
            Parameter::MessageDropped(Some(to), _, publish, reason) => {
                if matches!(reason, Reason::MessageQueueFull) {
                    self.0.lost("queue", &to.client_id, &publish.topic);
                }
                return (true, earlier);
            }
            Parameter::ClientDisconnected(session, reason) => {
                if let Some(guest) = self.0.guests.at(session.id.remote_addr) {
                    guest.parts(farewell(reason));
                }
                return (true, earlier);
            }
            _ => return (true, earlier),
        };
        (false, Some(result))
    }
}

impl Shared {
    /// Whether this connection is one of the gate's, with the name and id the gate gave it.
    fn came_through(&self, connect: &ConnectInfo) -> AuthResult {
        let guest = self.guests.at(connect.ipaddress());
        let is_it = guest.is_some_and(|guest| {
            connect.username().is_some_and(|user| **user == *guest.user.name)
                && **connect.client_id() == *guest.client_id
        });
        if is_it {
            // Never a superuser: one would skip both topic checks, and with them the commit.
            return AuthResult::Allow(false, None);
        }
        let from = format!("{:?}", connect.ipaddress());
        self.refused(
            "past_gate",
            &from,
            &"did not come through a listener of the broker",
        );
        AuthResult::NotAuthorized
    }

    async fn subscribe(&self, session: &Session, subscribe: &Subscribe) -> SubscribeAclResult {
        let (user, filter) = (session.id.username_ref(), &subscribe.topic_filter);
        if !self.accounts.policy().may_subscribe(user, filter) {
            self.refused("subscribe", &session.id.client_id, filter);
            return SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized);
        }
        if let Ok(subscriptions) = session.subscriptions().await {
            let subscriptions = subscriptions.read().await;
            let full = subscriptions.len() >= self.limits.max_subscriptions as usize;
            if full && !subscriptions.contains_key(filter) {
                self.refused("subscriptions", &session.id.client_id, filter);
                return SubscribeAclResult::new_failure(SubscribeAckReason::QuotaExceeded);
            }
        }
        SubscribeAclResult::new_success(subscribe.opts.qos(), None)
    }

    /// The message as the library goes on with it: counted while it waits for subscribers, and not retained when there
    /// is no room for it.
    async fn take(&self, publish: &Publish) -> Publish {
        let mut publish = publish.clone();
        let (topic, bytes) = (publish.topic.clone(), publish.payload.len());
        if publish.retain && !self.retained.has_room_for(&topic, bytes).await {
            self.lost(
                "retained_full",
                &topic,
                &"no room; it is passed on and not retained",
            );
            publish.inner.retain = false;
        }
        publish.inner.payload = self.backlog.count(&publish.payload);
        publish
    }

    async fn publish(self: &Arc<Self>, session: &Session, publish: &Publish) -> PublishAclResult {
        let user = session.id.username_ref();
        if !self.accounts.policy().may_publish(user, &publish.topic) {
            self.refused("publish", &session.id.client_id, &publish.topic);
            let refusal = PublishResult::reason_code(PublishAckReason::NotAuthorized, None, false);
            return PublishAclResult(refusal);
        }
        self.make_room();
        if self.store(&session.id.client_id, publish).await {
            return PublishAclResult::allow();
        }
        // A 3.1.1 client would get a normal PUBACK for a refusal, and a version 5 client does not send again after a
        // negative one. Only a closed connection makes both send the message again.
        let why = "not committed; the connection is closed so that the message comes again";
        self.lost("commit", &session.id.client_id, &why);
        if let Some(guest) = self.guests.at(session.id.remote_addr) {
            guest.parts(Farewell::new(DisconnectReasonCode::ServerBusy, why));
        }
        PublishAclResult(PublishResult::reason_code(
            PublishAckReason::UnspecifiedError,
            None,
            true,
        ))
    }

    /// Hands a message to the pipeline, with what it leaves retained. QoS 1 and 2: waits for the commit and tells
    /// whether it happened. QoS 0: never waits, because everything else of its connection would wait with it; what
    /// finds the inbox full is counted and lost. A message that no subscription asks for is only brokered.
    async fn store(&self, client_id: &str, publish: &Publish) -> bool {
        let (waits, received) = (publish.qos as u8 > 0, self.clock.now());
        let keep = publish.retain.then(|| Keep {
            qos: publish.qos as u8,
            expires: publish
                .properties
                .as_ref()
                .and_then(|properties| properties.message_expiry_interval)
                .map(|seconds| received.wall.plus(Duration::from_secs(u64::from(seconds.get())))),
        });
        let Some(subscription) = self.routes.subscription(&publish.topic) else {
            let Some(keep) = keep else { return true };
            let row = RetainedRow {
                topic: publish.topic.to_string(),
                payload: Some(publish.payload.to_vec()).filter(|payload| !payload.is_empty()),
                qos: keep.qos,
                at: received.wall,
                expires: keep.expires,
            };
            return self.keep_alone(row, waits).await;
        };
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
            keep,
            received,
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
            self.lost("qos0", &client_id, &publish.topic);
        }
        true
    }

    /// Keeps a retained message that is nothing else to us.
    async fn keep_alone(&self, row: RetainedRow, waits: bool) -> bool {
        if waits {
            return stored(&self.door, row).await;
        }
        let Ok(permit) = Arc::clone(&self.unawaited).try_acquire_owned() else {
            self.lost(
                "retained_qos0",
                &row.topic,
                &"kept in memory only; it is lost at a restart",
            );
            return true;
        };
        let door = self.door.clone();
        tokio::spawn(async move {
            let topic = row.topic.clone();
            if !stored(&door, row).await {
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

async fn stored(door: &Door, row: RetainedRow) -> bool {
    matches!(door.ask(|reply| Request::Retained(row, reply)).await, Ok(Ok(())))
}

/// What the library's reason is in MQTT 5. It takes a takeover for a lack of authorisation.
fn farewell(reason: &Reason) -> Farewell {
    if let Reason::Reasons(all) = reason
        && let Some(first) = all.first()
    {
        return farewell(first);
    }
    match reason {
        Reason::ConnectKicked(false) => {
            let why = "another connection with this client id has taken over";
            Farewell::new(DisconnectReasonCode::SessionTakenOver, why)
        }
        other => Farewell::new(other.to_reason_code(), other.to_string()),
    }
}
