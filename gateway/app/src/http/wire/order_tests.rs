//! A batch order from a message on the wire to the answer of the API: what is stored is what is shown.

use super::order::Order;
use crate::config::Subscription;
use crate::http::view::{Names, PointTable};
use crate::ops::rig::{Rig, Setup};
use linli_decode::{Catalogue, Family};
use linli_domain::command::{Action, Actor, ActorRole, Command};
use linli_domain::engine::Beside;
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::id::OrderId;
use linli_domain::time::Timestamp;
use linli_ledger::{OrderFilter, Page, Reader, Subject};
use std::sync::Arc;
use std::time::Duration;

const ESTATE: &str = r#"
    id = "damp"
    name = { zh = "潮湿", en = "Damp" }
    shipped_rules = false
    [[places]]
    id = "b1"
    kind = "building"
    name = { zh = "1号楼", en = "Building 1" }
    [[rules]]
    id = "damp"
    class = "damp"
    fault = "damp"
    measure = "leak.wet"
    applies_to = { kind = "pipe_zone" }
    when = { state = true }
    priority = "P3"
    cause = { zh = "渗漏", en = "It seeps" }
    consequence = { zh = "墙面发霉", en = "Mould" }
    response = { zh = "擦干", en = "Dry it" }
    order = { role = "cleaning", profile = "dry", batch = true }
    [[order_profiles]]
    id = "dry"
    name = { zh = "擦干", en = "Drying" }
    verify = { hold = "0s", grace = "15m" }
    auto_close = true
"#;

/// The estate with so many damp places, each with its sensor.
fn estate(places: usize) -> EstateDoc {
    let more: Vec<String> = (1..=places)
        .map(|n| {
            format!(
                "[[assets]]\nid = \"wall-{n}\"\nkind = \"pipe_zone\"\nplace = \"b1\"\n\
                 name = {{ zh = \"{n}号墙\", en = \"Wall {n}\" }}\n[[devices]]\nid = \"spot-{n}\"\n\
                 profile = \"aqara.sjcgq11lm\"\nname = {{ zh = \"点\", en = \"Spot\" }}\n\
                 address = {{ mqtt = \"main\", key = \"spot-{n}\" }}\nasset = \"wall-{n}\"\n"
            )
        })
        .collect();
    toml::from_str(&format!("{ESTATE}\n{}", more.concat())).unwrap()
}

struct Damp {
    folder: tempfile::TempDir,
    rig: Rig,
    estate: Estate,
}

impl Damp {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let document = Arc::new(estate(3));
        let topics = "zigbee2mqtt/{device...}".parse().unwrap();
        let rig = Rig::new(Setup {
            folder: folder.path(),
            estate: Arc::clone(&document),
            catalogue: Catalogue::load(crate::profiles::BUILT_IN.iter().copied()).0,
            subscriptions: vec![(
                "main".into(),
                vec![Subscription::new(Family::Zigbee2mqtt, topics)],
            )],
            begins: Timestamp::parse_rfc3339("2026-03-01T10:00:00Z").unwrap(),
            known: Vec::new(),
        });
        Self {
            folder,
            rig: rig.unwrap(),
            estate: Estate::resolve(document).unwrap(),
        }
    }
    fn says(&mut self, n: usize, wet: bool) {
        let payload = format!("{{\"battery\":100,\"water_leak\":{wet}}}");
        let topic = format!("zigbee2mqtt/spot-{n}");
        let message = self.rig.message("main", &topic, payload.as_bytes());
        self.rig.take(crate::field::Frame::Mqtt(message)).unwrap();
        self.rig.commit().unwrap();
    }
    fn wait(&mut self, seconds: u64) {
        let to = self.rig.elapsed() + Duration::from_secs(seconds);
        self.rig.advance(to).unwrap();
        self.rig.commit().unwrap();
    }
    fn reader(&self) -> Reader {
        Reader::open(self.folder.path()).unwrap()
    }
    /// The orders about an asset, as the API answers them.
    fn about(&self, asset: &str) -> Vec<Order> {
        let filter = OrderFilter {
            asset: Some(asset.parse().unwrap()),
            ..OrderFilter::default()
        };
        let names = Names {
            estate: Arc::new(self.estate.clone()),
            points: Arc::new(PointTable::default()),
        };
        let rows = self.reader().orders(&filter, Page::newest(10)).unwrap();
        rows.iter()
            .map(|row| Order::new(&serde_json::from_slice(&row.document).unwrap(), &names))
            .collect()
    }
    fn life(&self) -> Vec<String> {
        let life = self
            .reader()
            .transitions(Subject::Order(OrderId(1)))
            .unwrap()
            .into_iter();
        life.map(|step| {
            let beside: Beside = serde_json::from_str(&step.row.beside).unwrap_or_default();
            let assets: Vec<&str> = beside.assets.iter().map(|asset| asset.as_str()).collect();
            format!("{} {}", step.row.event, assets.join(", "))
                .trim()
                .to_owned()
        })
        .collect()
    }
}

