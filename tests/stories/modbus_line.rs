//! A line of foreign slaves with bad manners: the healthy ones are read, the sick ones say why not, and no value is ever
//! another register's.

use crate::estate::estate;
use e2e::gateway::{Gateway, Site};
use e2e::modbus::{Reach, Slaves};
use e2e::process::free_port;
use e2e::wait::until;
use serde_json::Value;

/// Eight holding registers from 8 on, and four input registers read by themselves.
const PROFILE: &str = r#"
id = "story.registers"
title = "Registers of the stories"
version = 1

[modbus]
registers = [
    { function = 3, address = 8, type = "u16", measure = "pulse.count", instance = "R8" },
    { function = 3, address = 9, type = "u16", measure = "pulse.count", instance = "R9" },
    { function = 3, address = 10, type = "u16", measure = "pulse.count", instance = "R10" },
    { function = 3, address = 11, type = "u16", measure = "pulse.count", instance = "R11" },
    { function = 3, address = 40, type = "u16", measure = "pulse.count", instance = "R40" },
    { function = 4, address = 20, type = "u16", measure = "pulse.count", instance = "R20" },
]

[[tests]]
name = "one of them"
registers = [{ function = 4, start = 20, values = [1020] }]
expect = [{ measure = "pulse.count", instance = "R20", value = 1020 }]
"#;
const REGISTERS: [u32; 6] = [8, 9, 10, 11, 20, 40];

fn device(bus: &str, unit: u8) -> String {
    format!(
        "[[devices]]\nid = \"u{unit}\"\nprofile = \"story.registers\"\nname = {{ zh = \"从机\", en = \"Slave\" }}\n\
         address = {{ bus = \"{bus}\", unit = {unit} }}\n"
    )
}

fn site(buses: &str, devices: &str) -> Site {
    Site {
        estate: estate("main", devices),
        modbus: buses.to_owned(),
        profiles: vec![("story-registers.toml".into(), PROFILE.into())],
        ..Site::default()
    }
}

/// Waits until a point is as it should be: its value, or the reason there is none.
async fn point(gateway: &Gateway, unit: u8, register: u32, wanted: Result<f64, &str>) {
    let id = format!("u{unit}/pulse.count/R{register}");
    until(&format!("{id} to be {wanted:?}"), || async {
        let points = gateway.list("/api/v1/points?limit=500").await?;
        let point = points.iter().find(|point| point["id"] == id.as_str());
        let latest = point.map(|point| point["latest"].clone()).unwrap_or_default();
        let fits = match wanted {
            Ok(value) => latest["value"] == value && latest["quality"] == "good",
            Err(reason) => latest["value"].is_null() && latest.to_string().contains(reason),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("{latest}\n{}", gateway.log()))
        }
    })
    .await;
}

/// Everything that was ever stored of a unit is its own.
async fn nothing_is_wrong(gateway: &Gateway, unit: u8) -> usize {
    let mut values = 0;
    for register in REGISTERS {
        let path = format!("/api/v1/points/u{unit}%2Fpulse.count%2FR{register}/readings?limit=500");
        for reading in gateway.list(&path).await.unwrap_or_default() {
            let expected = f64::from(u32::from(unit) * 1000 + register);
            assert!(
                reading["value"].is_null() || reading["value"] == expected,
                "u{unit} R{register}: {reading}"
            );
            values += usize::from(!reading["value"].is_null());
        }
    }
    values
}

