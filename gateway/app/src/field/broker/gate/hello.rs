//! CONNECT in both versions of MQTT: what a client says of itself, and what of it is passed on.
//!
//! Pure. Bytes are read and written by the library's own codec, so that the gate and the library behind it never
//! understand the same packet differently.

use super::answers::Refusal;
use bytes::{Bytes, BytesMut};
use rmqtt::codec::error::DecodeError;
use rmqtt::codec::version::{ProtocolVersion, VersionCodec};
use rmqtt::codec::{MqttCodec, MqttPacket, v3, v5};
use std::time::Duration;
use tokio_util::codec::{Decoder, Encoder};

/// Keep-alives shorter than this are treated as this: nobody needs a ping per second.
const MIN_KEEP_ALIVE_S: u16 = 5;

/// What a CONNECT could not be read for; the second part is who to answer, if anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not MQTT, or broken: closed without an answer.
    Broken,
    /// Understood well enough to be refused.
    Refused(Refusal, Speaks),
}

/// Which version a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::field::broker) enum Speaks {
    V3,
    V5,
}

/// A CONNECT.
#[derive(Debug)]
pub(in crate::field::broker) enum Hello {
    V3(Box<v3::Connect>),
    V5(Box<v5::Connect>),
}

impl Hello {
    /// Reads a whole CONNECT packet.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Unreadable> {
        let mut bytes = BytesMut::from(packet);
        let speaks = match VersionCodec.decode(&mut bytes) {
            Ok(Some(ProtocolVersion::MQTT3)) => Speaks::V3,
            Ok(Some(ProtocolVersion::MQTT5)) => Speaks::V5,
            // A name this broker knows with a level it does not.
            Err(DecodeError::InvalidProtocol) if is_named_mqtt(packet) => {
                return Err(Unreadable::Refused(Refusal::Version, Speaks::V3));
            }
            _ => return Err(Unreadable::Broken),
        };
        let refused = |error| match error {
            DecodeError::InvalidClientId => Unreadable::Refused(Refusal::ClientId, speaks),
            _ => Unreadable::Broken,
        };
        match codec(speaks).decode(&mut bytes).map_err(refused)? {
            Some((MqttPacket::V3(v3::Packet::Connect(connect)), _)) => Ok(Self::V3(connect)),
            Some((MqttPacket::V5(v5::Packet::Connect(connect)), _)) => Ok(Self::V5(connect)),
            _ => Err(Unreadable::Broken),
        }
    }

    pub(in crate::field::broker) fn speaks(&self) -> Speaks {
        match self {
            Self::V3(_) => Speaks::V3,
            Self::V5(_) => Speaks::V5,
        }
    }

    pub(in crate::field::broker) fn client_id(&self) -> &str {
        match self {
            Self::V3(connect) => &connect.client_id,
            Self::V5(connect) => &connect.client_id,
        }
    }

    pub(in crate::field::broker) fn username(&self) -> Option<&str> {
        match self {
            Self::V3(connect) => connect.username.as_deref(),
            Self::V5(connect) => connect.username.as_deref(),
        }
    }

    pub(in crate::field::broker) fn password(&self) -> Option<Bytes> {
        match self {
            Self::V3(connect) => connect.password.clone(),
            Self::V5(connect) => connect.password.clone(),
        }
    }

    /// Topic of the message to publish when the client is lost.
    pub(in crate::field::broker) fn will(&self) -> Option<&str> {
        match self {
            Self::V3(connect) => connect.last_will.as_ref().map(|will| &*will.topic),
            Self::V5(connect) => connect.last_will.as_ref().map(|will| &*will.topic),
        }
    }

    pub(in crate::field::broker) fn wants_more_steps(&self) -> bool {
        matches!(self, Self::V5(connect) if connect.auth_method.is_some())
    }

    /// How long the client may be silent, with the half more that the standard grants.
    pub(super) fn patience(&self, longest: Duration) -> Duration {
        let asked = match self {
            Self::V3(connect) => connect.keep_alive,
            Self::V5(connect) => connect.keep_alive,
        };
        Duration::from_secs(u64::from(keep_alive_s(asked, longest))) * 3 / 2
    }

    /// Packets longer than this may not be sent to the client.
    pub(super) fn takes_bytes(&self) -> u32 {
        match self {
            Self::V3(_) => u32::MAX,
            Self::V5(connect) => connect.max_packet_size.map_or(u32::MAX, u32::from),
        }
    }

    /// The CONNECT as the library gets it: as this user and client, without the password.
    pub(super) fn passed_on(mut self, user: &str, client_id: &str) -> Option<Bytes> {
        let (speaks, username) = (self.speaks(), Some(user.into()));
        match &mut self {
            Self::V3(connect) => {
                (connect.username, connect.password, connect.client_id) = (username, None, client_id.into());
            }
            Self::V5(connect) => {
                (connect.username, connect.password, connect.client_id) = (username, None, client_id.into());
            }
        }
        let packet = match self {
            Self::V3(connect) => MqttPacket::V3(v3::Packet::Connect(connect)),
            Self::V5(connect) => MqttPacket::V5(v5::Packet::Connect(connect)),
        };
        encoded(speaks, packet)
    }
}

