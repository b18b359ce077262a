//! What the estate needs to know of the device types it names: a few facts out of the catalogue, as plain data.
//!
//! The catalogue itself belongs to the decoder. These facts come to the engine as an input, so that a replay does not
//! depend on the catalogue a later version of the program brings.

use crate::id::ProfileId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a profile says about every device of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProfileFacts {
    /// The longest silence of a healthy device.
    pub expected_interval: Option<Duration>,
    /// Whether it sleeps between messages.
    pub sleeps: bool,
}

/// The facts of every profile that says something.
pub type Profiles = BTreeMap<ProfileId, ProfileFacts>;
