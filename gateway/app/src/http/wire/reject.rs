//! Messages that could not be used as the API shows them: with the sentence, its values, and what to do, in both
//! languages.

use super::Text;
use super::heard::ApplicationPayload;
use super::raw::Raw;
use crate::messages;
use crate::pipeline::{APPLICATION_HEX, APPLICATION_PORT};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linli_domain::text::Language;
use linli_domain::time::Timestamp;
use linli_ledger::{Reject as Entry, RejectCount as CountRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most bytes of a message shown as text or hexadecimal.
const SHOWN_BYTES: usize = 1024;

/// One message of the field that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reject {
    /// Its number.
    pub id: i64,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The connection it came over; `modbus` and `gateway` for what came over none.
    pub connection: String,
    /// Where it came from there: topic, request of a slave.
    pub origin: String,
    /// Who spoke, as far as it is known: a device of the estate, or the key of another.
    pub device: Option<String>,
    /// Why it was refused: a word of a closed list.
    pub reason: String,
    /// The same for people.
    pub reason_text: Text,
    /// What exactly is wrong with it: offset, tag, what was expected.
    pub detail: String,
    /// The same for people.
    pub detail_text: Text,
    /// What to do about it.
    pub hint: Text,
    /// The message, as far as it is kept.
    pub payload: Raw,
    /// The application payload inside it, for LoRaWAN: offsets count in it.
    pub application: Option<ApplicationPayload>,
    /// Its kept bytes in base64.
    pub payload_base64: String,
}

impl From<Entry> for Reject {
    fn from(Entry { id, row }: Entry) -> Self {
        let facts: Facts = serde_json::from_str(&row.facts).unwrap_or_default();
        Self {
            id,
            at: row.at,
            detail_text: detail(&row.reason, &row.detail, &facts),
            application: application(&facts),
            reason_text: word("reject", &row.reason),
            hint: word("reject_hint", &row.reason),
            payload: Raw::new(&row.payload, row.bytes, SHOWN_BYTES),
            payload_base64: STANDARD.encode(row.payload),
            connection: row.connection,
            origin: row.origin,
            device: row.device,
            reason: row.reason,
            detail: row.detail,
        }
    }
}

/// How many messages could not be used for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectCount {
    /// Why they were refused.
    pub reason: String,
    /// The same for people.
    pub reason_text: Text,
    /// What to do about it.
    pub hint: Text,
    /// How many of them are still kept.
    pub count: u64,
    /// When the newest was received.
    #[schema(value_type = String, format = DateTime)]
    pub newest_at: Timestamp,
}

impl From<CountRow> for RejectCount {
    fn from(row: CountRow) -> Self {
        Self {
            reason_text: word("reject", &row.reason),
            hint: word("reject_hint", &row.reason),
            reason: row.reason,
            count: row.count,
            newest_at: row.newest,
        }
    }
}

/// The word of a code in both languages; empty where the catalogue has none.
pub fn word(section: &str, code: &str) -> Text {
    let find = |language| {
        messages::find(language, section, code)
            .unwrap_or_default()
            .to_owned()
    };
    Text {
        zh: find(Language::Zh),
        en: find(Language::En),
    }
}

/// The values of a refusal by name.
type Facts = BTreeMap<String, String>;

fn application(facts: &Facts) -> Option<ApplicationPayload> {
    Some(ApplicationPayload {
        f_port: facts.get(APPLICATION_PORT).and_then(|port| port.parse().ok()),
        hex: facts.get(APPLICATION_HEX)?.clone(),
    })
}

/// The sentence of a refusal in both languages; the English one of the decoder where its values are not known.
fn detail(reason: &str, said: &str, facts: &Facts) -> Text {
    let values: Vec<(&str, &str)> = facts
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    sentence("reject_detail", reason, said, &values)
}

/// A sentence of the catalogue with its values; `said` where one of them is missing.
pub fn sentence(section: &str, code: &str, said: &str, values: &[(&str, &str)]) -> Text {
    let in_language = |language| {
        let template = messages::find(language, section, code)?;
        let known = |name: &str| values.iter().any(|(known, _)| *known == name);
        messages::placeholders(template)
            .all(known)
            .then(|| messages::fill(template, values))
    };
    Text {
        zh: in_language(Language::Zh).unwrap_or_else(|| said.to_owned()),
        en: in_language(Language::En).unwrap_or_else(|| said.to_owned()),
    }
}
