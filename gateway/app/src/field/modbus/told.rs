//! What a bus tells the outside: frames, facts about itself, numbers.

use super::Surroundings;
use super::breaker::Standing;
use super::devices::Slave;
use super::memory::Memory;
use crate::config::ModbusBus;
use crate::field::facts::{About, Facts};
use crate::field::{Frame, ModbusFrame};
use linli_decode::RegisterData;
use linli_decode::modbus::Read;
use linli_decode::modbus::wire::Quarantine;
use linli_domain::reading::Reason;
use linli_domain::time::Now;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The measured use of the bus is told once in so long.
const USE_OVER: Duration = Duration::from_secs(10);

/// The voice of one bus.
pub(super) struct Told {
    pub(super) name: Arc<str>,
    surroundings: Surroundings,
    facts: Facts,
    ok: Option<bool>,
    busy: Duration,
    since: Instant,
}

/// The outcome of one read.
pub(super) fn frame(
    slave: &Slave,
    read: &Read,
    answer: Result<RegisterData, Reason>,
    received: Now,
) -> Frame {
    Frame::Modbus(ModbusFrame {
        device: slave.device.clone(),
        profile: Arc::clone(&slave.profile),
        read: read.clone(),
        answer,
        received,
    })
}

impl Told {
    pub(super) fn new(bus: &ModbusBus, surroundings: Surroundings) -> Self {
        let name: Arc<str> = bus.bus.to_string().into();
        Self {
            facts: Facts::new(Arc::clone(&name), Arc::clone(&surroundings.clock)),
            name,
            surroundings,
            ok: None,
            busy: Duration::ZERO,
            since: Instant::now(),
        }
    }

    /// What was last told of the bus.
    pub(super) fn is_ok(&self) -> Option<bool> {
        self.ok
    }

    /// Whether the bus can be reached and somebody answers.
    pub(super) async fn ok(&mut self, ok: bool) {
        if self.ok == Some(ok) {
            return;
        }
        self.ok = Some(ok);
        let gauge = &self.surroundings.metrics.connector_up;
        gauge
            .with_label_values(&[&*self.name, "modbus"])
            .set(i64::from(ok));
        self.push(self.facts.state(About::BusOk, ok)).await;
    }

    /// Waits while the inbox is full; polling waits with it.
    pub(super) async fn push(&self, frames: Vec<Frame>) {
        if frames.is_empty() {
            return;
        }
        let received = &self.surroundings.metrics.messages_received;
        received
            .with_label_values(&[&*self.name, "modbus"])
            .inc_by(frames.len() as u64);
        if self.surroundings.door.push(frames).await.is_err() {
            tracing::debug!(bus = %self.name, "the pipeline has ended");
        }
    }

    /// A question was asked, with this outcome.
    pub(super) fn asked(&self, outcome: &str) {
        self.surroundings
            .metrics
            .modbus_requests
            .with_label_values(&[&*self.name, outcome])
            .inc();
    }

    /// Polls were left out.
    pub(super) fn missed(&self, polls: u64) {
        if polls > 0 {
            self.surroundings
                .metrics
                .modbus_missed_polls
                .with_label_values(&[&*self.name])
                .inc_by(polls);
        }
    }

    /// Frames were kept from everybody.
    pub(super) fn quarantined(&self, quarantine: &Quarantine) {
        for (kind, count) in quarantine.iter() {
            let counter = &self.surroundings.metrics.modbus_quarantined;
            counter
                .with_label_values(&[&*self.name, kind.label()])
                .inc_by(count.into());
        }
    }

    /// How the slaves stand.
    pub(super) fn standings(&self, memories: &[Memory]) {
        let count = |wanted: fn(Standing) -> bool| {
            memories
                .iter()
                .filter(|memory| wanted(memory.breaker.standing()))
                .count()
        };
        for (state, count) in [
            ("healthy", count(|standing| standing == Standing::Healthy)),
            ("suspect", count(|standing| standing == Standing::Suspect)),
            ("open", count(|standing| matches!(standing, Standing::Open(_)))),
        ] {
            let gauge = &self.surroundings.metrics.modbus_slaves;
            gauge
                .with_label_values(&[&*self.name, state])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The bus was busy for so long.
    pub(super) fn busy(&mut self, busy: Duration) {
        self.busy += busy;
        let over = self.since.elapsed();
        if over >= USE_OVER {
            self.use_percent("used", self.busy.as_secs_f64() / over.as_secs_f64());
            (self.busy, self.since) = (Duration::ZERO, Instant::now());
        }
    }

    /// What the plan asks of the bus.
    pub(super) fn planned(&self, bus: &ModbusBus, slaves: &[Slave]) {
        let line = bus.line();
        let maps = slaves.iter().filter_map(|slave| slave.profile.modbus());
        let share: f64 = maps.map(|map| line.share(map, bus.period)).sum();
        self.use_percent("planned", share);
        if share > 1.0 {
            tracing::warn!(
                bus = %self.name, percent = (share * 100.0).round(),
                "more is asked of the bus than fits; polls will be left out (see `linli check`)"
            );
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "a percentage, clamped")]
    fn use_percent(&self, kind: &str, share: f64) {
        let percent = (share * 100.0).round().clamp(0.0, 1e6) as i64;
        self.surroundings
            .metrics
            .modbus_use
            .with_label_values(&[&*self.name, kind])
            .set(percent);
    }
}
