//! The catalogue is listed, and read again without a restart.

use super::*;
use crate::config::{ModbusBus, ModbusTransport};
use crate::field::ModbusFrame;
use crate::field::modbus::{self, Slave};
use linli_decode::RegisterData;
use linli_decode::modbus::Read;

fn counter(version: u32, expected: u32) -> String {
    format!(
        "id = \"story.counter\"\ntitle = \"Counter\"\nversion = {version}\n\n[json]\n\
         values = [{{ at = \"/n\", measure = \"pulse.count\", scale = {version} }}]\n\n\
         [[tests]]\nname = \"counts\"\njson = '{{\"n\": 7}}'\n\
         expect = [{{ measure = \"pulse.count\", value = {expected} }}]\n"
    )
}

impl Story {
    fn profile(&self, text: &str) {
        let folder = self.folder.path().join("profiles");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("counter.toml"), text).unwrap();
    }

    async fn reload(&self) -> Value {
        let answer = self.manage("/api/v1/profiles/reload").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn silence_limit(&self) -> Duration {
        let limit = self.door.look(|engine, _| {
            let estate = engine.estate();
            let device = estate.device_by_id(&"counter".parse().unwrap());
            estate.device(device.unwrap()).unwrap().silence_limit
        });
        limit.await.unwrap()
    }

    async fn adds_a_counter(&self) {
        let address = json!({ "mqtt": "main", "key": "counter" });
        self.adds("counter", "story.counter", address).await;
    }

    async fn adds(&self, id: &str, profile: &str, address: Value) {
        let out = self.get("/api/v1/estate/document").send().await;
        let mut document = out.json();
        document["devices"].as_array_mut().unwrap().push(json!({
            "id": id, "profile": profile, "name": { "zh": "计数", "en": "Counter" }, "address": address,
        }));
        let put = self.ask(Method::PUT, "/api/v1/estate").token(&self.manager);
        let done = put
            .with("if-match", out.header("etag"))
            .json(&document)
            .send()
            .await;
        assert_eq!(done.status, 200, "{done:?}");
    }
}

#[tokio::test]
async fn a_changed_profile_is_used_from_the_next_message_on_and_a_broken_one_is_not() {
    let story = Story::new().await;
    let list = story.get("/api/v1/profiles").send().await.json();
    let aqara = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["id"] == "aqara.sjcgq11lm")
        .unwrap();
    assert_eq!(
        (&aqara["source"], &aqara["devices"]),
        (&json!("built_in"), &json!(2))
    );
    assert!(aqara["tests"].as_u64().unwrap() > 0);

    story.profile(&counter(1, 7));
    assert_eq!(story.reload().await["changed"], json!(["story.counter"]));
    story.adds_a_counter().await;
    let says = |n: u32| {
        let payload = format!("{{\"n\":{n}}}");
        async { story.hears("zigbee2mqtt/counter", &{ payload }).await }
    };
    let latest = |wanted: f64| {
        story.until("/api/v1/points?device=counter", move |page| {
            page["items"][0]["latest"]["value"].as_f64() == Some(wanted)
        })
    };
    says(1).await;
    latest(1.0).await;

    story.profile(&counter(2, 14));
    assert_eq!(story.reload().await["changed"], json!(["story.counter"]));
    says(2).await;
    latest(4.0).await;

    story.profile(&counter(3, 7));
    let refused = story.reload().await;
    assert_eq!(refused["changed"], json!([]));
    let problem = &refused["refused"][0];
    assert_eq!(
        (&problem["file"], &problem["in_use"], &problem["in_use_version"]),
        (&json!("counter.toml"), &json!("story.counter"), &json!(2))
    );
    let said = problem["problems"][0]["message"].as_str().unwrap();
    assert!(
        said.contains("21") && problem["problems"][0]["line"].as_u64().unwrap() > 5,
        "{problem:#}"
    );
    assert_eq!(story.http.metrics.profiles_refused.get(), 1);
    story
        .until("/api/v1/points?measure=gateway.profiles_ok", |page| {
            page["items"][0]["latest"]["value"] == false
        })
        .await;
    says(3).await;
    latest(6.0).await;
    let list = story.get("/api/v1/profiles").send().await.json();
    assert_eq!(list["refused"], refused["refused"]);
    let ours = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["id"] == "story.counter")
        .unwrap();
    assert_eq!(
        (&ours["version"], &ours["source"], &ours["devices"]),
        (&json!(2), &json!("file"), &json!(1))
    );
    let staff = story.post("/api/v1/profiles/reload").send().await;
    assert_eq!(staff.problem(), "forbidden");
}

