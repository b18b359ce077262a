//! The MQTT client over TLS with a private authority and a client certificate.

use super::certificates::Authority;
use super::mosquitto::{Mosquitto, free_port};
use super::mqtt::{Running, connection, publish};
use super::pipeline::{Pipeline, within};
use linli::config::{MqttConnection, MqttTls};

#[tokio::test]
async fn a_broker_with_a_private_authority_and_client_certificates_is_reached() {
    let authority = Authority::new();
    let leaf = authority.issue("leaf", "/CN=linli", "");
    let port = free_port();
    let broker = Mosquitto::start(&format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        authority.certificate().display(),
        leaf.certificate.display(),
        leaf.key.display(),
    ))
    .await;
    let mut pipeline = Pipeline::start();
    let secure = MqttConnection {
        tls: Some(MqttTls {
            ca: Some(authority.certificate()),
            client: Some((leaf.certificate, leaf.key)),
        }),
        ..connection(port)
    };
    let running = Running::start(&mut pipeline, secure);
    pipeline.state("gateway.subscriptions_ok", true).await;
    publish(broker.port, &[("other/d1", "over TLS")]).await;
    let message = within("the message", pipeline.message()).await;
    assert_eq!(&*message.payload, b"over TLS");
    pipeline.committed(message);
    running.stopped().await;
}

#[tokio::test]
async fn a_missing_authority_is_a_broken_connection_and_not_a_crash() {
    let mut pipeline = Pipeline::start();
    let wrong = MqttConnection {
        tls: Some(MqttTls {
            ca: Some("/nowhere/ca.pem".into()),
            client: None,
        }),
        ..connection(1)
    };
    let running = Running::start(&mut pipeline, wrong);
    pipeline.state("gateway.broker_connected", false).await;
    running.stopped().await;
}
