//! What may happen, drawn from a seed, and how it is done to the engine and to the model.

use super::BINS;
use super::model::{Model, Say};
use crate::estate_test::{EstateTest, actor};
use linli_domain::command::{Action, ActorRole};
use linli_domain::engine::Input;
use linli_domain::order::{Order, OverrideReason};
use linli_domain::reading::{Quality, Reason, Value};
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
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

pub(super) fn happening(dice: &mut u64) -> Happening {
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

pub(super) fn happens(test: &mut EstateTest, happening: Happening) {
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

pub(super) fn models(model: &mut Model, happening: Happening) {
    match happening {
        Happening::Wait(seconds) => (0..seconds).for_each(|_| model.second()),
        Happening::Says(bin, say) => model.says(bin, say),
        Happening::Works(n) => model.works(n),
        Happening::Overrides(n) => model.overrides(n),
        Happening::Restart => {}
        Happening::Reboot => model.off += 3 * 3_600,
    }
}

pub(super) fn lines(test: &EstateTest) -> Vec<String> {
    let lines = orders(test).into_iter().map(|order| {
        let tasks = order
            .tasks()
            .iter()
            .map(|t| format!("{} {} {}", t.asset, t.state.name(), t.reopened));
        format!("{}: {}", order.state, tasks.collect::<Vec<_>>().join(", "))
    });
    lines.collect()
}
