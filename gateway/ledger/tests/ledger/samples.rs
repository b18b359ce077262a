//! Reading samples back: order, pages, buckets.

use crate::estate::{Estate, at, number, wet};
use linli_domain::id::PointKey;
use linli_domain::reading::Value;
use linli_ledger::Summary;
use std::time::Duration;

#[test]
fn a_page_goes_on_where_it_ended_although_samples_moved_into_chunks_meanwhile() {
    let mut estate = Estate::small();
    for n in 0..40 {
        // Three readings share each time: without a time of their own this happens.
        estate.hear(&[number(1, n / 3 * 10, n as f64)]);
    }
    let last = estate.ledger().last_commit();
    let (mut got, mut after) = (Vec::new(), None);
    loop {
        let page = estate
            .reader()
            .samples(PointKey(1), at(0), at(1_000), 4, after)
            .unwrap();
        got.extend(page.samples.iter().map(|sample| sample.value.clone()));
        after = page.next;
        if after.is_none() {
            break;
        }
        estate.seal_all(last, last);
    }
    let expected: Vec<_> = (0..40).map(|n| Some(Value::Number(f64::from(n)))).collect();
    assert_eq!(got, expected);
}

#[test]
fn a_range_has_its_beginning_and_not_its_end() {
    let mut estate = Estate::new();
    estate.hear(&[number(1, 10, 1.0), number(1, 20, 2.0), number(1, 30, 3.0)]);
    let page = estate
        .reader()
        .samples(PointKey(1), at(10), at(30), 10, None)
        .unwrap();
    assert_eq!(page.samples.len(), 2);
    assert_eq!(page.next, None);
}

#[test]
fn buckets_are_the_same_before_and_after_sealing() {
    let mut estate = Estate::small();
    for n in 0..100 {
        estate.hear(&[number(1, n * 600, (n % 7) as f64), wet(2, n * 600, n % 4 == 0)]);
        if n == 50 {
            estate.hear(&[number(1, 5, 99.0)]);
        }
    }
    let last = estate.ledger().last_commit();
    let ask = |estate: &mut Estate, width| {
        estate
            .reader()
            .spans(PointKey(1), at(0), at(60_000), Duration::from_millis(width))
            .unwrap()
            .spans
    };
    for width in [1_000, 7_000, 60_000] {
        let mut estate_before = ask(&mut estate, width);
        estate.seal_all(last, last);
        let after = ask(&mut estate, width);
        assert_eq!(after, estate_before);
        let samples: u64 = after.iter().map(|span| span.stretch.summary.samples).sum();
        assert_eq!(samples, 101);
        assert_eq!(estate_before.remove(0).stretch.summary.max, Some(99.0));
    }
    let whole = ask(&mut estate, 60_000);
    let expected = Summary {
        samples: 101,
        numeric: 101,
        min: Some(0.0),
        max: Some(99.0),
        sum: (0..100).map(|n| f64::from(n % 7)).sum::<f64>() + 99.0,
        first: Some(0.0),
        last: Some(1.0),
    };
    assert_eq!(whole[0].stretch.summary, expected);
    let wet = estate
        .reader()
        .spans(PointKey(2), at(0), at(60_000), Duration::from_secs(60))
        .unwrap()
        .spans;
    assert_eq!(wet[0].stretch.summary.mean(), Some(0.25));
}
