//! Batch orders against a plain, slow model of their tables: seconds are counted one by one, and after every reading,
//! command, loss and restart the orders and tasks of both are the same. `LINLI_SEED=17` tells that history alone.

mod happenings;
mod model;

use crate::estate_test::EstateTest;
use crate::yard::yard;
use happenings::{Happening, happening, happens, lines, models};
use model::Model;
use std::collections::BTreeMap;

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
