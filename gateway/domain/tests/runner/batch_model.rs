//! Batch orders against a plain, slow model of their tables: seconds are counted one by one, and after every reading,
//! command, loss and restart the orders and tasks of both are the same. `LINLI_SEED=17` tells that history alone.

use crate::estate_test::{EstateTest, actor};
use crate::yard::yard;
use linli_domain::command::{Action, ActorRole};
use linli_domain::engine::Input;
use linli_domain::order::{Order, OverrideReason};
use linli_domain::reading::{Quality, Reason, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 120;
const STEPS: usize = 250;
const BINS: usize = 4;
const ON: u64 = 20;
const OFF: u64 = 15;
const HOLD: u64 = 10;
const GRACE: u64 = 90;
const WAIT: u64 = 30;
const JOINS: u64 = 600;

fn estate() -> String {
    let rest = format!(
        r#"
[silence]
default = "300d"
[[rules]]
id = "full"
class = "full"
fault = "full"
measure = "bin.full"
applies_to = {{ kind = "bin" }}
when = {{ state = true }}
on_delay = "{ON}s"
off_delay = "{OFF}s"
priority = "P3"
cause = {{ zh = "投放多", en = "Much waste" }}
consequence = {{ zh = "垃圾落地", en = "Waste on the ground" }}
response = {{ zh = "清运", en = "Empty it" }}
order = {{ role = "cleaning", profile = "bin", batch = true }}
[[order_profiles]]
id = "bin"
name = {{ zh = "清运", en = "Emptying" }}
verify = {{ hold = "{HOLD}s", grace = "{GRACE}s" }}
auto_close = true
"#
    );
    yard(BINS, &rest)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Full,
    Empty,
    Lost,
}

/// What the rule knows of one lid; seconds that are left of a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Normal,
    Pending(u64),
    Active,
    Clearing(u64),
    Unknown { raised: bool, left: Option<u64> },
}

#[derive(Debug, Clone)]
struct Bin {
    watch: Watch,
    /// When a good reading came last, if the last one was good.
    heard: Option<u64>,
    /// When its alarm was raised last, and how often lately: too often stretches its off-delay.
    raised_at: u64,
    activations: Vec<u64>,
    flaps: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Off,
    Running(u64),
    Paused(u64),
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Open {
        from: u64,
        grace: Option<u64>,
        hold: Hold,
    },
    Ended,
}

#[derive(Debug, Clone)]
struct Job {
    state: &'static str,
    joins: u64,
    tasks: Vec<(usize, Task, u32)>,
}

#[derive(Debug)]
struct Model {
    second: u64,
    /// Seconds the machine was off: only evidence, which is compared by the wall clock, knows of them.
    off: u64,
    bins: Vec<Bin>,
    /// Seconds left, and who waits.
    gathering: Option<(u64, BTreeSet<usize>)>,
    jobs: BTreeMap<u64, Job>,
    next: u64,
    reached: BTreeMap<&'static str, u32>,
}

