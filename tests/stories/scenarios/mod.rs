//! The scenarios an estate judges a gateway by: a night, an afternoon, a bad clock, told through the real program with a
//! clock that the story moves, a real broker, a webhook for systems and a robot for people.
//!
//! The rules are the shipped ones unless a scenario says otherwise, so what happens here happens out of the box.

mod bins;
mod bridge;
mod clock_for_users;
mod clock_jumps;
mod duplicates;
mod faked;
mod flapping;
mod leak;
mod unheard;
mod waited;

use e2e::clock::StoryClock;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::say;
use e2e::robot::Robot;
use e2e::wait::until;
use e2e::webhook::Receiver;
use linli_domain::time::Timestamp;
use linli_ledger::{Page, Reader};
use serde_json::Value;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The pump room under building 3 with its leak sensor, and whatever else a scenario has.
fn estate(more: &str) -> String {
    format!(
        r#"
id = "e1"
name = {{ zh = "一号小区", en = "Estate one" }}
timezone = "Asia/Shanghai"

[[places]]
id = "b3"
kind = "building"
name = {{ zh = "3号楼", en = "Building 3" }}

[[places]]
id = "b3-b1"
kind = "floor"
parent = "b3"
name = {{ zh = "地下一层", en = "First basement" }}

[[assets]]
id = "b3-pumps"
kind = "pump_room"
place = "b3-b1"
name = {{ zh = "3号楼水泵房", en = "Pump room of building 3" }}

[[devices]]
id = "rope-l3"
profile = "aqara.sjcgq11lm"
name = {{ zh = "漏水绳 L3", en = "Leak rope L3" }}
address = {{ mqtt = "main", key = "b3/pumps" }}
asset = "b3-pumps"
{more}"#
    )
}

/// Where the rope speaks.
const ROPE: &str = "zigbee2mqtt/b3/pumps";
const PUMPS: &str = "b3-pumps";

/// A second pump room with a rope of its own.
const SECOND_ROOM: &str = r#"
[[assets]]
id = "b4-pumps"
kind = "pump_room"
place = "b3"
name = { zh = "4号楼水泵房", en = "Pump room of building 4" }

[[devices]]
id = "rope-l4"
profile = "aqara.sjcgq11lm"
name = { zh = "漏水绳 L4", en = "Leak rope L4" }
address = { mqtt = "main", key = "b4/pumps" }
asset = "b4-pumps"
"#;

/// An estate at work: everything that runs in a scenario.
struct Scene {
    clock: StoryClock,
    broker: Mosquitto,
    hook: Receiver,
    robot: Robot,
    gateway: Gateway,
}

impl Scene {
    /// Sets it up at a time of the estate.
    async fn at(begins: &str, more: &str) -> Self {
        let clock = StoryClock::at(begins);
        Self::with(clock, Receiver::start().await, more).await
    }

    async fn with(clock: StoryClock, hook: Receiver, more: &str) -> Self {
        let broker = Mosquitto::start().await;
        let robot = Robot::start().await;
        let site = Site {
            estate: estate(more),
            broker: Some(broker.port),
            webhook: Some((hook.url(), hook.secret.clone())),
            robot: Some(robot.url()),
            clock: Some(clock.clone()),
            ..Site::default()
        };
        let gateway = Gateway::start(&site).await;
        gateway.subscribed().await;
        Self {
            clock,
            broker,
            hook,
            robot,
            gateway,
        }
    }

    /// A sensor says something, and the gateway has stored it at the time of the story.
    async fn says(&self, topic: &str, payload: &str, point: &str) {
        say(self.broker.port, topic, payload, false).await;
        let at = self.clock.believed().to_string();
        until(&format!("{point} to be heard at {at}"), || async {
            let points = self.gateway.list("/api/v1/points?limit=500").await?;
            let found = points.iter().find(|p| p["id"] == point);
            match found.map(|p| &p["latest"]["received_at"]) {
                Some(received) if *received == at.as_str() => Ok(()),
                other => Err(format!("{other:?}\n{}", self.gateway.log())),
            }
        })
        .await;
    }

    /// The box has come up without the time; says what it goes by until somebody sets it.
    async fn lifted(&self) -> Timestamp {
        let (_, state) = self.gateway.dump().await;
        let line = state
            .lines()
            .find(|line| line.starts_with("clock "))
            .expect("a clock");
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(
            (words[4], words[6], words[7]),
            ("monotonic", "trusted", "false"),
            "{line}"
        );
        let shows = e2e::clock::instant(words[1]);
        self.clock.lifted(shows, words[5].parse().expect("a time"));
        shows
    }

