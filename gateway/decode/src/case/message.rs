//! A message case: opened, decoded and compared, after the messages that came before it.

use super::{CaseError, expect, need_text, site};
use crate::catalogue::Catalogue;
use crate::family::Family;
use crate::frame::{Body, Event, Frame, LorawanIdentity, Opened, Wrapping};
use crate::memory::Memory;
use crate::observation::Observation;
use crate::profile::Profile;
use crate::topic::TopicPattern;
use base64::Engine as _;
use linli_domain::time::Timestamp;
use serde_json::Value as Json;
use std::sync::Arc;

/// The connection a case's messages arrive on.
const CONNECTION: &str = "case";

/// One message of a case.
struct Message {
    topic: String,
    payload: Vec<u8>,
    retained: bool,
}

/// What differs from what the case expects.
pub(super) fn run(case: &Json, catalogue: &Catalogue) -> Result<Vec<String>, CaseError> {
    let not_a_case = CaseError::NotACase;
    let name = need_text(case, "family")?;
    let family = Family::from_name(name).ok_or_else(|| {
        not_a_case(format!(
            "unknown family {name:?}; known: {}",
            Family::ALL.map(Family::name).join(", ")
        ))
    })?;
    let received = expect::time(case, "received").unwrap_or_else(default_receipt);
    let message = message(case)?;
    let context = site::context(case, received).map_err(not_a_case)?;
    let own = site::profile(case).map_err(not_a_case)?;
    let pattern: TopicPattern = family
        .default_pattern()
        .unwrap_or("{device...}")
        .parse()
        .map_err(|error| not_a_case(format!("{error}")))?;
    let wrapping = Wrapping {
        family,
        pattern: &pattern,
    };
    let mut memory = Memory::default();
    let mut seen: Vec<(LorawanIdentity, Vec<u8>)> = Vec::new();
    let before = case["before"].as_array().map_or(&[][..], Vec::as_slice);
    for earlier in before {
        let earlier = self::message(earlier)?;
        let opened = memory.open(CONNECTION, &wrapping, &frame(&earlier, received));
        match opened {
            Ok(opened) => seen.extend(identity(&opened)),
            Err(refusal) => return Ok(vec![format!("a message before it was refused: {refusal}")]),
        }
    }
    let opened = match memory.open(CONNECTION, &wrapping, &frame(&message, received)) {
        Ok(opened) => opened,
        Err(_) if case["status"] == "malformed" => return Ok(Vec::new()),
        Err(refusal) => return Ok(vec![format!("the envelope was refused: {refusal}")]),
    };
    let mut diff = Vec::new();
    let duplicate = identity(&opened).is_some_and(|identity| seen.contains(&identity));
    if (case["expect_duplicate"] == true) != duplicate {
        diff.push(format!(
            "expected a duplicate: {}, got {duplicate}",
            case["expect_duplicate"] == true
        ));
    }
    let profile = own
        .or_else(|| find(case, family, catalogue))
        .or_else(|| memory.profile_of(CONNECTION, &opened.address).cloned());
    let decoded = decode(&opened, profile.as_deref(), &context);
    diff.extend(about_the_sender(case, &opened, &decoded));
    diff.extend(announced(case, &memory));
    let observations = if duplicate { &[][..] } else { &decoded.observations };
    let time = decoded.time.or(opened.observed);
    let contradictions = expect::contradictions(case, observations, time, received);
    if !contradictions.is_empty() && profile.is_none() && opened.body != Body::None {
        diff.push(format!(
            "no profile of the catalogue has the model {} or the name {}",
            case["model"], case["device"]
        ));
    }
    diff.extend(contradictions);
    Ok(diff)
}

/// The profile for the case's device: by its model, else by its name.
pub(super) fn find(case: &Json, family: Family, catalogue: &Catalogue) -> Option<Arc<Profile>> {
    let heard = |profile: &&Arc<Profile>| {
        let families = &profile.matching().families;
        families.is_empty() || families.contains(&family)
    };
    let by_model = case["model"].as_str().and_then(|model| {
        let mut fitting = catalogue.iter().filter(heard);
        fitting.find(|profile| profile.matching().has_model(model))
    });
    let by_name = || {
        let name = case["device"].as_str()?;
        let mut fitting = catalogue.iter().filter(heard);
        fitting.find(|profile| profile.title() == name || profile.matching().has_name(name))
    };
    by_model.or_else(by_name).cloned()
}