impl Model {
    fn new() -> Self {
        let bin = Bin {
            watch: Watch::Unknown {
                raised: false,
                left: None,
            },
            heard: None,
            raised_at: 0,
            activations: Vec::new(),
            flaps: false,
        };
        Self {
            second: 0,
            off: 0,
            bins: vec![bin; BINS],
            gathering: None,
            jobs: BTreeMap::new(),
            next: 1,
            reached: BTreeMap::new(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let jobs = self.jobs.values();
        jobs.map(|job| {
            let tasks = job.tasks.iter().map(|(bin, task, again)| {
                let state = if *task == Task::Ended { "ended" } else { "open" };
                format!("bin-{bin} {state} {again}")
            });
            format!("{}: {}", job.state, tasks.collect::<Vec<_>>().join(", "))
        })
        .collect()
    }

    fn wall(&self) -> u64 {
        self.second + self.off
    }

    fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// One second passes: every delay is a second shorter; lids first, then what gathers, then orders.
    fn second(&mut self) {
        self.second += 1;
        let less = |left: &mut u64| *left = left.saturating_sub(1);
        for job in self.jobs.values_mut() {
            less(&mut job.joins);
            for (_, task, _) in &mut job.tasks {
                if let Task::Open { grace, hold, .. } = task {
                    grace.iter_mut().for_each(less);
                    if let Hold::Running(left) = hold {
                        less(left);
                    }
                }
            }
        }
        if let Some((left, _)) = &mut self.gathering {
            less(left);
        }
        for bin in 0..BINS {
            let before = &mut self.bins[bin];
            let (watch, raised) = match before.watch {
                Watch::Pending(1) => (Watch::Active, true),
                Watch::Pending(left) => (Watch::Pending(left - 1), false),
                Watch::Clearing(1) => (Watch::Normal, false),
                Watch::Clearing(left) => (Watch::Clearing(left - 1), false),
                other => (other, false),
            };
            let moved = matches!(before.watch, Watch::Pending(1) | Watch::Clearing(1));
            before.watch = watch;
            if moved {
                self.follow(bin, raised, raised);
            }
        }
        if self.gathering.as_ref().is_some_and(|(left, _)| *left == 0) {
            self.open();
        }
        for number in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.review(number, None, false);
        }
        for bin in &mut self.bins {
            let last = bin.activations.last().copied().unwrap_or_default();
            if bin.flaps && self.second - last >= 3_600 {
                (bin.flaps, bin.activations) = (false, Vec::new());
            }
        }
    }

    fn says(&mut self, bin: usize, say: Say) {
        let wall = self.wall();
        let known = &mut self.bins[bin];
        known.heard = (say != Say::Lost).then_some(wall);
        let off = if known.flaps { 4 * OFF } else { OFF };
        let raised_before = matches!(
            known.watch,
            Watch::Active | Watch::Clearing(_) | Watch::Unknown { raised: true, .. }
        );
        let (next, raised, again) = match (known.watch, say) {
            (watch, Say::Lost) => {
                let left = match watch {
                    Watch::Pending(left) | Watch::Clearing(left) => Some(left),
                    Watch::Unknown { left, .. } => left,
                    Watch::Normal | Watch::Active => None,
                };
                let raised = raised_before;
                (Watch::Unknown { raised, left }, false, false)
            }
            (Watch::Normal, Say::Full) => (Watch::Pending(ON), false, false),
            (Watch::Unknown { raised: false, left }, Say::Full) => {
                (Watch::Pending(left.unwrap_or(ON)), false, false)
            }
            (Watch::Clearing(_), Say::Full) => (Watch::Active, false, true),
            (Watch::Unknown { raised: true, left }, Say::Full) => (Watch::Active, false, left.is_some()),
            (watch @ (Watch::Pending(_) | Watch::Active), Say::Full) => (watch, false, false),
            (Watch::Active, Say::Empty) => (Watch::Clearing(off), false, false),
            (Watch::Unknown { raised: true, left }, Say::Empty) => {
                (Watch::Clearing(left.unwrap_or(off)), false, false)
            }
            (watch @ Watch::Clearing(_), Say::Empty) => (watch, false, false),
            (_, Say::Empty) => (Watch::Normal, false, false),
        };
        let moved = next != known.watch;
        known.watch = next;
        if moved {
            self.follow(bin, raised, again);
        }
        self.look_at(bin, false);
    }

    fn follow(&mut self, bin: usize, raised: bool, activated: bool) {
        let now = self.second;
        if raised {
            self.bins[bin].raised_at = self.wall();
            if self.job_of(bin).is_none() {
                self.gather(bin);
            }
        }
        let known = &mut self.bins[bin];
        if activated {
            known.activations.push(now);
            let within = |span: u64| known.activations.iter().filter(|at| now - **at <= span).count();
            known.flaps |= within(60) >= 3 || within(1_800) >= 5;
        }
        self.look_at(bin, raised);
    }

    fn job_of(&self, bin: usize) -> Option<u64> {
        let has = |job: &Job| job.tasks.iter().any(|(of, _, _)| *of == bin);
        self.jobs
            .iter()
            .find(|(_, job)| has(job))
            .map(|(number, _)| *number)
    }

    fn look_at(&mut self, bin: usize, raised: bool) {
        if let Some(number) = self.job_of(bin) {
            self.review(number, Some(bin), raised);
        }
    }

    fn begun(&self, bin: usize) -> (usize, Task, u32) {
        let task = Task::Open {
            from: self.bins[bin].raised_at,
            grace: None,
            hold: Hold::Off,
        };
        (bin, task, 0)
    }

    fn gather(&mut self, bin: usize) {
        let begun = self.begun(bin);
        let mut newest_first = self.jobs.values_mut().rev();
        let joinable = newest_first.find(|job| job.joins > 0 && job.state != "pending_verification");
        if let Some(job) = joinable {
            job.tasks.push(begun);
            self.reach("joined");
            return;
        }
        let (_, waiting) = self.gathering.get_or_insert_with(|| (WAIT, BTreeSet::new()));
        waiting.insert(bin);
    }

    fn open(&mut self) {
        let (_, waiting) = self.gathering.take().unwrap();
        let goes_on = |bin: &usize| !matches!(self.bins[*bin].watch, Watch::Normal);
        let mut members: Vec<usize> = waiting.into_iter().filter(goes_on).collect();
        members.sort_by_key(|bin| self.bins[*bin].raised_at);
        if members.is_empty() {
            self.reach("all over before it opened");
            return;
        }
        let tasks = members.iter().map(|bin| self.begun(*bin)).collect();
        let job = Job {
            state: "dispatched",
            joins: JOINS,
            tasks,
        };
        self.jobs.insert(self.next, job);
        self.next += 1;
        self.review(self.next - 1, None, false);
    }

    /// One task as the table of verification says: how far it is now, whether it is proven, whether it is wrong.
    fn seek(&self, bin: usize, from: u64, grace: Option<u64>, hold: Hold) -> (Task, bool, bool) {
        let known = &self.bins[bin];
        let (wrong, pending) = (
            known.watch == Watch::Active,
            matches!(known.watch, Watch::Pending(_)),
        );
        let right = matches!(known.watch, Watch::Normal | Watch::Clearing(_));
        let proven = right && known.heard.is_some_and(|at| at > from);
        let grace = grace.filter(|left| *left > 0);
        let hold = match hold {
            _ if wrong || pending => Hold::Off,
            Hold::Running(left) if !right => Hold::Paused(left),
            held if !right => held,
            Hold::Off if proven => Hold::Running(HOLD),
            Hold::Paused(left) if proven => Hold::Running(left),
            Hold::Running(0) => Hold::Over,
            held => held,
        };
        let hold = if hold == Hold::Running(0) {
            Hold::Over
        } else {
            hold
        };
        let ok = hold == Hold::Over && known.watch == Watch::Normal && proven;
        (Task::Open { from, grace, hold }, ok, wrong && grace.is_none())
    }

    fn review(&mut self, number: u64, only: Option<usize>, raised: bool) {
        let Some(mut job) = self.jobs.get(&number).cloned() else {
            return;
        };
        let mut wrong = raised;
        for (bin, task, again) in &mut job.tasks {
            if only.is_some_and(|only| only != *bin) {
                continue;
            }
            match *task {
                Task::Open { from, grace, hold } => {
                    let (next, ok, bad) = self.seek(*bin, from, grace, hold);
                    *task = if ok { Task::Ended } else { next };
                    wrong |= bad;
                }
                Task::Ended if self.bins[*bin].watch == Watch::Active => {
                    let from = self.wall();
                    *task = Task::Open {
                        from,
                        grace: None,
                        hold: Hold::Off,
                    };
                    *again += 1;
                    wrong = true;
                    self.reach("opened again");
                }
                Task::Ended => {}
            }
        }
        let ended = job.tasks.iter().all(|(_, task, _)| *task == Task::Ended);
        let over = match job.state {
            "pending_verification" if wrong => {
                job.state = "in_progress";
                self.reach("sent back");
                false
            }
            "pending_verification" => ended,
            "dispatched" | "accepted" => ended,
            _ => false,
        };
        if over {
            let how = if job.state == "pending_verification" {
                "verified"
            } else {
                "self-cleared"
            };
            self.reach(how);
            self.jobs.remove(&number);
        } else {
            self.jobs.insert(number, job);
        }
    }

    /// The next step of the n-th order, by whoever may take it.
    fn works(&mut self, n: usize) {
        let Some(number) = self.jobs.keys().copied().nth(n) else {
            return;
        };
        let wall = self.wall();
        let job = self.jobs.get_mut(&number).unwrap();
        match job.state {
            "dispatched" => job.state = "accepted",
            "accepted" => job.state = "in_progress",
            "in_progress" => {
                job.state = "pending_verification";
                for (bin, task, _) in &mut job.tasks {
                    let right = matches!(self.bins[*bin].watch, Watch::Normal | Watch::Clearing(_));
                    if let Task::Open { from, grace, hold } = task {
                        *from = wall;
                        *grace = Some(GRACE);
                        *hold = if right { Hold::Running(HOLD) } else { Hold::Off };
                    }
                }
            }
            _ => return,
        }
        // Beginning the work looks at nothing.
        if self.jobs[&number].state != "in_progress" {
            self.review(number, None, false);
        }
    }

    fn overrides(&mut self, n: usize) {
        let number = self.jobs.keys().copied().nth(n);
        let number = number.filter(|number| self.jobs[number].state == "pending_verification");
        if let Some(number) = number {
            self.jobs.remove(&number);
            self.reach("overridden");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    Wait(u64),
    Says(usize, Say),
    Works(usize),
    Overrides(usize),
    Restart,
    Reboot,
}

/// A small generator of its own, so that a seed is the same history for ever.
fn below(state: &mut u64, end: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from((*state >> 33) % end as u64).unwrap()
}

fn happening(dice: &mut u64) -> Happening {
    let bin = below(dice, BINS);
    match below(dice, 40) {
        0..7 => Happening::Wait(1 + below(dice, 12) as u64),
        7..13 => Happening::Wait(15 + below(dice, 40) as u64),
        13 => Happening::Wait(60 + below(dice, 700) as u64),
        14..20 => Happening::Says(bin, Say::Full),
        20..27 => Happening::Says(bin, Say::Empty),
        27 => Happening::Says(bin, Say::Lost),
        28..37 => Happening::Works(below(dice, 2)),
        37 => Happening::Overrides(below(dice, 2)),
        38 => Happening::Restart,
        _ => Happening::Reboot,
    }
}

/// The batch orders; that a lid flaps is a job of another kind.
fn orders(test: &EstateTest) -> Vec<Arc<Order>> {
    let batches = test.engine.orders().filter(|order| order.batch.is_some());
    batches.cloned().collect()
}

fn happens(test: &mut EstateTest, happening: Happening) {
    match happening {
        Happening::Wait(seconds) => {
            test.wait(&format!("{seconds}s"));
            test.input(Input::Tick).reply.unwrap();
        }
        Happening::Says(bin, say) => {
            let quality = match say {
                Say::Lost => Quality::Bad(Reason::CommTimeout),
                Say::Full | Say::Empty => Quality::Good,
            };
            let point = format!("lid-{bin}/bin.full");
            test.reads(&point, Value::State(say == Say::Full), "0s", quality);
        }
        Happening::Works(n) => {
            let Some(seen) = orders(test).get(n).cloned() else {
                return;
            };
            let (order, version) = (seen.id, seen.version);
            let action = match seen.state.name() {
                "dispatched" => Action::Accept { order, version },
                "accepted" => Action::Start { order, version },
                "in_progress" => Action::Complete {
                    order,
                    version,
                    note: None,
                },
                _ => return,
            };
            test.act(actor("A", ActorRole::Staff), action).unwrap();
        }
        Happening::Overrides(n) => {
            let Some(seen) = orders(test).get(n).cloned() else {
                return;
            };
            if seen.state.name() == "pending_verification" {
                let action = Action::Override {
                    order: seen.id,
                    version: seen.version,
                    reason: OverrideReason::Test,
                    note: "because".into(),
                };
                test.act(actor("M", ActorRole::Manager), action).unwrap();
            }
        }
        Happening::Restart => {
            let before = (test.engine.dump(), test.engine.next_wake());
            test.engine = linli_domain::Engine::restore(&test.engine.snapshot().unwrap()).unwrap();
            assert_eq!((test.engine.dump(), test.engine.next_wake()), before);
        }
        Happening::Reboot => drop(test.reboot("3h")),
    }
}

fn models(model: &mut Model, happening: Happening) {
    match happening {
        Happening::Wait(seconds) => (0..seconds).for_each(|_| model.second()),
        Happening::Says(bin, say) => model.says(bin, say),
        Happening::Works(n) => model.works(n),
        Happening::Overrides(n) => model.overrides(n),
        Happening::Restart => {}
        Happening::Reboot => model.off += 3 * 3_600,
    }
}

fn lines(test: &EstateTest) -> Vec<String> {
    let lines = orders(test).into_iter().map(|order| {
        let tasks = order
            .tasks()
            .iter()
            .map(|t| format!("{} {} {}", t.asset, t.state.name(), t.reopened));
        format!("{}: {}", order.state, tasks.collect::<Vec<_>>().join(", "))
    });
    lines.collect()
}

#[test]
fn batches_and_their_model_never_disagree() {
    let one = std::env::var("LINLI_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = one.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut reached: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in seeds {
        let mut dice = seed;
        let mut test = EstateTest::with(&estate());
        for bin in 0..BINS {
            test.point(&format!("lid-{bin}/bin.full"));
        }
        let mut model = Model::new();
        for step in 0..STEPS {
            let happening = happening(&mut dice);
            // A history told alone is compared every second of a wait.
            let parts = match (one, happening) {
                (Some(_), Happening::Wait(seconds)) => (0..seconds).map(|_| Happening::Wait(1)).collect(),
                _ => vec![happening],
            };
            for (part, happening) in parts.into_iter().enumerate() {
                happens(&mut test, happening);
                models(&mut model, happening);
                assert_eq!(
                    lines(&test),
                    model.lines(),
                    "seed {seed}, step {step}.{part}, {happening:?}: engine, model {model:?}"
                );
            }
        }
        for (what, times) in model.reached {
            *reached.entry(what).or_default() += times;
        }
    }
    if one.is_none() {
        // A model that is never led anywhere agrees with anything.
        for what in [
            "joined",
            "all over before it opened",
            "opened again",
            "sent back",
            "verified",
            "self-cleared",
            "overridden",
        ] {
            assert!(reached.get(what).is_some_and(|n| *n >= 10), "{what}: {reached:?}");
        }
    }
}