    async fn rope_says(&self, wet: bool) {
        self.says(ROPE, &crate::estate::leak_message(wet), "rope-l3/leak.wet")
            .await;
    }

    /// Time passes; what is due happens once a step.
    async fn walk(&self, duration: Duration, step: Duration) {
        self.clock.walk(&self.gateway, duration, step).await;
    }

    /// Time passes until the clock shows this.
    async fn walk_to(&self, shows: &str, step: Duration) {
        self.clock.walk_to(&self.gateway, shows, step).await;
    }

    /// Every alarm of an asset and class there ever was, newest first.
    async fn alarms(&self, asset: &str, class: &str) -> Vec<Value> {
        let path = format!("/api/v1/alarms?asset={asset}&class={class}&limit=500");
        self.gateway.list(&path).await.expect("the alarms")
    }

    /// The one alarm of an asset and class.
    async fn alarm(&self, asset: &str, class: &str) -> Value {
        let mut alarms = self.alarms(asset, class).await;
        assert_eq!(alarms.len(), 1, "{alarms:#?}\n{}", self.gateway.log());
        alarms.remove(0)
    }

    /// Every order about an asset and a fault.
    async fn orders(&self, asset: &str, fault: &str) -> Vec<Value> {
        let path = format!("/api/v1/orders?asset={asset}&limit=500");
        let mut orders = self.gateway.list(&path).await.expect("the orders");
        orders.retain(|order| order["fault"] == fault);
        orders
    }

    async fn order(&self, id: &str) -> Value {
        self.gateway
            .get(&format!("/api/v1/orders/{id}"))
            .await
            .expect("the order")
    }

    /// Waits until the webhook heard of so many different events of a type, and says which.
    async fn heard(&self, kind: &str, times: usize) -> Vec<Value> {
        until(&format!("{times} × {kind}"), || async {
            let events = events(&self.hook, kind);
            if events.len() >= times {
                Ok(events)
            } else {
                Err(format!("{:?}\n{}", self.hook.types(), self.gateway.log()))
            }
        })
        .await
    }

    /// Time passes, a second at a time, until whatever is due was tried and put off: nothing is on its way to anybody.
    async fn all_tried(&self) {
        until("every delivery to be put off", || async {
            self.walk(SECOND, SECOND).await;
            let now = self.clock.believed();
            let mut waiting = self
                .gateway
                .list("/api/v1/deliveries?state=pending&limit=500")
                .await?;
            waiting.retain(|row| {
                row["next_at"]
                    .as_str()
                    .is_none_or(|next| e2e::clock::instant(next) <= now)
            });
            if waiting.is_empty() {
                Ok(())
            } else {
                Err(format!("{waiting:#?}"))
            }
        })
        .await;
    }

    /// What people read, in order. That the machine of the tests has a full disk is its own affair.
    fn said(&self) -> Vec<String> {
        let mut said = self.robot.said();
        said.retain(|text| !text.contains("The disk is nearly full"));
        said
    }

    /// Waits until nothing is on its way to anybody, so that what was not said will not be.
    async fn all_said(&self) {
        self.gateway.settled().await;
        until("the outbox to be empty", || async {
            let waiting = self.gateway.list("/api/v1/deliveries?state=pending").await?;
            if waiting.is_empty() {
                Ok(())
            } else {
                Err(format!("{waiting:#?}"))
            }
        })
        .await;
    }
}

/// The events of a type a receiver took, each once.
fn events(hook: &Receiver, kind: &str) -> Vec<Value> {
    let mut seen = std::collections::BTreeSet::new();
    let all = hook.received().into_iter();
    all.filter(|received| seen.insert(received.id.clone()))
        .map(|received| received.event)
        .filter(|event| event["type"] == kind)
        .collect()
}

/// The lines of the audit with this action: when, and what they say.
fn audit(gateway: &Gateway, action: &str) -> Vec<(Timestamp, String)> {
    let reader = Reader::open(&gateway.data()).expect("the ledger");
    let rows = reader.audit(Page::newest(500)).expect("the audit");
    rows.into_iter()
        .filter(|entry| entry.row.action == action)
        .map(|entry| {
            (
                entry.row.at,
                format!("{} {}", entry.row.subject, entry.row.detail),
            )
        })
        .collect()
}
