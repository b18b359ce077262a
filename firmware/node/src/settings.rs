//! The settings of a node: its holding registers, every value of which was checked against the table.
//!
//! Not responsible for: keeping them over a restart (`store`), or when a new address takes effect (`line`).

use linli_modbus_slave::{Exception, Words};
use linli_registers::{HOLDING_COUNT, Kind, address, settings};

use crate::gate::Limits;
use crate::line::Line;

/// Checked holding registers of one kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    kind: Kind,
    words: [u16; HOLDING_COUNT],
}

impl Settings {
    /// As from the factory.
    pub fn factory(kind: Kind) -> Settings {
        let words = settings(kind).map(|setting| setting.default);
        Settings { kind, words }
    }

    /// Settings that were stored; `None` when they do not fit the table, for instance of another version.
    pub fn restore(kind: Kind, words: [u16; HOLDING_COUNT]) -> Option<Settings> {
        let mut settings = Settings { kind, words };
        settings.words[usize::from(address::ACKNOWLEDGE)] = 0;
        settings.check().ok().map(|()| settings)
    }

    /// The kind of node they are for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What a board stores.
    pub const fn as_words(&self) -> &[u16; HOLDING_COUNT] {
        &self.words
    }

    /// The node's address on the bus, 1 to 247.
    pub fn unit(&self) -> u8 {
        self.line().unit
    }

    /// These settings with another address; `None` outside 1 to 247.
    pub fn with_unit(self, unit: u8) -> Option<Settings> {
        self.with_line(Line { unit, ..self.line() })
    }

    /// Address, speed and parity.
    pub fn line(&self) -> Line {
        // In range: every value was checked against the table.
        Line {
            unit: self.get(address::UNIT_ID) as u8,
            baud_code: self.get(address::BAUD_CODE) as u8,
            parity_code: self.get(address::PARITY) as u8,
        }
    }

    /// These settings on another line; `None` when the table refuses it.
    pub fn with_line(mut self, line: Line) -> Option<Settings> {
        self.words[usize::from(address::UNIT_ID)] = u16::from(line.unit);
        self.words[usize::from(address::BAUD_CODE)] = u16::from(line.baud_code);
        self.words[usize::from(address::PARITY)] = u16::from(line.parity_code);
        self.check().ok().map(|()| self)
    }

    /// True when the leak probe is a dry contact, false when it is a rope or spot with a resistor.
    pub fn probe_is_contact(&self) -> bool {
        self.kind == Kind::Leak && self.get(address::PROBE_TYPE) == 1
    }

    pub(crate) fn read(&self, address: u16) -> Option<u16> {
        self.words.get(usize::from(address)).copied()
    }

    /// Writes consecutive settings, all or none. What was written to `ACKNOWLEDGE` is returned, not kept.
    pub(crate) fn write(&mut self, start: u16, values: Words<'_>) -> Result<u16, Exception> {
        let mut next = *self;
        for (address, value) in (usize::from(start)..).zip(values.iter()) {
            *next.words.get_mut(address).ok_or(Exception::IllegalAddress)? = value;
        }
        next.check()?;
        let acknowledged = core::mem::take(&mut next.words[usize::from(address::ACKNOWLEDGE)]);
        *self = next;
        Ok(acknowledged)
    }

    /// Limits of the temperature alarm, hundredths of a degree.
    pub(crate) fn heat(&self) -> Limits {
        self.limits(address::HOT_ON, address::HOT_OFF)
    }

    /// Limits of the occupied state, milligauss.
    pub(crate) fn field(&self) -> Limits {
        self.limits(address::FIELD_ON_MG, address::FIELD_OFF_MG)
    }

    /// Limits of the wet state, converter counts.
    pub(crate) fn wetness(&self) -> Limits {
        self.limits(address::WET_ON, address::WET_OFF)
    }

    /// Limits of the full state for a *negated* distance in millimetres: nearer is fuller.
    pub(crate) fn nearness(&self) -> Limits {
        let limits = self.limits(address::FULL_MM, address::ROOM_MM);
        Limits {
            on: -limits.on,
            off: -limits.off,
            ..limits
        }
    }

    /// Limits of "something is above the bay" for a *negated* distance; `None` when no distance sensor is fitted.
    pub(crate) fn over(&self) -> Option<Limits> {
        let over_mm = i32::from(self.get(address::OVER_MM));
        (self.kind == Kind::Parking && over_mm > 0).then(|| Limits {
            on: -over_mm,
            // Room for the echo to wander: an eighth, and five centimetres.
            off: -(over_mm + over_mm / 8 + 50),
            hold_ms: self.hold_ms(),
        })
    }

