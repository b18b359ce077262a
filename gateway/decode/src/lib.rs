//! From the bytes of a sensor to observations: envelopes, the profile language, Modbus registers.
//!
//! Decoding is two pure steps with a look-up by the caller between them:
//!
//! 1. [`open`] unwraps what a network server or bridge put around a message and says who spoke;
//! 2. the caller finds the device and its profile by that address;
//! 3. [`Profile::decode`] turns the body into [`Observation`]s in the units of the measure vocabulary.
//!
//! Of a device nobody has described yet, [`guess`] says which profile it may speak.
//!
//! A Modbus device needs no envelope: [`RegisterMap`] says what to ask and reads the answers.
//!
//! Nothing here performs I/O, asks a clock, logs or panics; every loop is bounded by the payload or the profile.
//! What a device *is* (bay, bin, pipe) and where it hangs is not known here: the facts needed for decoding arrive
//! in a [`DeviceContext`].
//!
//! ```
//! use linli_decode::{Body, DeviceContext, Profile};
//!
//! let profile = Profile::parse(
//!     r#"
//!     id = "example.door"
//!     title = "Door contact with a battery"
//!     version = 1
//!
//!     [bytes]
//!     endian = "big"
//!     fields = [
//!         { u16 = "@head" },
//!         { from = "@head", bit = 15, measure = "door.open" },
//!         { from = "@head", mask = 0x3FFF, scale = 0.001, measure = "device.battery_voltage" },
//!     ]
//!
//!     [[tests]]
//!     name = "open, 3 V"
//!     bytes = "8bb8"
//!     expect = [
//!         { measure = "door.open", value = true },
//!         { measure = "device.battery_voltage", value = 3.0 },
//!     ]
//!     "#,
//!     "example.toml",
//! )
//! .map_err(|errors| errors[0].to_string())?;
//!
//! let mut observations = Vec::new();
//! profile
//!     .decode(&Body::bytes(Some(2), &[0x0B, 0xB8]), &DeviceContext::default(), &mut observations)
//!     .map_err(|error| error.to_string())?;
//! assert_eq!(observations[0].value, Some(linli_domain::reading::Value::State(false)));
//! # Ok::<(), String>(())
//! ```

mod case;
mod catalogue;
mod context;
mod envelope;
mod facts;
mod family;
mod frame;
mod guess;
mod memory;
pub mod modbus;
mod observation;
mod plausible;
mod profile;
mod refusal;
mod topic;
mod walk;

pub use case::{CaseError, CaseReport, MAX_CASE_BYTES, run_cases};
pub use catalogue::Catalogue;
pub use context::{BinGeometry, DeviceContext, Role, Wiring};
pub use envelope::open;
pub use facts::Facts;
pub use family::Family;
pub use frame::{Body, Event, Frame, Given, LorawanIdentity, NamedValue, Opened, Request, Wrapping};
pub use guess::{Because, Clues, Guess, declared, guess};
pub use memory::{Announced, Memory};
pub use modbus::{RegisterData, RegisterMap, RegisterRequest};
pub use observation::{Decoded, Diagnostic, Observation};
pub use plausible::{ClockWindow, plausible};
pub use profile::{MAX_PROFILE_BYTES, Match, Place, Profile, ProfileError, Trace, TraceStep};
pub use refusal::{DecodeError, JsonFault, RejectReason, Rejection};
pub use topic::{Captures, InvalidPattern, TopicPattern};
