//! The words of a connection, and their translation from the library's two dialects, MQTT 5 and 3.1.1.

use super::protocol::Outcome;
use rumqttc::{ConnectReturnCode, Packet, v5};
use v5::mqttbytes::v5 as packet5;

/// What the broker said, or what was sent to it.
pub(super) enum Event {
    Connected { session_present: bool },
    Message(Message),
    SubscribeSent(u16),
    Subscribed(u16, Vec<Result<(), String>>),
    Disconnected,
    Other,
}

/// A PUBLISH.
pub(super) struct Message {
    pub(super) topic: Box<str>,
    pub(super) payload: Box<[u8]>,
    pub(super) retained: bool,
    pub(super) duplicate: bool,
    /// `None` at QoS 0.
    pub(super) packet: Option<u16>,
}

/// The end of a life.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) why: String,
    /// What it says about the protocol version, if it came before CONNACK.
    pub(super) outcome: Outcome,
}

pub(super) fn event_v5(event: v5::Event) -> Event {
    match event {
        v5::Event::Incoming(packet5::Packet::ConnAck(ack)) => Event::Connected {
            session_present: ack.session_present,
        },
        v5::Event::Incoming(packet5::Packet::Publish(p)) => Event::Message(Message {
            topic: String::from_utf8_lossy(&p.topic).into(),
            payload: p.payload.as_ref().into(),
            retained: p.retain,
            duplicate: p.dup,
            packet: (p.qos != v5::mqttbytes::QoS::AtMostOnce).then_some(p.pkid),
        }),
        v5::Event::Incoming(packet5::Packet::SubAck(ack)) => Event::Subscribed(
            ack.pkid,
            ack.return_codes
                .iter()
                .map(|code| match code {
                    packet5::SubscribeReasonCode::Success(_) => Ok(()),
                    other => Err(format!("{other:?}")),
                })
                .collect(),
        ),
        v5::Event::Outgoing(rumqttc::Outgoing::Subscribe(packet)) => Event::SubscribeSent(packet),
        v5::Event::Outgoing(rumqttc::Outgoing::Disconnect) => Event::Disconnected,
        v5::Event::Incoming(_) | v5::Event::Outgoing(_) => Event::Other,
    }
}

pub(super) fn event_v311(event: rumqttc::Event) -> Event {
    match event {
        rumqttc::Event::Incoming(Packet::ConnAck(ack)) => Event::Connected {
            session_present: ack.session_present,
        },
        rumqttc::Event::Incoming(Packet::Publish(p)) => Event::Message(Message {
            topic: p.topic.into(),
            payload: p.payload.as_ref().into(),
            retained: p.retain,
            duplicate: p.dup,
            packet: (p.qos != rumqttc::QoS::AtMostOnce).then_some(p.pkid),
        }),
        rumqttc::Event::Incoming(Packet::SubAck(ack)) => Event::Subscribed(
            ack.pkid,
            ack.return_codes
                .iter()
                .map(|code| match code {
                    rumqttc::SubscribeReasonCode::Success(_) => Ok(()),
                    rumqttc::SubscribeReasonCode::Failure => Err("refused".to_owned()),
                })
                .collect(),
        ),
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Subscribe(packet)) => Event::SubscribeSent(packet),
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Disconnect) => Event::Disconnected,
        rumqttc::Event::Incoming(_) | rumqttc::Event::Outgoing(_) => Event::Other,
    }
}

pub(super) fn broken_v5(error: &v5::ConnectionError) -> Broken {
    use packet5::ConnectReturnCode as Code;
    use v5::{ConnectionError as E, StateError as S};
    let outcome = match error {
        E::ConnectionRefused(Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion) => {
            Outcome::WrongVersion
        }
        // The CONNACK of an older broker has no properties, so it does not decode as one of version 5.
        E::MqttState(S::Deserialization(_)) => Outcome::WrongVersion,
        E::MqttState(S::ConnectionAborted) | E::NotConnAck(_) | E::Timeout(_) => Outcome::ClosedSilently,
        _ => Outcome::Other,
    };
    Broken {
        why: error.to_string(),
        outcome,
    }
}

pub(super) fn broken_v311(error: &rumqttc::ConnectionError) -> Broken {
    use rumqttc::{ConnectionError as E, StateError as S};
    let outcome = match error {
        E::ConnectionRefused(ConnectReturnCode::RefusedProtocolVersion) => Outcome::WrongVersion,
        E::MqttState(S::Deserialization(_) | S::ConnectionAborted) | E::NotConnAck(_) | E::NetworkTimeout => {
            Outcome::ClosedSilently
        }
        _ => Outcome::Other,
    };
    Broken {
        why: error.to_string(),
        outcome,
    }
}
