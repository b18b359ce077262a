//! Checks of `[[modbus]]`.

use super::Once;
use crate::config::problem::Sink;
use crate::config::raw::modbus::Modbus;
use crate::config::read::At;
use crate::config::said::{self, both};
use crate::config::{ModbusBus, ModbusTransport};
use std::time::Duration;

/// The buses whose sections are whole.
pub(super) fn modbus(raw: &[Modbus], sink: &Sink) -> Vec<ModbusBus> {
    let mut names = Once::new(both!("总线名", "bus name"), sink);
    let mut lines = Once::new(both!("总线地址", "bus address"), sink);
    let mut buses = Vec::new();
    for bus in raw {
        names.see(bus.name.as_ref());
        if bus.transports_given != 1 {
            let message = both!(
                "总线需要且只需要 tcp、rtu_over_tcp、serial 之一",
                "a bus has exactly one of tcp, rtu_over_tcp and serial"
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
        lines.see(Some(&At {
            value: line(&transport.value),
            span: transport.span.clone(),
        }));
        let Some(name) = &bus.name else { continue };
        buses.push(ModbusBus {
            bus: name.value.clone(),
            transport: transport.value.clone(),
            timeout: bus
                .timeout
                .as_ref()
                .map_or(Duration::from_millis(500), |at| at.value),
            period: bus.period.as_ref().map_or(Duration::from_secs(5), |at| at.value),
            pause: bus.pause.as_ref().map_or(Duration::from_millis(5), |at| at.value),
        });
    }
    buses
}

fn line(transport: &ModbusTransport) -> String {
    match transport {
        ModbusTransport::Tcp(address) | ModbusTransport::RtuOverTcp(address) => address.clone(),
        ModbusTransport::Rtu { path, .. } => path.display().to_string(),
    }
}
