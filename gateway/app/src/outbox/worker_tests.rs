//! The worker over a real ledger: time is virtual, the pipeline is a task that commits what it is handed.

use super::*;
use crate::clock::Clock;
use crate::outbox::flights::NO_CHANNEL;
use crate::outbox::wecom::Card;
use crate::outbox::{Message, Send};
use crate::pipeline::Arrival;
use async_trait::async_trait;
use linli_domain::estate::Estate;
use linli_domain::id::CommitId;
use linli_domain::text::Language;
use linli_domain::time::{BootId, Monotonic};
use linli_ledger::DeliveryState;
use linli_ledger::{Batch, Ledger, NewDelivery, Options};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::TryRecvError;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Tokio's clock as ours, so that pausing the one pauses the other.
#[derive(Debug)]
struct TestClock {
    began: Instant,
    /// By how many seconds the wall clock was set back.
    back: Arc<AtomicU64>,
}

/// How often the committing task looks for requests.
const ROUND: Duration = Duration::from_millis(500);
const EPOCH: i64 = 1_700_000_000_000;

impl Clock for TestClock {
    fn now(&self) -> Now {
        let passed = self.began.elapsed();
        let back = Duration::from_secs(self.back.load(SeqCst));
        Now {
            wall: Timestamp::from_millis(EPOCH).plus(passed).minus(back),
            monotonic: Monotonic(1000).plus(passed),
            boot: BootId(1),
            trusted: true,
        }
    }
}

/// A channel that answers from a script, then delivers, and remembers when it was asked to say what.
#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<VecDeque<Outcome>>,
    said: Mutex<Vec<(Instant, String, String)>>,
    asked: Notify,
    /// Holds every attempt back until it is released.
    gate: Option<Arc<Notify>>,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(script.into_iter().collect()),
            ..Self::default()
        })
    }
    fn ids(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap()
            .iter()
            .map(|(_, id, _)| id.clone())
            .collect()
    }
    fn times(&self) -> Vec<Instant> {
        self.said.lock().unwrap().iter().map(|(at, ..)| *at).collect()
    }
    fn texts(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap()
            .iter()
            .map(|(.., text)| text.clone())
            .collect()
    }
}

#[async_trait]
impl Send for Scripted {
    async fn send(&self, message: Message<'_>, _: Now) -> Outcome {
        let text = String::from_utf8_lossy(message.payload).into_owned();
        self.said
            .lock()
            .unwrap()
            .push((Instant::now(), message.id.to_owned(), text));
        self.asked.notify_one();
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let next = self.script.lock().unwrap().pop_front();
        next.unwrap_or(Outcome::Delivered { provider_id: None })
    }
}