/// The keep-alive a client is held to, in seconds, when it asks for `asked`; 0 asks for none.
pub(in crate::field::broker) fn keep_alive_s(asked: u16, longest: Duration) -> u16 {
    let longest = u16::try_from(longest.as_secs())
        .unwrap_or(u16::MAX)
        .max(MIN_KEEP_ALIVE_S);
    match asked {
        0 => longest,
        asked => asked.clamp(MIN_KEEP_ALIVE_S, longest),
    }
}

pub(super) fn codec(speaks: Speaks) -> MqttCodec {
    match speaks {
        Speaks::V3 => MqttCodec::V3(v3::Codec::new(0)),
        Speaks::V5 => MqttCodec::V5(v5::Codec::new(0, 0)),
    }
}

pub(super) fn encoded(speaks: Speaks, packet: MqttPacket) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    codec(speaks).encode(packet, &mut bytes).ok()?;
    Some(bytes.freeze())
}

/// Whether the bytes after the fixed header are the protocol name "MQTT".
fn is_named_mqtt(packet: &[u8]) -> bool {
    packet
        .iter()
        .take(12)
        .copied()
        .collect::<Vec<u8>>()
        .windows(6)
        .any(|w| w == b"\x00\x04MQTT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A CONNECT of MQTT 3.1.1 with will, user and password.
    const V3: &[u8] = b"\x10\x32\x00\x04MQTT\x04\xEE\x00\x3C\x00\x05bin-7\x00\x0Cbin/7/status\x00\x04gone\x00\x03bin\x00\x06secret";
    /// A CONNECT of MQTT 5 with a session expiry, a will with a delay, user and password.
    const V5: &[u8] = b"\x10\x3E\x00\x04MQTT\x05\xEE\x00\x00\x05\x11\x00\x00\x00\x3C\x00\x05bin-7\x05\x18\x00\x00\x00\x0A\x00\x0Cbin/7/status\x00\x04gone\x00\x03bin\x00\x06secret";

    #[test]
    fn a_connect_is_passed_on_whole_but_for_who_it_is_and_its_password() {
        for (bytes, speaks) in [(V3, Speaks::V3), (V5, Speaks::V5)] {
            let hello = Hello::read(bytes).unwrap();
            assert_eq!(
                (hello.client_id(), hello.username(), hello.will(), hello.speaks()),
                ("bin-7", Some("bin"), Some("bin/7/status"), speaks)
            );
            assert_eq!(hello.password().unwrap(), "secret");
            let passed_on = Hello::read(bytes).unwrap().passed_on("yard", "yard-1").unwrap();
            assert!(!passed_on.windows(6).any(|w| w == b"secret"));
            match (Hello::read(bytes).unwrap(), Hello::read(&passed_on).unwrap()) {
                (Hello::V3(mut was), Hello::V3(is)) => {
                    (was.username, was.password, was.client_id) =
                        (Some("yard".into()), None, "yard-1".into());
                    assert_eq!(was, is);
                }
                (Hello::V5(mut was), Hello::V5(is)) => {
                    (was.username, was.password, was.client_id) =
                        (Some("yard".into()), None, "yard-1".into());
                    assert_eq!(was, is);
                }
                other => panic!("another version: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_its_kind() {
        let mut other_version = V3.to_vec();
        other_version[8] = 6;
        assert_eq!(
            Hello::read(&other_version).unwrap_err(),
            Unreadable::Refused(Refusal::Version, Speaks::V3)
        );
        let no_id_but_a_session = b"\x10\x0C\x00\x04MQTT\x04\x00\x00\x3C\x00\x00";
        assert_eq!(
            Hello::read(no_id_but_a_session).unwrap_err(),
            Unreadable::Refused(Refusal::ClientId, Speaks::V3)
        );
        assert_eq!(
            Hello::read(b"GET / HTTP/1.1\r\n\r\n").unwrap_err(),
            Unreadable::Broken
        );
        assert_eq!(Hello::read(&V3[..30]).unwrap_err(), Unreadable::Broken);
    }

    #[test]
    fn keep_alives_are_bounded_and_none_is_the_longest() {
        let longest = Duration::from_secs(600);
        for (asked, held) in [(0, 600), (1, 5), (5, 5), (60, 60), (600, 600), (65_535, 600)] {
            assert_eq!(keep_alive_s(asked, longest), held, "{asked}");
        }
        assert_eq!(
            Hello::read(V3).unwrap().patience(longest),
            Duration::from_secs(90)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..60, byte: u8) {
            let _ = Hello::read(&bytes);
            for connect in [V3, V5] {
                let mut changed = connect.to_vec();
                if let Some(place) = changed.get_mut(at) {
                    *place = byte;
                }
                let _ = Hello::read(&changed);
            }
        }
    }
}
