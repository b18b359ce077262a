//! The core of S9 once more with the program users get: its clock is the machine's, and `libfaketime` makes the machine lie.
//! Only the wall clock lies; what delays run on does not, as on a real box.

use super::{PUMPS, ROPE, estate};
use crate::estate::leak_message;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::say;
use e2e::wait::{until, within};
use e2e::webhook::Receiver;
use linli_domain::time::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const OFF_DELAY: Duration = Duration::from_secs(12);
/// The outbox looks at a clock it did not expect to be set within half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// The rule of the pump room with delays a test can live through.
const RULE: &str = r#"
[[rules]]
id = "leak"
class = "leak"
fault = "leak"
measure = "leak.wet"
applies_to = { kind = "pump_room" }
when = { state = true }
on_delay = "1s"
off_delay = "12s"
latch = true
priority = "P1"
cause = { zh = "管道破裂", en = "A broken pipe" }
consequence = { zh = "设备进水", en = "Water in the plant" }
response = { zh = "关阀，查漏，处理。", en = "Close the valve, find the leak, repair it." }
order = { role = "repair", profile = "leak" }

[[order_profiles]]
id = "leak"
name = { zh = "漏水维修", en = "Leak repair" }
verify = { hold = "10m", grace = "15m" }
"#;

#[allow(clippy::disallowed_methods, reason = "the truth has to come from somewhere")]
fn truth_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Where Debian puts the library, whatever the machine is.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found
        .find(|path| path.is_file())
        .expect("libfaketime; `make peers` installs it")
}

/// The wall clock of the machine is off by so many seconds from here on.
fn off_by(folder: &Path, seconds: i64) {
    let (file, new) = (folder.join("faketime"), folder.join("faketime.new"));
    std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(&new, &file).unwrap();
}

async fn alarm_is(gateway: &Gateway, class: &str, condition: &str) -> Value {
    within(PATIENCE, &format!("{class} to be {condition}"), || async {
        let alarms = gateway.list(&format!("/api/v1/alarms?class={class}")).await?;
        match alarms.first() {
            Some(alarm) if alarm["condition"] == condition => Ok(alarm.clone()),
            _ => Err(format!("{alarms:#?}\n{}", gateway.log())),
        }
    })
    .await
}

fn instant(time: &Value) -> Timestamp {
    e2e::clock::instant(time.as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_users_on_a_machine_that_lies_about_the_time() {
    let lies = tempfile::tempdir().unwrap();
    off_by(lies.path(), 30 - truth_seconds());
    let broker = Mosquitto::start().await;
    let hook = Receiver::strict(truth_seconds).await;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let gateway = Gateway::start(&Site {
        estate: estate(RULE),
        broker: Some(broker.port),
        webhook: Some((hook.url(), hook.secret.clone())),
        environment: vec![
            variable("LD_PRELOAD", &library().display().to_string()),
            variable(
                "FAKETIME_TIMESTAMP_FILE",
                &lies.path().join("faketime").display().to_string(),
            ),
            variable("FAKETIME_NO_CACHE", "1"),
            variable("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            variable("NO_FAKE_STAT", "1"),
        ],
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;

    // 1970, and nothing saved yet: the gateway goes by the release of its program. The alarm and its order are there at once,
    // what systems are told waits.
    let wet = truth_seconds();
    say(broker.port, ROPE, &leak_message(true), false).await;
    gateway.order_in(PUMPS, "dispatched").await;
    let alarm = alarm_is(&gateway, "leak", "active").await;
    let raised = truth_seconds();
    assert!(
        alarm["raised_at"].as_str().unwrap().starts_with("2025-11-2"),
        "{alarm:#}"
    );
    let (_, state) = gateway.dump().await;
    assert!(state.contains(" trusted false"), "{state}");
    until("the notices to wait for the clock", || async {
        let rows = gateway.list("/api/v1/deliveries?state=pending").await?;
        let wait = rows
            .iter()
            .all(|row| row["last_error"] == "clock" && row["attempts"] == 0);
        if !rows.is_empty() && wait {
            Ok(())
        } else {
            Err(format!("{rows:#?}"))
        }
    })
    .await;
    assert!(hook.received().is_empty() && !hook.forged().is_empty());

    // Dry, and a moment later the network tells the time: the off-delay is lived through all the same.
    let dry = Instant::now();
    say(broker.port, ROPE, &leak_message(false), false).await;
    alarm_is(&gateway, "leak", "clearing").await;
    off_by(lies.path(), 0);
    alarm_is(&gateway, "leak", "normal").await;
    let lived = dry.elapsed();
    assert!(lived >= OFF_DELAY, "cleared after {lived:?}");
    let alarm = alarm_is(&gateway, "leak", "normal").await;
    let dated = instant(&alarm["raised_at"]).as_millis() / 1_000;
    assert!((wet - 1..=raised).contains(&dated), "{alarm:#}");
    within(PATIENCE, "what waited to be said", || async {
        let told = super::events(&hook, "org.linli.order.dispatched");
        if told.len() == 1 {
            Ok(())
        } else {
            Err(format!("{told:#?}\n{}", gateway.log()))
        }
    })
    .await;
    assert!(
        gateway
            .list("/api/v1/alarms?class=clock-set")
            .await
            .unwrap()
            .is_empty(),
        "to be told the time for the first time is no step"
    );
    assert!(
        gateway
            .list("/api/v1/alarms?class=backup-old")
            .await
            .unwrap()
            .is_empty(),
        "a box of today has no backup of 1970 to miss"
    );

    // Two hours ahead amid the next off-delay, and three back: a step is told, and no delay moves.
    say(broker.port, ROPE, &leak_message(true), false).await;
    alarm_is(&gateway, "leak", "active").await;
    let dry = Instant::now();
    say(broker.port, ROPE, &leak_message(false), false).await;
    alarm_is(&gateway, "leak", "clearing").await;
    off_by(lies.path(), 7_200);
    let set = alarm_is(&gateway, "clock-set", "active").await;
    assert_eq!(set["priority"], "P4");
    alarm_is(&gateway, "leak", "normal").await;
    let lived = dry.elapsed();
    assert!(lived >= OFF_DELAY, "cleared after {lived:?}");
    off_by(lies.path(), -3_600);
    say(broker.port, ROPE, &leak_message(true), false).await;
    alarm_is(&gateway, "leak", "active").await;
    let alarm = alarm_is(&gateway, "leak", "active").await;
    let shown = instant(&alarm["last_raised_at"]);
    let behind = truth_seconds() - shown.as_millis() / 1_000;
    assert!((3_590..3_700).contains(&behind), "{behind} s");
    let dead = gateway.list("/api/v1/deliveries?state=dead").await.unwrap();
    assert_eq!((dead.len(), json!(dead)), (0, json!([])));
}
