//! The Sparkplug B payload out of its protobuf form: only the fields a reading is made of, borrowed from the message.
//!
//! Unknown fields are passed over, as protobuf demands; what is cut or nested wrongly is refused with its offset.
//! Source: eclipse-sparkplug/sparkplug `sparkplug_b/sparkplug_b.proto`; protobuf.dev "Encoding".

use crate::frame::Given;
use crate::refusal::Rejection;
use std::borrow::Cow;

/// Most metrics of one message.
pub(super) const MAX_METRICS: usize = 4096;
/// Most properties looked through of one metric.
const MAX_PROPERTIES: usize = 64;

/// A payload.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Payload<'a> {
    pub(super) timestamp: Option<u64>,
    pub(super) seq: Option<u64>,
    pub(super) metrics: Vec<Metric<'a>>,
}

/// One metric; its value is read once its type is known, which a birth certificate may have to say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Metric<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) alias: Option<u64>,
    pub(super) timestamp: Option<u64>,
    pub(super) datatype: Option<u32>,
    pub(super) is_historical: bool,
    pub(super) is_null: bool,
    /// The property `Quality`: 0 bad, 192 good, 500 stale.
    pub(super) quality: Option<u64>,
    value: Wire<'a>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Wire<'a> {
    #[default]
    None,
    Int(u64),
    Float(f64),
    Bool(bool),
    Text(&'a str),
    Other,
}

impl<'a> Metric<'a> {
    /// The value as `datatype` means it. Signed numbers travel as two's complement in unsigned fields, of their own
    /// width or of the field's.
    pub(super) fn given(&self, datatype: Option<u32>) -> Given<'a> {
        match (self.is_null, self.value, datatype) {
            (true, ..) | (_, Wire::None, _) => Given::Null,
            (_, Wire::Bool(state), _) => Given::Bool(state),
            (_, Wire::Text(text), _) => Given::Text(Cow::Borrowed(text)),
            (_, Wire::Float(number), _) => Given::Float(number),
            (_, Wire::Int(bits), Some(1)) => Given::Int((bits as u8 as i8).into()),
            (_, Wire::Int(bits), Some(2)) => Given::Int((bits as u16 as i16).into()),
            (_, Wire::Int(bits), Some(3)) => Given::Int((bits as u32 as i32).into()),
            (_, Wire::Int(bits), Some(4)) => Given::Int((bits as i64).into()),
            (_, Wire::Int(bits), Some(11)) => Given::Bool(bits != 0),
            (_, Wire::Int(bits), _) => Given::Int(bits.into()),
            (_, Wire::Other, _) => Given::Composite,
        }
    }
}

/// Reads a payload.
pub(super) fn payload(bytes: &[u8]) -> Result<Payload<'_>, Rejection> {
    let mut payload = Payload::default();
    let mut fields = Fields::new(bytes, 0);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Number(timestamp)) => payload.timestamp = Some(timestamp),
            (3, Field::Number(seq)) => payload.seq = Some(seq),
            (2, Field::Bytes(at, bytes)) => {
                if payload.metrics.len() == MAX_METRICS {
                    return Err(Rejection::TooMany {
                        what: "metrics of one message",
                        limit: MAX_METRICS,
                    });
                }
                payload.metrics.push(metric(bytes, at)?);
            }
            _ => {}
        }
    }
    Ok(payload)
}

fn metric(bytes: &[u8], at: usize) -> Result<Metric<'_>, Rejection> {
    let mut metric = Metric::default();
    let mut fields = Fields::new(bytes, at);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(at, bytes)) => metric.name = Some(text(bytes, at)?),
            (2, Field::Number(alias)) => metric.alias = Some(alias),
            (3, Field::Number(timestamp)) => metric.timestamp = Some(timestamp),
            (4, Field::Number(datatype)) => metric.datatype = u32::try_from(datatype).ok(),
            (5, Field::Number(flag)) => metric.is_historical = flag != 0,
            (7, Field::Number(flag)) => metric.is_null = flag != 0,
            (9, Field::Bytes(at, bytes)) => metric.quality = quality(bytes, at)?,
            (10 | 11, Field::Number(bits)) => metric.value = Wire::Int(bits),
            (12, Field::Word4(bits)) => metric.value = Wire::Float(f32::from_bits(bits).into()),
            (13, Field::Word8(bits)) => metric.value = Wire::Float(f64::from_bits(bits)),
            (14, Field::Number(flag)) => metric.value = Wire::Bool(flag != 0),
            (15, Field::Bytes(at, bytes)) => metric.value = Wire::Text(text(bytes, at)?),
            (16..=18, _) => metric.value = Wire::Other,
            _ => {}
        }
    }
    Ok(metric)
}

