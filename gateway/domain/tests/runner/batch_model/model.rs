//! The model: what the rule knows of each lid, who waits to be gathered, and what each order asks for before it ends.

use super::{BINS, GRACE, HOLD, JOINS, OFF, ON, WAIT};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
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
pub(super) struct Model {
    second: u64,
    /// Seconds the machine was off: only evidence, which is compared by the wall clock, knows of them.
    pub(super) off: u64,
    bins: Vec<Bin>,
    /// Seconds left, and who waits.
    gathering: Option<(u64, BTreeSet<usize>)>,
    jobs: BTreeMap<u64, Job>,
    next: u64,
    pub(super) reached: BTreeMap<&'static str, u32>,
}

impl Model {
    pub(super) fn new() -> Self {
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

    pub(super) fn lines(&self) -> Vec<String> {
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
    pub(super) fn second(&mut self) {
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

    pub(super) fn says(&mut self, bin: usize, say: Say) {
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
    pub(super) fn works(&mut self, n: usize) {
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

    pub(super) fn overrides(&mut self, n: usize) {
        let number = self.jobs.keys().copied().nth(n);
        let number = number.filter(|number| self.jobs[number].state == "pending_verification");
        if let Some(number) = number {
            self.jobs.remove(&number);
            self.reach("overridden");
        }
    }
}
