//! Whoever the gateway talks to: whether a connection can be made. Nothing is sent.

use super::Report;
use crate::config::said::both;
use crate::config::{Config, ModbusTransport};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest wait for one connection.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn look(config: &Config, report: &mut Report) {
    let listen = config.http.listen;
    if TcpStream::connect_timeout(&listen, PATIENCE).is_ok() {
        report.fine(
            "gateway",
            both!("网关正在 {listen} 应答", "the gateway answers at {listen}"),
        );
    } else {
        report.warn(
            "gateway",
            both!("{listen} 上没有网关应答", "no gateway answers at {listen}"),
            both!(
                "若不是有意停止：systemctl status linli",
                "unless it was stopped on purpose: systemctl status linli"
            ),
        );
    }
    for connection in &config.mqtt {
        reach(
            "broker",
            &connection.name,
            &format!("{}:{}", connection.host, connection.port),
            report,
        );
    }
    for bus in &config.modbus {
        match &bus.transport {
            ModbusTransport::Tcp(address) | ModbusTransport::RtuOverTcp(address) => {
                reach("bus", bus.bus.as_str(), address, report);
            }
            ModbusTransport::Rtu { path, .. } if !path.exists() => {
                let (name, path) = (bus.bus.as_str(), path.display().to_string());
                report.wrong(
                    "bus",
                    both!(
                        "总线 {name} 的串口 {path} 不存在",
                        "the serial port {path} of the bus {name} is not there"
                    ),
                    both!("检查插头和设备名", "check the plug and the name of the device"),
                );
            }
            ModbusTransport::Rtu { .. } | ModbusTransport::Dtu(_) => {}
        }
    }
}

fn reach(area: &'static str, name: &str, address: &str, report: &mut Report) {
    let connected = address.to_socket_addrs().and_then(|mut addresses| {
        addresses
            .find_map(|address| TcpStream::connect_timeout(&address, PATIENCE).ok())
            .ok_or_else(|| std::io::Error::other("no address of it accepts a connection"))
    });
    match connected {
        Ok(_) => report.fine(
            area,
            both!("{name}（{address}）可以连接", "{name} ({address}) can be reached"),
        ),
        Err(error) => report.wrong(
            area,
            both!(
                "{name}（{address}）无法连接：{error}",
                "{name} ({address}) cannot be reached: {error}"
            ),
            both!(
                "检查地址、网络和对方是否在运行",
                "check the address, the network, and whether it is running"
            ),
        ),
    }
}
