//! The loop of a target against a ledger and a target whose answers are written down: what becomes of its place.

use super::cursor::{Cursors, Place};
use super::feed::{self, Heads};
use super::forwarder::{Surroundings, Worker};
use super::lane::{Lane, Which};
use super::sink::Sink;
use super::verdict::{BUSY, TIMEOUT, Verdict};
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::config::{Forwarder, ForwarderKind};
use crate::metrics::Metrics;
use crate::pipeline::{self, Arrival, Progress, Request};
use async_trait::async_trait;
use linli_domain::estate::Estate;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{Batch, Entry, Ledger, Options, PointRow};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Says what was written down, then takes everything it is quick enough for; keeps what it took.
#[derive(Default)]
struct Target {
    /// Lines for which its line is too thin; 0 is none.
    too_many: AtomicUsize,
    says: Mutex<VecDeque<Verdict>>,
    /// Lines with a smaller value get this answer, and after this time.
    old: Mutex<Option<(u32, Verdict, Duration)>>,
    taken: Mutex<Vec<String>>,
    /// There was a request.
    asked: Notify,
}

impl Target {
    async fn has_taken(&self, value: u32) {
        let wanted = format!("value={value} ");
        while !self
            .taken
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(&wanted))
        {
            self.asked.notified().await;
        }
    }
}

fn value(line: &str) -> u32 {
    let value = line.split("value=").nth(1).unwrap();
    value.split(' ').next().unwrap().parse().unwrap()
}

#[async_trait]
impl Sink for Target {
    async fn look(&self) -> Result<(), String> {
        Ok(())
    }

    async fn write(&self, lines: Vec<u8>, _: Timestamp) -> Verdict {
        let text = String::from_utf8(lines).unwrap();
        let too_many = self.too_many.load(Ordering::SeqCst);
        if too_many > 0 && text.lines().count() >= too_many {
            return Verdict::Later {
                code: TIMEOUT,
                after: None,
            };
        }
        let old = self.old.lock().unwrap().clone();
        if let Some((below, verdict, after)) = old
            && text.lines().any(|line| value(line) < below)
        {
            tokio::time::sleep(after).await;
            self.asked.notify_one();
            return verdict;
        }
        let verdict = self.says.lock().unwrap().pop_front().unwrap_or(Verdict::Taken);
        if verdict == Verdict::Taken {
            self.taken.lock().unwrap().extend(text.lines().map(str::to_owned));
        }
        self.asked.notify_one();
        verdict
    }
}

/// An estate in which nothing stands: the lines of a point need no more.
fn nobody() -> Arc<Estate> {
    let document =
        toml::from_str("id = \"riverside\"\nname = { zh = \"河畔\", en = \"Riverside\" }\n").unwrap();
    Arc::new(Estate::resolve(Arc::new(document)).unwrap())
}

/// A reading is committed.
fn commit(ledger: &mut Ledger, now: Now, observed: Timestamp, n: u32) {
    let point = PointRow {
        key: PointKey(1),
        id: "bin-7/bin.fill".parse().unwrap(),
        device: "bin-7".parse().unwrap(),
        measure: "bin.fill".into(),
        instance: None,
    };
    let value = Value::Number(f64::from(n));
    let reading = Reading::new(point.key, observed, now.wall, value, Quality::Good);
    let entries = [
        Entry::Now(now),
        Entry::Reading {
            reading: &reading,
            evaluated: true,
        },
    ];
    let points = [point];
    let batch = Batch {
        entries: &entries,
        points: &points,
        ..Batch::at(now)
    };
    ledger.commit(&batch).unwrap();
}

/// A clock that stands still until it is set.
struct Hand(Mutex<Now>);

