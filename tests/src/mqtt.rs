//! As much MQTT 3.1.1 as a publisher and a recording proxy need, written by hand so that a fault in the gateway's
//! protocol library cannot hide itself here.

/// One control packet as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The first byte: type and flags.
    pub head: u8,
    /// Everything after the remaining length.
    pub body: Vec<u8>,
}

/// Packet types used here.
pub mod kind {
    /// CONNACK.
    pub const CONNACK: u8 = 2;
    /// PUBLISH.
    pub const PUBLISH: u8 = 3;
    /// PUBACK.
    pub const PUBACK: u8 = 4;
    /// SUBACK.
    pub const SUBACK: u8 = 9;
}

impl Packet {
    /// The packet type.
    pub fn kind(&self) -> u8 {
        self.head >> 4
    }
    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.head];
        let mut rest = self.body.len();
        loop {
            let byte = u8::try_from(rest % 128).unwrap_or(0);
            rest /= 128;
            out.push(if rest > 0 { byte | 0x80 } else { byte });
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&self.body);
        out
    }
    /// The packet id of a PUBACK.
    pub fn puback_id(&self) -> Option<u16> {
        (self.kind() == kind::PUBACK && self.body.len() >= 2)
            .then(|| u16::from_be_bytes([self.body[0], self.body[1]]))
    }
    /// Topic, packet id (QoS 1 and up) and what follows; `v5` skips the properties.
    pub fn publish(&self, v5: bool) -> Option<(String, Option<u16>, &[u8])> {
        if self.kind() != kind::PUBLISH || self.body.len() < 2 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let topic = String::from_utf8(self.body.get(2..2 + length)?.to_vec()).ok()?;
        let mut at = 2 + length;
        let id = if self.head & 0x06 != 0 {
            at += 2;
            Some(u16::from_be_bytes([
                *self.body.get(at - 2)?,
                *self.body.get(at - 1)?,
            ]))
        } else {
            None
        };
        if v5 {
            let (properties, used) = length_at(&self.body[at.min(self.body.len())..])?;
            at += used + properties;
        }
        Some((topic, id, self.body.get(at..)?))
    }
}

/// Takes whole packets off the front of `buffer`.
pub fn take(buffer: &mut Vec<u8>) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut at = 0;
    while let Some((length, used)) = buffer.get(at + 1..).and_then(length_at) {
        let end = at + 1 + used + length;
        if end > buffer.len() {
            break;
        }
        packets.push(Packet {
            head: buffer[at],
            body: buffer[at + 1 + used..end].to_vec(),
        });
        at = end;
    }
    buffer.drain(..at);
    packets
}

fn length_at(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A CONNECT of MQTT 3.1.1 with a persistent session.
pub fn connect(client: &str, credentials: Option<(&str, &str)>) -> Packet {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.push(4);
    body.push(if credentials.is_some() { 0xC0 } else { 0 });
    body.extend_from_slice(&60u16.to_be_bytes());
    text(&mut body, client);
    if let Some((user, password)) = credentials {
        text(&mut body, user);
        text(&mut body, password);
    }
    Packet { head: 0x10, body }
}

/// A PUBLISH of QoS 1.
pub fn publish(topic: &str, id: u16, duplicate: bool, payload: &[u8]) -> Packet {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend_from_slice(&id.to_be_bytes());
    body.extend_from_slice(payload);
    Packet {
        head: 0x32 | if duplicate { 0x08 } else { 0 },
        body,
    }
}

/// A SUBSCRIBE to one filter with QoS 0.
pub fn subscribe(filter: &str, id: u16) -> Packet {
    let mut body = id.to_be_bytes().to_vec();
    text(&mut body, filter);
    body.push(0);
    Packet { head: 0x82, body }
}
