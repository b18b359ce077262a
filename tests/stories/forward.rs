//! Copies of the readings in other stores: nothing is lost however a target behaves, and none holds up another.

use crate::estate::{counter, counter_profiles, estate};
use e2e::gateway::{Gateway, Site};
use e2e::influx::{Answer, Influx};
use e2e::mosquitto::Mosquitto;
use e2e::process::free_port;
use e2e::publisher::{Publisher, Script};
use e2e::store::Store;
use e2e::wait::until;
use linli_ledger::{Page, Reader};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[allow(clippy::disallowed_methods, reason = "a publisher has a clock")]
fn timed(n: u64) -> String {
    let hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600 * 3600;
    format!("{{\"n\":{n},\"ts\":{}}}", hour * 1000 - 3_600_000 + n)
}

fn site(broker: u16, more: String) -> Site {
    Site {
        estate: estate("main", &counter("main", "c0", true)),
        profiles: counter_profiles(),
        broker: Some(broker),
        more,
        ..Site::default()
    }
}

fn publisher(port: u16) -> Publisher {
    Publisher::start(Script {
        port,
        client: "c0".into(),
        credentials: None,
        topic: "site/bin/c0/up".into(),
        payload: timed,
        pause: Duration::from_millis(2),
    })
}

async fn acknowledged(publisher: &Publisher, most: usize) -> usize {
    until("enough to be published", || async {
        let count = publisher.acknowledged().len();
        if count >= most {
            Ok(())
        } else {
            Err(format!("{count} of {most}"))
        }
    })
    .await;
    publisher.acknowledged().len()
}

async fn ended(publisher: &Publisher) -> usize {
    publisher.finish();
    until("everything to be acknowledged", || async {
        let (sent, acknowledged) = (publisher.sent(), publisher.acknowledged().len() as u64);
        if sent == acknowledged {
            Ok(())
        } else {
            Err(format!("{acknowledged} of {sent}"))
        }
    })
    .await;
    publisher.acknowledged().len()
}

async fn has_all(influx: &Influx, count: usize) {
    until("the target to hold everything", || async {
        let held = influx.count("pulse_count");
        if held >= count {
            Ok(())
        } else {
            Err(format!("{held} of {count}"))
        }
    })
    .await;
    assert_eq!(influx.count("pulse_count"), count);
    assert_eq!(influx.wrong(), Vec::<String>::new());
    assert!(influx.packed() > 0, "so many lines go packed");
}