impl Clock for Hand {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

struct Story {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    target: Arc<Target>,
    worker: Worker,
    live: Lane,
    behind: Lane,
    clock: Arc<Hand>,
    progress: watch::Sender<Progress>,
    metrics: Arc<Metrics>,
}

impl Story {
    /// A ledger with so many commits, one reading each, ten minutes apart and the last one now.
    fn new(commits: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        // At a full second: pauses are spread by what is behind it.
        let mut now = SystemClock::new().now();
        now.wall = Timestamp::from_millis(now.wall.as_millis() / 1_000 * 1_000);
        let clock = Arc::new(Hand(Mutex::new(now)));
        let mut ledger = Ledger::open(
            &data,
            &Options {
                seal_samples: 10,
                ..Options::default()
            },
        )
        .unwrap();
        let mut now = clock.now();
        let last = now.wall;
        for n in 0..commits {
            now.wall = Timestamp::from_millis(last.as_millis() - (commits - 1 - n) * 600_000);
            commit(&mut ledger, now, now.wall, u32::try_from(n).unwrap());
        }
        let estate = nobody();
        let (progress, progressed) = watch::channel(Progress::new(&estate));
        progress.send_modify(|progress| progress.commit = ledger.last_commit());
        let metrics = Metrics::new().unwrap();
        let target = Arc::new(Target::default());
        let forwarder = Forwarder {
            name: "away".into(),
            kind: ForwarderKind::VictoriaMetrics,
            url: "http://127.0.0.1:1".into(),
            from_history: false,
            ca: None,
        };
        let (door, inbox) = pipeline::open(Vec::new());
        // What is parked is stored.
        std::thread::spawn(move || {
            for arrival in inbox.arrivals {
                if let Arrival::Request(Request::Parked(_, reply), _) = arrival {
                    let _ = reply.send(Ok(()));
                }
            }
        });
        let around = Surroundings {
            data,
            door,
            progress: progressed,
            cursors: Arc::new(Cursors::new(["away".to_owned()].into_iter(), &[])),
            clock: Arc::clone(&clock) as SharedClock,
            metrics: Arc::clone(&metrics),
            stop: CancellationToken::new(),
        };
        let worker = Worker::new(
            forwarder,
            around,
            Arc::clone(&target) as Arc<dyn Sink>,
            ledger.reader().unwrap(),
        );
        Self {
            _folder: folder,
            ledger,
            target,
            worker,
            live: Lane::new(Which::Live),
            behind: Lane::new(Which::Behind),
            clock,
            progress,
            metrics,
        }
    }

    /// The target has taken everything up to a commit that was made `minutes` ago.
    fn stands_at(&self, commit: u64, minutes: i64) {
        let at = self.clock.now().wall.as_millis() - minutes * MINUTE;
        self.stands(Place::at(CommitId(commit), at));
    }

    fn stands(&self, place: Place) {
        self.worker.update(|shown| shown.place = Some(place));
    }

    /// So much time passes, in milliseconds.
    fn pass(&self, millis: i64) {
        let mut now = self.clock.0.lock().unwrap();
        now.wall = Timestamp::from_millis(now.wall.as_millis() + millis);
        now.monotonic.0 = now.monotonic.0.saturating_add_signed(millis);
    }

    /// Somebody sets the clock by so much.
    fn set(&self, by: i64) {
        let mut now = self.clock.0.lock().unwrap();
        now.wall = Timestamp::from_millis(now.wall.as_millis() + by);
    }

    /// Readings are committed, a minute apart; the devices date them by a clock of their own that is so much ahead.
    fn hears(&mut self, values: std::ops::Range<u32>, ahead: i64) {
        for n in values {
            self.pass(MINUTE);
            let now = self.clock.now();
            let observed = Timestamp::from_millis(now.wall.as_millis() + ahead);
            commit(&mut self.ledger, now, observed, n);
        }
        let last = self.ledger.last_commit();
        self.progress.send_modify(|progress| progress.commit = last);
    }

    /// Takes nothing, or takes everything again.
    fn is_away(&self, away: bool) {
        let busy = Verdict::Later {
            code: BUSY,
            after: None,
        };
        *self.target.old.lock().unwrap() = away.then_some((u32::MAX, busy, Duration::ZERO));
    }

    async fn rounds(&mut self, most: usize) {
        let last = self.progress.borrow().commit.0;
        for _ in 0..most {
            assert!(self.worker.live(&mut self.live, last).await.is_ok());
            assert!(self.worker.behind(&mut self.behind, last).await.is_ok());
        }
    }

