//! Rounds of kill -9 amid the life of alarms: raised, acknowledged, shelved, taken out of service, explained by another.
//!
//! Each round does a handful of things through the program's own doors, kills it at a random moment between or amid them,
//! and starts it again twice: what the first start shows is durable, so the second must show the same, to the last line of
//! the dump. Every delay of the estate is far longer than a round, so nothing may change by itself.

use crate::gateway::{Gateway, Site};
use crate::mqtt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How many sensors there are; the first stands on the main, the second on a riser off it.
const SENSORS: u64 = 4;

/// What is done in each round before the time of its kill runs, so that a slow machine does not make it tame.
const SURE: u32 = 6;

/// What a run of rounds has seen, so that nobody is content with rounds in which nothing happened.
#[derive(Debug, Default)]
pub struct Seen {
    /// Rounds done.
    pub rounds: u32,
    /// States of alarms that were compared.
    pub states: BTreeSet<String>,
}

/// The gateway of the rounds; its sensors speak to the embedded broker at `port`.
pub fn site(port: u16) -> Site {
    Site {
        estate: estate(),
        embedded: Some(port),
        ..Site::default()
    }
}

fn estate() -> String {
    let assets: String = (0..SENSORS)
        .map(|n| {
            let stem = if n == 1 { "branch_of = \"pipe-0\"\n" } else { "" };
            format!(
                "[[assets]]\nid = \"pipe-{n}\"\nkind = \"pipe_zone\"\nplace = \"b\"\n\
                 name = {{ zh = \"管{n}\", en = \"Pipe {n}\" }}\n{stem}\n\
                 [[devices]]\nid = \"leak-{n}\"\nprofile = \"aqara.sjcgq11lm\"\n\
                 name = {{ zh = \"漏水{n}\", en = \"Leak {n}\" }}\n\
                 address = {{ mqtt = \"embedded\", key = \"leak-{n}\" }}\nasset = \"pipe-{n}\"\n\n"
            )
        })
        .collect();
    format!(
        r#"
id = "rounds"
name = {{ zh = "断电小区", en = "Rounds" }}
shipped_rules = false

[[places]]
id = "b"
kind = "building"
name = {{ zh = "楼", en = "Building" }}

{assets}
[[rules]]
id = "leak"
class = "leak"
fault = "leak"
measure = "leak.wet"
applies_to = {{ kind = "pipe_zone" }}
when = {{ state = true }}
off_delay = "12h"
latch = true
re_alarm = "12h"
inhibits = "branches"
priority = "P2"
cause = {{ zh = "管道破损", en = "A pipe leaks" }}
consequence = {{ zh = "地面积水", en = "Water stands on the floor" }}
response = {{ zh = "关阀", en = "Close the valve" }}
order = {{ role = "repair", profile = "leak" }}

[[rules]]
id = "slow"
class = "slow"
fault = "slow"
measure = "leak.wet"
applies_to = {{ kind = "pipe_zone" }}
when = {{ state = true }}
on_delay = "12h"
priority = "P3"
cause = {{ zh = "数值异常", en = "A value is out of its range" }}
consequence = {{ zh = "设备可能损坏", en = "The equipment may be damaged" }}
response = {{ zh = "查看", en = "Look" }}

[[order_profiles]]
id = "leak"
name = {{ zh = "漏水维修", en = "Leak repair" }}
verify = {{ hold = "12h", grace = "12h" }}
"#
    )
}

