//! Decodes one message by hand: what an installer asks when a sensor says something strange.
//!
//! The same code as the gateway's, without a device: envelope, profile, and everything that was noticed.

mod answer;

pub use answer::{Answer, Failed, Noticed, Seen, Step};

use answer::{raw, seen, steps};
use linli_decode::{Body, Catalogue, DeviceContext, Family, Frame, Role, TopicPattern, open};
use linli_domain::measure::nearest;
use linli_domain::time::Timestamp;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Profile id.
    pub profile: &'a str,
    /// Name of the envelope; none when the payload is what the device itself said.
    pub family: Option<&'a str>,
    /// The topic of an envelope.
    pub topic: Option<&'a str>,
    /// The topic pattern of an envelope; the family's usual one when absent.
    pub pattern: Option<&'a str>,
    /// LoRaWAN port of a bare payload.
    pub f_port: Option<u8>,
    /// What the device is used as.
    pub role: Option<&'a str>,
    /// Distances to the floor of the bin and to a full bin, in millimetres.
    pub bin: Option<(f64, f64)>,
    /// Whether a bare payload is JSON text and not bytes.
    pub is_text: bool,
    /// The message.
    pub payload: &'a [u8],
}

/// Answers the question with the profiles of `catalogue`.
pub fn decode(catalogue: &Catalogue, question: &Question<'_>) -> Result<Answer, Failed> {
    let id = question.profile.parse().ok();
    let profile = id
        .and_then(|id| catalogue.get(&id))
        .ok_or_else(|| Failed::UnknownProfile {
            id: question.profile.to_owned(),
            near: nearest(question.profile, catalogue.iter().map(|p| p.id().as_str())).map(str::to_owned),
        })?;
    let mut context = DeviceContext {
        role: question.role.map(role).transpose()?,
        ..DeviceContext::default()
    };
    context.bin = question.bin.map(
        |(empty_distance_mm, full_distance_mm)| linli_decode::BinGeometry {
            empty_distance_mm,
            full_distance_mm,
        },
    );
    let mut observations = Vec::new();
    let mut answer = Answer {
        address: None,
        event: "uplink".to_owned(),
        nothing_for_the_profile: false,
        values: Vec::new(),
        noticed: Vec::new(),
        refused: None,
        raw: None,
        trace: Vec::new(),
    };
    let mut envelope_time = None;
    let body = match question.family {
        None if question.is_text => Body::message_on(question.topic.unwrap_or_default(), question.payload),
        None => Body::bytes(question.f_port, question.payload),
        Some(name) => {
            let family = family(name)?;
            let pattern = pattern(family, question.pattern)?;
            let topic = question.topic.ok_or(Failed::NeedsTopic)?;
            let received = Timestamp::from_millis(0);
            let frame = Frame {
                topic,
                payload: question.payload,
                retained: false,
                received,
            };
            let opened = open(family, &pattern, &frame).map_err(|error| Failed::Undecodable {
                error: error.to_string(),
                code: error.reason().label(),
            })?;
            answer.address = Some(opened.address.into_owned());
            answer.event = format!("{:?}", opened.event).to_lowercase();
            answer.nothing_for_the_profile = opened.body == Body::None;
            context.caution = opened.caution;
            envelope_time = opened.observed;
            observations = opened.envelope_readings;
            opened.body
        }
    };
    answer.raw = raw(&body);
    let (trace, result) = profile.explain(&body, &context, &mut observations);
    answer.trace = steps(&trace);
    let decoded = match result {
        Ok(decoded) => decoded,
        Err(linli_decode::DecodeError::NoLayout { .. }) if profile.modbus().is_some() => {
            return Err(Failed::ModbusOnly(question.profile.to_owned()));
        }
        Err(error) => {
            answer.refused = Some(Noticed {
                code: error.reason().label(),
                text: error.to_string(),
            });
            return Ok(answer);
        }
    };
    let time = decoded.own_time.or(envelope_time);
    answer.values = observations
        .iter()
        .map(|observation| seen(observation, time))
        .collect();
    answer.noticed = decoded
        .diagnostics
        .iter()
        .map(|d| Noticed {
            code: d.label(),
            text: d.to_string(),
        })
        .collect();
    Ok(answer)
}

fn role(name: &str) -> Result<Role, Failed> {
    let known = || {
        Role::NAMES
            .iter()
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Role::from_name(name).ok_or_else(|| Failed::UnknownRole {
        name: name.to_owned(),
        known: known(),
    })
}

fn family(name: &str) -> Result<Family, Failed> {
    let known = || Family::ALL.map(Family::name).join(", ");
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| Failed::UnknownFamily {
        name: name.to_owned(),
        known: known(),
    })
}

fn pattern(family: Family, given: Option<&str>) -> Result<TopicPattern, Failed> {
    let text = given
        .or(family.default_pattern())
        .ok_or_else(|| Failed::NeedsPattern(family.name().to_owned()))?;
    text.parse()
        .map_err(|error: linli_decode::InvalidPattern| Failed::BadPattern(error.to_string()))
}

/// Bytes of a hexadecimal text; white space, `:` and a leading `0x` are ignored.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let digits: String = text
        .strip_prefix("0x")
        .unwrap_or(text)
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{} digits are not whole bytes", digits.len()));
    }
    let pair = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| "only 0-9 and a-f are digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(payload: &[u8]) -> Question<'_> {
        Question {
            profile: "dragino.lwl02",
            family: None,
            topic: None,
            pattern: None,
            f_port: Some(10),
            role: None,
            bin: None,
            is_text: false,
            payload,
        }
    }

    fn catalogue() -> Catalogue {
        crate::profiles::load(None).unwrap().0
    }

    #[test]
    fn bare_bytes_are_decoded_with_units_and_quality() {
        let payload = hex("4C 1E 02 00 00 05 00 00 02 01").unwrap();
        let answer = decode(&catalogue(), &question(&payload)).unwrap();
        let wet = answer.values.iter().find(|v| v.measure == "leak.wet").unwrap();
        assert_eq!(
            (&wet.value, wet.quality.as_str()),
            (&serde_json::json!(true), "good")
        );
        let battery = answer
            .values
            .iter()
            .find(|v| v.measure == "device.battery_voltage")
            .unwrap();
        assert_eq!(battery.unit, "V");
    }

    #[test]
    fn what_cannot_be_decoded_says_why() {
        let answer = decode(&catalogue(), &question(&[1])).unwrap();
        assert_eq!(answer.refused.map(|refused| refused.code), Some("truncated"));
        assert!(answer.values.is_empty());
        let misspelt = Question {
            profile: "dragino.lwl2",
            ..question(&[])
        };
        let near = Some("dragino.lwl02".to_owned());
        assert_eq!(
            decode(&catalogue(), &misspelt).unwrap_err(),
            Failed::UnknownProfile {
                id: "dragino.lwl2".into(),
                near
            }
        );
    }

    #[test]
    fn hexadecimal_is_read_as_people_write_it() {
        assert_eq!(hex("0x01 fF:10"), Ok(vec![1, 255, 16]));
        assert!(hex("abc").is_err() && hex("zz").is_err());
    }
}
