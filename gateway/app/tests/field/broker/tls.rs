//! The broker over TLS: certificates on both sides, wrong ones refused by name, renewed ones shown without a restart.

use super::raw::{Raw, connect};
use super::{Busy, Client, config, options, start, start_as, until, user};
use crate::certificates::{Authority, Leaf};
use crate::pipeline::{Pipeline, within};
use linli::clock::{Clock, SystemClock};
use linli::config::{BrokerTls, CertificateName, ClientCertificates, EmbeddedBroker};
use linli::field::broker;
use linli_domain::time::Now;
use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    linli::certificates::chain(path).unwrap()
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    linli::certificates::key(path).unwrap()
}

/// A device that trusts this authority and shows this certificate.
fn device(trusts: &Authority, shows: Option<&Leaf>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for root in certificates(&trusts.certificate()) {
        roots.add(root).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(leaf) => builder
            .with_client_auth_cert(certificates(&leaf.certificate), key(&leaf.key))
            .unwrap(),
    })
}

fn client(addr: SocketAddr, tls: Arc<ClientConfig>, id: &str, password: Option<&str>) -> Client {
    let mut options = options(addr, id, id, password.unwrap_or_default());
    if password.is_none() {
        options = rumqttc::v5::MqttOptions::new(id, addr.ip().to_string(), addr.port());
    }
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    Client::of(options)
}

async fn accepted(mut client: Client) -> Client {
    client
        .until("CONNACK", |p| matches!(p, Packet::ConnAck(_)).then_some(()))
        .await;
    client
}

/// The connection fails, in the handshake or at its first use.
async fn turned_away(mut client: Client) -> ConnectionError {
    within("an end", async {
        loop {
            if let Err(error) = client.events.poll().await {
                return error;
            }
        }
    })
    .await
}

struct Site {
    authority: Authority,
    devices: Authority,
    server: Leaf,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new();
        let server = authority.issue("broker", "/CN=broker", "");
        Self {
            devices: Authority::new(),
            authority,
            server,
        }
    }

    fn config(&self, clients: Option<(bool, CertificateName)>) -> EmbeddedBroker {
        EmbeddedBroker {
            tls: Some(BrokerTls {
                listen: "127.0.0.1:0".parse().unwrap(),
                certificate: self.server.certificate.clone(),
                key: self.server.key.clone(),
                clients: clients.map(|(required, name)| ClientCertificates {
                    authority: self.devices.certificate(),
                    required,
                    name,
                }),
            }),
            ..config()
        }
    }
}

#[tokio::test]
async fn both_listeners_serve_side_by_side_and_either_alone() {
    let site = Site::new();
    let broker = Busy::start(site.config(None)).await;
    let (plain, tls) = (broker.running.plain.unwrap(), broker.running.tls.unwrap());
    let secure = client(tls, device(&site.authority, None), "d1", Some("d1-secret"));
    let mut secure = accepted(secure).await;
    broker.serves_well(&mut secure, "over TLS").await;
    Raw::connect(plain, 4, "d2").await.is_served().await;
    let gauge = |listener: &str| broker.metrics.broker_clients.with_label_values(&[listener]).get();
    assert_eq!(gauge("tls"), 1);
    // Plain bytes on the encrypted port and the other way round end, and are told.
    let mut lost = Raw::open(tls).await;
    lost.send(&connect(4, "d2", "d2", "d2-secret", 60)).await;
    lost.ends().await;
    assert_eq!(broker.refused("tls"), 1);
    broker.running.stop().await;

    let only = Busy::start(EmbeddedBroker {
        plain: None,
        ..site.config(None)
    })
    .await;
    assert_eq!(only.running.plain, None);
    let secure = client(only.addr, device(&site.authority, None), "d1", Some("d1-secret"));
    accepted(secure).await;
    only.running.stop().await;
}

