//! CONNACK and DISCONNECT: the packets by which the gate itself answers, in both versions of MQTT, and the library's
//! answer to a CONNECT.
//!
//! Pure, and written by the library's own codec like `hello`.

use super::hello::{Speaks, codec, encoded};
use bytes::{Bytes, BytesMut};
use rmqtt::codec::v5::DisconnectReasonCode;
use rmqtt::codec::{MqttPacket, v3, v5};
use tokio_util::codec::Decoder;

/// Why a client is not let in; each has a code in both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::field::broker) enum Refusal {
    /// A version of MQTT this broker does not speak.
    Version,
    /// A client id that cannot be one, or is missing where it must not.
    ClientId,
    /// Wrong user or password.
    Credentials,
    /// The right user who wants what it may not have.
    NotAuthorized,
    /// MQTT 5 authentication in several steps.
    AuthMethod,
    /// The broker cannot take anybody now.
    Busy,
    /// Too many clients, of this user or of all.
    Quota,
    /// Too many tries; later ones may succeed.
    TooOften,
}

impl Refusal {
    fn codes(self) -> (v3::ConnectAckReason, v5::ConnectAckReason) {
        use v3::ConnectAckReason as V3;
        use v5::ConnectAckReason as V5;
        match self {
            Self::Version => (V3::UnacceptableProtocolVersion, V5::UnsupportedProtocolVersion),
            Self::ClientId => (V3::IdentifierRejected, V5::ClientIdentifierNotValid),
            Self::Credentials => (V3::BadUserNameOrPassword, V5::BadUserNameOrPassword),
            Self::NotAuthorized => (V3::NotAuthorized, V5::NotAuthorized),
            Self::AuthMethod => (V3::NotAuthorized, V5::BadAuthenticationMethod),
            Self::Busy => (V3::ServiceUnavailable, V5::ServerBusy),
            Self::Quota => (V3::ServiceUnavailable, V5::QuotaExceeded),
            Self::TooOften => (V3::ServiceUnavailable, V5::ConnectionRateExceeded),
        }
    }
}

/// The library's answer to a CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    /// For now: an older connection of the same client is still on its way out.
    NotYet,
    Refused,
}

/// Reads a whole CONNACK packet.
pub(super) fn answer(speaks: Speaks, packet: &[u8]) -> Answer {
    match codec(speaks).decode(&mut BytesMut::from(packet)) {
        Ok(Some((MqttPacket::V3(v3::Packet::ConnectAck(ack)), _))) => match ack.return_code {
            v3::ConnectAckReason::ConnectionAccepted => Answer::Accepted,
            v3::ConnectAckReason::ServiceUnavailable => Answer::NotYet,
            _ => Answer::Refused,
        },
        Ok(Some((MqttPacket::V5(v5::Packet::ConnectAck(ack)), _))) => match ack.reason_code {
            v5::ConnectAckReason::Success => Answer::Accepted,
            v5::ConnectAckReason::ServerUnavailable => Answer::NotYet,
            _ => Answer::Refused,
        },
        _ => Answer::Refused,
    }
}

/// The CONNACK of the library with the client id the gate gave to a client without one. MQTT 3.1.1 does not tell it.
pub(super) fn with_client_id(speaks: Speaks, packet: Bytes, client_id: &str) -> Option<Bytes> {
    if speaks == Speaks::V3 {
        return Some(packet);
    }
    match codec(speaks).decode(&mut BytesMut::from(&packet[..])) {
        Ok(Some((MqttPacket::V5(v5::Packet::ConnectAck(mut ack)), _))) => {
            ack.assigned_client_id = Some(client_id.into());
            encoded(speaks, MqttPacket::V5(v5::Packet::ConnectAck(ack)))
        }
        _ => None,
    }
}

/// A CONNACK that refuses.
pub(super) fn refusal(speaks: Speaks, refusal: Refusal) -> Option<Bytes> {
    let (return_code, reason_code) = refusal.codes();
    let packet = match speaks {
        Speaks::V3 => MqttPacket::V3(v3::Packet::ConnectAck(v3::ConnectAck {
            return_code,
            session_present: false,
        })),
        Speaks::V5 => MqttPacket::V5(v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
            reason_code,
            ..v5::ConnectAck::default()
        }))),
    };
    encoded(speaks, packet)
}

/// Why a connection ends; only MQTT 5 can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::field::broker) struct Farewell {
    pub(in crate::field::broker) code: DisconnectReasonCode,
    pub(in crate::field::broker) why: String,
}

impl Farewell {
    pub(in crate::field::broker) fn new(code: DisconnectReasonCode, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }

    /// The DISCONNECT packet, without its words when the client takes only `most` bytes.
    pub(super) fn packet(&self, most: u32) -> Option<Bytes> {
        let mut disconnect = v5::Disconnect::new(self.code);
        disconnect.reason_string = Some(self.why.as_str().into());
        let packet = MqttPacket::V5(v5::Packet::Disconnect(disconnect));
        let with_words = encoded(Speaks::V5, packet)?;
        if with_words.len() <= most as usize {
            return Some(with_words);
        }
        let bare = MqttPacket::V5(v5::Packet::Disconnect(v5::Disconnect::new(self.code)));
        encoded(Speaks::V5, bare).filter(|bytes| bytes.len() <= most as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_farewells_are_read_as_they_are_meant() {
        assert_eq!(
            &refusal(Speaks::V3, Refusal::Credentials).unwrap()[..],
            b"\x20\x02\x00\x04"
        );
        let busy = refusal(Speaks::V5, Refusal::TooOften).unwrap();
        assert_eq!((busy[0], busy[3]), (0x20, 0x9F));
        assert_eq!(answer(Speaks::V5, &busy), Answer::Refused);
        assert_eq!(answer(Speaks::V3, b"\x20\x02\x01\x00"), Answer::Accepted);
        assert_eq!(answer(Speaks::V3, b"\x20\x02\x00\x03"), Answer::NotYet);
        let farewell = Farewell::new(DisconnectReasonCode::PacketTooLarge, "too large");
        let packet = farewell.packet(u32::MAX).unwrap();
        assert_eq!((packet[0], packet[2]), (0xE0, 0x95));
        assert!(packet.ends_with(b"too large"));
        assert!(farewell.packet(6).unwrap().len() <= 6, "without its words");
        assert_eq!(farewell.packet(1), None);
    }

    #[test]
    fn a_client_without_an_id_is_told_which_one_it_got() {
        let accepted = MqttPacket::V5(v5::Packet::ConnectAck(Box::default()));
        let packet = encoded(Speaks::V5, accepted).unwrap();
        let told = with_client_id(Speaks::V5, packet, "bin-1f").unwrap();
        assert!(told.windows(6).any(|w| w == b"bin-1f"));
        assert_eq!(answer(Speaks::V5, &told), Answer::Accepted);
    }
}
