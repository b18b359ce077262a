//! How long a reading that changes nothing takes, and what a rule instance weighs. Run it by hand:
//! `cargo test --release -p linli-domain -- --ignored --nocapture speed`.

use crate::estate_test::{ESTATE, doc};
use linli_domain::Engine;
use linli_domain::engine::{Arrival, Changes, Input, PointDef};
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use std::time::Instant;

#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_a_reading_that_changes_nothing() {
    let mut toml = ESTATE.to_owned();
    for n in 0..10_000 {
        toml.push_str(&format!(
            "[[assets]]\nid = \"z{n}\"\nkind = \"pipe_zone\"\nplace = \"b3\"\nname = {{ zh = \"z\", en = \"z\" }}\n\
             [[devices]]\nid = \"d{n}\"\nprofile = \"p\"\nname = {{ zh = \"d\", en = \"d\" }}\n\
             address = {{ mqtt = \"main\", key = \"k{n}\" }}\nasset = \"z{n}\"\nexpected_interval = \"1m\"\n"
        ));
    }
    let mut engine = Engine::new(doc(&toml)).unwrap();
    let mut now = Now {
        wall: Timestamp::from_millis(1_700_000_000_000),
        monotonic: Monotonic(1_000),
        boot: BootId(1),
        trusted: true,
    };
    for n in 0..10_000 {
        let def = PointDef {
            key: PointKey(n),
            device: format!("d{n}").parse().unwrap(),
            measure: "leak.wet".parse().unwrap(),
            instance: None,
        };
        engine.step(&now, &Input::Point(def)).reply.unwrap();
    }
    let mut changes = Changes::default();
    let rounds = 200;
    let started = Instant::now();
    for _ in 0..rounds {
        engine.begin();
        now.wall = Timestamp::from_millis(now.wall.as_millis() + 1_000);
        now.monotonic.0 += 1_000;
        for n in 0..10_000 {
            let dry = Reading::new(
                PointKey(n),
                now.wall,
                now.wall,
                Value::State(false),
                Quality::Good,
            );
            engine
                .step_reading(&now, &dry, Arrival::Live, &mut changes)
                .unwrap();
        }
        engine.commit();
    }
    let each = started.elapsed().as_nanos() / (rounds * 10_000);
    assert!(changes.is_empty());
    println!(
        "{each} ns per reading, {} watches, {} bytes of snapshot",
        engine.watch_count(),
        engine.snapshot().unwrap().len()
    );
}
