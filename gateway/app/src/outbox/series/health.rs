//! Whether a target is well: what each lane has come upon, and what is told of it. It is well when both lanes are.

use super::forwarder::Worker;
use super::lane::Which;
use crate::field::{Fact, Frame};
use linli_domain::reading::Value;
use std::sync::PoisonError;

/// What is known of a target.
#[derive(Debug, Default)]
pub(super) struct Health {
    live: Trouble,
    behind: Trouble,
    /// What was told last.
    told: Option<bool>,
}

/// What one lane has come upon.
#[derive(Debug, Default)]
struct Trouble {
    said: Option<String>,
    /// It has lasted, or will not pass by itself.
    grave: bool,
}

impl Health {
    fn of(&mut self, lane: Which) -> &mut Trouble {
        match lane {
            Which::Live => &mut self.live,
            Which::Behind => &mut self.behind,
        }
    }

    /// What people read: new readings first.
    fn said(&self) -> Option<String> {
        self.live.said.clone().or_else(|| self.behind.said.clone())
    }

    /// What is to be told now. A target that was never ill has nothing to tell.
    fn news(&mut self) -> Option<bool> {
        let well = !self.live.grave && !self.behind.grave;
        let before = self.told.unwrap_or(true);
        self.told = Some(well);
        (before != well).then_some(well)
    }
}

impl Worker {
    fn health<T>(&self, work: impl FnOnce(&mut Health) -> T) -> T {
        work(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lines of a lane do not go through; `grave` when that is worth telling.
    pub(super) async fn ill(&self, lane: Which, code: &str, said: &str, grave: bool) {
        let trouble = if said.is_empty() {
            code.to_owned()
        } else {
            format!("{code}: {said}")
        };
        let (shown, news) = self.health(|health| {
            let of = health.of(lane);
            (of.said, of.grave) = (Some(trouble.clone()), of.grave || grave);
            (health.said(), health.news())
        });
        self.update(|state| state.trouble = shown);
        if news == Some(false) {
            tracing::warn!(forwarder = %self.target.name, trouble, "the target takes nothing; its readings wait in the ledger");
            self.tell(false).await;
        }
    }

    /// Lines of a lane went through, or it has none.
    pub(super) async fn recovered(&self, lane: Which) {
        let (shown, news) = self.health(|health| {
            *health.of(lane) = Trouble::default();
            (health.said(), health.news())
        });
        self.update(|state| state.trouble = shown);
        if news == Some(true) {
            tracing::info!(forwarder = %self.target.name, "the target takes readings again");
            self.tell(true).await;
        }
    }

    /// Whether the target is well is a reading of the gateway; rules decide whether it is an alarm.
    async fn tell(&self, well: bool) {
        if let Ok(measure) = "gateway.forwarder_ok".parse() {
            let fact = Fact {
                measure,
                instance: self.target.name.as_str().into(),
                value: Value::State(well),
                received: self.around.clock.now(),
            };
            let _ = self.around.door.push(vec![Frame::Fact(fact)]).await;
        }
    }
}
