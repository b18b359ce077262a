//! `linli doctor`: looks at the ledger, its disk, the clock, the configuration and whoever the gateway talks to, and
//! says in words what is wrong and what to do.
//!
//! It reads beside a running gateway. It mends only what was asked for, only while no gateway runs, and only what loses
//! nothing but bytes that are damaged already. Nothing is printed here.

mod forwarders;
mod ledger;
mod machine;
mod peers;
mod writes;

use crate::clock::Clock;
use crate::config::problem::has_errors;
use crate::config::said::both;
use crate::config::{self, secrets::Environment};
use linli_domain::text::{Language, Text};
use serde_json::{Value, json};
use std::path::Path;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing to do.
    Fine,
    /// Worth knowing.
    Warning,
    /// Something is wrong.
    Problem,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Stable name of what was looked at.
    pub area: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub said: Text,
    /// What to do about it.
    pub hint: Option<Text>,
}

/// Items as they are found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order in which they were looked at.
    pub items: Vec<Item>,
}

impl Report {
    fn fine(&mut self, area: &'static str, said: Text) {
        self.items.push(Item {
            area,
            verdict: Verdict::Fine,
            said,
            hint: None,
        });
    }

    fn warn(&mut self, area: &'static str, said: Text, hint: Text) {
        let hint = Some(hint);
        self.items.push(Item {
            area,
            verdict: Verdict::Warning,
            said,
            hint,
        });
    }

    fn wrong(&mut self, area: &'static str, said: Text, hint: Text) {
        let hint = Some(hint);
        self.items.push(Item {
            area,
            verdict: Verdict::Problem,
            said,
            hint,
        });
    }

    /// Whether something is wrong.
    pub fn is_ill(&self) -> bool {
        self.items.iter().any(|item| item.verdict == Verdict::Problem)
    }

    /// For `--json`.
    pub fn to_json(&self, language: Language) -> Value {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                json!({
                    "area": item.area, "verdict": item.verdict.name(), "said": item.said.get(language),
                    "hint": item.hint.as_ref().map(|hint| hint.get(language)),
                })
            })
            .collect();
        json!({ "ok": !self.is_ill(), "items": items })
    }
}

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The configuration file.
    pub config: &'a Path,
    /// The data folder.
    pub data: &'a Path,
    /// Mend what can be mended.
    pub mend: bool,
    /// Look at nothing on the network.
    pub offline: bool,
}

/// Looks at everything. `progress` is told the share of the ledger that was read.
pub fn examine(
    ask: &Ask<'_>,
    environment: Environment<'_>,
    clock: &dyn Clock,
    progress: &mut dyn FnMut(f64),
) -> Report {
    let mut report = Report::default();
    let loaded = config::inspect(ask.config, environment);
    let path = ask.config.display().to_string();
    if has_errors(&loaded.problems) {
        let count = loaded.problems.len();
        report.wrong(
            "config",
            both!(
                "配置 {path} 有 {count} 个问题",
                "the configuration {path} has {count} problems"
            ),
            both!("运行 linli check 查看每一个", "`linli check` shows each of them"),
        );
    } else {
        report.fine(
            "config",
            both!("配置 {path} 可用", "the configuration {path} can be used"),
        );
    }
    let writable = writes::look(ask.data, &mut report);
    ledger::look(ask, writable, clock, &mut report, progress);
    machine::look(ask.data, loaded.config.as_ref(), clock, &mut report);
    if let (Some(config), false) = (&loaded.config, ask.offline) {
        peers::look(config, &mut report);
        forwarders::look(&config.forwarders, clock, &mut report);
    }
    report
}