fn tasks(order: &Order) -> Vec<(&str, &str)> {
    let tasks = order.tasks.iter();
    tasks
        .map(|task| (task.asset.as_str(), task.state.as_str()))
        .collect()
}

#[test]
fn a_batch_is_answered_with_its_tasks_found_by_each_asset_and_its_history_names_them() {
    let mut damp = Damp::new();
    damp.says(1, true);
    damp.says(2, true);
    damp.wait(29);
    assert_eq!(damp.about("wall-1"), []);
    damp.wait(1);
    damp.wait(20);
    damp.says(3, true);
    damp.wait(5);
    damp.says(1, false);
    damp.wait(5);
    let [order] = &damp.about("wall-3")[..] else {
        panic!("{:?}", damp.about("wall-3"));
    };
    assert_eq!((order.id.as_str(), order.asset.as_str()), ("WO-1", "wall-1"));
    assert_eq!(
        tasks(order),
        [("wall-1", "ended"), ("wall-2", "open"), ("wall-3", "open")]
    );
    assert_eq!(order.progress().as_deref(), Some("1/3"));
    let task = &order.tasks[2];
    assert_eq!(
        (task.asset_name.zh.as_str(), task.alarm.as_str()),
        ("3号墙", "AL-3")
    );
    assert!(order.tasks[0].ended.is_some() && task.ended.is_none());
    damp.says(2, false);
    damp.says(3, false);
    damp.wait(5);
    assert_eq!(damp.about("wall-2")[0].closing.as_deref(), Some("self_cleared"));
    assert_eq!(
        damp.life(),
        [
            "open wall-1, wall-2",
            "dispatch",
            "task_joined wall-3",
            "task_ended wall-1",
            "task_ended wall-2",
            "task_ended wall-3",
            "self_cleared"
        ]
    );
}

#[test]
fn one_that_is_overridden_says_which_tasks_were_left() {
    let mut damp = Damp::new();
    damp.says(1, true);
    damp.says(2, true);
    damp.wait(31);
    damp.says(2, false);
    let order = OrderId(1);
    let act = |damp: &mut Damp, who: &str, action: &dyn Fn(u32) -> Action| {
        let version = damp.rig.core.engine.order(order).unwrap().version;
        let actor = Actor {
            token: who.into(),
            name: who.into(),
            role: ActorRole::Manager,
        };
        let action = action(version);
        damp.rig.command(Command { actor, action }).unwrap().unwrap();
    };
    act(&mut damp, "a", &|version| Action::Accept { order, version });
    act(&mut damp, "a", &|version| Action::Start { order, version });
    act(&mut damp, "a", &|version| Action::Complete {
        order,
        version,
        note: None,
    });
    act(&mut damp, "m", &|version| Action::Override {
        order,
        version,
        reason: linli_domain::order::OverrideReason::DryingResidue,
        note: "dries by itself".into(),
    });
    let orders = damp.about("wall-1");
    assert_eq!(tasks(&orders[0]), [("wall-1", "left"), ("wall-2", "ended")]);
    // The next alarm there has an order of its own again.
    damp.says(1, false);
    damp.wait(60);
    damp.says(1, true);
    damp.wait(31);
    let ids: Vec<_> = damp.about("wall-1").iter().map(|o| o.id.clone()).collect();
    assert_eq!(ids, ["WO-2", "WO-1"]);
}