async fn a_bad_line(reach: Reach) {
    let slaves = Slaves::start(reach, &["1:good", "3:wrong-unit", "4:hole:10", "5:noise"]).await;
    let bus = slaves.bus("bus-1", reach) + "period = \"500ms\"\ntimeout = \"300ms\"\n";
    let devices: String = (1..=5).map(|unit| device("bus-1", unit)).collect();
    let mut gateway = Gateway::start(&site(&bus, &devices)).await;
    for register in REGISTERS {
        point(&gateway, 1, register, Ok(f64::from(1000 + register))).await;
        point(&gateway, 5, register, Ok(f64::from(5000 + register))).await;
        point(&gateway, 2, register, Err("comm_timeout")).await;
        let hole = if register == 10 {
            Err("illegal_address")
        } else {
            Ok(f64::from(4000 + register))
        };
        point(&gateway, 4, register, hole).await;
    }
    // What comes is signed by another unit: heard, believed by nobody.
    point(&gateway, 3, 8, Err("frame_error")).await;
    until("the dead and the impostor to be only probed", || async {
        let metrics = gateway
            .metric("linli_modbus_slaves{bus=\"bus-1\",state=\"open\"}")
            .await;
        if metrics == 2.0 {
            Ok(())
        } else {
            Err(metrics.to_string())
        }
    })
    .await;
    let polls = nothing_is_wrong(&gateway, 1).await;
    until("the healthy to be read on", || async {
        let now = nothing_is_wrong(&gateway, 1).await;
        if now >= polls + 30 {
            Ok(())
        } else {
            Err(format!("{now} after {polls}"))
        }
    })
    .await;
    for unit in 2..=5 {
        nothing_is_wrong(&gateway, unit).await;
    }
    assert!(gateway.metric("linli_modbus_quarantined_total").await > 0.0);
    assert_eq!(gateway.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_behind_a_serial_server_gives_right_values_or_reasons() {
    a_bad_line(Reach::RtuOverTcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_a_serial_port() {
    a_bad_line(Reach::Serial).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_device_delays_nobody_and_its_late_answers_are_nobodys() {
    let slow = Slaves::start(Reach::Tcp, &["1:slow:0.7"]).await;
    let prompt = Slaves::start(Reach::Tcp, &["2:good"]).await;
    let buses = slow.bus("slow", Reach::Tcp)
        + "period = \"1s\"\ntimeout = \"300ms\"\n"
        + &prompt.bus("prompt", Reach::Tcp)
        + "period = \"200ms\"\n";
    let devices = device("slow", 1) + &device("prompt", 2);
    let mut gateway = Gateway::start(&site(&buses, &devices)).await;
    point(&gateway, 2, 40, Ok(2040.0)).await;
    point(&gateway, 1, 8, Err("comm_timeout")).await;
    until("late answers to be counted", || async {
        let late = gateway
            .metric("linli_modbus_quarantined_total{bus=\"slow\",kind=\"late\"}")
            .await;
        if late >= 2.0 {
            Ok(())
        } else {
            Err(format!("{late}\n{}", gateway.log()))
        }
    })
    .await;
    until("the prompt device to be read on", || async {
        match nothing_is_wrong(&gateway, 2).await {
            values if values >= 60 => Ok(()),
            values => Err(format!("{values} values")),
        }
    })
    .await;
    nothing_is_wrong(&gateway, 1).await;
    assert_eq!(gateway.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dtu_dials_in_is_read_lost_and_found_again() {
    let slaves = Slaves::start(Reach::RtuOverTcp, &["1:good"]).await;
    let port = free_port();
    let bus = format!(
        "[[modbus]]\nname = \"mobile\"\nperiod = \"500ms\"\ntimeout = \"500ms\"\n\
         dtu = {{ listen = \"127.0.0.1:{port}\", registration = \"story-dtu\", heartbeat = \"ping\" }}\n"
    );
    let mut gateway = Gateway::start(&site(&bus, &device("mobile", 1))).await;
    gateway
        .point_is("gateway/gateway.bus_ok/mobile", Value::Bool(false))
        .await;
    let dtu = slaves.dial(port, "story-dtu", "ping");
    for register in REGISTERS {
        point(&gateway, 1, register, Ok(f64::from(1000 + register))).await;
    }
    gateway
        .point_is("gateway/gateway.bus_ok/mobile", Value::Bool(true))
        .await;
    drop(dtu);
    point(&gateway, 1, 8, Err("comm_timeout")).await;
    gateway
        .point_is("gateway/gateway.bus_ok/mobile", Value::Bool(false))
        .await;
    let stranger = slaves.dial(port, "other-dtu", "ping");
    until("the stranger to be refused", || async {
        let refused = gateway.metric("linli_modbus_dtu_refused_total").await;
        if refused >= 1.0 {
            Ok(())
        } else {
            Err(refused.to_string())
        }
    })
    .await;
    drop(stranger);
    let _again = slaves.dial(port, "story-dtu", "ping");
    point(&gateway, 1, 8, Ok(1008.0)).await;
    nothing_is_wrong(&gateway, 1).await;
    assert_eq!(gateway.terminate().await, Some(0));
}
