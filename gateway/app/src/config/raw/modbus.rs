//! `[[modbus]]`: field buses.

use crate::config::raw::{days, id, path, split_port};
use crate::config::read::{At, Table};
use crate::config::said::both;
use crate::config::{ModbusTransport, Parity};
use linli_domain::id::BusId;
use linli_domain::text::Text;
use std::ops::Range;
use std::time::Duration;

/// `[[modbus]]`.
#[derive(Debug)]
pub struct Modbus {
    /// Bus name.
    pub name: Option<At<BusId>>,
    /// How it is reached.
    pub transport: Vec<At<ModbusTransport>>,
    /// Number of transport keys that stand in the section, readable or not.
    pub transports_given: usize,
    /// Longest wait.
    pub timeout: Option<At<Duration>>,
    /// Poll period.
    pub period: Option<At<Duration>>,
    /// Pause between requests.
    pub pause: Option<At<Duration>>,
    /// Where the section stands.
    pub place: Range<usize>,
}

impl Modbus {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("bus", "name"), ("interval", "period"), ("rtu", "serial")]);
        let name = id(&table, "name", "\"bus-1\"");
        let tcp = table
            .parsed("tcp", "\"10.0.0.5:502\"", host_port)
            .map(|at| at.map(ModbusTransport::Tcp));
        let over = table.parsed("rtu_over_tcp", "\"10.0.0.6:4196\"", host_port);
        let serial = table.table("serial").and_then(serial);
        let transport = [tcp, over.map(|at| at.map(ModbusTransport::RtuOverTcp)), serial];
        let modbus = Self {
            name: table.need("name", "\"bus-1\"", name),
            transport: transport.into_iter().flatten().collect(),
            transports_given: ["tcp", "rtu_over_tcp", "serial"]
                .into_iter()
                .filter(|k| table.has(k))
                .count(),
            timeout: table.duration("timeout", Duration::from_millis(20)..=Duration::from_secs(30)),
            period: table.duration("period", Duration::from_millis(100)..=days(1)),
            pause: table.duration("pause", Duration::ZERO..=Duration::from_secs(5)),
            place: table.span.clone(),
        };
        table.finish();
        modbus
    }
}

fn serial(table: Table<'_>) -> Option<At<ModbusTransport>> {
    let table = table.renamed(&[("port", "path"), ("device", "path"), ("baud_rate", "baud")]);
    let port = path(&table, "path", "\"/dev/ttyUSB0\"");
    let port = table.need("path", "\"/dev/ttyUSB0\"", port);
    let parities = [
        ("none", Parity::None),
        ("even", Parity::Even),
        ("odd", Parity::Odd),
    ];
    let transport = ModbusTransport::Rtu {
        path: port.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        baud: table
            .integer("baud", 300..=921_600)
            .map_or(9600, |at| u32::try_from(at.value).unwrap_or(9600)),
        parity: table
            .choice("parity", &parities)
            .map_or(Parity::None, |at| at.value),
        stop_bits: table
            .integer("stop_bits", 1..=2)
            .map_or(1, |at| u8::try_from(at.value).unwrap_or(1)),
    };
    let span = table.span.clone();
    table.finish();
    port.map(|_| At {
        value: transport,
        span,
    })
}

fn host_port(text: &str) -> Result<String, Text> {
    split_port(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| both!("需要“主机:端口”", "it is a host and a port"))
}