/// A meter whose one register is at `address`, in the unit of `scale`.
fn meter(version: u32, address: u16, scale: u32) -> String {
    format!(
        "id = \"story.counter\"\ntitle = \"Meter\"\nversion = {version}\n\n[modbus]\n\n[[modbus.registers]]\n\
         function = 3\naddress = {address}\ntype = \"u16\"\nmeasure = \"pulse.count\"\nscale = {scale}\n\n\
         [[tests]]\nname = \"reads\"\nregisters = [{{ function = 3, start = {address}, values = [7] }}]\n\
         expect = [{{ measure = \"pulse.count\", value = {} }}]\n",
        7 * scale
    )
}

/// The one request of its plan.
fn read_of(slave: &Slave) -> Read {
    slave.profile.modbus().unwrap().plan().reads[0].clone()
}

#[tokio::test]
async fn a_modbus_device_is_asked_by_the_new_profile_and_an_answer_under_way_is_read_by_the_old_one() {
    let story = Story::new().await;
    story.profile(&meter(1, 10, 1));
    story.reload().await;
    story
        .adds("meter", "story.counter", json!({ "bus": "bus-1", "unit": 3 }))
        .await;
    let has_it = |progress: &Progress| progress.estate.devices().iter().any(|d| d.id.as_str() == "meter");
    let mut progress = story.http.progress.clone();
    drop(progress.wait_for(has_it).await.unwrap());
    let transport = ModbusTransport::Tcp("meter.example:502".into());
    let bus = ModbusBus::new("bus-1".parse().unwrap(), transport);
    let mut devices = modbus::devices(
        &bus,
        story.http.progress.clone(),
        Arc::clone(&story.http.profiles),
    );
    let before = devices.now()[0].clone();
    assert_eq!(read_of(&before).request.start, 10);
    story.profile(&meter(2, 20, 100));
    story.reload().await;
    let after = devices.now()[0].clone();
    assert_eq!(read_of(&after).request.start, 20);

    for (slave, expected) in [(&before, 5.0), (&after, 500.0)] {
        let frame = Frame::Modbus(ModbusFrame {
            device: slave.device.clone(),
            profile: slave.profile.clone(),
            read: read_of(slave),
            answer: Ok(RegisterData::Words([5].into())),
            received: story.http.clock.now(),
        });
        story.door.push(vec![frame]).await.unwrap();
        story
            .until("/api/v1/points?device=meter", |page| {
                page["items"][0]["latest"]["value"] == expected
            })
            .await;
    }
}

#[tokio::test]
async fn what_a_new_profile_says_of_intervals_reaches_the_engine_at_once() {
    let story = Story::new().await;
    story.profile(&counter(1, 7));
    story.reload().await;
    story.adds_a_counter().await;
    let before = story.silence_limit().await;
    let told = counter(2, 14).replace("version = 2\n", "version = 2\nexpected_interval = \"10m\"\n");
    story.profile(&told);
    story.reload().await;
    story.hears("zigbee2mqtt/counter", "{\"n\": 7}").await;
    story
        .until("/api/v1/points?device=counter", |page| {
            page["items"][0]["latest"]["value"] == 14.0
        })
        .await;
    let after = story.silence_limit().await;
    assert!(after < before, "{after:?} is not shorter than {before:?}");
}