    fn place(&self) -> Place {
        self.worker.around.cursors.place("away").unwrap()
    }

    /// The log goes up to a commit; what was in it is in chunks.
    fn let_go(&mut self) {
        let last = self.ledger.last_commit();
        let snapshot = linli_ledger::Snapshot {
            commit: last,
            format: 1,
            bytes: Vec::new(),
        };
        let budget = linli_ledger::Budget {
            now: self.clock.now().wall,
            slice: std::time::Duration::from_secs(5),
        };
        while self.ledger.seal(budget, last, Some(&snapshot)).unwrap().more {}
    }

    fn values(&self) -> Vec<u32> {
        let taken = self.target.taken.lock().unwrap();
        let mut all: Vec<u32> = taken.iter().map(|line| value(line)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What happens while the target is written to.
    async fn meanwhile(&mut self, work: impl AsyncFnOnce(&mut Ledger, &watch::Sender<Progress>, &Target)) {
        tokio::select! {
            () = self.worker.run() => panic!("it ended"),
            () = work(&mut self.ledger, &self.progress, &self.target) => {}
        }
    }
}

#[tokio::test]
async fn what_goes_from_the_log_while_only_new_readings_pass_is_filled_in_from_where_it_was_missed() {
    let mut story = Story::new(120);
    story.stands_at(10, 1_100);
    let mut place = story.place();
    place.split(115);
    story.stands(place);
    // New readings are taken, what was missed is not.
    let busy = Verdict::Later {
        code: "busy",
        after: None,
    };
    story.target.says.lock().unwrap().extend([Verdict::Taken, busy]);
    story.rounds(1).await;
    story.let_go();
    story.rounds(20).await;
    let held = story.values();
    // The readings of the hour before are sent again: devices send late.
    assert_eq!(held.len(), 110 + 7, "{held:?}");
    assert_eq!((story.place().missing, story.place().back_fill), (None, None));
}

#[tokio::test]
async fn a_log_that_is_gone_altogether_is_noticed() {
    let mut story = Story::new(20);
    story.stands_at(5, 150);
    story.let_go();
    assert_eq!(story.ledger.reader().unwrap().oldest_logged().unwrap(), None);
    story.rounds(5).await;
    assert_eq!(story.values().len(), 20, "an hour before is sent again");
}

#[test]
fn commits_that_went_between_two_looks_are_missed_aloud() {
    let mut story = Story::new(30);
    let reader = story.ledger.reader().unwrap();
    let mut heads = Heads::default();
    heads.under(&nobody());
    assert_eq!(
        feed::commits(&reader, &mut heads, (0, 30), feed::BATCH)
            .unwrap()
            .unwrap()
            .len(),
        30
    );
    story.let_go();
    assert!(
        feed::commits(&reader, &mut heads, (0, 30), feed::BATCH)
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn readings_a_target_keeps_no_longer_stop_nothing_and_are_counted() {
    let mut story = Story::new(20);
    story.stands_at(0, 190);
    story
        .target
        .says
        .lock()
        .unwrap()
        .push_back(Verdict::TooOld { count: Some(7) });
    story.rounds(2).await;
    assert_eq!(story.place().floor(), 20);
    let lost = &story.metrics.forwarder_lost;
    assert_eq!(lost.with_label_values(&["away", "too_old"]).get(), 7);
    assert_eq!(
        story.metrics.forwarder_sent.with_label_values(&["away"]).get(),
        13
    );
}

#[tokio::test]
async fn a_target_behind_a_thin_line_is_sent_fewer_lines_until_they_come_through() {
    let mut story = Story::new(400);
    story.stands_at(0, 4_000);
    story.target.too_many.store(150, Ordering::SeqCst);
    let mut rounds = 0;
    while story.place().floor() < 400 {
        story.rounds(1).await;
        rounds += 1;
        assert!(rounds < 40, "{:?}", story.place());
    }
    assert_eq!(story.values().len(), 400);
    // When the line is better again, more are tried.
    story.target.too_many.store(0, Ordering::SeqCst);
    let before = story.behind.most;
    for _ in 0..40 {
        let mut place = story.place();
        place.missing = Some((399, 400));
        story.stands(place);
        story.rounds(1).await;
    }
    assert!(story.behind.most > before, "{before}");
}

/// A reading is committed and told.
fn hear(ledger: &mut Ledger, progress: &watch::Sender<Progress>, n: u32) {
    let now = SystemClock::new().now();
    commit(ledger, now, now.wall, n);
    progress.send_modify(|progress| progress.commit = ledger.last_commit());
}

/// A reading is committed and told; the time until the target has taken it.
async fn until_taken(
    ledger: &mut Ledger,
    progress: &watch::Sender<Progress>,
    target: &Target,
    n: u32,
) -> Duration {
    let committed = Instant::now();
    hear(ledger, progress, n);
    target.has_taken(n).await;
    committed.elapsed()
}

/// A hundred readings were missed, and requests with any of them are answered so.
fn old_lines_are_answered(code: &'static str, after: Option<Duration>, takes: u64) -> Story {
    let story = Story::new(120);
    story.stands_at(10, 1_100);
    let verdict = Verdict::Later { code, after };
    *story.target.old.lock().unwrap() = Some((110, verdict, Duration::from_secs(takes)));
    let mut place = story.place();
    place.split(110);
    story.stands(place);
    story
}

#[tokio::test(start_paused = true)]
async fn new_readings_do_not_wait_while_what_was_missed_does_not_go_through() {
    for (code, takes) in [("server_error", 0), (TIMEOUT, 10), ("broken", 0)] {
        let mut story = old_lines_are_answered(code, None, takes);
        story
            .meanwhile(async |ledger, progress, target| {
                for n in 120..240 {
                    let waited = until_taken(ledger, progress, target, n).await;
                    assert!(waited < Duration::from_secs(2), "{code}: {n} waited {waited:?}");
                }
                // Then it goes through, by itself.
                *target.old.lock().unwrap() = None;
                target.has_taken(109).await;
            })
            .await;
        assert_eq!(story.values(), (10..240).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_after_a_while_of_quiet_goes_at_once_and_company_waits_a_second_at_most() {
    let mut story = Story::new(20);
    story.stands_at(20, 0);
    story
        .meanwhile(async |ledger, progress, target| {
            for n in 20..30 {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let waited = until_taken(ledger, progress, target, n).await;
                assert!(waited < Duration::from_millis(100), "{n} waited {waited:?}");
                // It may be one request a second.
                let waited = until_taken(ledger, progress, target, n + 100).await;
                let second = Duration::from_millis(900)..Duration::from_millis(1_100);
                assert!(second.contains(&waited), "{n} waited {waited:?}");
            }
        })
        .await;
}

#[tokio::test]
async fn commits_that_hold_nothing_are_passed_and_say_nothing_of_when() {
    let mut story = Story::new(5);
    story.stands_at(4, 10);
    let last = story.clock.now().wall.as_millis();
    // Places and parked lines are stored so.
    for _ in 0..2 {
        story.pass(MINUTE);
        let nothing = story.ledger.commit(&Batch::at(story.clock.now()));
        nothing.unwrap();
    }
    let newest = story.ledger.last_commit();
    story.progress.send_modify(|progress| progress.commit = newest);
    story.rounds(3).await;
    let place = story.place();
    assert_eq!((place.live, place.missing), (newest.0, None));
    assert_eq!((place.at, story.values()), (last, vec![4]));
}

/// Readings come one by one to a target that refuses each of them. How many are left out of it for good.
async fn refused_one_by_one(story: &mut Story, values: std::ops::Range<u32>) -> u32 {
    let refused = Verdict::Refused {
        code: "refused",
        said: "this is no store".into(),
    };
    *story.target.old.lock().unwrap() = Some((u32::MAX, refused, Duration::ZERO));
    for n in values {
        story.hears(n..n + 1, 0);
        story.rounds(1).await;
    }
    story.worker.around.cursors.shown()[0]
        .1
        .parked
        .try_into()
        .unwrap()
}

#[tokio::test]
async fn a_target_that_refuses_everything_is_at_fault_though_lines_come_one_by_one() {
    let mut story = Story::new(1);
    story.stands_at(1, 0);
    let parked = refused_one_by_one(&mut story, 1..200).await;
    assert!(
        parked <= 64,
        "{parked} lines are given up, and the target is at fault"
    );
    // It is a store again: nothing more is missing.
    *story.target.old.lock().unwrap() = None;
    story.rounds(20).await;
    assert_eq!(story.values().len() as u32, 199 - parked);
}

#[tokio::test]
async fn many_lines_in_a_row_that_are_bad_are_parked_while_others_are_taken() {
    let mut story = Story::new(1);
    story.stands_at(1, 0);
    // More of them than one may be suspicious of, and then good ones.
    refused_one_by_one(&mut story, 1..150).await;
    let refused = Verdict::Refused {
        code: "refused",
        said: "field type conflict".into(),
    };
    *story.target.old.lock().unwrap() = Some((150, refused, Duration::ZERO));
    for n in 150..170 {
        story.hears(n..n + 1, 0);
        story.rounds(3).await;
    }
    assert_eq!(story.values(), (150..170).collect::<Vec<_>>());
    assert_eq!(story.worker.around.cursors.shown()[0].1.parked, 149);
    assert_eq!(story.place().floor(), story.place().live);
}

#[tokio::test(start_paused = true)]
async fn when_one_lane_goes_through_again_the_other_does_not_wait_out_its_pause() {
    let mut story = old_lines_are_answered("server_error", None, 0);
    story
        .meanwhile(async |ledger, progress, target| {
            // Old lines are tried again at 92 s and what is new, refused later, at 113 s.
            tokio::time::sleep(Duration::from_secs(20)).await;
            if let Some((below, ..)) = &mut *target.old.lock().unwrap() {
                *below = u32::MAX;
            }
            hear(ledger, progress, 120);
            tokio::time::sleep(Duration::from_secs(60)).await;
            *target.old.lock().unwrap() = None;
            let back = Instant::now();
            target.has_taken(120).await;
            assert!(back.elapsed() < Duration::from_secs(15), "{:?}", back.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_wants_to_be_left_alone_is_by_both_lanes() {
    let pause = Duration::from_secs(30);
    for (code, after) in [(BUSY, Some(pause)), ("server_error", Some(pause))] {
        let mut story = old_lines_are_answered(code, after, 0);
        story
            .meanwhile(async |ledger, progress, target| {
                until_taken(ledger, progress, target, 120).await;
                // It has asked for the pause at the latest now.
                let waited = until_taken(ledger, progress, target, 121).await;
                assert!(waited > pause / 2, "{code}: {waited:?}");
            })
            .await;
    }
}

#[tokio::test]
async fn what_was_missed_while_the_clock_was_years_ahead_is_filled_in_from_where_it_was_missed() {
    let ahead = 3_650 * DAY;
    let mut story = Story::new(1);
    story.set(ahead);
    story.stands_at(1, 0);
    story.is_away(true);
    story.hears(1..40, 0);
    story.rounds(1).await;
    story.set(-ahead);
    story.rounds(1).await;
    story.hears(40..80, 0);
    story.rounds(1).await;
    story.let_go();
    story.is_away(false);
    story.rounds(20).await;
    let held = story.values();
    assert!((1..80).all(|n| held.contains(&n)), "{held:?}");
    assert_eq!(story.place().back_fill, None);
}

#[tokio::test]
async fn what_devices_dated_by_a_right_clock_is_filled_in_though_the_gateways_was_days_ahead() {
    let ahead = 3 * DAY;
    let mut story = Story::new(1);
    story.set(ahead);
    story.stands_at(1, 0);
    story.is_away(true);
    story.hears(1..40, -ahead);
    story.rounds(1).await;
    story.set(-ahead);
    story.rounds(1).await;
    story.pass(8 * DAY);
    story.hears(40..80, 0);
    story.rounds(1).await;
    story.let_go();
    story.is_away(false);
    story.rounds(20).await;
    let held = story.values();
    assert!((1..80).all(|n| held.contains(&n)), "{held:?}");
}
