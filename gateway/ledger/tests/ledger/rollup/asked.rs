//! What lies before a range is found and counts for its beginning.

use super::*;

#[test]
fn what_was_true_before_the_range_is_known() {
    let mut estate = rolling();
    for n in 0..40 {
        let state = n % 2 == 0;
        estate.hear(&[Reading::new(
            PointKey(1),
            at(n * HOUR),
            at(n * HOUR),
            Value::State(state),
            Quality::Good,
        )]);
    }
    seal(&mut estate);
    let reader = estate.reader();
    let spans = reader
        .spans(
            PointKey(1),
            at(20 * HOUR + 1),
            at(21 * HOUR),
            Duration::from_secs(3600),
        )
        .unwrap();
    assert_eq!(spans.before, Some((Edge::On, at(20 * HOUR))));
    assert_eq!(spans.spans.len(), 0, "a gap is a bucket that is not there");
}

#[test]
fn the_sample_before_a_time_is_found_wherever_it_lies() {
    let mut estate = rolling();
    for n in 0..70 {
        estate.hear(&[number(1, n * 1_000, n as f64)]);
        if n == 50 {
            seal(&mut estate);
        }
    }
    let reader = estate.reader();
    let before = |time| {
        reader
            .last_before(PointKey(1), at(time))
            .unwrap()
            .map(|sample| sample.value)
    };
    assert_eq!(before(0), None);
    assert_eq!(before(10_001), Some(Some(Value::Number(10.0))));
    assert_eq!(before(65_000), Some(Some(Value::Number(64.0))));
    assert_eq!(before(i64::from(u32::MAX)), Some(Some(Value::Number(69.0))));
    let _ = Timestamp::from_millis(0);
}
