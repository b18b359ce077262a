//! Chunks of the form of before there were decimals: they are read as ever, and become decimals when they grow.

use crate::estate::{Estate, at, number};
use linli_domain::id::PointKey;
use linli_domain::reading::Reading;
use linli_ledger::MINUTE;
use std::time::Duration;

const POINT: PointKey = PointKey(1);
/// The first twenty-four [`temperatures`] as they were sealed when chunks held floats only.
const AS_FLOATS: &str = "01183770636F210300040604010417000001A60E000000000010010180000000000000004000040000B401000000000000D0\
    59A766CF8B0000000000001801184170636F2103000406040106170000A2999999999999FB0B1000B8060000000000002C4000E0FFFFFFFFFFFFFF\
    2F00E0B8CAC99239A0677B61538B04AF37D94FF20030B90D99";

/// What a thermometer says, a minute each.
fn temperatures(minutes: std::ops::Range<i64>) -> Vec<Reading> {
    minutes
        .map(|n| number(1, n * MINUTE, (215 + n * 7 % 31) as f64 / 10.0))
        .collect()
}

/// An estate whose thermometer has spoken for twenty-four minutes, all of them sealed.
fn sealed_estate() -> Estate {
    let mut estate = Estate::small();
    hear(&mut estate, temperatures(0..24));
    estate
}

fn hear(estate: &mut Estate, readings: Vec<Reading>) {
    let last = estate.hear(&readings);
    estate.seal_all(last, last);
}

fn file(estate: &Estate) -> rusqlite::Connection {
    rusqlite::Connection::open(estate.dir().join("linli.db")).unwrap()
}

/// The format of each chunk, and how many samples it holds.
fn chunks(estate: &Estate) -> Vec<(String, i64)> {
    let conn = file(estate);
    let mut query = conn
        .prepare("SELECT hex(substr(data, 1, 1)), n FROM chunk ORDER BY t0")
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Everything that reads chunks, as text that tells every float apart.
fn answers(estate: &mut Estate) -> String {
    let found: Vec<_> = [0i64, 7, 23, 40]
        .map(|n| estate.ledger().find(POINT, at(n * MINUTE)).unwrap())
        .into();
    let reader = estate.reader();
    let (from, to) = (at(0), at(100 * MINUTE));
    let spans = |minutes: u64| {
        let width = Duration::from_secs(60 * minutes);
        reader.spans(POINT, from, to, width).unwrap().spans
    };
    let mut swept = Vec::new();
    reader
        .sweep(from, to, &mut |point, sample| swept.push((point, sample)))
        .unwrap();
    let examined = reader.examine(&mut |_| {}).unwrap();
    assert!(examined.findings.is_empty(), "{:?}", examined.findings);
    format!(
        "{:?}",
        (
            found,
            reader.range(POINT, from, to, 1_000).unwrap(),
            reader.last_before(POINT, at(9 * MINUTE)).unwrap(),
            (spans(1), spans(7), spans(60)),
            swept,
        )
    )
}

#[test]
fn a_chunk_of_before_there_were_decimals_answers_as_ever_and_is_decimals_once_it_grows() {
    let (mut upgraded, mut new) = (sealed_estate(), sealed_estate());
    let old = format!("UPDATE chunk SET data = x'{AS_FLOATS}' WHERE point = 1");
    assert_eq!(file(&upgraded).execute(&old, []).unwrap(), 1);
    upgraded.restart();
    assert_eq!(chunks(&upgraded), [("01".into(), 24)]);
    assert_eq!(chunks(&new), [("02".into(), 24)]);
    assert_eq!(answers(&mut upgraded), answers(&mut new));
    for estate in [&mut upgraded, &mut new] {
        hear(estate, temperatures(24..60));
        assert_eq!(chunks(estate), [("02".into(), 60)]);
    }
    assert_eq!(answers(&mut upgraded), answers(&mut new));
    assert_eq!(
        upgraded.all_samples(1).len(),
        temperatures(0..60).len(),
        "each once"
    );
}

#[test]
fn a_thermometer_that_says_a_third_once_has_floats_again_and_every_bit_of_them() {
    let mut estate = sealed_estate();
    let third = [number(1, 24 * MINUTE, 21.0 + 1.0 / 3.0)];
    let readings = [temperatures(0..24), third.to_vec(), temperatures(25..60)].concat();
    hear(&mut estate, readings[24..].to_vec());
    assert_eq!(chunks(&estate), [("01".into(), 60)]);
    let heard: Vec<_> = readings.iter().map(|reading| reading.value.clone()).collect();
    let stored: Vec<_> = estate
        .all_samples(1)
        .into_iter()
        .map(|sample| sample.value)
        .collect();
    assert_eq!(format!("{stored:?}"), format!("{heard:?}"));
}
