//! Who must have shown a sign of life before the watchdog is fed.
//!
//! A watchdog that is fed by a timer guards nothing. Here it is fed only when every task has done its work since
//! the last time. Not responsible for: the watchdog itself and its period; a board has one of at least twice the
//! slowest task.

/// Something that must go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Samples are taken and the node is stepped.
    Sampling,
    /// The receiver is looked at, so that requests are answered.
    Bus,
    /// Settings are kept, and an update is worked on.
    Storage,
}

/// Signs of life since the watchdog was fed last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor {
    seen: u8,
}

impl Supervisor {
    const ALL: u8 =
        Supervisor::bit(Task::Sampling) | Supervisor::bit(Task::Bus) | Supervisor::bit(Task::Storage);

    /// Nobody has been seen.
    pub const fn new() -> Supervisor {
        Supervisor { seen: 0 }
    }

    /// `task` has done its work once more.
    pub fn report(&mut self, task: Task) {
        self.seen |= Supervisor::bit(task);
    }

    /// True once everybody has reported: feed the watchdog. Then it starts over.
    pub fn is_everybody_alive(&mut self) -> bool {
        let all = self.seen == Supervisor::ALL;
        if all {
            self.seen = 0;
        }
        all
    }

    const fn bit(task: Task) -> u8 {
        1 << task as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hung_task_starves_the_watchdog_however_busy_the_others_are() {
        for hung in [Task::Sampling, Task::Bus, Task::Storage] {
            let mut supervisor = Supervisor::new();
            let others = [Task::Sampling, Task::Bus, Task::Storage]
                .into_iter()
                .filter(|task| *task != hung);
            for task in others.cycle().take(100) {
                supervisor.report(task);
                assert!(!supervisor.is_everybody_alive(), "{hung:?} hangs");
            }
            supervisor.report(hung);
            assert!(supervisor.is_everybody_alive());
            assert!(!supervisor.is_everybody_alive(), "each feeding is earned anew");
        }
    }
}
