//! What real devices would send: vendor bytes inside ChirpStack v4 events, Zigbee2MQTT JSON.
//!
//! The layouts are the ones of the device catalogue, written the other way round and on purpose not derived from
//! it: a wrong profile must show as a refused or wrong reading.

use crate::rfc3339;
use base64::Engine as _;
use serde_json::json;

/// Milesight EM400-UDL: battery, temperature, distance, tilt.
pub fn em400_udl(battery: u8, celsius: f64, distance_mm: u16, tilted: bool) -> Vec<u8> {
    let mut bytes = vec![0x01, 0x75, battery, 0x03, 0x67];
    bytes.extend_from_slice(&tenths(celsius).to_le_bytes());
    bytes.extend_from_slice(&[0x04, 0x82]);
    bytes.extend_from_slice(&distance_mm.to_le_bytes());
    bytes.extend_from_slice(&[0x05, 0x00, u8::from(tilted)]);
    bytes
}

/// Milesight EM310-UDL: battery, distance, tilt.
pub fn em310_udl(battery: u8, distance_mm: u16, tilted: bool) -> Vec<u8> {
    let mut bytes = vec![0x01, 0x75, battery, 0x03, 0x82];
    bytes.extend_from_slice(&distance_mm.to_le_bytes());
    bytes.extend_from_slice(&[0x04, 0x00, u8::from(tilted)]);
    bytes
}

/// Bosch TPS110 heartbeat (fPort 2): occupancy and temperature.
pub fn tps110(occupied: bool, celsius: i8) -> Vec<u8> {
    vec![u8::from(occupied), celsius.to_le_bytes()[0]]
}

/// PNI PlacePod: parking status and temperature.
pub fn placepod(occupied: bool, celsius: f64) -> Vec<u8> {
    let mut bytes = vec![0x15, 0x66, u8::from(occupied), 0x02, 0x67];
    bytes.extend_from_slice(&tenths(celsius).to_be_bytes());
    bytes
}

/// Dragino LWL02 in leak mode: flags and battery, event count, last duration.
pub fn lwl02(wet: bool, battery_mv: u16, count: u32, minutes: u32) -> Vec<u8> {
    let head = (battery_mv & 0x3fff) | if wet { 0x4000 } else { 0 };
    let mut bytes = head.to_be_bytes().to_vec();
    bytes.push(2);
    bytes.extend_from_slice(&count.to_be_bytes()[1..]);
    bytes.extend_from_slice(&minutes.to_be_bytes()[1..]);
    bytes.push(0);
    bytes
}

/// Aqara SJCGQ11LM as Zigbee2MQTT publishes it.
pub fn sjcgq11lm(wet: bool, battery: u8, celsius: f64) -> String {
    json!({
        "battery": battery, "voltage": 3000 + u16::from(battery) / 2, "linkquality": 96, "battery_low": battery < 10,
        "device_temperature": celsius.round(), "power_outage_count": 3, "trigger_count": 0, "water_leak": wet,
    })
    .to_string()
}

/// Topic and payload of a ChirpStack v4 uplink heard at `at_ms` (milliseconds since 1970).
pub fn chirpstack(
    dev_eui: &str,
    name: &str,
    port: u8,
    counter: u32,
    bytes: &[u8],
    at_ms: i64,
) -> (String, String) {
    let application = "17c82e96-be03-4f38-aef3-f83d48582d97";
    let event = json!({
        "deduplicationId": format!("00000000-0000-4000-8000-{counter:08x}{port:04x}"),
        "time": rfc3339(at_ms),
        "deviceInfo": {
            "tenantName": "linli", "applicationId": application, "applicationName": "estate",
            "deviceName": name, "devEui": dev_eui,
        },
        "devAddr": dev_eui.get(..8).unwrap_or("00000000"), "adr": true, "dr": 5, "fCnt": counter, "fPort": port,
        "data": base64::engine::general_purpose::STANDARD.encode(bytes),
        "rxInfo": [
            { "gatewayId": "0016c001f153a14c", "rssi": -97, "snr": 6.5, "crcStatus": "CRC_OK" },
            { "gatewayId": "0016c001f153a14d", "rssi": -81, "snr": 9.2, "crcStatus": "CRC_OK" },
        ],
        "txInfo": { "frequency": 470_300_000 },
    });
    (
        format!("application/{application}/device/{dev_eui}/event/up"),
        event.to_string(),
    )
}

/// Tenths of a degree, saturating.
fn tenths(celsius: f64) -> i16 {
    let tenths = (celsius * 10.0)
        .round()
        .clamp(f64::from(i16::MIN), f64::from(i16::MAX));
    #[allow(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
    let tenths = tenths as i16;
    tenths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published examples of the vendors (see `tests/fixtures/devices`).
    #[test]
    fn the_simulated_devices_speak_like_the_published_examples() {
        assert_eq!(
            em400_udl(92, 25.7, 2116, true),
            [
                0x01, 0x75, 0x5c, 0x03, 0x67, 0x01, 0x01, 0x04, 0x82, 0x44, 0x08, 0x05, 0x00, 0x01
            ]
        );
        assert_eq!(
            em310_udl(92, 2116, true),
            [0x01, 0x75, 0x5c, 0x03, 0x82, 0x44, 0x08, 0x04, 0x00, 0x01]
        );
        assert_eq!(
            lwl02(false, 3102, 4, 0),
            [0x0c, 0x1e, 0x02, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00]
        );
        assert_eq!(placepod(true, -2.0)[3..], [0x02, 0x67, 0xff, 0xec]);
    }
}
