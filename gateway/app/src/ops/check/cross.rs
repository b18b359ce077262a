//! What the estate says about things the configuration and the catalogue hold: profiles, connections, buses, roles.

use super::spans;
use crate::config::Outline;
use crate::config::problem::Sink;
use crate::config::said::{self, both};
use crate::profiles::ANNOUNCED;
use linli_decode::{Catalogue, Profile, Role};
use linli_domain::estate::EstateDoc;
use linli_domain::estate::doc::DeviceDoc;
use linli_domain::measure::nearest;
use std::ops::Range;
use toml::de::DeTable;

/// Checks every device.
pub(super) fn check(
    document: &EstateDoc,
    table: &DeTable<'_>,
    outline: &Outline,
    catalogue: &Catalogue,
    sink: &Sink,
) {
    for (n, device) in document.devices.iter().enumerate() {
        let at = |field: &str| spans::find(table, &format!("devices[{n}].{field}"));
        let ids: Vec<&str> = catalogue.iter().map(|profile| profile.id().as_str()).collect();
        let profile = catalogue.get(&device.profile);
        if profile.is_none() && device.profile.as_str() != ANNOUNCED {
            let name = device.profile.as_str();
            let near = nearest(name, ids.iter().copied());
            let said = said::unknown_name(&both!("设备型号", "profile"), name, near, &ids.join(", "));
            sink.error(at("profile"), said);
        }
        address(device, profile.as_deref(), outline, sink, at);
        if let (Some(role), Some(profile)) = (&device.role, &profile) {
            check_role(role, profile, sink, at("role"));
        }
    }
}

fn address(
    device: &DeviceDoc,
    profile: Option<&Profile>,
    outline: &Outline,
    sink: &Sink,
    at: impl Fn(&str) -> Option<Range<usize>>,
) {
    let Some(address) = &device.address else { return };
    let further = address.also.iter().map(|name| ("address.also", name));
    for (part, name) in address
        .mqtt
        .iter()
        .map(|name| ("address.mqtt", name))
        .chain(further)
    {
        if !outline.connections.contains(name) {
            let near = nearest(name, outline.connections.iter().map(String::as_str));
            let what = both!("MQTT 连接", "MQTT connection");
            sink.error(
                at(part),
                said::unknown_name(&what, name, near, &outline.connections.join(", ")),
            );
        }
    }
    if let Some(key) = address.key.as_deref().filter(|key| is_upper_dev_eui(key)) {
        let lower = key.to_ascii_lowercase();
        let message = both!(
            "DevEUI 须小写：\"{key}\"",
            "a DevEUI is written in lower case, not \"{key}\""
        );
        let hint = both!("改写为 \"{lower}\"", "write \"{lower}\"");
        sink.error(at("address.key"), said::conflict(message, hint));
    }
    let Some(bus) = &address.bus else { return };
    if !outline.buses.iter().any(|known| known == bus.as_str()) {
        let near = nearest(bus.as_str(), outline.buses.iter().map(String::as_str));
        let what = both!("Modbus 总线", "Modbus bus");
        sink.error(
            at("address.bus"),
            said::unknown_name(&what, bus.as_str(), near, &outline.buses.join(", ")),
        );
    }
    if profile.is_some_and(|profile| profile.modbus().is_none()) {
        let id = &device.profile;
        let message = both!(
            "型号 \"{id}\" 不支持 Modbus",
            "the profile \"{id}\" does not speak Modbus"
        );
        let hint = both!(
            "写 mqtt 地址，或换一个型号",
            "give an mqtt address, or another profile"
        );
        sink.error(at("address.bus"), said::conflict(message, hint));
    }
}

fn check_role(role: &str, profile: &Profile, sink: &Sink, span: Option<Range<usize>>) {
    let known: Vec<&str> = Role::NAMES.iter().map(|(_, name)| *name).collect();
    match Role::from_name(role) {
        None => {
            let near = nearest(role, known.iter().copied());
            sink.error(span, said::not_one_of("role", role, near, &known));
        }
        Some(found) if !profile.roles().is_empty() && !profile.roles().contains(&found) => {
            let possible: Vec<&str> = profile.roles().iter().map(|role| role.name()).collect();
            sink.error(span, said::not_one_of("role", role, None, &possible));
        }
        Some(_) => {}
    }
}

fn is_upper_dev_eui(key: &str) -> bool {
    key.len() == 16
        && key.bytes().all(|b| b.is_ascii_hexdigit())
        && key.bytes().any(|b| b.is_ascii_uppercase())
}
