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

/// Bits of `FAULTS`. They are live: a bit clears when the cause is gone. A channel says one thing at a time.
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
    /// The magnetometer is saturated or says what no field is: a magnet on the housing, a dead part.
    pub const FIELD_OUT_OF_RANGE: u16 = 1 << 8;
    /// The thermometer says what it cannot measure.
    pub const TEMPERATURE_OUT_OF_RANGE: u16 = 1 << 9;
    /// The probe says what its converter cannot: a short.
    pub const PROBE_OUT_OF_RANGE: u16 = 1 << 10;
    /// The echo comes from nearer or farther than the distance sensor can see.
    pub const DISTANCE_OUT_OF_RANGE: u16 = 1 << 11;
    /// The empty bay's field has moved as far as the node follows it; learn it again.
    pub const BASELINE_DRIFTED: u16 = 1 << 12;
    /// No stored settings could be read at start: the node works with those from the factory.
    pub const SETTINGS_LOST: u16 = 1 << 13;
    /// Settings cannot be stored; they hold until the next start.
    pub const STORE_FAILED: u16 = 1 << 14;

    /// Every bit with the name used in documents, lowest first.
    pub const NAMES: [(u16, &str); 15] = [
        (FIELD_LOST, "FIELD_LOST"),
        (FIELD_STUCK, "FIELD_STUCK"),
        (BASELINE_MISSING, "BASELINE_MISSING"),
        (TEMPERATURE_LOST, "TEMPERATURE_LOST"),
        (PROBE_LOST, "PROBE_LOST"),
        (PROBE_OPEN, "PROBE_OPEN"),
        (DISTANCE_LOST, "DISTANCE_LOST"),
        (TILT_LOST, "TILT_LOST"),
        (FIELD_OUT_OF_RANGE, "FIELD_OUT_OF_RANGE"),
        (TEMPERATURE_OUT_OF_RANGE, "TEMPERATURE_OUT_OF_RANGE"),
        (PROBE_OUT_OF_RANGE, "PROBE_OUT_OF_RANGE"),
        (DISTANCE_OUT_OF_RANGE, "DISTANCE_OUT_OF_RANGE"),
        (BASELINE_DRIFTED, "BASELINE_DRIFTED"),
        (SETTINGS_LOST, "SETTINGS_LOST"),
        (STORE_FAILED, "STORE_FAILED"),
    ];
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

/// Values of `UPDATE_STATE`.
pub mod update {
    /// Nothing is under way.
    pub const IDLE: u16 = 0;
    /// A header was accepted; blocks are wanted.
    pub const RECEIVING: u16 = 1;
    /// Every block came and is being checked; writes are answered "busy".
    pub const CHECKING: u16 = 2;
    /// The firmware is complete and its signature good.
    pub const READY: u16 = 3;
    /// It was refused; `UPDATE_REFUSAL` says why.
    pub const REFUSED: u16 = 4;
    /// The node is about to restart into it.
    pub const ACTIVATING: u16 = 5;
    /// This board has no place for a second firmware.
    pub const UNSUPPORTED: u16 = 6;
}

/// Values of `UPDATE_REFUSAL`.
pub mod refusal {
    /// Nothing was refused.
    pub const NONE: u16 = 0;
    /// The header is none, or of a format this node does not know.
    pub const FORMAT: u16 = 1;
    /// It is for another kind of node.
    pub const KIND: u16 = 2;
    /// It is not newer than what runs.
    pub const VERSION: u16 = 3;
    /// It does not fit.
    pub const LENGTH: u16 = 4;
    /// The image's checksum is wrong: the transfer failed.
    pub const CHECKSUM: u16 = 5;
    /// The signature is not that of this node's key.
    pub const SIGNATURE: u16 = 6;
    /// The flash could not be written.
    pub const STORAGE: u16 = 7;
    /// It is for another board.
    pub const BOARD: u16 = 8;
}

/// Values of `UPDATE_CONTROL`.
pub mod command {
    /// Check what was received.
    pub const CHECK: u16 = 1;
    /// Restart into it.
    pub const ACTIVATE: u16 = 2;
    /// Forget it.
    pub const ABORT: u16 = 3;
}

/// Values of `BAUD_CODE`, and the line speeds they stand for.
pub const BAUD_RATES: [u32; 5] = [9_600, 19_200, 38_400, 57_600, 115_200];
