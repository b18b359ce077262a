//! Checks of `[[modbus]]`.

use super::Once;
use crate::config::problem::Sink;
use crate::config::raw::modbus::Modbus;
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::{Dtu, LineSpeed, ModbusBus, ModbusTransport};
use std::time::Duration;

/// The buses whose sections are whole.
pub(super) fn modbus(raw: &[Modbus], sink: &Sink) -> Vec<ModbusBus> {
    let mut names = Once::new(both!("总线名", "bus name"), sink);
    let mut lines = Once::new(both!("总线地址", "bus address"), sink);
    let mut dtus = Dtus::default();
    let mut buses = Vec::new();
    for bus in raw {
        names.see(bus.name.as_ref());
        if bus.transports_given != 1 {
            let message = both!(
                "总线需要且只需要 tcp、rtu_over_tcp、dtu、serial 之一",
                "a bus has exactly one of tcp, rtu_over_tcp, dtu and serial"
            );
            let hint = both!(
                "例如：tcp = \"10.0.0.5:502\"",
                "for example: tcp = \"10.0.0.5:502\""
            );
            sink.error(bus.place.clone(), said::conflict(message, hint));
        }
        let Some(transport) = bus.transport.first() else {
            continue;
        };
        let address = line(&transport.value).map(|value| At {
            value,
            span: transport.span.clone(),
        });
        lines.see(address.as_ref());
        dtus.see(transport, sink);
        let Some(name) = &bus.name else { continue };
        buses.push(settings(
            bus,
            ModbusBus::new(name.value.clone(), transport.value.clone()),
            sink,
        ));
    }
    buses
}

/// What the section says beside name and transport.
fn settings(raw: &Modbus, mut bus: ModbusBus, sink: &Sink) -> ModbusBus {
    let set = |at: &Option<At<Duration>>, value: &mut Duration| {
        if let Some(at) = at {
            *value = at.value;
        }
    };
    set(&raw.timeout, &mut bus.timeout);
    bus.max_lateness = ModbusBus::usual_lateness(bus.timeout);
    set(&raw.period, &mut bus.period);
    set(&raw.pause, &mut bus.pause);
    set(&raw.max_lateness, &mut bus.max_lateness);
    set(&raw.frame_gap, &mut bus.frame_gap);
    set(&raw.turnaround, &mut bus.turnaround);
    bus.writes = raw.writes.as_ref().is_some_and(|at| at.value);
    if let Some(at) = raw.max_lateness.as_ref().filter(|at| at.value < bus.timeout) {
        let message = both!(
            "max_lateness 短于 timeout：应答会在被等待期间被判为迟到",
            "max_lateness is shorter than timeout: answers would be late while they are still waited for"
        );
        let hint = both!("不小于 timeout", "make it at least as long as timeout");
        sink.error(at.span.clone(), said::conflict(message, hint));
    }
    if let Some(at) = &raw.baud {
        match bus.transport {
            ModbusTransport::RtuOverTcp(_) | ModbusTransport::Dtu(_) => {
                let baud = u32::try_from(at.value).unwrap_or(9_600);
                bus.speed = Some(LineSpeed {
                    baud,
                    bits_per_character: 10,
                });
            }
            ModbusTransport::Tcp(_) | ModbusTransport::Rtu { .. } => {
                let message = both!(
                    "这里的 baud 只用于 rtu_over_tcp 与 dtu 背后的串口",
                    "this baud is for the line behind rtu_over_tcp or dtu"
                );
                let hint = both!(
                    "串口写 serial = {{ path = …, baud = … }}；tcp 不需要",
                    "for a serial port write serial = {{ path = …, baud = … }}; tcp needs none"
                );
                sink.error(at.span.clone(), said::conflict(message, hint));
            }
        }
    }
    bus
}

/// DTUs that share a port must be told apart by what they register with.
#[derive(Default)]
struct Dtus(Vec<Dtu>);

impl Dtus {
    fn see(&mut self, transport: &At<ModbusTransport>, sink: &Sink) {
        let ModbusTransport::Dtu(dtu) = &transport.value else {
            return;
        };
        let span = || transport.span.clone();
        if let Some(bytes) = dtu.id_bytes.filter(|bytes| *bytes != dtu.registration.len()) {
            let length = dtu.registration.len();
            let message = both!(
                "id_bytes = {bytes}，而注册内容有 {length} 字节",
                "id_bytes = {bytes}, and the registration has {length} bytes"
            );
            let hint = both!(
                "写出注册包的前 {bytes} 个字节",
                "write the first {bytes} bytes of the registration"
            );
            sink.error(span(), said::conflict(message, hint));
        }
        for other in self.0.iter().filter(|other| other.listen == dtu.listen) {
            if other.id_bytes != dtu.id_bytes {
                let message = both!(
                    "同一端口上的 id_bytes 须一致",
                    "DTUs on one port have one id_bytes"
                );
                let hint = both!(
                    "都写同一个值，或都不写",
                    "write the same for all of them, or for none"
                );
                sink.error(span(), said::conflict(message, hint));
            }
            let (a, b) = (&other.registration, &dtu.registration);
            if a.starts_with(b) || b.starts_with(a) {
                let message = both!(
                    "同一端口上的注册内容不能相同或互为开头",
                    "registrations on one port must differ, and none may begin like another"
                );
                let hint = both!("换一个注册内容或端口", "use another registration or another port");
                sink.error(span(), said::conflict(message, hint));
            }
        }
        self.0.push(dtu.clone());
    }
}

/// What no two buses can share. A port of DTUs they can; see [`Dtus`].
fn line(transport: &ModbusTransport) -> Option<String> {
    match transport {
        ModbusTransport::Tcp(address) | ModbusTransport::RtuOverTcp(address) => Some(address.clone()),
        ModbusTransport::Rtu { path, .. } => Some(path.display().to_string()),
        ModbusTransport::Dtu(_) => None,
    }
}
