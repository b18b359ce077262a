//! `[[modbus]]`: field buses.

use crate::config::raw::{address, days, id, path, split_port};
use crate::config::read::{At, Table};
use crate::config::said::{self, both};
use crate::config::{Dtu, ModbusTransport, Parity};
use linli_domain::id::BusId;
use linli_domain::text::Text;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

/// The keys that say how a bus is reached.
const TRANSPORTS: [&str; 4] = ["tcp", "rtu_over_tcp", "dtu", "serial"];
/// Speeds of a serial line.
const BAUD: RangeInclusive<i64> = 300..=921_600;
/// Longest registration and heartbeat of a DTU.
const MAX_REGISTRATION: usize = 128;

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
    /// How late a device may answer.
    pub max_lateness: Option<At<Duration>>,
    /// The silence that ends a frame.
    pub frame_gap: Option<At<Duration>>,
    /// Usual time to an answer.
    pub turnaround: Option<At<Duration>>,
    /// Speed of the line behind a converter.
    pub baud: Option<At<i64>>,
    /// Registers may be written.
    pub writes: Option<At<bool>>,
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
        let dtu = table.table("dtu").and_then(dtu);
        let over = over.map(|at| at.map(ModbusTransport::RtuOverTcp));
        let transport = [tcp, over, dtu, serial];
        let modbus = Self {
            name: table.need("name", "\"bus-1\"", name),
            transport: transport.into_iter().flatten().collect(),
            transports_given: TRANSPORTS.into_iter().filter(|k| table.has(k)).count(),
            timeout: table.duration("timeout", Duration::from_millis(20)..=Duration::from_secs(30)),
            period: table.duration("period", Duration::from_millis(100)..=days(1)),
            pause: table.duration("pause", Duration::ZERO..=Duration::from_secs(5)),
            max_lateness: table.duration(
                "max_lateness",
                Duration::from_millis(20)..=Duration::from_secs(60),
            ),
            frame_gap: table.duration("frame_gap", Duration::from_millis(5)..=Duration::from_secs(2)),
            turnaround: table.duration("turnaround", Duration::ZERO..=Duration::from_secs(5)),
            baud: table.integer("baud", BAUD),
            writes: table.boolean("writes"),
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
            .integer("baud", BAUD)
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

fn dtu(table: Table<'_>) -> Option<At<ModbusTransport>> {
    let listen = address(&table, "listen");
    let listen = table.need("listen", "\"0.0.0.0:4196\"", listen);
    let registration = text_or_hex(&table, "registration", "registration_hex", "\"LINLI-0001\"");
    if registration.is_none() && !table.has("registration") && !table.has("registration_hex") {
        table.sink().error(
            table.place(),
            said::missing_key("registration", "modbus.dtu", "\"LINLI-0001\""),
        );
    }
    let heartbeat = text_or_hex(&table, "heartbeat", "heartbeat_hex", "\"ping\"");
    let id_bytes = table.integer("id_bytes", 1..=128);
    let span = table.span.clone();
    table.finish();
    Some(At {
        value: ModbusTransport::Dtu(Dtu {
            listen: listen?.value,
            registration: registration?.value,
            id_bytes: id_bytes.and_then(|at| usize::try_from(at.value).ok()),
            heartbeat: heartbeat.map(|at| at.value),
        }),
        span,
    })
}

/// Bytes written as a text under one key or in hexadecimal under the other.
fn text_or_hex(
    table: &Table<'_>,
    text: &'static str,
    hex: &'static str,
    example: &str,
) -> Option<At<Box<[u8]>>> {
    let limit = MAX_REGISTRATION;
    let bounded = move |bytes: Vec<u8>| match bytes.len() {
        0 => Err(both!("为空", "it is empty")),
        length if length > limit => Err(both!("最长 {limit} 字节", "it has at most {limit} bytes")),
        _ => Ok(bytes.into_boxed_slice()),
    };
    let as_text = table.parsed(text, example, |given| bounded(given.as_bytes().to_vec()));
    let as_hex = table.parsed(hex, "\"4C 4E 01\"", |given| {
        let not_hex = || both!("不是十六进制字节", "it is not made of hexadecimal bytes");
        hexadecimal(given).ok_or_else(not_hex).and_then(bounded)
    });
    if table.has(text) && table.has(hex) {
        let message = both!("{text} 与 {hex} 只能写一个", "give only one of {text} and {hex}");
        let hint = both!(
            "文本用 {text}，字节用 {hex}",
            "{text} for a text, {hex} for bytes"
        );
        table.sink().error(table.place(), said::conflict(message, hint));
    }
    as_text.or(as_hex)
}

/// `4C 4E 01`, spaces free.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.split_whitespace().collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let fine = digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fine.then(|| digits.as_bytes().chunks(2).map(pair).collect())?
}

fn host_port(text: &str) -> Result<String, Text> {
    split_port(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| both!("需要“主机:端口”", "it is a host and a port"))
}
