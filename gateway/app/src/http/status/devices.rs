//! The devices of the status page that need care: what is wrong with each, and since when.

use super::Writing;
use super::lists::{Listed, MAX_LINES};
use crate::http::Http;
use crate::http::devices::{Wanted, healths};
use crate::http::view::Names;
use crate::messages;
use linli_domain::engine::DeviceHealth;
use linli_domain::health::FlagView;
use linli_domain::measure::Measure;

/// One device with what is wrong.
pub(super) struct DeviceLine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) profile: String,
    /// Each as a phrase: what, with which value.
    pub(super) flags: Vec<String>,
    pub(super) since: String,
    pub(super) availability: String,
    pub(super) last_seen: String,
}

/// Asks the engine; nothing when it cannot be asked, which the page's other parts then show.
pub(super) async fn read(http: &Http, names: &Names, writing: &Writing) -> Listed<DeviceLine> {
    let flagged = http
        .door
        .look(|engine, now| healths(engine, now, Wanted::Flagged, None, MAX_LINES + 1, |_| true))
        .await
        .unwrap_or_default();
    let lines = flagged.iter().filter_map(|health| line(health, names, writing));
    Listed::new(lines.collect())
}

fn line(health: &DeviceHealth, names: &Names, writing: &Writing) -> Option<DeviceLine> {
    let device = names.device(&health.device)?;
    let language = writing.language;
    let since = health.flags.iter().map(|flag| flag.since).min()?;
    let availability = messages::word(language, "availability", health.availability.state.name());
    Some(DeviceLine {
        id: device.id.to_string(),
        name: writing.text(&device.name),
        profile: device.profile.to_string(),
        flags: health
            .flags
            .iter()
            .map(|flag| phrase(flag, names, writing))
            .collect(),
        since: writing.time(since),
        availability: availability.to_owned(),
        last_seen: health.heard.map_or_else(
            || writing.words.nothing_heard.to_owned(),
            |heard| writing.ago(writing.now.since(heard)),
        ),
    })
}

/// What is wrong, and with which measure.
fn phrase(flag: &FlagView, names: &Names, writing: &Writing) -> String {
    let word = messages::word(writing.language, "flag", flag.kind.name());
    let row = flag.point.and_then(|key| names.points.get(key));
    let measure = row.and_then(|row| row.measure.parse::<Measure>().ok());
    match measure {
        Some(measure) => {
            let measure = messages::word(writing.language, "measure", measure.name());
            format!("{word} ({measure})")
        }
        None => word.to_owned(),
    }
}
