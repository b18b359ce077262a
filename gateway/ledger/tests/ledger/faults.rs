//! The disk fails at every call there is: nothing acknowledged is lost, nothing is doubled, nothing is silently wrong.
//!
//! A run takes every 23rd call, `LINLI_FAULTS=all` every one; `LINLI_FAULT_ROUNDS=n` looks at n states of the files
//! for each power cut instead of one.

pub(crate) mod work;

use faultfs::{Call, Disk, Fault, How, Lasting};
use linli_ledger::{Ledger, OpenError, Reader};
use work::{Life, TICKS, Tally, hold, options, verify};

fn rounds() -> u64 {
    let asked = std::env::var("LINLI_FAULT_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// The calls that fail, one in each life.
fn chosen(calls: u64) -> impl Iterator<Item = u64> {
    let all = std::env::var("LINLI_FAULTS").is_ok_and(|which| which == "all");
    // What happens once, at the beginning, is never left out.
    (1..=calls).filter(move |nth| all || nth % 23 == 1 || (calls < 100 && nth % 7 == 1))
}

fn calls_of_a_good_life() -> faultfs::Calls {
    let mut life = Life::new();
    assert!(life.live().is_ok());
    assert_eq!(life.told, Vec::<String>::new());
    assert_eq!(verify(&life.dir(), TICKS), TICKS);
    life.disk().calls()
}

/// Every n-th call of a kind fails in its turn; the ledger says so, goes on when the disk is well, and holds all.
fn sweep(call: Call, how: How, lasting: Lasting) {
    let calls = calls_of_a_good_life().of(call);
    let mut tally = Tally::default();
    let (mut hit, mut told) = (0, 0);
    for nth in chosen(calls) {
        let life = Life::with(Fault {
            call: Some(call),
            nth,
            how,
            lasting,
        });
        life.disk().mend();
        hit += u64::from(life.disk().failed() > 0);
        told += usize::from(!life.told.is_empty());
        assert_eq!(life.acknowledged, TICKS, "{call:?} {nth}: {:#?}", life.told);
        assert_eq!(tally.look(&life.dir(), TICKS), TICKS, "{call:?} {nth}");
    }
    assert!(hit > 0, "{call:?} was never called");
    tally.tell(&format!(
        "{call:?} {how:?} {lasting:?}, told {told} of {hit} times"
    ));
}

#[test]
fn every_write_may_fail() {
    sweep(Call::Write, How::Error, Lasting::Once);
}

#[test]
fn every_write_may_find_the_disk_full_until_there_is_room() {
    sweep(Call::Write, How::Full, Lasting::UntilMended);
}

#[test]
fn every_write_may_be_cut_short() {
    sweep(Call::Write, How::Short, Lasting::Once);
}

#[test]
fn every_sync_may_fail() {
    sweep(Call::Sync, How::Error, Lasting::Once);
}

#[test]
fn every_read_may_fail() {
    sweep(Call::Read, How::Error, Lasting::Once);
}

#[test]
fn every_opening_cutting_and_removing_may_fail() {
    for call in [Call::Open, Call::Truncate, Call::Delete] {
        sweep(call, How::Error, Lasting::Once);
    }
}

/// After a failed sync Linux forgets what was to be written and the next sync says nothing: power goes some time later.
#[test]
fn what_a_failed_sync_left_in_doubt_is_written_again() {
    let syncs = calls_of_a_good_life().of(Call::Sync);
    let mut tally = Tally::default();
    for nth in chosen(syncs) {
        let life = Life::with(Fault {
            call: Some(Call::Sync),
            nth,
            how: How::Error,
            lasting: Lasting::Once,
        });
        for seed in 0..rounds() {
            let elsewhere = life.beside(&format!("cut{seed}"));
            life.disk().cut_power(nth * 1_000 + seed, &elsewhere).unwrap();
            assert_eq!(tally.look(&elsewhere, TICKS), TICKS, "sync {nth}, seed {seed}");
        }
    }
    tally.tell("Sync Error, power goes later");
}

#[test]
fn power_may_go_at_every_call() {
    let calls = calls_of_a_good_life().all();
    let mut tally = Tally::default();
    for nth in chosen(calls) {
        let life = Life::with(Fault {
            call: None,
            nth,
            how: How::PowerCut,
            lasting: Lasting::Once,
        });
        for seed in 0..rounds() {
            let elsewhere = life.beside(&format!("cut{seed}"));
            life.disk().cut_power(nth * 1_000 + seed, &elsewhere).unwrap();
            tally.look(&elsewhere, life.acknowledged);
        }
    }
    tally.tell(&format!("PowerCut, one of {calls} calls"));
}

/// A disk that says "synced" and has not can lose what was acknowledged: no program can help that. But it is told.
#[test]
fn a_disk_that_lies_is_found_out_or_serves_nothing_but_what_was_written() {
    let calls = calls_of_a_good_life().all();
    let (mut whole, mut short, mut refused) = (0, 0, 0);
    for nth in chosen(calls) {
        let mut life = Life::new();
        life.disk().lie();
        life.disk().arm(Fault {
            call: None,
            nth,
            how: How::PowerCut,
            lasting: Lasting::Once,
        });
        let _ = life.live();
        let elsewhere = life.beside("cut");
        life.disk().cut_power(nth, &elsewhere).unwrap();
        let there = Ledger::open(&elsewhere, &options()).and_then(|ledger| ledger.reader());
        let sound = there.ok().filter(|reader| {
            let seen = reader.examine(&mut |_| {});
            seen.is_ok_and(|seen| seen.findings.is_empty())
        });
        match sound.map(|reader| hold(&reader)) {
            None => refused += 1,
            Some(there) if there < life.acknowledged => short += 1,
            Some(_) => whole += 1,
        }
    }
    println!(
        "lying disk: {whole} whole, {short} opened at an earlier moment, {refused} refused or told by the doctor"
    );
}

#[test]
fn a_full_disk_is_told_in_words_that_say_what_to_do() {
    let told = (150..400).step_by(10).find_map(|nth| {
        let life = Life::with(Fault {
            call: Some(Call::Write),
            nth,
            how: How::Full,
            lasting: Lasting::UntilMended,
        });
        life.told.iter().find(|text| text.starts_with("commit")).cloned()
    });
    let told = told.unwrap();
    assert!(told.contains("try again when there is space"), "{told}");
    assert!(told.contains("database or disk is full"), "{told}");
}

#[test]
fn a_disk_that_cannot_be_read_stops_a_question_and_not_the_ledger() {
    let mut life = Life::new();
    assert!(life.live().is_ok());
    let ledger = Ledger::open(&life.dir(), &options()).unwrap();
    let reader = Reader::open(&life.dir()).unwrap();
    life.disk().arm(Fault {
        call: Some(Call::Read),
        nth: 1,
        how: How::Error,
        lasting: Lasting::UntilMended,
    });
    let fresh: Result<Reader, OpenError> = Reader::open(&life.dir());
    assert!(fresh.is_err());
    life.disk().mend();
    assert_eq!(hold(&reader), TICKS);
    drop(ledger);
}

#[test]
fn the_disk_of_the_tests_is_in_the_way_of_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let watched = folder.path().join("watched");
    std::fs::create_dir(&watched).unwrap();
    let disk = Disk::under(&watched).unwrap();
    drop(Ledger::open(&folder.path().join("other"), &options()).unwrap());
    assert_eq!(disk.calls().all(), 0);
}