/// Every target has its place: a new one gets what is committed from then on.
async fn placed(gateway: &Gateway) {
    until("every target to have its place", || async {
        let shown = gateway.get("/api/v1/forwarders").await?;
        let targets = shown.as_array().ok_or("no list")?;
        match targets.iter().all(|target| target["taken_up_to"].is_string()) {
            true => Ok(()),
            false => Err(format!("{targets:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_store_gets_every_reading_once_whatever_it_answers() {
    let broker = Mosquitto::start().await;
    let influx = Influx::start().await;
    let gateway = Gateway::start(&site(broker.port, influx.section("strict"))).await;
    gateway.subscribed().await;
    placed(&gateway).await;
    let publisher = publisher(broker.port);
    acknowledged(&publisher, 50).await;
    influx.say([
        Answer::Status(503),
        Answer::Busy(1),
        Answer::Slow(Duration::from_millis(1_500)),
        Answer::Cut,
        Answer::Status(413),
        Answer::Status(401),
    ]);
    until("the script to be over", || async {
        if influx.unsaid() == 0 {
            Ok(())
        } else {
            Err(format!("{} left", influx.unsaid()))
        }
    })
    .await;
    let all = ended(&publisher).await;
    has_all(&influx, all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_line_a_store_refuses_is_parked_and_the_others_arrive() {
    let broker = Mosquitto::start().await;
    let influx = Influx::start().await;
    influx.refuse("value=17 ");
    let gateway = Gateway::start(&site(broker.port, influx.section("strict"))).await;
    gateway.subscribed().await;
    placed(&gateway).await;
    let publisher = publisher(broker.port);
    acknowledged(&publisher, 200).await;
    let all = ended(&publisher).await;
    has_all(&influx, all - 1).await;
    until("the refused line to be parked", || async {
        let reader = Reader::open(&gateway.data()).map_err(|error| error.to_string())?;
        let parked = reader
            .parked("strict", Page::newest(10))
            .map_err(|error| error.to_string())?;
        match &parked[..] {
            [(_, row)] if row.line.contains("value=17 ") && row.reason.contains("type conflict") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let (listed, code) = gateway.cli(&["forwarders", "list", "--json"]).await;
    assert_eq!(code, 0, "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["parked"]),
        (&"strict".into(), &1.into())
    );
    let (listed, _) = gateway.cli(&["forwarders", "list", "--lang", "en"]).await;
    assert!(listed.contains("PARKED") && listed.contains("strict"), "{listed}");
    let (parked, code) = gateway.cli(&["forwarders", "parked", "strict"]).await;
    assert_eq!(code, 0, "{parked}");
    assert!(
        parked.contains("value=17 ") && parked.contains("type conflict"),
        "{parked}"
    );
    let (unknown, code) = gateway.cli(&["forwarders", "parked", "lax"]).await;
    assert_eq!(code, 1, "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_a_store_that_takes_lines_from_one_that_only_answers() {
    let victoria = Store::victoria_metrics().await;
    let (mut guarded, strict) = (Store::influx1().await, Influx::start().await);
    guarded.guard("gateway", "opensesame").await;
    let secrets = tempfile::tempdir().unwrap();
    let secret = |name: &str| {
        let file = secrets.path().join(name);
        std::fs::write(&file, name).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        file.display().to_string()
    };
    let section = |name: &str, kind: &str, port: u16, more: &str| {
        format!(
            "[[forwarders]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"http://127.0.0.1:{port}\"\n{more}\n"
        )
    };
    let database = |database: &str, password: &str| {
        let file = secret(password);
        format!("database = \"{database}\"\nusername = \"gateway\"\npassword = {{ file = \"{file}\" }}")
    };
    let more = [
        section("victoria", "victoriametrics", victoria.port, ""),
        section(
            "allowed",
            "influxdb1",
            guarded.port,
            &database("readings", "opensesame"),
        ),
        section(
            "mistyped",
            "influxdb1",
            guarded.port,
            &database("readings", "opensesam"),
        ),
        section(
            "nowhere",
            "influxdb1",
            guarded.port,
            &database("reading", "opensesame"),
        ),
        strict.section("strict"),
        section(
            "strange",
            "influxdb2",
            strict.port,
            &format!(
                "org = \"estate\"\nbucket = \"readings\"\ntoken = {{ file = \"{}\" }}",
                secret("old-token")
            ),
        ),
        section("away", "victoriametrics", free_port(), ""),
    ];
    let gateway = Gateway::start(&Site {
        estate: estate("embedded", &counter("embedded", "c0", false)),
        profiles: counter_profiles(),
        more: more.concat(),
        ..Site::default()
    })
    .await;
    let (said, code) = gateway.cli(&["doctor", "--json", "--lang", "en"]).await;
    assert_eq!(code, 1, "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let items = report["items"].as_array().unwrap();
    for (name, verdict, hint) in [
        ("victoria", "ok", ""),
        ("allowed", "ok", ""),
        ("mistyped", "problem", "check username and password"),
        ("nowhere", "problem", "CREATE DATABASE reading"),
        ("strict", "ok", ""),
        ("strange", "problem", "check token"),
        ("away", "problem", "whether it is running"),
    ] {
        let named = format!("the forwarder {name} ");
        let item = items
            .iter()
            .find(|item| item["said"].as_str().unwrap().starts_with(&named))
            .unwrap_or_else(|| panic!("{name}: {report:#}"));
        assert_eq!(
            (&item["area"], &item["verdict"]),
            (&"forwarder".into(), &verdict.into()),
            "{item}"
        );
        assert!(item["hint"].as_str().unwrap_or_default().contains(hint), "{item}");
    }
    assert!(
        !said.contains("old-token") && !said.contains("opensesam"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_and_a_kill_lose_nothing_and_new_readings_do_not_wait() {
    let broker = Mosquitto::start().await;
    let (influx, other) = (Influx::start().await, Influx::start().await);
    let more = influx.section("away") + &other.section("well");
    let mut gateway = Gateway::start(&site(broker.port, more)).await;
    gateway.subscribed().await;
    placed(&gateway).await;
    let publisher = publisher(broker.port);
    acknowledged(&publisher, 100).await;
    influx.down(Some(503));
    let before = acknowledged(&publisher, 1_000).await;
    // The other target does not notice.
    until("the other target to go on", || async {
        if other.count("pulse_count") + 200 >= before {
            Ok(())
        } else {
            Err(format!("{}", other.count("pulse_count")))
        }
    })
    .await;
    gateway.kill().await;
    gateway.run().await;
    gateway.subscribed().await;
    let wished = publisher.acknowledged().len() + 300;
    acknowledged(&publisher, wished).await;
    influx.down(None);
    let all = ended(&publisher).await;
    has_all(&influx, all).await;
    has_all(&other, all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_and_influxdb_1_hold_what_the_ledger_holds() {
    let broker = Mosquitto::start().await;
    let (mut victoria, influx) = (Store::victoria_metrics().await, Store::influx1().await);
    let more = format!(
        "[[forwarders]]\nname = \"vm\"\nkind = \"victoriametrics\"\nurl = \"http://127.0.0.1:{}\"\n\
         [[forwarders]]\nname = \"one\"\nkind = \"influxdb1\"\nurl = \"http://127.0.0.1:{}\"\ndatabase = \"readings\"\n",
        victoria.port, influx.port
    );
    let gateway = Gateway::start(&site(broker.port, more)).await;
    gateway.subscribed().await;
    placed(&gateway).await;
    let publisher = publisher(broker.port);
    acknowledged(&publisher, 300).await;
    // Killed, it would forget what it took in its last seconds.
    victoria.stop().await;
    let wished = publisher.acknowledged().len() + 300;
    acknowledged(&publisher, wished).await;
    victoria.run().await;
    let all = ended(&publisher).await;
    for store in [&victoria, &influx] {
        until("the store to hold everything", || async {
            let held = store.counted().await?;
            #[allow(clippy::cast_precision_loss, reason = "a count")]
            let wanted = all as f64;
            if held >= wanted {
                Ok(())
            } else {
                Err(format!("{held} of {wanted}"))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_target_may_begin_with_the_history() {
    let broker = Mosquitto::start().await;
    let influx = Influx::start().await;
    let mut gateway = Gateway::start(&site(broker.port, String::new())).await;
    gateway.subscribed().await;
    let publisher = publisher(broker.port);
    acknowledged(&publisher, 300).await;
    gateway.terminate().await;
    let config = gateway.folder.path().join("linli.toml");
    let text =
        std::fs::read_to_string(&config).unwrap() + "\n" + &influx.section("late") + "start = \"history\"\n";
    std::fs::write(&config, text).unwrap();
    gateway.run().await;
    gateway.subscribed().await;
    let all = ended(&publisher).await;
    has_all(&influx, all).await;
}
