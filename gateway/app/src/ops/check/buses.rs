//! What the estate asks of each bus: whether its line has the time, and whether its units can be there.
//!
//! Computed from baud rate, frame lengths, turn-around and pauses before anything is connected. What a running bus
//! really needs is measured by `field::modbus`.

use crate::config::problem::{Problem, Sink};
use crate::config::said::{self, Said, both};
use crate::config::{self, LineSpeed, ModbusBus, ModbusTransport, Outline};
use linli_decode::{Catalogue, Profile};
use linli_domain::estate::EstateDoc;
use linli_domain::time::duration_text;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Above this share a bus has no room for repetitions, probes and a slow slave.
const COMFORTABLE: f64 = 0.7;
/// Units of a serial line end here.
const LAST_SERIAL_UNIT: u8 = 247;

/// Checks every bus of the configuration at `path`; the problems stand at its section.
pub(super) fn check(
    path: &Path,
    outline: &Outline,
    estate: &EstateDoc,
    catalogue: &Catalogue,
) -> Vec<Problem> {
    let Ok(text) = config::read_limited(path, config::MAX_CONFIG_BYTES) else {
        return Vec::new();
    };
    let sink = Sink::new(path, text);
    for (bus, place) in &outline.lines {
        let slaves: Vec<(u8, Arc<Profile>)> = estate
            .devices
            .iter()
            .filter_map(|device| {
                let address = device.address.as_ref()?;
                (address.bus.as_ref() == Some(&bus.bus)).then_some(())?;
                Some((address.unit?, catalogue.get(&device.profile)?))
            })
            .collect();
        let highest = slaves.iter().map(|(unit, _)| *unit).max().unwrap_or_default();
        if highest > LAST_SERIAL_UNIT && !matches!(bus.transport, ModbusTransport::Tcp(_)) {
            sink.error(place.clone(), beyond_the_line(bus, highest));
        }
        let demand = Demand::of(bus, &slaves);
        // Without a known speed the estimate rests on the turn-around alone: not enough to refuse.
        match (demand.share, bus.speed) {
            (share, Some(speed)) if share > 1.0 => sink.error(place.clone(), demand.said(bus, Some(speed))),
            (share, speed) if share > COMFORTABLE => sink.warn(place.clone(), demand.said(bus, speed)),
            _ => {}
        }
    }
    sink.into_problems()
}

/// What a bus is asked for.
struct Demand {
    slaves: usize,
    requests_per_second: f64,
    /// Seconds of line a second needs.
    share: f64,
}

impl Demand {
    fn of(bus: &ModbusBus, slaves: &[(u8, Arc<Profile>)]) -> Self {
        let line = bus.line();
        let maps = || slaves.iter().filter_map(|(_, profile)| profile.modbus());
        let reads = maps().flat_map(|map| map.plan().reads.iter().map(move |read| map.period(read)));
        Self {
            slaves: maps().count(),
            requests_per_second: reads
                .map(|period| 1.0 / period.unwrap_or(bus.period).as_secs_f64())
                .sum(),
            share: maps().map(|map| line.share(map, bus.period)).sum(),
        }
    }

    fn said(&self, bus: &ModbusBus, speed: Option<LineSpeed>) -> Said {
        let (name, slaves) = (&bus.bus, self.slaves);
        let requests = format!("{:.1}", self.requests_per_second);
        let percent = (self.share * 100.0).ceil();
        let millis = (self.share * 1000.0).round();
        let (zh_line, en_line) = match speed {
            Some(speed) => (format!("{} 波特", speed.baud), format!("at {} baud", speed.baud)),
            None => (
                "未知速率的线路".to_owned(),
                "on a line of unknown speed".to_owned(),
            ),
        };
        let turnaround = duration_text::format(bus.turnaround);
        let message = if self.share > 1.0 {
            both!(
                "总线 \"{name}\" 排不下：{slaves} 个从机每秒 {requests} 个请求，{zh_line}下每秒需要 {millis} 毫秒（{percent}%）",
                "the bus \"{name}\" cannot keep its plan: {slaves} slaves and {requests} requests a second take {millis} ms of each second {en_line} ({percent} %)"
            )
        } else {
            both!(
                "总线 \"{name}\" 占用 {percent}%：{slaves} 个从机每秒 {requests} 个请求，{zh_line}下每秒需要 {millis} 毫秒",
                "the bus \"{name}\" is {percent} % full: {slaves} slaves and {requests} requests a second take {millis} ms of each second {en_line}"
            )
        };
        let period = duration_text::format(self.comfortable_period(bus));
        Said::new("bus-time", message).hint(both!(
            "把周期放宽到约 {period}（总线的 period 或型号的 poll），提高波特率，或拆分总线；估算按从机响应时间 {turnaround}（turnaround）",
            "make periods longer, about {period} (`period` of the bus, `poll` of profiles), raise the baud rate, or split the bus; reckoned with a turnaround of {turnaround}"
        ))
    }

    /// The bus's period, lengthened until the line is comfortably full. Exact when all registers have it.
    fn comfortable_period(&self, bus: &ModbusBus) -> Duration {
        let seconds = (bus.period.as_secs_f64() * self.share / COMFORTABLE).ceil();
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(Duration::MAX)
            .max(Duration::from_secs(1))
    }
}

fn beyond_the_line(bus: &ModbusBus, unit: u8) -> Said {
    let name = &bus.bus;
    said::conflict(
        both!(
            "总线 \"{name}\" 是串行线路，地址 {unit} 超出 1 到 {LAST_SERIAL_UNIT}",
            "the bus \"{name}\" is a serial line, and unit {unit} is beyond its 1 to {LAST_SERIAL_UNIT}"
        ),
        both!(
            "改用设备上实际设置的地址",
            "use the address that is set on the device"
        ),
    )
}
