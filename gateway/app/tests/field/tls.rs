//! The MQTT client over TLS with a private authority and a client certificate.

use super::mosquitto::{Mosquitto, free_port};
use super::mqtt::{Running, connection, publish};
use super::pipeline::{Pipeline, within};
use linli::config::{MqttConnection, MqttTls};
use std::path::Path;
use std::process::Command;

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is missing; `make test` installs it (Debian: apt install openssl)");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An authority, and a certificate of it for 127.0.0.1 that serves and authenticates.
fn certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        folder,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"),
    );
    openssl(
        folder,
        &format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=linli"),
    );
    std::fs::write(
        folder.join("leaf.ext"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    openssl(
        folder,
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem -days 2 -extfile leaf.ext",
    );
}

#[tokio::test]
async fn a_broker_with_a_private_authority_and_client_certificates_is_reached() {
    let files = tempfile::tempdir().unwrap();
    certificates(files.path());
    let at = |name: &str| files.path().join(name);
    let port = free_port();
    let broker = Mosquitto::start(&format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        at("ca.pem").display(),
        at("leaf.pem").display(),
        at("leaf.key").display(),
    ))
    .await;
    let mut pipeline = Pipeline::start();
    let secure = MqttConnection {
        tls: Some(MqttTls {
            ca: Some(at("ca.pem")),
            client: Some((at("leaf.pem"), at("leaf.key"))),
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
