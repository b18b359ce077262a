//! A disk that fills up: what is told, what goes, what stays, and how it ends.

use super::core::Core;
use super::tests::{core, frame};
use crate::disk::Space;
use linli_domain::time::{Monotonic, Timestamp};
use linli_ledger::Reader;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static FREE: AtomicU64 = AtomicU64::new(u64::MAX);

fn disk(_: &Path) -> Option<Space> {
    Some(Space {
        free: FREE.load(Ordering::SeqCst),
        whole: 1_000,
    })
}

fn stored(folder: &Path, measure: &str) -> usize {
    let reader = Reader::open(folder).unwrap();
    let points = reader.points().unwrap();
    let Some(point) = points.iter().find(|point| point.measure == measure) else {
        return 0;
    };
    let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    reader.range(point.key, from, to, 1_000).unwrap().len()
}

#[test]
fn a_full_disk_keeps_changes_of_state_and_resumes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    core.room.reserve = 100;
    core.room.disk = disk;
    let now = core.clock.now();
    core.started(&now);
    core.commit().map_err(|failed| failed.reason).unwrap();
    let say = |core: &mut super::Core, wet: bool| {
        let now = core.clock.now();
        core.frame(frame("leak", wet), &now);
        core.commit().map_err(|failed| failed.reason).unwrap();
        // The next has a time of its own.
        while core.clock.now().wall <= now.wall {
            std::thread::yield_now();
        }
    };
    FREE.store(900, Ordering::SeqCst);
    core.seal(Duration::from_millis(5), false).unwrap();
    say(&mut core, false);
    assert_eq!(stored(folder.path(), "leak.wet"), 1);

    // Nothing has to go yet, and it is told already.
    FREE.store(290, Ordering::SeqCst);
    core.room.look_again();
    core.seal(Duration::from_millis(5), false).unwrap();
    core.commit().map_err(|failed| failed.reason).unwrap();
    assert!(!core.room.is_short());
    assert_eq!(
        stored(folder.path(), "gateway.disk_free"),
        1,
        "before anything goes"
    );

    // Full: the same again is left out, a change is not.
    FREE.store(50, Ordering::SeqCst);
    core.room.look_again();
    core.seal(Duration::from_millis(5), false).unwrap();
    say(&mut core, false);
    assert_eq!(stored(folder.path(), "leak.wet"), 1);
    assert_eq!(core.metrics.dropped.with_label_values(&["disk"]).get(), 1);
    say(&mut core, true);
    assert_eq!(
        stored(folder.path(), "leak.wet"),
        2,
        "a leak is stored on the last byte"
    );
    assert_eq!(
        stored(folder.path(), "gateway.disk_free"),
        2,
        "and that it is full is told"
    );

    FREE.store(900, Ordering::SeqCst);
    core.room.look_again();
    core.seal(Duration::from_millis(5), false).unwrap();
    say(&mut core, true);
    assert_eq!(stored(folder.path(), "leak.wet"), 3);
    assert_eq!(
        stored(folder.path(), "gateway.disk_free"),
        3,
        "that there is room again is told too"
    );
}

/// Looks at the room, and a minute later at what has become of it.
fn look(core: &mut Core) {
    core.room.look_again();
    core.seal(Duration::from_millis(5), false).unwrap();
    core.commit().map_err(|failed| failed.reason).unwrap();
    let mut later = core.clock.now();
    later.monotonic = Monotonic(later.monotonic.0 + 120_000);
    core.tick(&later);
    core.commit().map_err(|failed| failed.reason).unwrap();
}

fn alarmed(core: &Core) -> bool {
    let (asset, class) = ("gateway".parse().unwrap(), "ledger-full".parse().unwrap());
    let alarm = core.engine.alarm_of(&asset, &class);
    alarm.is_some_and(|alarm| alarm.cleared_at.is_none())
}

#[test]
fn a_ledger_near_its_limit_is_told_before_its_oldest_readings_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = self::core(folder.path());
    let now = core.clock.now();
    core.started(&now);
    core.commit().map_err(|failed| failed.reason).unwrap();
    let used = |core: &Core| core.ledger.used_bytes().unwrap();
    core.room.max_size = Some(used(&core) * 2);
    look(&mut core);
    assert_eq!(stored(folder.path(), "gateway.ledger_room"), 0);
    assert!(!alarmed(&core));

    core.room.max_size = Some(used(&core) * 106 / 100);
    look(&mut core);
    assert!(!core.room.is_short(), "nothing has to go yet");
    assert_eq!(stored(folder.path(), "gateway.ledger_room"), 1);
    assert!(alarmed(&core));

    // Somebody raises the limit, for which the gateway starts again.
    drop(core);
    let mut core = self::core(folder.path());
    let now = core.clock.now();
    core.started(&now);
    core.room.max_size = Some(used(&core) * 10);
    look(&mut core);
    assert_eq!(stored(folder.path(), "gateway.ledger_room"), 2);
    assert!(!alarmed(&core), "there is room again");
}
