//! Ledgers from before there were sums get them, a portion at a time.

use super::*;

#[test]
fn a_ledger_from_before_there_were_rollups_gets_them_while_idle() {
    let mut estate = rolling();
    for n in 0..300 {
        estate.hear(&[number(1, n * MINUTE, n as f64)]);
    }
    seal(&mut estate);
    let before = spans(&mut estate, 1, 0, DAY, HOUR);
    estate.close();
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .execute_batch("DELETE FROM rollup; UPDATE series SET rolled = 0;")
        .unwrap();
    estate.restart();
    let from_samples = spans(&mut estate, 1, 0, DAY, HOUR);
    let figures = |spans: &[Span]| told(spans);
    assert_eq!(figures(&from_samples), figures(&before));
    seal(&mut estate);
    assert_eq!(spans(&mut estate, 1, 0, DAY, HOUR), before);
    let rows: i64 = rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM rollup", [], |row| row.get(0))
        .unwrap();
    assert!(rows >= 2, "{rows}");
}

/// A row of sums as it is stored: point, width, beginning, bytes.
type Stored = (i64, i64, i64, Vec<u8>);

/// Every row of sums, and how many days are summed up.
fn stored(estate: &Estate) -> (Vec<Stored>, i64) {
    let conn = rusqlite::Connection::open(estate.dir().join("linli.db")).unwrap();
    let mut query = conn
        .prepare("SELECT point, width, t0, data FROM rollup ORDER BY point, width, t0")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    let days = "SELECT coalesce(sum(n), 0) FROM rollup WHERE width = ?1";
    let days = conn.query_row(days, [DAY], |row| row.get(0)).unwrap();
    (rows.map(Result::unwrap).collect(), days)
}

#[test]
fn sums_of_an_old_ledger_are_made_a_portion_at_a_time_and_a_restart_on_the_way_changes_nothing() {
    let mut estate = rolling();
    for n in 0..2_000 {
        // One point speaks 200 times a day for ten days, the other as often but not for a week in between.
        let pause = if n < 1_000 { 0 } else { 7 * DAY };
        let (seven, pausing) = (n * 7 * MINUTE, n * 7 * MINUTE + pause);
        estate.hear(&[number(1, seven, n as f64), number(2, pausing, n as f64)]);
    }
    seal(&mut estate);
    let (whole, all_days) = stored(&estate);
    estate.close();
    rusqlite::Connection::open(estate.dir().join("linli.db"))
        .unwrap()
        .execute_batch("DELETE FROM rollup; UPDATE series SET rolled = 0;")
        .unwrap();
    estate.restart();
    let (mut steps, mut days) = (0, 0);
    loop {
        let last = estate.ledger().last_commit();
        let budget = Budget {
            now: at(20 * DAY),
            slice: Duration::ZERO,
        };
        let more = estate.ledger().seal(budget, last, None).unwrap().more;
        let now = stored(&estate).1;
        assert!(now - days <= 2, "{} days at once", now - days);
        (steps, days) = (steps + 1, now);
        if !more {
            break;
        }
        if steps == 4 {
            estate.restart();
        }
        // What is heard meanwhile is taken at once.
        estate.hear(&[wet(3, 20 * DAY + steps, true)]);
    }
    assert!(steps > all_days / 2, "{steps} steps for {all_days} days");
    let of_both =
        |rows: Vec<Stored>| -> Vec<_> { rows.into_iter().filter(|(point, ..)| *point < 3).collect() };
    assert_eq!(of_both(stored(&estate).0), of_both(whole), "byte by byte");
}