#[tokio::test]
async fn a_certificate_is_a_device_with_its_own_rules() {
    let site = Site::new();
    let mut config = site.config(Some((false, CertificateName::CommonName)));
    config.users[0].password = None;
    config.users[0].certificate = true;
    let broker = Busy::start(config).await;
    let addr = broker.running.tls.unwrap();
    let own = site.devices.issue("d1", "/O=estate/CN=d1", "");
    // Without a user name, and with the right one.
    let by_certificate = client(addr, device(&site.authority, Some(&own)), "d1", None);
    let mut by_certificate = accepted(by_certificate).await;
    broker.serves_well(&mut by_certificate, "by certificate").await;
    accepted(client(
        addr,
        device(&site.authority, Some(&own)),
        "d1",
        Some("anything"),
    ))
    .await;
    // Somebody else's name on it, and somebody else's client id.
    let as_other = client(addr, device(&site.authority, Some(&own)), "d2", Some("d2-secret"));
    assert_eq!(as_other.refused().await, ConnectReturnCode::NotAuthorized);
    let borrowed = client(addr, device(&site.authority, Some(&own)), "d2", None);
    assert_eq!(borrowed.refused().await, ConnectReturnCode::NotAuthorized);
    // A certificate is not enough for who needs a password, and nothing for who is unknown.
    let other = site.devices.issue("d2", "/CN=d2", "");
    let alone = client(addr, device(&site.authority, Some(&other)), "d2", None);
    assert_eq!(alone.refused().await, ConnectReturnCode::BadUserNamePassword);
    accepted(client(
        addr,
        device(&site.authority, Some(&other)),
        "d2",
        Some("d2-secret"),
    ))
    .await;
    let nobody = site.devices.issue("d9", "/CN=d9", "");
    let unknown = client(addr, device(&site.authority, Some(&nobody)), "d9", None);
    assert_eq!(unknown.refused().await, ConnectReturnCode::BadUserNamePassword);
    // A name that is none, or two of them, is nobody's.
    let two = site.devices.issue("two", "/CN=d1/CN=d2", "");
    turned_away(client(addr, device(&site.authority, Some(&two)), "d1", None)).await;
    assert_eq!(broker.refused("certificate"), 4);
    // The password way stays open to who has one; who should come by certificate has none.
    accepted(client(
        addr,
        device(&site.authority, None),
        "d2",
        Some("d2-secret"),
    ))
    .await;
    let without = client(addr, device(&site.authority, None), "d1", Some("d1-secret"));
    assert_eq!(without.refused().await, ConnectReturnCode::BadUserNamePassword);
    broker.running.stop().await;
}

#[tokio::test]
async fn the_name_may_stand_among_the_dns_names() {
    let site = Site::new();
    let mut config = site.config(Some((true, CertificateName::DnsName)));
    config.users.push(user("bin-7.yard", &["bin-7.yard/#"], &[]));
    config.users.last_mut().unwrap().certificate = true;
    let broker = Busy::start(config).await;
    let own = site.devices.issue("bin", "/CN=whatever", ",DNS:bin-7.yard");
    let addr = broker.running.tls.unwrap();
    accepted(client(
        addr,
        device(&site.authority, Some(&own)),
        "bin-7.yard",
        None,
    ))
    .await;
    let two = site
        .devices
        .issue("two", "/CN=x", ",DNS:bin-7.yard,DNS:bin-8.yard");
    turned_away(client(
        addr,
        device(&site.authority, Some(&two)),
        "bin-7.yard",
        None,
    ))
    .await;
    broker.running.stop().await;
}

#[tokio::test]
async fn wrong_missing_and_foreign_certificates_are_turned_away_by_name() {
    let site = Site::new();
    let mut config = site.config(Some((true, CertificateName::CommonName)));
    config.users[0].certificate = true;
    let broker = Busy::start(config).await;
    let addr = broker.running.tls.unwrap();
    let elsewhere = Authority::new();
    let stranger = elsewhere.issue("d1", "/CN=d1", "");
    turned_away(client(
        addr,
        device(&site.authority, Some(&stranger)),
        "d1",
        Some("d1-secret"),
    ))
    .await;
    until("the foreign one", || broker.refused("certificate") == 1).await;
    turned_away(client(
        addr,
        device(&site.authority, None),
        "d1",
        Some("d1-secret"),
    ))
    .await;
    until("the missing one", || broker.refused("certificate") == 2).await;
    // A device that does not trust us goes by itself.
    let own = site.devices.issue("d1", "/CN=d1", "");
    turned_away(client(addr, device(&site.devices, Some(&own)), "d1", None)).await;
    until("the distrust", || broker.refused("tls") == 1).await;
    let own = client(addr, device(&site.authority, Some(&own)), "d1", None);
    let mut own = accepted(own).await;
    broker.serves_well(&mut own, "beside them").await;
    broker.running.stop().await;
}

