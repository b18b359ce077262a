//! The node's real firmware on an emulated microcontroller, polled by the real gateway: from a magnet, a flame and a
//! drop of water to what people see.

mod field_update;
mod foreign_master;
mod on_board;

use e2e::gateway::{Gateway, Site};
use e2e::qemu::{Build, Node, Pin, Wire};
use linli_registers::{Kind, address};
use serde_json::{Value, json};

/// The unit of a node from the factory.
const UNIT: u8 = 17;
/// The field of the bay of the stories, milligauss. QEMU 7.2 takes no negative ones.
const EMPTY_BAY: [i32; 3] = [210, 45, 430];

/// An estate with one node on `bus`.
fn estate(kind: &str, asset: &str, rest: &str) -> String {
    format!(
        r#"
id = "story"
name = {{ zh = "故事小区", en = "Story estate" }}

[[places]]
id = "b3"
kind = "building"
name = {{ zh = "3号楼", en = "Building 3" }}

{asset}
[[devices]]
id = "node"
profile = "linli.node-{kind}"
name = {{ zh = "节点", en = "Node" }}
address = {{ bus = "line", unit = {UNIT} }}
asset = "watched"

{rest}
[[order_profiles]]
id = "order"
name = {{ zh = "工单", en = "Order" }}
verify = {{ hold = "1s", grace = "60s" }}
guards = {{ note_required = true }}
"#
    )
}

fn asset(kind: &str, more: &str) -> String {
    format!(
        "[[assets]]\nid = \"watched\"\nkind = \"{kind}\"\nplace = \"b3\"\n\
         name = {{ zh = \"被监测处\", en = \"What is watched\" }}\n{more}\n"
    )
}

fn rule(measure: &str, role: &str) -> String {
    format!(
        "[[rules]]\nid = \"rule\"\nclass = \"trouble\"\nfault = \"trouble\"\nmeasure = \"{measure}\"\n\
         applies_to = {{ assets = [\"watched\"] }}\nwhen = {{ state = true }}\non_delay = \"0s\"\noff_delay = \"1s\"\n\
         latch = true\npriority = \"P1\"\ncause = {{ zh = \"数值异常\", en = \"A value is out of its range\" }}\n\
         consequence = {{ zh = \"设备可能损坏\", en = \"The equipment may be damaged\" }}\n\
         response = {{ zh = \"处理。\", en = \"See to it.\" }}\n\
         order = {{ role = \"{role}\", profile = \"order\" }}\n"
    )
}

async fn gateway(estate: String, node: &Node) -> Gateway {
    Gateway::start(&Site {
        estate,
        modbus: node.bus("line"),
        ..Site::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_magnet_brought_near_turns_the_bay_occupied_and_a_lost_sensor_makes_it_unknown() {
    let mut node = Node::start(Build::whole("parking"), Wire::Tcp).await;
    node.field_mg(EMPTY_BAY).await;
    let mut master = node.master().await;
    assert_eq!(
        master.read(UNIT, 4, address::NODE_KIND).await,
        Kind::Parking as u16
    );
    master.switch_on(UNIT, address::LEARN_BASELINE).await;
    master.until_off(UNIT, address::LEARN_BASELINE).await;
    drop(master);

    let mut gateway = gateway(estate("parking", &asset("parking_bay", ""), ""), &node).await;
    gateway.point_is("node/parking.occupied", json!(false)).await;
    gateway.point_is("node/device.fault", json!(false)).await;
    let [x, y, z] = EMPTY_BAY;
    node.field_mg([x + 300, y, z]).await;
    gateway.point_is("node/parking.occupied", json!(true)).await;
    gateway.point_is("node/parking.vehicle_count", json!(1.0)).await;
    node.field_mg(EMPTY_BAY).await;
    gateway.point_is("node/parking.occupied", json!(false)).await;

    // The sensor is cut off: the node starts without it, and with the bay that it had learned.
    let without = Build {
        magnetometer: false,
        ..Build::whole("parking")
    };
    node.rebuild(without).await;
    gateway.point_is("node/device.fault", json!(true)).await;
    gateway.point_is("node/parking.occupied", Value::Null).await;
    node.rebuild(Build::whole("parking")).await;
    node.field_mg(EMPTY_BAY).await;
    gateway.point_is("node/parking.occupied", json!(false)).await;
    gateway.point_is("node/device.fault", json!(false)).await;
    assert_eq!(gateway.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burning_bin_raises_an_alarm_and_a_bin_whose_sensor_is_silent_is_not_empty() {
    let node = Node::start(Build::whole("bin"), Wire::Tcp).await;
    node.temperature(20).await;
    node.distance_mm(Some(940));
    let bin = asset(
        "bin",
        "bin = { empty_distance_mm = 1200, full_distance_mm = 200 }",
    );
    let mut gateway = gateway(estate("bin", &bin, &rule("bin.fire", "order")), &node).await;
    gateway.point_is("node/bin.fire", json!(false)).await;
    gateway.point_is("node/bin.distance", json!(940.0)).await;
    gateway.point_is("node/bin.full", json!(false)).await;
    gateway.point_is("node/bin.tilt", json!(false)).await;

    node.temperature(71).await;
    gateway.point_is("node/bin.fire", json!(true)).await;
    gateway.order_in("watched", "dispatched").await;
    let alarms = gateway.list("/api/v1/alarms").await.unwrap();
    // A shipped rule sees the heat beside the rule of this story.
    let of_the_story = alarms.iter().filter(|alarm| alarm["class"] == "trouble");
    assert_eq!(of_the_story.count(), 1, "{alarms:?}");
    node.temperature(20).await;
    gateway.point_is("node/bin.fire", json!(false)).await;

    node.distance_mm(Some(150));
    gateway.point_is("node/bin.full", json!(true)).await;
    node.pin(Pin::Tilt, true).await;
    gateway.point_is("node/bin.tilt", json!(true)).await;
    node.distance_mm(None);
    gateway.point_is("node/bin.full", Value::Null).await;
    gateway.point_is("node/device.fault", json!(true)).await;
    assert_eq!(gateway.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wet_probe_on_a_serial_line_becomes_an_order_and_after_drying_and_completion_a_closed_one() {
    let node = Node::start(Build::whole("leak"), Wire::Pty).await;
    node.temperature(18).await;
    let mut gateway = gateway(
        estate("leak", &asset("pipe_zone", ""), &rule("leak.wet", "repair")),
        &node,
    )
    .await;
    gateway.point_is("node/leak.wet", json!(false)).await;

    node.pin(Pin::Contact, false).await;
    gateway.point_is("node/leak.wet", json!(true)).await;
    let order = gateway.order_in("watched", "dispatched").await;
    let id = order["id"].as_str().unwrap();
    gateway.order(id, "accept", json!({})).await;
    gateway.order(id, "start", json!({})).await;
    gateway.order(id, "complete", json!({ "note": "sealed" })).await;
    gateway.order_in("watched", "pending_verification").await;
    node.pin(Pin::Contact, true).await;
    let closed = gateway.order_in("watched", "closed").await;
    assert_eq!(
        (&closed["id"], &closed["closing"]),
        (&json!(id), &json!("verified"))
    );
    gateway.point_is("node/leak.count", json!(1.0)).await;
    assert_eq!(gateway.list("/api/v1/orders").await.unwrap().len(), 1);
    assert_eq!(gateway.terminate().await, Some(0));
}
