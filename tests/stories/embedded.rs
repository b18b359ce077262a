//! The embedded broker among foreigners: mosquitto's own clients over TLS, and a yard full of hostile ones.

use crate::estate::{counter, counter_profiles, estate};
use e2e::certificates::Authority;
use e2e::gateway::{Gateway, Site};
use e2e::mqtt;
use e2e::process::{Running, free_port};
use e2e::publisher::{Publisher, Script};
use e2e::wait::{listening, until};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// One run of `mosquitto_pub` against the TLS listener.
async fn mosquitto_pub(port: u16, authority: &Path, arguments: &[&str]) -> Output {
    Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "--cafile"])
        .arg(authority)
        .args(arguments)
        .output()
        .await
        .expect("start mosquitto_pub; run `make peers` to install what is missing")
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_own_clients_publish_and_subscribe_over_tls() {
    let (authority, devices) = (Authority::new(), Authority::new());
    let server = authority.issue("broker");
    let (plain, tls) = (free_port(), free_port());
    let mut extra = String::new();
    let _ = write!(
        extra,
        "[broker.tls]\nlisten = \"127.0.0.1:{tls}\"\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\n\
         [[broker.users]]\nusername = \"c1\"\ncertificate = true\npublish = [\"site/plain/%u/up\"]\nsubscribe = []\n",
        server.certificate,
        server.key,
        devices.certificate(),
    );
    let gateway = Gateway::start(&Site {
        estate: estate("embedded", &counter("embedded", "c1", false)),
        profiles: counter_profiles(),
        embedded: Some(plain),
        broker_extra: extra,
        ..Site::default()
    })
    .await;
    let (report, code) = gateway.cli(&["check"]).await;
    assert_eq!(code, 0, "{report}");

    listening(tls).await;
    let ca = authority.certificate();
    // Unbuffered, or its words would come once it has ended.
    let watch = format!(
        "-oL mosquitto_sub -h 127.0.0.1 -p {tls} -V 5 -q 1 -v -d -u field -P field -i field-watch -t site/# --cafile {}",
        ca.display()
    );
    let subscriber = Running::start("mosquitto_sub", Command::new("stdbuf").args(watch.split(' ')));
    until("mosquitto_sub to be subscribed", || async {
        let log = subscriber.log();
        if log.contains("SUBACK") { Ok(()) } else { Err(log) }
    })
    .await;

    // A device with a certificate and no password, in both versions.
    let own = devices.issue("c1");
    let (certificate, key) = (own.certificate.to_str().unwrap(), own.key.to_str().unwrap());
    for (version, value) in [("mqttv311", "1"), ("mqttv5", "2")] {
        let payload = format!("{{\"n\":{value}}}");
        let published = mosquitto_pub(
            tls,
            &ca,
            &[
                "-V",
                version,
                "--cert",
                certificate,
                "--key",
                key,
                "-i",
                "c1",
                "-t",
                "site/plain/c1/up",
                "-m",
                &payload,
            ],
        )
        .await;
        assert!(published.status.success(), "{published:?}\n{}", gateway.log());
        gateway
            .point_is("c1/pulse.count", serde_json::json!(value.parse::<f64>().unwrap()))
            .await;
        until("the subscriber to see it", || async {
            let log = subscriber.log();
            if log.contains(&payload) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    // A foreign topic is refused by name; the client says so.
    let foreign = mosquitto_pub(
        tls,
        &ca,
        &[
            "-V",
            "mqttv5",
            "--cert",
            certificate,
            "--key",
            key,
            "-i",
            "c1",
            "-t",
            "site/plain/c2/up",
            "-m",
            "{}",
        ],
    )
    .await;
    let said = String::from_utf8_lossy(&foreign.stderr).into_owned();
    assert!(said.contains("Not authorized"), "{foreign:?}");

    // Nobody gets in without, with a foreign, or with another's certificate.
    let stranger = authority.issue("c1");
    let (certificate, key) = (
        stranger.certificate.to_str().unwrap(),
        stranger.key.to_str().unwrap(),
    );
    for arguments in [
        &["-i", "c1"][..],
        &["-i", "c1", "--cert", certificate, "--key", key],
        &["-i", "c1", "-u", "c1", "-P", "guess"],
        &["-i", "c1", "-u", "field", "-P", "field"],
    ] {
        let refused = mosquitto_pub(
            tls,
            &ca,
            &[arguments, &["-t", "site/plain/c1/up", "-m", "{\"n\":9}"]].concat(),
        )
        .await;
        assert!(!refused.status.success(), "{arguments:?} was let in");
    }
    // And a client that does not know our authority does not talk to us.
    let distrust = mosquitto_pub(
        tls,
        &devices.certificate(),
        &[
            "-u",
            "field",
            "-P",
            "field",
            "-i",
            "field",
            "-t",
            "site/plain/c1/up",
            "-m",
            "{\"n\":9}",
        ],
    )
    .await;
    assert!(!distrust.status.success());
    gateway.point_is("c1/pulse.count", serde_json::json!(2.0)).await;
    assert!(gateway.metric("linli_broker_refused_total").await >= 5.0);
}

/// What `mosquitto_sub` gets of a topic, MQTT 5, within a few seconds; empty when nothing comes.
async fn retained(port: u16, topic: &str, wait: &str) -> String {
    let watch = format!(
        "-h 127.0.0.1 -p {port} -V 5 -u field -P field -i field-sub -t {topic} -C 1 -W {wait} -F %r,%p,%E"
    );
    let output = Command::new("mosquitto_sub")
        .args(watch.split(' '))
        .output()
        .await
        .expect("start mosquitto_sub; run `make peers` to install what is missing");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_message_outlives_a_kill_for_the_rest_of_its_time() {
    let port = free_port();
    let mut gateway = Gateway::start(&Site {
        estate: estate("embedded", &counter("embedded", "c1", false)),
        profiles: counter_profiles(),
        embedded: Some(port),
        ..Site::default()
    })
    .await;
    listening(port).await;
    for (topic, expiry) in [
        ("site/plain/c1/up", Some("600")),
        ("aside/short", Some("1")),
        ("aside/stays", None),
    ] {
        let mut publish = format!(
            "-h 127.0.0.1 -p {port} -V 5 -q 1 -r -u field -P field -i field-pub -t {topic} -m {{\"n\":7}}"
        );
        if let Some(seconds) = expiry {
            let _ = write!(publish, " -D publish message-expiry-interval {seconds}");
        }
        let published = Command::new("mosquitto_pub")
            .args(publish.split(' '))
            .output()
            .await;
        let published = published.expect("start mosquitto_pub; run `make peers` to install what is missing");
        assert!(
            published.status.success(),
            "{topic}: {published:?}\n{}",
            gateway.log()
        );
    }
    gateway.kill().await;
    gateway.run().await;
    listening(port).await;
    until("some of its time to be over", || async {
        let kept = retained(port, "site/plain/c1/up", "20").await;
        let left = kept
            .strip_prefix("1,{\"n\":7},")
            .and_then(|left| left.parse::<u32>().ok());
        match left {
            Some(540..600) => Ok(()),
            _ => Err(kept),
        }
    })
    .await;
    assert!(
        retained(port, "aside/stays", "20")
            .await
            .starts_with("1,{\"n\":7}")
    );
    until("the short one to be over", || async {
        let short = retained(port, "aside/short", "1").await;
        if short.is_empty() { Ok(()) } else { Err(short) }
    })
    .await;
    gateway.point_is("c1/pulse.count", serde_json::json!(7.0)).await;
}

/// Resident memory of a process in megabytes.
fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::MAX) / 1024.0
}

/// Connects as a client of the user `field`; the stream behind its CONNACK.
async fn field(port: u16, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("a connection");
    let hello = mqtt::connect(id, Some(("field", "field"))).encode();
    stream.write_all(&hello).await.expect("to send");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.expect("a CONNACK");
    assert_eq!(answer[3], 0, "{answer:?}");
    stream
}

/// Everything at once: floods, announcements of huge packets, silence, drips, guesses, and a subscriber that takes
/// nothing.
async fn harm(port: u16) {
    let mut subscriber = field(port, "field-stuck").await;
    subscriber
        .write_all(b"\x82\x0B\x00\x01\x00\x06site/#\x01")
        .await
        .expect("to send");
    let mut floods = Vec::new();
    for n in 0..4 {
        let mut flooder = field(port, &format!("field-flood{n}")).await;
        floods.push(tokio::spawn(async move {
            let message = mqtt::publish("site/aside", 1, false, &[b'x'; 8_000]).encode();
            while flooder.write_all(&message).await.is_ok() {}
        }));
    }
    let mut held = Vec::new();
    for n in 0..600u32 {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            continue;
        };
        let bytes = match n % 4 {
            0 => Vec::new(),
            1 => vec![0x10, 0xFF, 0xFF, 0xFF, 0x7F],
            2 => mqtt::connect("field", Some(("field", "guess"))).encode(),
            _ => mqtt::connect("field-huge", Some(("field", "field"))).encode(),
        };
        let _ = stream.write_all(&bytes).await;
        if n % 4 == 3 {
            let _ = stream.write_all(&[0x32, 0xFF, 0xFF, 0xFF, 0x7F]).await;
        }
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    floods.into_iter().for_each(|flood| flood.abort());
    drop((held, subscriber));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_clients_cost_bounded_memory_and_take_nothing_from_a_good_one() {
    let port = free_port();
    let gateway = Gateway::start(&Site {
        estate: estate("embedded", &counter("embedded", "c1", false)),
        profiles: counter_profiles(),
        embedded: Some(port),
        broker_extra: "[broker.limits]\nmax_backlog_bytes = 8388608\n".into(),
        ..Site::default()
    })
    .await;
    let good = Publisher::start(Script {
        port,
        client: "field-c1".into(),
        credentials: Some(("field".into(), "field".into())),
        topic: "site/plain/c1/up".into(),
        payload: |n| format!("{{\"n\":{n}}}"),
        pause: Duration::from_millis(20),
    });
    until("the good one to be heard", || async {
        let acknowledged = good.acknowledged().len();
        if acknowledged > 20 {
            Ok(())
        } else {
            Err(format!("{acknowledged}\n{}", gateway.log()))
        }
    })
    .await;
    let before = resident_mb(gateway.pid());
    harm(port).await;
    let during = good.acknowledged().len();
    harm(port).await;
    let after = resident_mb(gateway.pid());
    println!("{before:.0} MB before, {after:.0} MB after");
    // What may be held for slow clients, twice over for what is on its way, and the buffers of some hundred sockets.
    assert!(
        after < before + 64.0,
        "{before} MB before, {after} MB after\n{}",
        gateway.log()
    );
    until("the good one to go on", || async {
        let acknowledged = good.acknowledged().len();
        if acknowledged > during + 50 {
            Ok(())
        } else {
            Err(acknowledged.to_string())
        }
    })
    .await;
    good.finish();
    until("every message of the good one to be acknowledged", || async {
        let (sent, acknowledged) = (good.sent(), good.acknowledged().len() as u64);
        if sent == acknowledged {
            Ok(())
        } else {
            Err(format!("{sent} sent, {acknowledged} acknowledged"))
        }
    })
    .await;
    gateway
        .point_is("c1/pulse.count", serde_json::json!(good.sent() as f64 - 1.0))
        .await;
    for what in ["linli_broker_throttled_total", "linli_broker_refused_total"] {
        assert!(gateway.metric(what).await > 0.0, "{what}");
    }
}