    /// Nearer than this the distance sensor of a bin sees nothing.
    pub(crate) fn blind_mm(&self) -> u16 {
        self.get(address::BLIND_MM)
    }

    /// Limits of a contact that is 0 or 1.
    pub(crate) fn contact(&self) -> Limits {
        Limits {
            on: 1,
            off: 0,
            hold_ms: self.hold_ms(),
        }
    }

    fn limits(&self, on: u16, off: u16) -> Limits {
        Limits {
            on: i32::from(self.get(on)),
            off: i32::from(self.get(off)),
            hold_ms: self.hold_ms(),
        }
    }

    fn hold_ms(&self) -> u32 {
        u32::from(self.get(address::DEBOUNCE_MS))
    }

    fn get(&self, address: u16) -> u16 {
        self.read(address).unwrap_or(0)
    }

    /// Every value in its range, and every pair of thresholds in its order.
    fn check(&self) -> Result<(), Exception> {
        let mut rows = settings(self.kind).iter().zip(self.words);
        if rows.any(|(row, value)| value < row.min || value > row.max) {
            return Err(Exception::IllegalValue);
        }
        let kind = match self.kind {
            Kind::Parking => self.field(),
            Kind::Bin => self.nearness(),
            Kind::Leak => self.wetness(),
        };
        let full_is_visible = self.kind != Kind::Bin || self.blind_mm() < self.get(address::FULL_MM);
        if [kind, self.heat()].iter().any(|limits| limits.off >= limits.on) || !full_is_visible {
            return Err(Exception::IllegalValue);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(settings: &mut Settings, start: u16, values: &[u16]) -> Result<u16, Exception> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        settings.write(start, Words::new(&bytes))
    }

    #[test]
    fn factory_settings_are_valid_for_every_kind() {
        for kind in Kind::ALL {
            let factory = Settings::factory(kind);
            assert_eq!(Settings::restore(kind, *factory.as_words()), Some(factory));
        }
    }

    #[test]
    fn thresholds_that_cross_are_refused_and_nothing_changes() {
        let mut settings = Settings::factory(Kind::Parking);
        let before = settings;
        assert_eq!(
            write(&mut settings, address::FIELD_ON_MG, &[80]),
            Err(Exception::IllegalValue)
        );
        assert_eq!(settings, before, "off stands at 90");
        assert_eq!(
            write(&mut settings, address::FIELD_ON_MG, &[80, 60]),
            Ok(0),
            "both at once"
        );
        let mut bin = Settings::factory(Kind::Bin);
        assert_eq!(
            write(&mut bin, address::ROOM_MM, &[150]),
            Err(Exception::IllegalValue),
            "nearer than full"
        );
    }

    #[test]
    fn a_bin_that_is_full_where_its_sensor_is_blind_is_refused() {
        let mut bin = Settings::factory(Kind::Bin);
        assert_eq!(
            write(&mut bin, address::BLIND_MM, &[250]),
            Err(Exception::IllegalValue),
            "full at 200"
        );
        assert_eq!(write(&mut bin, address::BLIND_MM, &[199]), Ok(0));
    }

    #[test]
    fn a_value_out_of_range_late_in_a_request_undoes_the_early_ones() {
        let mut settings = Settings::factory(Kind::Leak);
        let before = settings;
        assert_eq!(
            write(&mut settings, address::UNIT_ID, &[20, 9]),
            Err(Exception::IllegalValue)
        );
        assert_eq!(
            write(&mut settings, address::PROBE_TYPE, &[0, 1]),
            Err(Exception::IllegalAddress)
        );
        assert_eq!(settings, before);
    }

    #[test]
    fn an_acknowledgement_is_an_act_not_a_setting() {
        let mut settings = Settings::factory(Kind::Leak);
        let before = settings;
        assert_eq!(write(&mut settings, address::ACKNOWLEDGE, &[0b101]), Ok(0b101));
        assert_eq!(settings, before);
    }

    #[test]
    fn stored_words_of_another_table_are_not_restored() {
        assert_eq!(Settings::restore(Kind::Leak, [0xFFFF; HOLDING_COUNT]), None);
        assert_eq!(Settings::factory(Kind::Leak).with_unit(0), None);
        assert_eq!(
            Settings::factory(Kind::Leak).with_unit(9).map(|s| s.unit()),
            Some(9)
        );
    }
}
