//! Who may come in, and what each may publish and subscribe.

use super::raw::{Raw, connect, publish, subscribe, unsubscribe};
use super::{Busy, Client, config, options, start, until, user};
use crate::pipeline::Pipeline;
use linli::config::OWN_PREFIX;
use linli::field::broker::password::Digest;
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill, Packet, PubAckReason, SubscribeReasonCode};

#[tokio::test]
async fn strangers_and_borrowed_names_are_refused() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let addr = running.plain.unwrap();
    for (id, user, password, expected) in [
        ("d1", "d1", "guess", ConnectReturnCode::BadUserNamePassword),
        (
            "d1",
            "nobody",
            "d1-secret",
            ConnectReturnCode::BadUserNamePassword,
        ),
        ("watcher", "d1", "d1-secret", ConnectReturnCode::NotAuthorized),
    ] {
        let code = Client::of(options(addr, id, user, password)).refused().await;
        assert_eq!(code, expected, "{id} as {user}");
    }
    let anonymous = MqttOptions::new("d1", addr.ip().to_string(), addr.port());
    Client::of(anonymous).refused().await;
    let mut with_will = options(addr, "d1", "d1", "d1-secret");
    with_will.set_last_will(LastWill::new(
        "site/bin/d2/up",
        "gone",
        QoS::AtLeastOnce,
        false,
        None,
    ));
    assert_eq!(
        Client::of(with_will).refused().await,
        ConnectReturnCode::NotAuthorized
    );
    running.stop().await;
}

#[tokio::test]
async fn foreign_topics_are_refused_and_the_connection_goes_on() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    for topic in ["site/bin/d2/up", "$SYS/broker/version"] {
        device.publish(topic, QoS::AtLeastOnce, false, "1").await;
        assert_eq!(device.puback().await, PubAckReason::NotAuthorized, "{topic}");
    }
    device.client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    let codes = device
        .until("SUBACK", |p| match p {
            Packet::SubAck(ack) => Some(ack.return_codes.clone()),
            _ => None,
        })
        .await;
    assert_eq!(codes, [SubscribeReasonCode::NotAuthorized]);
    pipeline.stays_silent().await;
    device
        .publish("aside/x", QoS::AtLeastOnce, false, "still here")
        .await;
    assert_eq!(device.puback().await, PubAckReason::Success);
    running.stop().await;
}

#[tokio::test]
async fn a_user_without_rules_keeps_to_its_own_prefix() {
    let mut config = config();
    config.users.push(user("bin-7", &[OWN_PREFIX], &[OWN_PREFIX]));
    let broker = Busy::start(config).await;
    let mut device = Client::connect(broker.addr, "bin-7").await;
    for (topic, expected) in [
        ("bin-7/state", PubAckReason::Success),
        ("bin-8/state", PubAckReason::NotAuthorized),
        ("site/bin/bin-7/up", PubAckReason::NotAuthorized),
    ] {
        device.publish(topic, QoS::AtLeastOnce, false, "1").await;
        assert_eq!(device.puback().await, expected, "{topic}");
    }
    assert_eq!(broker.refused("publish"), 2);
    broker.running.stop().await;
}

