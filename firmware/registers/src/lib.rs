//! The one register table of a sensor node, shared by the firmware that answers from it and the gateway
//! whose device profiles are generated from it.
//!
//! Responsible for: addresses, types, scales, units, ranges, defaults, access and meaning of every
//! register ([`REGISTERS`]), and for the proof, at compile time, that no two registers of one node overlap.
//! Not responsible for: values. What a register holds is decided in `linli-node`; how it travels, in
//! `linli-modbus-slave`.
//!
//! ```
//! use linli_registers::{Kind, Table, address, find};
//!
//! let state = find(Kind::Leak, Table::Input, address::LEAK_STATE).unwrap();
//! assert_eq!(state.measure.unwrap().name, "leak.wet");
//! ```
#![cfg_attr(not(any(feature = "std", test)), no_std)]

mod kind;
pub mod meaning;
mod proof;
mod register;
mod table;

#[cfg(any(feature = "std", test))]
pub mod document;
#[cfg(any(feature = "std", test))]
pub mod profile;

pub use kind::{Kind, Kinds};
pub use register::{Access, Meaning, Measure, Register, Table, Type};
pub use table::{
    BLOCK_BYTES, HOLDING_COUNT, INPUT_BLOCK, MAP_VERSION, NO_TEMPERATURE, NO_VALUE, REGISTERS, Setting,
    UPDATE_HOLDING, UPDATE_INPUT, address, find, registers_of, settings,
};
