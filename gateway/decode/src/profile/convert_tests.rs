//! What becomes of raw values at the edges of every kind.

use super::*;
use crate::profile::collect::Collector;

fn emit(measure: &str) -> Emit {
    let measure: Measure = measure.parse().unwrap();
    Emit {
        target: Target::Measure(measure),
        unit: measure.unit(),
        instance: Instance::None,
        missing: Vec::new(),
        meanings: Vec::new(),
        scale: Scale::None,
        offset: 0.0,
        range: None,
        at_least: None,
        invert: false,
        own: (1.0, 0.0),
    }
}

fn convert(emit: &Emit, raw: Raw<'_>) -> (Option<Value>, Quality) {
    let mut out = Vec::new();
    let context = DeviceContext::default();
    let mut collector = Collector::new(&context, &mut out);
    collector.emit(emit, raw, "test");
    collector.finish();
    (out[0].value.clone(), out[0].quality)
}

#[test]
fn a_decimal_scale_gives_the_decimal_number() {
    let raw = Raw::Int {
        value: 257,
        pattern: 257,
    };
    let tenths = Emit {
        scale: Scale::new(0.1),
        ..emit("temperature")
    };
    assert_eq!(convert(&tenths, raw).0, Some(Value::Number(25.7)));
    let sixteenths = Emit {
        scale: Scale::new(0.0625),
        ..emit("temperature")
    };
    assert_eq!(convert(&sixteenths, raw).0, Some(Value::Number(16.0625)));
    let tens = Emit {
        scale: Scale::new(10.0),
        offset: -40.0,
        ..emit("temperature")
    };
    assert_eq!(convert(&tens, raw).0, Some(Value::Number(2530.0)));
}

#[test]
fn zero_false_and_empty_are_values_and_null_is_not() {
    assert_eq!(
        convert(&emit("temperature"), Raw::Scalar(Scalar::Int(0))).0,
        Some(Value::Number(0.0))
    );
    assert_eq!(
        convert(&emit("leak.wet"), Raw::Scalar(Scalar::Bool(false))).0,
        Some(Value::State(false))
    );
    for measure in ["temperature", "leak.wet", "device.firmware"] {
        let none = (None, Quality::Bad(Reason::SensorNoReading));
        assert_eq!(convert(&emit(measure), Raw::Scalar(Scalar::Null)), none);
    }
    assert_eq!(
        convert(&emit("temperature"), Raw::Scalar(Scalar::Float(f64::NAN))).0,
        None
    );
}

#[test]
fn a_code_without_a_meaning_is_bad_and_never_normal() {
    let two = Raw::Int { value: 2, pattern: 2 };
    assert_eq!(
        convert(&emit("leak.wet"), two),
        (None, Quality::Bad(Reason::OutOfRange))
    );
    let one_two = Emit {
        meanings: vec![
            (Code::Int(1), Value::State(false)),
            (Code::Int(2), Value::State(true)),
        ],
        ..emit("leak.wet")
    };
    assert_eq!(convert(&one_two, two).0, Some(Value::State(true)));
    let zero = Raw::Int { value: 0, pattern: 0 };
    assert_eq!(convert(&one_two, zero), (None, Quality::Bad(Reason::OutOfRange)));
}

#[test]
fn a_missing_code_is_recognised_in_its_unsigned_form() {
    let probe = Emit {
        missing: vec![Code::Int(0xFFFF)],
        ..emit("temperature")
    };
    assert_eq!(
        convert(
            &probe,
            Raw::Int {
                value: -1,
                pattern: 0xFFFF
            }
        )
        .0,
        None
    );
    assert_eq!(
        convert(
            &probe,
            Raw::Int {
                value: -2,
                pattern: 0xFFFE
            }
        )
        .0,
        Some(Value::Number(-2.0))
    );
}

#[test]
fn texts_become_numbers_and_states_only_when_they_are_one() {
    let text = |measure, text| convert(&emit(measure), Raw::Scalar(Scalar::Text(text))).0;
    assert_eq!(text("temperature", "0.00"), Some(Value::Number(0.0)));
    assert_eq!(text("leak.wet", "ON"), Some(Value::State(true)));
    for wrong in ["2000 mm", "", "nan", "inf", "1e999"] {
        assert_eq!(text("bin.distance", wrong), None, "{wrong}");
    }
    assert_eq!(
        text("device.firmware", &"邻".repeat(200)).map(|v| matches!(v, Value::Text(t) if t.len() == 255)),
        Some(true)
    );
}
