//! The limit: a subscriber that does nothing but acknowledge, with the same client library and window.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A null subscriber that has subscribed.
pub(crate) struct Null {
    rate: oneshot::Receiver<f64>,
}

impl Null {
    /// Connects, subscribes to everything of the bins, and counts `count` messages with manual acknowledgements.
    pub(crate) async fn start(port: u16, window: u16, count: usize) -> Self {
        let mut options = MqttOptions::new("bench-null", "127.0.0.1", port);
        options
            .set_manual_acks(true)
            .set_clean_start(true)
            .set_keep_alive(Duration::from_secs(60));
        let mut properties = ConnectProperties::new();
        properties.receive_maximum = Some(window);
        options.set_connect_properties(properties);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        // Room for every acknowledgement: mosquitto may send more than the window when it is hurried.
        let (client, mut events) = AsyncClient::new(options, count.min(1 << 20) + 16);
        client
            .subscribe("site/bin/+/up", QoS::AtLeastOnce)
            .await
            .expect("subscribe");
        let (ready, subscribed) = oneshot::channel();
        let (done, rate) = oneshot::channel();
        tokio::spawn(async move {
            let (mut ready, mut first, mut seen) = (Some(ready), None, 0usize);
            while seen < count {
                // Without a connection there is no rate, and whoever waits for it learns that.
                let Ok(event) = events.poll().await else { return };
                match event {
                    Event::Incoming(Packet::SubAck(_)) => drop(ready.take().map(|r| r.send(()))),
                    Event::Incoming(Packet::Publish(publish)) => {
                        first.get_or_insert_with(Instant::now);
                        seen += 1;
                        client.try_ack(&publish).expect("room for every acknowledgement");
                    }
                    _ => {}
                }
            }
            let elapsed = first.map_or(1.0, |f: Instant| f.elapsed().as_secs_f64());
            #[allow(clippy::cast_precision_loss, reason = "a count")]
            let _ = done.send(count as f64 / elapsed);
        });
        subscribed.await.expect("a subscription");
        Self { rate }
    }

    /// Messages per second once all have come.
    pub(crate) async fn rate(self) -> f64 {
        self.rate.await.expect("a rate")
    }
}
