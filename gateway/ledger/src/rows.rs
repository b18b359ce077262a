//! The rows callers hand in and get back, apart from the outbox and the history.
//!
//! Labels and documents are opaque text: the ledger filters by them and never interprets them.

use linli_domain::id::{AlarmId, AssetId, Class, DeviceId, Fault, OrderId, PointId, PointKey};
use linli_domain::time::Timestamp;

/// Longest kept payload of a reject in bytes; the rest is cut.
pub const MAX_REJECT_PAYLOAD: usize = 1024;
/// Most rejects kept; the oldest go first.
pub const MAX_REJECTS: i64 = 10_000;

/// Most parked lines kept; the oldest go first.
pub const MAX_PARKED: i64 = 10_000;

/// A point and its permanent number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointRow {
    /// The permanent number.
    pub key: PointKey,
    /// The readable id.
    pub id: PointId,
    /// The device it belongs to.
    pub device: DeviceId,
    /// Name of its measure.
    pub measure: String,
    /// Instance within the device, when there are several.
    pub instance: Option<String>,
}

/// An alarm as it is now. At most one live alarm exists per asset and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRow {
    /// Its number.
    pub id: AlarmId,
    /// The asset it is about.
    pub asset: AssetId,
    /// The class of its rule.
    pub class: Class,
    /// Whether its life goes on.
    pub live: bool,
    /// 1 is the most urgent.
    pub priority: u8,
    /// Label of its state.
    pub state: String,
    /// When it was raised.
    pub raised: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// The alarm that explains it; a row without one keeps the last it had.
    pub cause: Option<AlarmId>,
    /// Everything else, as JSON.
    pub document: Vec<u8>,
}

/// An order as it is now. At most one open order exists per asset and fault, tasks included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Its number.
    pub id: OrderId,
    /// The asset it is about; that of its first task when it has several.
    pub asset: AssetId,
    /// The fault it repairs.
    pub fault: Fault,
    /// Whether it is open.
    pub open: bool,
    /// Label of its state.
    pub state: String,
    /// Counts its changes, for optimistic edits.
    pub version: u32,
    /// 1 is the most urgent.
    pub priority: u8,
    /// The role whose job it is now.
    pub role: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Everything else, as JSON.
    pub document: Vec<u8>,
    /// The assets of its tasks, when it is a batch. Written, and never read back: the document says more.
    pub tasks: Vec<AssetId>,
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Everything else, as text or JSON.
    pub detail: String,
}

/// The identity of a LoRaWAN frame, kept until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Hash over device, port, counter and payload.
    pub hash: u128,
    /// When it may be forgotten.
    pub expires: Timestamp,
}

/// What was last received under a packet id of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketMark {
    /// The MQTT session or connection.
    pub session: u64,
    /// The packet id.
    pub packet: u16,
    /// Hash over topic and payload.
    pub hash: u64,
}

/// A retained message of the embedded broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetainedRow {
    /// Its topic.
    pub topic: String,
    /// Its payload; `None` removes it.
    pub payload: Option<Vec<u8>>,
    /// Quality of service it was published with.
    pub qos: u8,
    /// When it was published.
    pub at: Timestamp,
    /// From when it counts as gone; `None`: it stays until it is cleared.
    pub expires: Option<Timestamp>,
}

/// A message that could not be used. At most [`MAX_REJECTS`] are kept, payloads cut at [`MAX_REJECT_PAYLOAD`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectRow {
    /// When it was received.
    pub at: Timestamp,
    /// The connection it came over; `modbus` and `gateway` for what came over none.
    pub connection: String,
    /// Where it came from there: topic, request of a slave.
    pub origin: String,
    /// Who spoke, as far as it is known: a device of the estate, or the key of another.
    pub device: Option<String>,
    /// Why it was refused: a word of a closed list.
    pub reason: String,
    /// What exactly is wrong with it, in English.
    pub detail: String,
    /// The values of that sentence by name, as a JSON object: `{"offset":"3"}`.
    pub facts: String,
    /// Its length before it was cut.
    pub bytes: u64,
    /// Its bytes, cut.
    pub payload: Vec<u8>,
}

/// A line that a forwarder's target refused for good. At most [`MAX_PARKED`] are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    /// Name of the target.
    pub target: String,
    /// When it was refused.
    pub at: Timestamp,
    /// The line as it was sent.
    pub line: String,
    /// What the target said.
    pub reason: String,
}

/// One version of a document of the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// What kind: estate, profile, rule, roster …
    pub kind: String,
    /// Its name within the kind.
    pub name: String,
    /// Its version; each (kind, name, version) is written once.
    pub version: u32,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub author: String,
    /// Its bytes; `None` says that this version removed it.
    pub body: Option<Vec<u8>>,
}

/// An API token. Only the hash of its secret is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its permanent id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Label of its role.
    pub role: String,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created: Timestamp,
    /// When its secret last changed.
    pub rotated: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked: Option<Timestamp>,
}

/// The answer given to a command that carried an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentAnswer {
    /// The key of the command.
    pub key: String,
    /// Who sent it; keys of two principals do not meet.
    pub principal: String,
    /// SHA-256 of the command's body: the same key with another body is a mistake of the client.
    pub body_hash: [u8; 32],
    /// The answer, as the caller encodes it.
    pub answer: Vec<u8>,
    /// When it may be forgotten.
    pub expires: Timestamp,
}
