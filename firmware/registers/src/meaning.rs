//! What the numbers in state, fault and alarm registers mean.
//!
//! Not responsible for: when a bit is set; that is decided in `linli-node`.

/// Values of the three-valued state registers (`*_STATE`, `BIN_TILT`, `BIN_FIRE`, `LEAK_CABLE`).
/// A node that cannot see says so; it never reports "free" or "dry" instead.
pub mod state {
    /// Free, not full, dry, upright, whole: the condition is known to be absent.
    pub const OFF: u16 = 0;
    /// Occupied, full, wet, tilted, cut: the condition is known to be present.
    pub const ON: u16 = 1;
    /// No sensor stands behind a statement at the moment.
    pub const UNKNOWN: u16 = 2;
}

/// Bits of `FAULTS`. They are live: a bit clears when the cause is gone.
pub mod fault {
    /// The magnetometer does not answer.
    pub const FIELD_LOST: u16 = 1 << 0;
    /// The magnetometer repeats the very same value for minutes; a live one has noise.
    pub const FIELD_STUCK: u16 = 1 << 1;
    /// The magnetic field of the empty bay was never learned, so nothing can be told from it.
    pub const BASELINE_MISSING: u16 = 1 << 2;
    /// The thermometer does not answer.
    pub const TEMPERATURE_LOST: u16 = 1 << 3;
    /// The leak probe's converter does not answer.
    pub const PROBE_LOST: u16 = 1 << 4;
    /// The leak cable is cut: its end-of-line resistor cannot be seen.
    pub const PROBE_OPEN: u16 = 1 << 5;
    /// The distance sensor sends no echo or nothing at all.
    pub const DISTANCE_LOST: u16 = 1 << 6;
    /// The tilt switch cannot be read.
    pub const TILT_LOST: u16 = 1 << 7;
}

/// Bits of `ALARMS_LATCHED`: set by an onset, cleared by writing the bit to `ACKNOWLEDGE` once the
/// condition is known to be over.
pub mod alarm {
    /// The probe was wet.
    pub const LEAK: u16 = 1 << 0;
    /// The thermometer was above its threshold.
    pub const OVER_TEMPERATURE: u16 = 1 << 1;
    /// The bin lay or leaned.
    pub const TILT: u16 = 1 << 2;
    /// The node restarted since the last acknowledgement.
    pub const RESTARTED: u16 = 1 << 3;
}

/// Values of `BAUD_CODE`, and the line speeds they stand for.
pub const BAUD_RATES: [u32; 5] = [9_600, 19_200, 38_400, 57_600, 115_200];