/// A house with a ledger, a committing task, and a worker.
struct House {
    folder: tempfile::TempDir,
    door: Door,
    progress: watch::Sender<Progress>,
    clock: SharedClock,
    set_back: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    committed: Arc<Notify>,
    /// While this is set, results are refused.
    broken: Arc<AtomicBool>,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let set_back: Arc<AtomicU64> = Arc::default();
        let clock: SharedClock = Arc::new(TestClock {
            began: Instant::now(),
            back: Arc::clone(&set_back),
        });
        let (door, inbox) = crate::pipeline::open(Vec::new());
        let document = "id = \"e1\"\nname = { zh = \"一\", en = \"One\" }\n";
        let estate = Arc::new(Estate::resolve(Arc::new(toml::from_str(document).unwrap())).unwrap());
        let (progress, _) = watch::channel(Progress::new(&estate));
        let committed = Arc::new(Notify::new());
        let broken = Arc::new(AtomicBool::new(false));
        let mut ledger = Ledger::open(folder.path(), &Options::default()).unwrap();
        let (sender, signal, fails, time) = (
            progress.clone(),
            Arc::clone(&committed),
            Arc::clone(&broken),
            Arc::clone(&clock),
        );
        let began = time.now();
        // On the same thread as everything else, so that virtual time stands still while it commits.
        tokio::spawn(async move {
            let mut commit = |deliveries: &[NewDelivery], updates: &[DeliveryUpdate]| -> CommitId {
                let batch = Batch {
                    deliveries,
                    delivery_updates: updates,
                    ..Batch::at(began)
                };
                ledger.commit(&batch).unwrap()
            };
            loop {
                let request = match inbox.arrivals.try_recv() {
                    Ok(Arrival::Request(request, _)) => request,
                    Err(TryRecvError::Empty) => {
                        tokio::time::sleep(ROUND).await;
                        continue;
                    }
                    Ok(_) | Err(TryRecvError::Disconnected) => return,
                };
                let (grew, id, reply) = match request {
                    Request::Deliveries(_, reply) if fails.load(SeqCst) => {
                        let _ = reply.send(Err(Failed::Store("disk full".into())));
                        continue;
                    }
                    Request::Deliveries(updates, reply) => (false, commit(&[], &updates), reply),
                    Request::Notify(messages, reply) => (true, commit(&messages, &[]), reply),
                    _ => return,
                };
                let _ = reply.send(Ok(()));
                sender.send_modify(|p| (p.outbox, p.commit) = (grew, id));
                signal.notify_one();
            }
        });
        Self {
            folder,
            door,
            progress,
            clock,
            set_back,
            metrics: Metrics::new().unwrap(),
            committed,
            broken,
            stop: CancellationToken::new(),
            task: None,
        }
    }

    fn reader(&self) -> Reader {
        Reader::open(self.folder.path()).unwrap()
    }

    fn start(&mut self, outlets: Vec<Outlet>) {
        self.start_after(None, outlets);
    }

    /// Starts it on a ledger whose last step was at `saved`.
    fn start_after(&mut self, saved: Option<Now>, outlets: Vec<Outlet>) {
        let mut worker = Worker::new(
            self.reader(),
            self.door.clone(),
            self.progress.subscribe(),
            Arc::clone(&self.clock),
            Arc::clone(&self.metrics),
            outlets,
        );
        worker.looked = saved;
        self.task = Some(tokio::spawn(worker.run(self.stop.clone())));
    }

    async fn put(&self, messages: Vec<NewDelivery>) {
        self.door
            .ask(|reply| Request::Notify(messages, reply))
            .await
            .unwrap()
            .unwrap();
    }

    /// Waits until delivery `id` is in `state`; looks after every commit.
    async fn until(&self, id: i64, state: DeliveryState) -> Delivery {
        loop {
            let delivery = self.reader().delivery(id).unwrap().unwrap();
            if delivery.state == state {
                return delivery;
            }
            self.committed.notified().await;
        }
    }

    async fn stop(&mut self) {
        std::mem::take(&mut self.stop).cancel();
        self.task.take().unwrap().await.unwrap();
    }

    async fn shut(mut self) {
        self.stop().await;
    }
}

