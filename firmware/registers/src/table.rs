//! The table itself.
//!
//! Layout: input 0x0000 is the common block every node has (identity, faults, counters); input 0x0020 is
//! what this kind measures, one contiguous block, so that the gateway reads it in one request. Both lie in
//! [`INPUT_BLOCK`], where holes read 0; outside it a node answers "illegal data address". Holding
//! registers 0.. are settings, dense per kind. 32-bit values have the high word first and are read in
//! one request, or they may tear.

use crate::meaning::state::UNKNOWN;
use crate::{Access, Kind, Kinds, Register, Table, Type};

/// Version of this table, `0xMMmm`: the minor number rises when a register is added, the major one when a
/// register moves or changes its meaning.
pub const MAP_VERSION: u16 = 0x0101;

/// Input addresses a node answers: the common block and the kind block with their holes.
pub const INPUT_BLOCK: core::ops::Range<u16> = 0x0000..0x0030;

/// How many settings a node has; the same for every kind.
pub const HOLDING_COUNT: usize = 10;

/// Input addresses that tell how a field update stands.
pub const UPDATE_INPUT: core::ops::Range<u16> = 0x0100..0x0105;

/// Holding addresses of a field update: control, block number and the block itself.
pub const UPDATE_HOLDING: core::ops::Range<u16> = 0x0100..0x0142;

/// Bytes of firmware in one block: a power of two, so that blocks fill erase pages exactly.
pub const BLOCK_BYTES: usize = 128;

/// Raw pattern of an unsigned register that has no value now.
pub const NO_VALUE: u16 = 0xFFFF;

/// Raw pattern of a temperature register that has no value now (-327.68 Cel cannot be).
pub const NO_TEMPERATURE: u16 = 0x8000;

const PARKING_OR_LEAK: Kinds = Kinds::PARKING.or(Kinds::LEAK);