/// What decoding made of a message.
struct Decoded {
    observations: Vec<Observation>,
    time: Option<Timestamp>,
    available: Option<bool>,
    refusal: Option<String>,
}

fn decode(opened: &Opened<'_>, profile: Option<&Profile>, context: &crate::DeviceContext) -> Decoded {
    let mut decoded = Decoded {
        observations: Vec::new(),
        time: None,
        available: opened.online,
        refusal: None,
    };
    // What a console made up is no reading.
    if opened.simulated {
        return decoded;
    }
    decoded.observations = opened.envelope_readings.clone();
    let context = crate::DeviceContext {
        caution: opened.caution,
        ..context.clone()
    };
    if let Some(profile) = profile {
        match profile.decode(&opened.body, &context, &mut decoded.observations) {
            Ok(said) => {
                decoded.time = said.own_time;
                decoded.available = decoded.available.or(said.availability);
            }
            Err(error) => decoded.refusal = Some(error.to_string()),
        }
    }
    decoded
}

fn about_the_sender(case: &Json, opened: &Opened<'_>, decoded: &Decoded) -> Vec<String> {
    let mut diff = Vec::new();
    for key in ["dev_eui", "name"] {
        let want = case["expect_device"][key].as_str();
        if let Some(want) = want.filter(|want| *want != opened.address) {
            diff.push(format!(
                "expected it to be said by {want}, got {}",
                opened.address
            ));
        }
    }
    let available = match opened.event {
        Event::Availability(online) | Event::BridgeAvailability(online) => Some(online),
        Event::Join => Some(true),
        _ => decoded.available,
    };
    let want = case["expect_availability"].as_str().map(|want| want == "online");
    if want.is_some() && want != available {
        diff.push(format!("expected available: {want:?}, got {available:?}"));
    }
    match (case["status"] == "malformed", &decoded.refusal) {
        (true, None) => diff.push("expected it to be malformed, but it decoded".to_owned()),
        (false, Some(refusal)) => diff.push(format!("it was refused: {refusal}")),
        _ => {}
    }
    diff
}

/// What an inventory must have made known.
fn announced(case: &Json, memory: &Memory) -> Vec<String> {
    let mut diff = Vec::new();
    for want in case["context"]["discovered"].as_array().into_iter().flatten() {
        let name = want["name"].as_str().unwrap_or_default();
        let Some(known) = memory.announced(CONNECTION, name) else {
            diff.push(format!("expected {name} to be announced"));
            continue;
        };
        if want["vendor"] != known.vendor || want["model"] != known.model {
            diff.push(format!(
                "{name}: announced as {} {}, expected {} {}",
                known.vendor, known.model, want["vendor"], want["model"]
            ));
        }
        let measures = known
            .profile
            .map(|profile| profile.measures())
            .unwrap_or_default();
        for measure in want["measures"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            if !measures.iter().any(|known| known.name() == measure) {
                diff.push(format!("{name}: expected it to measure {measure}"));
            }
        }
    }
    diff
}

fn identity(opened: &Opened<'_>) -> Option<(LorawanIdentity, Vec<u8>)> {
    let bytes = match &opened.body {
        Body::Bytes { bytes, .. } => bytes.to_vec(),
        _ => Vec::new(),
    };
    Some((opened.identity?, bytes))
}

fn frame(message: &Message, received: Timestamp) -> Frame<'_> {
    Frame {
        topic: &message.topic,
        payload: &message.payload,
        retained: message.retained,
        received,
    }
}

fn message(of: &Json) -> Result<Message, CaseError> {
    Ok(Message {
        topic: need_text(of, "topic")?.to_owned(),
        payload: payload(&of["payload"])?,
        retained: of["retain"] == true,
    })
}

/// `{"text": …}` is that text, `{"base64": …}` those bytes; anything else is JSON.
fn payload(payload: &Json) -> Result<Vec<u8>, CaseError> {
    let only = payload.as_object().filter(|members| members.len() == 1);
    if let Some(text) = only.and_then(|members| members.get("text")?.as_str()) {
        return Ok(text.as_bytes().to_vec());
    }
    if let Some(text) = only.and_then(|members| members.get("base64")?.as_str()) {
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        return decoded.map_err(|error| CaseError::NotACase(format!("`payload`: {error}")));
    }
    if payload.is_null() {
        return Err(CaseError::NotACase("`payload` is missing".to_owned()));
    }
    Ok(payload.to_string().into_bytes())
}

/// When a case's message arrives, unless it says so itself.
fn default_receipt() -> Timestamp {
    Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap_or_default()
}
