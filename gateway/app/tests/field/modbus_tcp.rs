//! Modbus TCP devices that answer late: transaction numbers tell answers apart, and the connection is kept.

use super::modbus::{Bus, quarantined, slave, watch};
use super::pipeline::Pipeline;
use linli::config::ModbusTransport;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A device whose registers hold their own addresses. Every n-th answer is late. How often it was connected to.
async fn device(every: u32, late: Duration) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        let mut asked = 0_u32;
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let (mut read, write) = stream.into_split();
            let write = Arc::new(tokio::sync::Mutex::new(write));
            let mut request = [0; 12];
            while read.read_exact(&mut request).await.is_ok() {
                asked += 1;
                let start = u16::from_be_bytes([request[8], request[9]]);
                let count = u16::from_be_bytes([request[10], request[11]]);
                let mut frame = vec![request[0], request[1], 0, 0, 0, 3 + 2 * count as u8];
                frame.extend([request[6], request[7], 2 * count as u8]);
                (start..start + count).for_each(|address| frame.extend(address.to_be_bytes()));
                let write = Arc::clone(&write);
                let delay = if asked.is_multiple_of(every) {
                    late
                } else {
                    Duration::ZERO
                };
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = write.lock().await.write_all(&frame).await;
                });
            }
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_late_answer_is_dropped_and_the_connection_is_not() {
    let (address, connections) = device(3, Duration::from_millis(300)).await;
    let mut pipeline = Pipeline::start();
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::Tcp(address.to_string()),
        vec![slave(1, &[100, 200], 2)],
    );
    let seen = watch(&mut pipeline, Duration::from_secs(5)).await;
    bus.stopped().await;
    assert_eq!(seen[&1].wrong, 0, "{seen:?}");
    assert!(seen[&1].right >= 15, "{seen:?}");
    assert!(quarantined(&pipeline, "late") >= 3);
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_single_lost_answer_is_asked_for_again_before_anybody_is_told() {
    // Later than anybody waits: for the master these answers are lost.
    let (address, _) = device(5, Duration::from_secs(60)).await;
    let mut pipeline = Pipeline::start();
    let bus = super::modbus::config(ModbusTransport::Tcp(address.to_string()));
    let bus = linli::config::ModbusBus {
        period: Duration::from_secs(1),
        ..bus
    };
    let bus = Bus::of(&pipeline, bus, vec![slave(1, &[100, 200], 2)], None);
    let seen = watch(&mut pipeline, Duration::from_secs(6)).await;
    bus.stopped().await;
    assert!(
        seen[&1].wrong == 0 && seen[&1].missing <= seen[&1].stalls,
        "{seen:?}"
    );
    assert!(seen[&1].right >= 9, "{seen:?}");
}