macro_rules! registers {
    ($( $(#[doc = $doc:expr])* $table:ident $address:literal $name:ident $kinds:expr, $ty:ident $(. $call:ident ( $($arg:expr),* ))* ; )*) => {
        /// Addresses by name, 0-based as on the wire.
        pub mod address {
            $( $(#[doc = $doc])* pub const $name: u16 = $address; )*
        }

        /// What is written above each register, in the order of [`REGISTERS`]; for the register document.
        #[cfg(any(feature = "std", test))]
        pub(crate) const ABOUT: &[&str] = &[ $( concat!($($doc),*), )* ];

        /// Every register of every kind of node.
        pub const REGISTERS: &[Register] = &[
            $( Register::new(Table::$table, $address, stringify!($name), $kinds, Type::$ty) $(. $call ( $($arg),* ))* , )*
        ];
    };
}

registers! {
    /// [`MAP_VERSION`](crate::MAP_VERSION) the firmware was built with.
    Input 0x0000 MAP_VERSION Kinds::ALL, U16;
    /// A [`Kind`](crate::Kind) by number.
    Input 0x0001 NODE_KIND Kinds::ALL, U16;
    /// Version of the firmware, `0xMMmm`.
    Input 0x0002 FIRMWARE_VERSION Kinds::ALL, U16;
    /// Why the node started: 1 power on, 2 watchdog, 3 software, 4 brown-out.
    Input 0x0003 RESET_CAUSE Kinds::ALL, U16;
    /// Time since the node started; a value that stands still is a hung node.
    Input 0x0004 UPTIME_S Kinds::ALL, U32 .unit("s");
    /// Live faults; see [`fault`](crate::meaning::fault).
    Input 0x0006 FAULTS Kinds::ALL, Flags;
    /// Latched alarms; see [`alarm`](crate::meaning::alarm).
    Input 0x0007 ALARMS_LATCHED Kinds::ALL, Flags;
    /// State changes since start, wrapping: a slow poller sees that something came and went.
    Input 0x0008 EVENT_COUNT Kinds::ALL, U16;
    /// Requests for this node, wrapping.
    Input 0x0009 BUS_REQUESTS Kinds::ALL, U16;
    /// Frames with a bad checksum heard on the bus, wrapping.
    Input 0x000A BUS_CRC_ERRORS Kinds::ALL, U16;
    /// Requests this node refused, wrapping.
    Input 0x000B BUS_EXCEPTIONS Kinds::ALL, U16;
    /// Frames longer than Modbus allows heard on the bus, wrapping.
    Input 0x000C BUS_OVERRUNS Kinds::ALL, U16;
    /// Supply of the node's processor.
    Input 0x000D SUPPLY_MV Kinds::ALL, U16 .unit("mV");
    /// How long the state stands (the first register of the kind block), saturating.
    Input 0x000E STATE_AGE_S Kinds::ALL, U16 .unit("s");

    /// Bay: 0 free, 1 occupied, 2 unknown.
    Input 0x0020 PARKING_STATE Kinds::PARKING, U16 .truth("parking.occupied", Some(UNKNOWN));
    /// Bin: 0 has room, 1 full, 2 unknown.
    Input 0x0020 BIN_STATE Kinds::BIN, U16 .truth("bin.full", Some(UNKNOWN));
    /// Probe: 0 dry, 1 wet, 2 unknown.
    Input 0x0020 LEAK_STATE Kinds::LEAK, U16 .truth("leak.wet", Some(UNKNOWN));
    /// 1 while any bit of `FAULTS` is set.
    Input 0x0021 FAULTY Kinds::ALL, U16 .truth("device.fault", None);
    /// Inside of the housing.
    Input 0x0022 HOUSING_TEMPERATURE PARKING_OR_LEAK, I16
        .hundredths("Cel") .number("device.temperature", Some(NO_TEMPERATURE));
    /// Air under the lid of the bin.
    Input 0x0022 BIN_TEMPERATURE Kinds::BIN, I16 .hundredths("Cel") .number("temperature", Some(NO_TEMPERATURE));

    /// Arrivals since start.
    Input 0x0023 PARKING_VEHICLE_COUNT Kinds::PARKING, U32 .unit("1") .number("parking.vehicle_count", None);
    /// Distance of the field from that of the empty bay, in milligauss.
    Input 0x0025 PARKING_FIELD_CHANGE_MG Kinds::PARKING, U16 .unit("mG");
    /// From the optional distance sensor to whatever is above or before it.
    Input 0x0026 PARKING_DISTANCE_MM Kinds::PARKING, U16 .unit("mm");
    /// How far the field of the empty bay was followed since it was learned, in milligauss.
    Input 0x0027 PARKING_DRIFT_MG Kinds::PARKING, U16 .unit("mG");

    /// From the lid to the waste, median of five.
    Input 0x0023 BIN_DISTANCE_MM Kinds::BIN, U16 .unit("mm") .number("bin.distance", Some(NO_VALUE));
    /// 0 upright, 1 tilted, 2 unknown.
    Input 0x0024 BIN_TILT Kinds::BIN, U16 .truth("bin.tilt", Some(UNKNOWN));
    /// 0 no, 1 above the temperature threshold, 2 unknown.
    Input 0x0025 BIN_FIRE Kinds::BIN, U16 .truth("bin.fire", Some(UNKNOWN));

    /// Probe signal in converter counts, 0 to 4095; more is wetter. A contact has none.
    Input 0x0023 LEAK_SIGNAL Kinds::LEAK, U16 .unit("1") .number("leak.signal", Some(NO_VALUE));
    /// Cable: 0 whole, 1 cut, 2 unknown (a contact without a resistor cannot tell).
    Input 0x0024 LEAK_CABLE Kinds::LEAK, U16 .truth("leak.cable_fault", Some(UNKNOWN));
    /// Leaks since start, wrapping.
    Input 0x0025 LEAK_COUNT Kinds::LEAK, U16 .unit("1") .number("leak.count", None);
    /// How long the last ended leak lasted, saturating below "no value"; no value before the first.
    Input 0x0026 LEAK_LAST_DURATION_S Kinds::LEAK, U16 .unit("s") .number("leak.last_duration", Some(NO_VALUE));

    /// Address on the bus; takes effect after the answer, on trial for a minute.
    Holding 0x0000 UNIT_ID Kinds::ALL, U16 .range(1, 247, 17);
    /// Index into [`BAUD_RATES`](crate::meaning::BAUD_RATES); takes effect after the answer, on trial for a minute.
    Holding 0x0001 BAUD_CODE Kinds::ALL, U16 .range(0, 4, 1);
    /// How long a new state must hold before it is believed.
    Holding 0x0002 DEBOUNCE_MS Kinds::ALL, U16 .unit("ms") .range(20, 60_000, 300);
    /// Latched alarms to clear.
    Holding 0x0003 ACKNOWLEDGE Kinds::ALL, Flags .access(Access::WriteOneToClear);
    /// Temperature alarm at or above.
    Holding 0x0004 HOT_ON Kinds::ALL, U16 .hundredths("Cel") .range(3_000, 12_000, 6_000);
    /// Temperature alarm over at or below.
    Holding 0x0005 HOT_OFF Kinds::ALL, U16 .hundredths("Cel") .range(2_000, 12_000, 5_500);
    /// Occupied when the field has changed at least so much.
    Holding 0x0006 FIELD_ON_MG Kinds::PARKING, U16 .unit("mG") .range(10, 4_000, 150);
    /// Free when the field is within so much of the empty bay's.
    Holding 0x0007 FIELD_OFF_MG Kinds::PARKING, U16 .unit("mG") .range(5, 4_000, 90);
    /// Full at this distance or nearer.
    Holding 0x0006 FULL_MM Kinds::BIN, U16 .unit("mm") .range(30, 5_000, 200);
    /// Has room again at this distance or farther.
    Holding 0x0007 ROOM_MM Kinds::BIN, U16 .unit("mm") .range(40, 6_000, 350);
    /// Wet at or above this signal.
    Holding 0x0006 WET_ON Kinds::LEAK, U16 .range(1, 4_095, 1_500);
    /// Dry at or below this signal.
    Holding 0x0007 WET_OFF Kinds::LEAK, U16 .range(1, 4_095, 1_200);

    /// Parity of the line: 0 none, 1 even, 2 odd; takes effect as `BAUD_CODE` does.
    Holding 0x0008 PARITY Kinds::ALL, U16 .range(0, 2, 0);
    /// Occupied when the distance sensor sees something this near; 0 when none is fitted.
    Holding 0x0009 OVER_MM Kinds::PARKING, U16 .unit("mm") .range(0, 4_500, 0);
    /// Nearer than this the distance sensor is blind, and an echo is none.
    Holding 0x0009 BLIND_MM Kinds::BIN, U16 .unit("mm") .range(0, 500, 30);
    /// What is fitted: 0 a rope or spot with an end-of-line resistor, 1 a dry contact that closes when wet.
    Holding 0x0009 PROBE_TYPE Kinds::LEAK, U16 .range(0, 1, 0);

    /// Where a field update stands; see [`update`](crate::meaning::update).
    Input 0x0100 UPDATE_STATE Kinds::ALL, U16;
    /// Why the last update was refused; see [`refusal`](crate::meaning::refusal).
    Input 0x0101 UPDATE_REFUSAL Kinds::ALL, U16;
    /// The next block wanted. Earlier ones are answered and not written again.
    Input 0x0102 UPDATE_NEXT_BLOCK Kinds::ALL, U16;
    /// How many blocks the announced firmware has, its header included.
    Input 0x0103 UPDATE_BLOCKS Kinds::ALL, U16;
    /// Version of the announced firmware, `0xMMmm`.
    Input 0x0104 UPDATE_VERSION Kinds::ALL, U16;
    /// A command of [`command`](crate::meaning::command); reads as 0.
    Holding 0x0100 UPDATE_CONTROL Kinds::ALL, U16 .range(0, 3, 0) .access(Access::Command);
    /// Number of the block that follows in the same request; reads as 0.
    Holding 0x0101 UPDATE_BLOCK Kinds::ALL, U16 .access(Access::Command);
    /// The block; 0 is the header. Reads as 0.
    Holding 0x0102 UPDATE_DATA Kinds::ALL, Window .access(Access::Command);

    /// Learn the field of the empty bay from the next second of steady measurements.
    Coil 0x0000 LEARN_BASELINE Kinds::PARKING, Bit;

    /// The state is on: occupied, full, wet.
    Discrete 0x0000 STATE_ON Kinds::ALL, Bit;
    /// The state is known; off with `STATE_ON` off must not be taken for "free" or "dry".
    Discrete 0x0001 STATE_KNOWN Kinds::ALL, Bit;
    /// Any bit of `FAULTS` is set.
    Discrete 0x0002 FAULT Kinds::ALL, Bit;
}

/// The register of this kind of node at this address, also when the address is its second word.
pub fn find(kind: Kind, table: Table, address: u16) -> Option<&'static Register> {
    registers_of(kind).find(|register| {
        register.table == table && (u32::from(register.address)..register.end()).contains(&u32::from(address))
    })
}

/// The registers a node of this kind has, in the order of the table.
pub fn registers_of(kind: Kind) -> impl Iterator<Item = &'static Register> {
    REGISTERS
        .iter()
        .filter(move |register| register.kinds.contains(kind))
}

/// What a node must know of one of its settings to accept a write: the table, cut down to what fits a microcontroller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Smallest accepted value.
    pub min: u16,
    /// Largest accepted value.
    pub max: u16,
    /// Value of a node fresh from the factory.
    pub default: u16,
}

/// The settings of a kind of node, by address.
pub const fn settings(kind: Kind) -> &'static [Setting; HOLDING_COUNT] {
    const PARKING: [Setting; HOLDING_COUNT] = settings_of(Kind::Parking);
    const BIN: [Setting; HOLDING_COUNT] = settings_of(Kind::Bin);
    const LEAK: [Setting; HOLDING_COUNT] = settings_of(Kind::Leak);
    match kind {
        Kind::Parking => &PARKING,
        Kind::Bin => &BIN,
        Kind::Leak => &LEAK,
    }
}

const fn settings_of(kind: Kind) -> [Setting; HOLDING_COUNT] {
    // An address without a register would accept nothing; the tests show that there is none.
    let mut settings = [Setting {
        min: 1,
        max: 0,
        default: 0,
    }; HOLDING_COUNT];
    let mut i = 0;
    while i < REGISTERS.len() {
        let register = &REGISTERS[i];
        let address = register.address as usize;
        if register.table.read_function() == Table::Holding.read_function()
            && register.kinds.contains(kind)
            && address < HOLDING_COUNT
        {
            settings[address] = Setting {
                min: register.min,
                max: register.max,
                default: register.default,
            };
        }
        i += 1;
    }
    settings
}