fn event(n: u32, priority: &str) -> NewDelivery {
    let at = Timestamp::from_millis(EPOCH);
    NewDelivery {
        channel: "cmms".into(),
        subject_kind: "order".into(),
        subject: format!("WO-{n}"),
        payload: format!(r#"{{"id":"e1_WO-{n}","data":{{"priority":"{priority}"}}}}"#).into_bytes(),
        idempotency: format!("cmms/e1_WO-{n}"),
        created: at,
        next_at: at,
    }
}

fn group(n: u32, priority: &str) -> NewDelivery {
    let card = Card {
        language: Language::Zh,
        priority: priority.into(),
        title: format!("标题{n}"),
        text: format!("正文{n}"),
        calls: Vec::new(),
    };
    NewDelivery {
        channel: "group".into(),
        payload: serde_json::to_vec(&card).unwrap(),
        idempotency: format!("group/e1_WO-{n}"),
        ..event(n, priority)
    }
}

fn retry() -> Outcome {
    Outcome::retry("http_500")
}

fn cmms(sender: &Arc<Scripted>) -> Outlet {
    Outlet::webhook("cmms".into(), Arc::clone(sender) as Arc<dyn Send>)
}

fn robot(sender: &Arc<Scripted>) -> Outlet {
    Outlet::robot("group".into(), Arc::clone(sender) as Arc<dyn Send>)
}

fn between(times: &[Instant], pause: u64) -> bool {
    let passed = (times[1] - times[0]).as_secs_f64();
    // A tenth of chance, a second of looking, and two rounds of the committing task.
    passed >= pause as f64 - 0.01 && passed <= pause as f64 * 1.1 + 2.1
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_repeated_under_the_same_id_until_it_is_delivered() {
    let mut house = House::new();
    let hook = Scripted::new([retry(), retry()]);
    house.start(vec![cmms(&hook)]);
    house.put(vec![event(1, "P2")]).await;
    let delivered = house.until(1, DeliveryState::Delivered).await;
    assert_eq!((delivered.attempts, delivered.last_error), (3, None));
    assert_eq!(hook.ids(), ["e1_WO-1"; 3]);
    let texts = hook.texts();
    assert!(texts.iter().all(|text| *text == texts[0]), "the body changed");
    let times = hook.times();
    assert!(
        between(&times[0..2], 5) && between(&times[1..3], 300),
        "{times:?}"
    );
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn another_system_hears_of_one_order_in_the_order_in_which_it_happened() {
    let mut house = House::new();
    let hook = Arc::new(Scripted {
        gate: Some(Arc::default()),
        ..Scripted::default()
    });
    house.start(vec![cmms(&hook)]);
    let later = NewDelivery {
        idempotency: "cmms/e1_WO-1_later".into(),
        ..event(1, "P1")
    };
    house.put(vec![event(1, "P3"), later, event(2, "P3")]).await;
    while hook.ids().len() < 2 {
        hook.asked.notified().await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(
        hook.ids(),
        ["e1_WO-1", "e1_WO-2"],
        "the later one waits for the earlier one"
    );
    hook.gate.as_ref().unwrap().notify_waiters();
    while hook.ids().len() < 3 {
        hook.asked.notified().await;
    }
    assert_eq!(hook.ids()[2], "e1_WO-1_later");
    hook.gate.as_ref().unwrap().notify_one();
    house.until(2, DeliveryState::Delivered).await;
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut house = House::new();
    let hook = Scripted::new([retry(), retry()]);
    house.start(vec![cmms(&hook)]);
    house.put(vec![event(1, "P1")]).await;
    while hook.times().len() < 2 {
        house.committed.notified().await;
    }
    house.set_back.store(7_200, SeqCst);
    house.until(1, DeliveryState::Delivered).await;
    let times = hook.times();
    assert!(between(&times[1..3], 300), "{times:?}");
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn neither_does_one_that_was_set_back_while_the_program_did_not_run() {
    for same_boot in [true, false] {
        let mut house = House::new();
        let hook = Scripted::new([retry(), retry()]);
        house.start(vec![cmms(&hook)]);
        house.put(vec![event(1, "P1")]).await;
        while hook.times().len() < 2 {
            house.committed.notified().await;
        }
        house.stop().await;
        let mut saved = house.clock.now();
        if !same_boot {
            saved.boot = BootId(0);
        }
        house.set_back.store(7_200, SeqCst);
        house.start_after(Some(saved), vec![cmms(&hook)]);
        house.until(1, DeliveryState::Delivered).await;
        let times = hook.times();
        assert!(between(&times[1..3], 300), "{times:?}");
        house.shut().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_attempts_a_delivery_is_dead_and_can_be_sent_again() {
    let mut house = House::new();
    let hook = Scripted::new(std::iter::repeat_n(retry(), 10));
    house.start(vec![cmms(&hook)]);
    house.put(vec![event(1, "P3")]).await;
    let dead = house.until(1, DeliveryState::Dead).await;
    assert_eq!(
        (dead.attempts, dead.last_error.as_deref()),
        (10, Some("http_500"))
    );
    let times = hook.times();
    let days = (times[9] - times[0]).as_secs_f64() / 86_400.0;
    assert!(days > 3.1 && days < 3.6, "{days} days");
    let again = DeliveryUpdate {
        id: 1,
        state: DeliveryState::Pending,
        attempts: 0,
        next_at: house.clock.now().wall,
        last_error: None,
        delivered_at: None,
    };
    house
        .door
        .ask(|reply| Request::Deliveries(vec![again], reply))
        .await
        .unwrap()
        .unwrap();
    house.until(1, DeliveryState::Delivered).await;
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_at_a_crash_is_sent_again_under_the_same_id() {
    let mut house = House::new();
    let stuck = Arc::new(Scripted {
        gate: Some(Arc::new(Notify::new())),
        ..Scripted::default()
    });
    house.start(vec![cmms(&stuck)]);
    house.put(vec![event(1, "P1")]).await;
    stuck.asked.notified().await;
    house.task.take().unwrap().abort();

    let hook = Scripted::new([]);
    house.start(vec![cmms(&hook)]);
    let delivered = house.until(1, DeliveryState::Delivered).await;
    assert_eq!(delivered.attempts, 1);
    assert_eq!(stuck.ids(), hook.ids());
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn urgent_messages_go_first_and_a_slow_channel_holds_up_nobody() {
    let mut house = House::new();
    let stuck = Arc::new(Scripted {
        gate: Some(Arc::new(Notify::new())),
        ..Scripted::default()
    });
    let group_chat = Scripted::new([]);
    house
        .put(vec![
            event(1, "P3"),
            group(2, "P3"),
            group(3, "P2"),
            group(4, "P1"),
        ])
        .await;
    house.start(vec![cmms(&stuck), robot(&group_chat)]);
    for id in [2, 3, 4] {
        house.until(id, DeliveryState::Delivered).await;
    }
    assert_eq!(group_chat.ids(), ["e1_WO-4", "e1_WO-3", "e1_WO-2"]);
    assert_eq!(stuck.ids(), ["e1_WO-1"]);
    house.stop.cancel();
    house.task.take().unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_storm_becomes_a_digest_and_critical_messages_stay_single() {
    let mut house = House::new();
    let group_chat = Scripted::new([]);
    let mut storm: Vec<NewDelivery> = (1..=40).map(|n| group(n, "P3")).collect();
    storm.push(group(41, "P1"));
    house.put(storm).await;
    house.start(vec![robot(&group_chat)]);
    for id in 1..=41 {
        house.until(id, DeliveryState::Delivered).await;
    }
    let texts = group_chat.texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("正文41"), "{}", texts[0]);
    assert!(texts[1].contains("汇总：40 条消息"), "{}", texts[1]);
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn a_robot_never_hears_more_than_twenty_in_a_minute() {
    let mut house = House::new();
    let group_chat = Scripted::new([]);
    house.put((1..=60).map(|n| group(n, "P1")).collect()).await;
    house.start(vec![robot(&group_chat)]);
    for id in 1..=60 {
        house.until(id, DeliveryState::Delivered).await;
    }
    let times = group_chat.times();
    assert_eq!(times.len(), 60);
    let minute = Duration::from_secs(60);
    for window in times.windows(21) {
        assert!(window[20] - window[0] >= minute, "{window:?}");
    }
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_not_asked_for_every_message() {
    let mut house = House::new();
    let gone = || Outcome::Permanent {
        code: "http_410".into(),
        gone: true,
    };
    let hook = Scripted::new(std::iter::repeat_n(gone(), 4));
    house.start(vec![cmms(&hook)]);
    house.put(vec![event(1, "P3")]).await;
    house.until(1, DeliveryState::Dead).await;
    house.put((2..=20).map(|n| event(n, "P3")).collect()).await;
    let dead = house.until(20, DeliveryState::Dead).await;
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (0, Some("http_410")));
    assert_eq!(hook.ids().len(), 1);
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_without_a_channel_is_dead_and_says_so() {
    let mut house = House::new();
    house.start(Vec::new());
    house.put(vec![event(1, "P3")]).await;
    let dead = house.until(1, DeliveryState::Dead).await;
    assert_eq!(dead.last_error.as_deref(), Some(NO_CHANNEL));
    house.shut().await;
}

#[tokio::test(start_paused = true)]
async fn while_results_cannot_be_stored_nothing_is_said_twice() {
    let mut house = House::new();
    let hook = Scripted::new([]);
    house.broken.store(true, SeqCst);
    house.start(vec![cmms(&hook)]);
    house.put(vec![event(1, "P1")]).await;
    hook.asked.notified().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(hook.ids(), ["e1_WO-1"]);
    house.broken.store(false, SeqCst);
    house.until(1, DeliveryState::Delivered).await;
    assert_eq!(hook.ids(), ["e1_WO-1"]);
    house.shut().await;
}
