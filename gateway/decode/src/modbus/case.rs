//! A Modbus case: the register map of a device, with samples of what it holds, what its frames look like and what they
//! mean, as `tests/fixtures/devices/README.md` describes them.
//!
//! [`run`] plays one against a profile of the catalogue, or against the map the case itself carries. Reading files is
//! the caller's.

pub use super::case_map::{NotAMap, profile_text};
use super::wire::{Framing, Heard, Matcher, Question, rtu_frame};
use super::{Read, RegisterData, RegisterMap, RegisterRequest};
use crate::context::DeviceContext;
use crate::observation::Observation;
use crate::profile::{Profile, ProfileError};
use linli_domain::reading::Value;
use linli_domain::time::Monotonic;
use serde::Deserialize;
use std::time::Duration;

/// Most bytes of a case.
pub const MAX_CASE_BYTES: usize = 256 * 1024;

/// Why a case cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// Larger than [`MAX_CASE_BYTES`].
    #[error("the case is larger than {MAX_CASE_BYTES} bytes")]
    TooLarge,
    /// Not JSON, or not of the form of a case.
    #[error("not a Modbus case: {0}; see tests/fixtures/devices/README.md for the form")]
    Form(#[from] serde_json::Error),
    /// Its map cannot be expressed.
    #[error("the case's map cannot be read: {0}")]
    Map(#[from] NotAMap),
    /// Its map makes no profile.
    #[error("the case's map is not a sound one: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Profile(Vec<ProfileError>),
    /// The profile it is run against has no registers.
    #[error("the profile {0} has no [modbus] section")]
    NoRegisters(String),
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseReport {
    /// The case.
    pub id: String,
    /// The profile it was run against; `None`: the map it carries.
    pub profile: Option<String>,
    /// One for each sample.
    pub samples: Vec<SampleReport>,
}

/// What came of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleReport {
    /// Its name.
    pub name: String,
    /// How many frames were compared.
    pub frames: usize,
    /// What was read.
    pub observations: Vec<Observation>,
    /// What is not as the case says, a line each.
    pub differences: Vec<String>,
}

impl CaseReport {
    /// Whether everything is as the case says.
    pub fn passes(&self) -> bool {
        !self.samples.is_empty() && self.samples.iter().all(|sample| sample.differences.is_empty())
    }
}

#[derive(Deserialize)]
struct Case {
    id: String,
    transport: Transport,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Transport {
    unit_id: u8,
}

#[derive(Deserialize)]
struct Sample {
    name: String,
    image: Vec<ImageBlock>,
    #[serde(default)]
    frames: Vec<Exchange>,
    expect: Vec<Expected>,
}

#[derive(Deserialize)]
struct ImageBlock {
    function: u8,
    start: u16,
    values: Vec<Word>,
}

/// A word as a number or as text in hexadecimal.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Number(u16),
    Text(String),
}

#[derive(Deserialize)]
struct Exchange {
    request: String,
    response: String,
}

#[derive(Deserialize)]
struct Expected {
    measure: String,
    value: serde_json::Value,
    unit: Option<String>,
    instance: Option<String>,
    tolerance: Option<f64>,
}

/// Runs a case, given as its JSON text, against `profile`; without one against the map it carries.
///
/// Every sample is read twice where it has frames: from its image, and from its frames through the same matching that
/// a line in the field goes through. The plan must ask exactly what the frames ask.
pub fn run(case: &str, profile: Option<&Profile>) -> Result<CaseReport, CaseError> {
    if case.len() > MAX_CASE_BYTES {
        return Err(CaseError::TooLarge);
    }
    run_value(serde_json::from_str(case)?, profile)
}

/// The same for a case that was parsed.
pub(crate) fn run_value(json: serde_json::Value, profile: Option<&Profile>) -> Result<CaseReport, CaseError> {
    let own;
    let used = match profile {
        Some(profile) => profile,
        None => {
            own = Profile::parse(&profile_text(&json)?, "case").map_err(CaseError::Profile)?;
            &own
        }
    };
    let case: Case = serde_json::from_value(json)?;
    let map = used
        .modbus()
        .ok_or_else(|| CaseError::NoRegisters(used.id().to_string()))?;
    Ok(CaseReport {
        id: case.id,
        profile: profile.map(|profile| profile.id().to_string()),
        samples: case
            .samples
            .iter()
            .map(|sample| play(sample, case.transport.unit_id, map))
            .collect(),
    })
}

fn play(sample: &Sample, unit: u8, map: &RegisterMap) -> SampleReport {
    let mut report = SampleReport {
        name: sample.name.clone(),
        frames: sample.frames.len(),
        observations: Vec::new(),
        differences: Vec::new(),
    };
    let Some(image) = image(&sample.image) else {
        report
            .differences
            .push("the image holds something that is no word".to_owned());
        return report;
    };
    let context = DeviceContext::default();
    for read in &map.plan().reads {
        match map.answer(read, &image) {
            Some(data) => map.decode(read, &data, &context, &mut report.observations),
            None => report.differences.push(format!(
                "the image does not hold what is asked: {:?}",
                read.request
            )),
        }
    }
    compare(&sample.expect, &report.observations, &mut report.differences);
    if !sample.frames.is_empty() {
        let mut from_frames = Vec::new();
        for read in &map.plan().reads {
            match exchange(&sample.frames, unit, read) {
                Ok(data) => map.decode(read, &data, &context, &mut from_frames),
                Err(difference) => report.differences.push(difference),
            }
        }
        if sample.frames.len() != map.plan().reads.len() {
            let (frames, reads) = (sample.frames.len(), map.plan().reads.len());
            report
                .differences
                .push(format!("{frames} frames, and {reads} requests are planned"));
        }
        if report.differences.is_empty() && from_frames != report.observations {
            report
                .differences
                .push("the frames do not say what the image says".to_owned());
        }
    }
    report
}

fn image(blocks: &[ImageBlock]) -> Option<Vec<(RegisterRequest, Vec<u16>)>> {
    let word = |word: &Word| match word {
        Word::Number(number) => Some(*number),
        Word::Text(text) => u16::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
    };
    let block = |block: &ImageBlock| {
        let words: Vec<u16> = block.values.iter().map(word).collect::<Option<_>>()?;
        let count = u16::try_from(words.len()).ok()?;
        Some((
            RegisterRequest {
                function: block.function,
                start: block.start,
                count,
            },
            words,
        ))
    };
    blocks.iter().map(block).collect()
}

/// The answer to `read` out of the sample's frames.
fn exchange(frames: &[Exchange], unit: u8, read: &Read) -> Result<RegisterData, String> {
    let request = rtu_frame(unit, &read.request);
    let wanted = hex(&request);
    let found = frames
        .iter()
        .find(|frame| frame.request.eq_ignore_ascii_case(&wanted))
        .ok_or_else(|| format!("no frame asks {wanted}, which is planned: {:?}", read.request))?;
    let response = bytes(&found.response).ok_or_else(|| format!("{} is not hexadecimal", found.response))?;
    let mut matcher = Matcher::new(Framing::Rtu);
    let window = Duration::from_secs(1);
    let question = Question {
        frame: &request,
        window,
        lateness: window,
    };
    let heard = match matcher.asked(question, Monotonic(0)) {
        Ok(()) => matcher.hear(&response, Monotonic(1)),
        Err(forbidden) => return Err(forbidden.to_string()),
    };
    match heard {
        Heard::Answer => RegisterData::of_frame(Framing::Rtu, matcher.answer(), &read.request)
            .ok_or_else(|| format!("{} holds no registers", found.response)),
        other => Err(format!(
            "{} is not taken for the answer to {wanted}: {other:?}",
            found.response
        )),
    }
}

fn compare(expect: &[Expected], observations: &[Observation], differences: &mut Vec<String>) {
    for expected in expect {
        let name = match &expected.instance {
            Some(instance) => format!("{}[{instance}]", expected.measure),
            None => expected.measure.clone(),
        };
        let found = observations.iter().find(|found| {
            found.measure.name() == expected.measure
                && found.instance.as_deref() == expected.instance.as_deref()
        });
        let Some(found) = found else {
            differences.push(format!("{name}: expected {}, got nothing", expected.value));
            continue;
        };
        if !is_met(expected, found.value.as_ref()) {
            differences.push(format!(
                "{name}: expected {}, got {:?}",
                expected.value, found.value
            ));
        }
        let unit = found.measure.unit().symbol();
        if let Some(wanted) = expected.unit.as_deref().filter(|wanted| *wanted != unit) {
            differences.push(format!("{name}: expected the unit {wanted}, got {unit}"));
        }
    }
    // More may come out than is expected, but no second value of what is.
    for found in observations {
        let same = |other: &&Observation| other.measure == found.measure && other.instance == found.instance;
        if observations.iter().filter(same).count() > 1 {
            differences.push(format!("{}: reported more than once", found.measure));
        }
    }
}

fn is_met(expected: &Expected, found: Option<&Value>) -> bool {
    match (&expected.value, found) {
        (serde_json::Value::Bool(wanted), Some(Value::State(got))) => wanted == got,
        (serde_json::Value::String(wanted), Some(Value::Text(got))) => **wanted == **got,
        (serde_json::Value::Number(wanted), Some(Value::Number(got))) => {
            wanted.as_f64().is_some_and(|wanted| {
                let tolerance = expected
                    .tolerance
                    .unwrap_or(0.0)
                    .max(1e-9)
                    .max(1e-6 * wanted.abs());
                (got - wanted).abs() <= tolerance
            })
        }
        _ => false,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks(2).map(pair).collect())?
}
