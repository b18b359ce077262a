//! Firmware updates as the API shows them.

use crate::field::modbus::update::job::{UpdateJob, UpdateState as State, version_text};
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Firmware for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUpdate {
    /// The package that `linli device sign` made, in base64.
    pub package: String,
}

/// A firmware update and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Update {
    /// Its number.
    pub id: u64,
    /// The device.
    pub device: String,
    /// The bus it hangs on.
    pub bus: String,
    /// The version it is to run, such as `1.2`.
    pub version: String,
    /// What it is doing.
    pub state: UpdateState,
    /// Why it came to nothing, as a word.
    pub reason: Option<String>,
    /// Blocks the node has.
    pub done: u16,
    /// Blocks in all.
    pub total: u16,
    /// Who asked for it.
    pub asked_by: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

/// What a firmware update is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// It waits for the bus, or blocks are under way.
    Transferring,
    /// The node checks what it has.
    Checking,
    /// The node restarts into it.
    Restarting,
    /// The node runs it.
    Updated,
    /// Somebody ended it, or the gateway stopped.
    Cancelled,
    /// It came to nothing.
    Failed,
}

impl Update {
    /// The update as it is now.
    pub fn new(job: &UpdateJob) -> Self {
        let progress = job.progress();
        let (state, reason) = match progress.state {
            State::Transferring => (UpdateState::Transferring, None),
            State::Checking => (UpdateState::Checking, None),
            State::Restarting => (UpdateState::Restarting, None),
            State::Updated => (UpdateState::Updated, None),
            State::Cancelled => (UpdateState::Cancelled, None),
            State::Failed(reason) => (UpdateState::Failed, Some(reason.word().to_owned())),
        };
        Self {
            id: job.id,
            device: job.device.to_string(),
            bus: job.bus.to_string(),
            version: version_text(job.package.header().version),
            state,
            reason,
            done: progress.done,
            total: job.package.blocks(),
            asked_by: job.asked_by.clone(),
            started_at: job.started,
        }
    }
}