/// The system's clock, some days later.
struct Later(SystemClock, Duration);

impl Clock for Later {
    fn now(&self) -> Now {
        let mut now = self.0.now();
        now.wall = now.wall.plus(self.1);
        now
    }
}

#[tokio::test]
async fn an_expired_certificate_is_turned_away_by_the_gateways_own_clock() {
    let site = Site::new();
    let mut config = site.config(Some((true, CertificateName::CommonName)));
    config.users[0].certificate = true;
    let own = site.devices.issue("d1", "/CN=d1", "");
    let mut pipeline = Pipeline::start();
    pipeline.clock = Arc::new(Later(SystemClock::new(), Duration::from_secs(10 * 86_400)));
    let metrics = Arc::clone(&pipeline.metrics);
    let running = start_as(config, &mut pipeline, Vec::new()).await;
    let late = client(
        running.tls.unwrap(),
        device(&site.authority, Some(&own)),
        "d1",
        None,
    );
    turned_away(late).await;
    until("the expired one", || {
        metrics.broker_refused.with_label_values(&["certificate"]).get() == 1
    })
    .await;
    running.stop().await;
}

/// The certificate the broker shows.
async fn shown(addr: SocketAddr, trusts: &Authority) -> Vec<u8> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(device(trusts, None));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let site = Site::new();
    let broker = Busy::start(site.config(None)).await;
    let addr = broker.running.tls.unwrap();
    let secure = client(addr, device(&site.authority, None), "d1", Some("d1-secret"));
    let mut there = accepted(secure).await;
    let first = shown(addr, &site.authority).await;
    assert_eq!(first, certificates(&site.server.certificate)[0].to_vec());

    let renewed = site.authority.issue("renewed", "/CN=broker", "");
    fs::copy(&renewed.key, &site.server.key).unwrap();
    fs::copy(&renewed.certificate, &site.server.certificate).unwrap();
    let expected = certificates(&renewed.certificate)[0].to_vec();
    within("the renewed one", async {
        while shown(addr, &site.authority).await != expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    broker.serves_well(&mut there, "connected before").await;

    let foreign = site.authority.issue("foreign", "/CN=broker", "");
    fs::copy(&foreign.key, &site.server.key).unwrap();
    until("the mismatch to be told", || {
        broker.metrics.broker_reload_failures.get() >= 1
    })
    .await;
    assert_eq!(
        shown(addr, &site.authority).await,
        expected,
        "what was read before stays"
    );
    let expires = broker.metrics.broker_certificate_expires.get();
    assert!(expires > 1_700_000_000, "{expires}");
    broker.running.stop().await;
}

#[tokio::test]
async fn files_that_do_not_fit_keep_the_broker_from_starting_and_say_why() {
    let site = Site::new();
    let foreign = site.authority.issue("foreign", "/CN=broker", "");
    let mut wrong = Vec::new();
    for change in [
        |tls: &mut BrokerTls, _: &Leaf| tls.certificate = "/nowhere/broker.pem".into(),
        |tls: &mut BrokerTls, _: &Leaf| tls.certificate = tls.key.clone(),
        |tls: &mut BrokerTls, foreign: &Leaf| tls.key = foreign.key.clone(),
    ] {
        let mut config = site.config(None);
        change(config.tls.as_mut().unwrap(), &foreign);
        let pipeline = Pipeline::start();
        let (door, clock, metrics) = (
            pipeline.door.clone(),
            pipeline.clock.clone(),
            pipeline.metrics.clone(),
        );
        let error = broker::start(config, door, Vec::new(), clock, metrics)
            .await
            .unwrap_err();
        wrong.push(error.to_string());
    }
    assert!(
        wrong[0].contains("/nowhere/broker.pem") && wrong[0].contains("check the path"),
        "{wrong:?}"
    );
    assert!(wrong[1].contains("find a certificate in"), "{wrong:?}");
    assert!(
        wrong[2].contains("does the key belong to the certificate?"),
        "{wrong:?}"
    );
    let mut pipeline = Pipeline::start();
    start(&mut pipeline, Vec::new()).await.stop().await;
}
