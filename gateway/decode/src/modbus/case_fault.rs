//! A failure case: one question on a line, what came instead of an answer, and how that has to be classified.
//!
//! It goes through the same matching as a line in the field. Reading files is the caller's.

use super::case::{bytes, hex};
use super::wire::{Fault, Framing, Heard, Matcher, Question, Severity};
use linli_domain::time::Monotonic;
use serde::Deserialize;
use std::time::Duration;

/// How long an answer is waited for, and how late one may come.
const WINDOW: Duration = Duration::from_millis(500);
/// When the response comes, when the line has been silent for long enough after it, and when the wait ends.
const COMES: Monotonic = Monotonic(20);
const FALLS_SILENT: Monotonic = Monotonic(80);
const GIVEN_UP: Monotonic = Monotonic(500);

#[derive(Deserialize)]
struct FaultCase {
    mode: Mode,
    request_full: String,
    /// None: nothing comes.
    response_full: Option<String>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Tcp,
    Rtu,
    RtuOverTcp,
}

#[derive(Deserialize)]
struct Expected {
    class: String,
    code: Option<u8>,
    quality: String,
    retry: bool,
}

/// What differs from what the case expects, a line each.
///
/// # Errors
/// Why it is no failure case.
pub(crate) fn run(case: &serde_json::Value) -> Result<Vec<String>, String> {
    let case = FaultCase::deserialize(case).map_err(|error| error.to_string())?;
    let framing = match case.mode {
        Mode::Tcp => Framing::Tcp,
        Mode::Rtu | Mode::RtuOverTcp => Framing::Rtu,
    };
    let frame = |hex: &str| bytes(hex).ok_or_else(|| format!("{hex} is not hexadecimal"));
    let request = frame(&case.request_full)?;
    let response = case.response_full.as_deref().map(frame).transpose()?;
    let Some(fault) = fault(framing, &request, response.as_deref())? else {
        return Ok(vec![format!("expected {}, got an answer", case.expect.class)]);
    };
    let quality = match fault.severity() {
        Severity::Bad => "bad",
        Severity::Uncertain => "uncertain",
    };
    let mut diff = Vec::new();
    let mut differs = |what: &str, wanted: &str, got: &str| {
        if wanted != got {
            diff.push(format!("{what}: expected {wanted}, got {got}"));
        }
    };
    differs("class", &case.expect.class, fault.class());
    differs("quality", &case.expect.quality, quality);
    differs(
        "retry",
        &case.expect.retry.to_string(),
        &fault.retry().to_string(),
    );
    if let Some(code) = case.expect.code {
        let got = match fault {
            Fault::Exception(code) => code.to_string(),
            _ => "none".to_owned(),
        };
        differs("code", &code.to_string(), &got);
    }
    Ok(diff)
}

/// One question, what came, and the end of the wait; `None` is a sound answer.
fn fault(framing: Framing, request: &[u8], response: Option<&[u8]>) -> Result<Option<Fault>, String> {
    let mut matcher = Matcher::new(framing);
    let question = Question {
        frame: request,
        window: WINDOW,
        lateness: WINDOW,
    };
    matcher
        .asked(question, Monotonic(0))
        .map_err(|forbidden| format!("{}: {forbidden}", hex(request)))?;
    let mut heard = response.map_or(Heard::Nothing, |response| matcher.hear(response, COMES));
    if heard == Heard::Nothing {
        heard = matcher.silence(FALLS_SILENT);
    }
    match heard {
        Heard::Answer => {
            let body = matcher.answer();
            let function_at = if framing == Framing::Tcp { 7 } else { 1 };
            let is_exception = body.get(function_at).is_some_and(|function| function & 0x80 != 0);
            let code = body.get(function_at + 1).filter(|_| is_exception);
            Ok(code.map(|code| Fault::Exception(*code)))
        }
        Heard::Failed(fault) => Ok(Some(fault)),
        Heard::Nothing => Ok(matcher.give_up(GIVEN_UP)),
        Heard::OutOfStep => Err("what came is the rest of another answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrong_expectation_is_named_and_a_case_of_another_form_is_no_case() {
        let mut case = json!({ "mode": "rtu", "request_full": "010300000001840a", "response_full": "018306c132",
            "expect": { "class": "exception", "code": 6, "quality": "uncertain", "retry": true } });
        assert_eq!(run(&case), Ok(Vec::new()));
        case["expect"] = json!({ "class": "timeout", "code": 2, "quality": "bad", "retry": false });
        assert_eq!(
            run(&case).unwrap(),
            [
                "class: expected timeout, got exception",
                "quality: expected bad, got uncertain",
                "retry: expected false, got true",
                "code: expected 2, got 6"
            ]
        );
        case["response_full"] = json!("0103020012 3849");
        assert!(run(&case).unwrap_err().contains("is not hexadecimal"));
        case["mode"] = json!("ascii");
        assert!(run(&case).unwrap_err().contains("ascii"));
    }

    #[test]
    fn a_sound_answer_is_no_failure() {
        let case = json!({ "mode": "rtu", "request_full": "010300000001840a", "response_full": "010302001279894",
            "expect": { "class": "exception", "quality": "bad", "retry": true } });
        assert!(run(&case).is_err(), "an odd number of digits");
        let answer = super::super::wire::checksum(&[1, 3, 2, 0, 0x12]);
        let frame = format!("0103020012{:02x}{:02x}", answer & 0xFF, answer >> 8);
        let case = json!({ "mode": "rtu", "request_full": "010300000001840a", "response_full": frame,
            "expect": { "class": "exception", "quality": "bad", "retry": true } });
        assert_eq!(run(&case).unwrap(), ["expected exception, got an answer"]);
    }
}