/// A property set is a list of keys and a list of values of the same order.
fn quality(bytes: &[u8], at: usize) -> Result<Option<u64>, Rejection> {
    let (mut keys, mut found) = (Vec::new(), Vec::new());
    let mut fields = Fields::new(bytes, at);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(_, key)) if keys.len() < MAX_PROPERTIES => keys.push(key),
            (2, Field::Bytes(at, value)) if found.len() < MAX_PROPERTIES => {
                let (mut values, mut whole) = (Fields::new(value, at), None);
                while let Some((number, field)) = values.next()? {
                    if let (3 | 4, Field::Number(value)) = (number, field) {
                        whole = Some(value);
                    }
                }
                found.push(whole);
            }
            _ => {}
        }
    }
    let place = keys.iter().position(|key| *key == b"Quality");
    Ok(place.and_then(|at| found.get(at).copied().flatten()))
}

fn text(bytes: &[u8], at: usize) -> Result<&str, Rejection> {
    std::str::from_utf8(bytes).map_err(|error| Rejection::BadProtobuf {
        offset: at + error.valid_up_to(),
        detail: "a text that is not UTF-8",
    })
}

enum Field<'a> {
    Number(u64),
    Word4(u32),
    Word8(u64),
    /// Offset in the whole message, and the bytes.
    Bytes(usize, &'a [u8]),
}

/// The fields of one protobuf message, in order.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of `bytes` in the whole message.
    base: usize,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Rejection> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Word8(u64::from_le_bytes(self.array()?)),
            5 => Field::Word4(u32::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Field::Bytes(self.base + self.at, self.take(length)?)
            }
            _ => return self.wrong("a wire type that Sparkplug does not use"),
        };
        Ok(Some((key >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, Rejection> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.bytes.get(self.at) else {
                return self.wrong("cut within a number");
            };
            self.at += 1;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        self.wrong("a number of more than 64 bits")
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Rejection> {
        let end = self.at.checked_add(length);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => self.wrong("cut within a field"),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Rejection> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).or_else(|_| self.wrong("cut within a field"))
    }

    fn wrong<T>(&self, detail: &'static str) -> Result<T, Rejection> {
        Err(Rejection::BadProtobuf {
            offset: self.base + self.at,
            detail,
        })
    }
}

/// The message that asks an edge node for its birth certificates: one metric, `Node Control/Rebirth` = true.
pub(crate) fn rebirth(now_ms: u64) -> Vec<u8> {
    const NAME: &str = "Node Control/Rebirth";
    let mut metric = vec![0x0A, NAME.len() as u8];
    metric.extend(NAME.as_bytes());
    metric.push(0x18);
    put_varint(&mut metric, now_ms);
    // Datatype Boolean (11), value true.
    metric.extend([0x20, 11, 0x70, 1]);
    let mut payload = vec![0x08];
    put_varint(&mut payload, now_ms);
    payload.push(0x12);
    put_varint(&mut payload, metric.len() as u64);
    payload.extend(metric);
    payload
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_a_rebirth_is_read_back_as_such() {
        let bytes = rebirth(1_741_935_600_123);
        let payload = payload(&bytes).unwrap();
        let metric = &payload.metrics[0];
        assert_eq!(
            (payload.timestamp, metric.name),
            (Some(1_741_935_600_123), Some("Node Control/Rebirth"))
        );
        assert_eq!(metric.given(metric.datatype), Given::Bool(true));
    }

    #[test]
    fn signed_numbers_are_read_in_their_own_width_and_in_that_of_the_field() {
        for (bits, datatype, want) in [
            (0xFFFF_FFDD, 2, -35),
            (0xFFDD, 2, -35),
            (0xDD, 1, -35),
            (0xFFFF_FFDD, 3, -35),
            (0xFFFF_FFDD, 7, 0xFFFF_FFDD),
            (u64::MAX, 4, -1),
            (u64::MAX, 8, i128::from(u64::MAX)),
        ] {
            let metric = Metric {
                value: Wire::Int(bits),
                ..Metric::default()
            };
            assert_eq!(
                metric.given(Some(datatype)),
                Given::Int(want),
                "{bits:x} as {datatype}"
            );
        }
    }

    #[test]
    fn a_cut_message_is_refused_wherever_it_is_cut() {
        let whole = rebirth(1_741_935_600_123);
        for end in 1..whole.len() {
            // Behind the timestamp the message is whole without its metric.
            assert!(payload(&whole[..end]).is_err() || end == 7, "{end}");
        }
        let endless = [
            0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01,
        ];
        assert!(matches!(payload(&endless), Err(Rejection::BadProtobuf { .. })));
        assert!(matches!(
            payload(&[0x13]),
            Err(Rejection::BadProtobuf { offset: 1, .. })
        ));
    }

    #[test]
    fn the_quality_property_is_found_among_others() {
        let value = |number: u8| vec![0x18, number];
        let mut properties = Vec::new();
        for (key, number) in [("engLow", 7), ("Quality", 100)] {
            properties.extend([0x0A, key.len() as u8]);
            properties.extend(key.as_bytes());
            properties.extend([0x12, 2]);
            properties.extend(value(number));
        }
        let mut metric = vec![0x4A, properties.len() as u8];
        metric.extend(properties);
        let mut message = vec![0x12, metric.len() as u8];
        message.extend(metric);
        assert_eq!(payload(&message).unwrap().metrics[0].quality, Some(100));
    }
}