/// A small generator, so that a seed is the same history for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Does `rounds` rounds; the error tells the seed, the round and the first lines that differ.
pub async fn rounds(gateway: &mut Gateway, port: u16, rounds: u32, seed: u64) -> Result<Seen, String> {
    let mut dice = Dice(seed);
    let mut seen = Seen::default();
    for round in 0..rounds {
        let tell = |what: String| format!("seed {seed}, round {round}: {what}");
        for _ in 0..SURE {
            act(gateway, port, &mut dice).await;
        }
        let moment = Duration::from_millis(dice.below(250));
        let acts = async {
            for _ in 0..40 {
                act(gateway, port, &mut dice).await;
            }
        };
        // Amid whatever is being done when the time comes, or after it.
        let _ = tokio::time::timeout(moment.max(Duration::from_millis(20)), acts).await;
        gateway.kill().await;
        gateway.run().await;
        let before = lines(&gateway.dump().await.1);
        for alarm in gateway
            .list("/api/v1/alarms?live=true&limit=100")
            .await
            .map_err(tell)?
        {
            seen.states.extend(alarm["state"].as_str().map(str::to_owned));
        }
        gateway.kill().await;
        gateway.run().await;
        let after = lines(&gateway.dump().await.1);
        if before != after {
            let differ = before.iter().zip(&after).find(|(one, other)| one != other);
            return Err(tell(format!(
                "{} and {} lines; the first that differ: {differ:#?}",
                before.len(),
                after.len()
            )));
        }
        seen.rounds += 1;
    }
    Ok(seen)
}

/// The dump without what a restart itself is: the time, and what the gateway says of its own connections.
fn lines(dump: &str) -> Vec<String> {
    let of_the_gateway = |line: &str| {
        let watches_itself = line.starts_with("watch") && line.contains("on gateway");
        watches_itself || line.contains(" gateway/") || line.contains("device gateway")
    };
    let own = |line: &&str| !line.starts_with("clock") && !of_the_gateway(line);
    let plain = |line: &str| line.split(" watchdog").next().unwrap_or(line).to_owned();
    dump.lines().filter(own).map(plain).collect()
}

async fn act(gateway: &Gateway, port: u16, dice: &mut Dice) {
    match dice.below(10) {
        0..4 => {
            let (sensor, wet) = (dice.below(SENSORS), dice.below(3) > 0);
            say(port, sensor, wet).await;
        }
        4..8 => command(gateway, dice).await,
        n => service(gateway, dice, n == 8).await,
    }
}

/// A sensor speaks; without a broker (it is being killed) it speaks to nobody.
async fn say(port: u16, sensor: u64, wet: bool) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let hello = mqtt::connect(&format!("field-{sensor}"), Some(("field", "field")));
    let topic = format!("zigbee2mqtt/leak-{sensor}");
    let payload = format!("{{\"battery\":100,\"water_leak\":{wet}}}");
    let message = mqtt::publish(&topic, 7, false, payload.as_bytes());
    let mut answer = [0; 16];
    // Without an answer the message was never taken, and that is all right.
    let _ = stream.write_all(&hello.encode()).await;
    let _ = stream.read(&mut answer).await;
    let _ = stream.write_all(&message.encode()).await;
    let _ = stream.read(&mut answer).await;
}

/// A person does something to one of the alarms; a refusal is as good as anything.
async fn command(gateway: &Gateway, dice: &mut Dice) {
    let alarms = gateway
        .list("/api/v1/alarms?live=true&limit=100")
        .await
        .unwrap_or_default();
    let pick = usize::try_from(dice.below(alarms.len().max(1) as u64)).unwrap_or(0);
    let Some(alarm) = alarms.get(pick) else {
        return;
    };
    let action = ["ack", "shelve", "unshelve", "reset"][usize::try_from(dice.below(4)).unwrap_or(0)];
    let body = json!({
        "action": action,
        "alarms": [{ "id": alarm["id"], "version": alarm["version"] }],
        "for": "12h",
        "reason": "a round",
    });
    post(gateway, "/api/v1/alarms/bulk", body).await;
}

async fn service(gateway: &Gateway, dice: &mut Dice, out: bool) {
    let sensor = dice.below(SENSORS);
    let what = if dice.below(2) == 0 {
        ("asset", format!("pipe-{sensor}"))
    } else {
        ("device", format!("leak-{sensor}"))
    };
    let mut body = json!({ what.0: what.1 });
    let path = if out {
        body["reason"] = json!("a round");
        "/api/v1/out-of-service"
    } else {
        "/api/v1/out-of-service/back"
    };
    post(gateway, path, body).await;
}

async fn post(gateway: &Gateway, path: &str, body: Value) {
    let _ = gateway.post(&gateway.token(), path, None, body).await;
}