#[tokio::test]
async fn no_trick_with_wildcards_names_or_depth_opens_a_foreign_topic() {
    let broker = Busy::start(config()).await;
    let mut device = Raw::connect(broker.addr, 5, "d1").await;
    let deep = "aside".to_owned() + &"/x".repeat(30_000);
    let mut refusals = 0;
    for filter in ["#", "+/#", "$SYS/#", "$share/g/#", "+/x", "aside/#/x", &deep] {
        device.send(&subscribe(5, filter.as_bytes())).await;
        let answer = device.packet_of(9).await;
        assert!(*answer.last().unwrap() >= 0x80, "{filter:.40}: {answer:02x?}");
        refusals += 1;
    }
    for topic in [
        "#",
        "site/bin/+/up",
        "$SYS/x",
        "site/bin/d2/up",
        "site/bin/d1/up/more",
        &deep,
    ] {
        device.send(&publish(5, topic.as_bytes(), Some(1), b"1")).await;
        let answer = device.packet_of(4).await;
        assert!(
            answer.len() > 4 && answer[4] >= 0x80,
            "{topic:.40}: {answer:02x?}"
        );
        refusals += 1;
    }
    // Nothing to refuse, and nothing to fall over.
    device.send(&unsubscribe(5, deep.as_bytes())).await;
    device.packet_of(11).await;
    device.is_served().await;
    let counted = broker.refused("subscribe") + broker.refused("publish");
    assert!(counted >= refusals - 2, "{counted} of {refusals} counted");
    assert!(broker.taken.lock().unwrap().is_empty(), "nothing got through");
    broker.running.stop().await;
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_and_hurts_the_guesser_alone() {
    let broker = Busy::start(config()).await;
    for n in 0..4 {
        let guess = Client::of(options(broker.addr, "d1", "d1", &format!("guess {n}")));
        assert_eq!(guess.refused().await, ConnectReturnCode::BadUserNamePassword);
    }
    let mut right = Raw::open(broker.addr).await;
    right.send(&connect(5, "d1", "d1", "d1-secret", 60)).await;
    assert_eq!(
        right.packet().await.unwrap()[3],
        0x9F,
        "not even the right one, for a while"
    );
    let mut right = Raw::open(broker.addr).await;
    right.send(&connect(4, "d1", "d1", "d1-secret", 60)).await;
    assert_eq!(right.packet().await.unwrap(), [0x20, 2, 0, 3]);
    let mut neighbour = Raw::open_from("127.0.0.9", broker.addr).await;
    neighbour.send(&connect(4, "d1", "d1", "d1-secret", 60)).await;
    assert_eq!(
        neighbour.packet().await.unwrap(),
        [0x20, 2, 0, 0],
        "from another address"
    );
    Raw::connect(broker.addr, 4, "d2").await.is_served().await;
    assert_eq!((broker.refused("password"), broker.refused("blocked")), (4, 2));
    broker.running.stop().await;
}

#[tokio::test]
async fn users_of_the_file_come_and_go_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let write = |users: &[(&str, &str)]| {
        let lines = users.iter().map(|(name, password)| {
            let digest = Digest::of(password.as_bytes(), [3; 16]).unwrap();
            format!("{name}:{digest}\n")
        });
        std::fs::write(&path, lines.collect::<String>()).unwrap();
    };
    write(&[("bin-7", "bin-7-secret"), ("bin-8", "bin-8-secret")]);
    let mut config = config();
    config.users_file = Some(path.clone());
    let broker = Busy::start(config).await;
    let mut stays = Raw::connect(broker.addr, 5, "bin-7").await;
    let mut goes = Raw::connect(broker.addr, 5, "bin-8").await;
    let mut wrong = Raw::open(broker.addr).await;
    wrong.send(&connect(4, "bin-7", "bin-7", "guess", 60)).await;
    assert_eq!(wrong.packet().await.unwrap(), [0x20, 2, 0, 4]);

    write(&[("bin-7", "bin-7-secret"), ("bin-9", "bin-9-secret")]);
    assert_eq!(goes.ends().await, Some(0x87), "its user is gone");
    stays.is_served().await;
    Raw::connect(broker.addr, 4, "bin-9").await.is_served().await;

    std::fs::write(&path, "bin-7:not a digest\n").unwrap();
    until("the broken file to be told", || {
        broker.metrics.broker_reload_failures.get() == 1
    })
    .await;
    stays.is_served().await;
    Raw::connect(broker.addr, 4, "bin-9").await.is_served().await;
    broker.running.stop().await;
}

#[tokio::test]
async fn the_librarys_own_port_is_closed_to_everybody_else() {
    let broker = Busy::start(config()).await;
    let mut sneak = Raw::open(broker.running.inner).await;
    sneak.send(&connect(4, "d1", "d1", "d1-secret", 60)).await;
    assert_eq!(sneak.packet().await.unwrap(), [0x20, 2, 0, 5]);
    assert_eq!(broker.refused("past_gate"), 1);
    broker.running.stop().await;
}
