//! What happens in the simulated estate, and when: physical events only.

use super::Narrator;
use super::world::World;
use crate::messages::Key;
use linli_domain::estate::{AssetKind, Estate};
use linli_domain::id::AssetId;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One physical event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Water comes into a zone.
    Leak(AssetId),
    /// A bin fills up at once.
    Surge(AssetId),
    /// A car stops in a fire lane.
    Block(AssetId),
}

/// The story of the demo: a leak within the first half minute, later a full bin, a blocked fire lane, and further
/// leaks for as long as somebody watches.
pub(super) fn story(estate: &Estate) -> Vec<(Duration, Event)> {
    let of = |kind| {
        estate
            .assets()
            .iter()
            .filter(move |a| a.kind == kind)
            .map(|a| a.id.clone())
            .collect::<Vec<_>>()
    };
    let (zones, bins, lanes) = (
        of(AssetKind::PipeZone),
        of(AssetKind::Bin),
        of(AssetKind::FireLane),
    );
    let mut story = Vec::new();
    for (round, zone) in zones.into_iter().enumerate() {
        story.push((Duration::from_secs(6 + 45 * round as u64), Event::Leak(zone)));
    }
    for (round, bin) in bins.into_iter().enumerate() {
        story.push((Duration::from_secs(14 + 70 * round as u64), Event::Surge(bin)));
    }
    story.extend(
        lanes
            .into_iter()
            .map(|lane| (Duration::from_secs(24), Event::Block(lane))),
    );
    story.sort_by_key(|(at, _)| *at);
    story
}

/// Plays the story until it is over or cancelled.
pub(super) async fn play(estate: Arc<Estate>, world: World, narrator: Narrator, stop: CancellationToken) {
    let started = tokio::time::Instant::now();
    for (at, event) in story(&estate) {
        if stop
            .run_until_cancelled(tokio::time::sleep_until(started + at))
            .await
            .is_none()
        {
            return;
        }
        let (key, asset) = match &event {
            Event::Leak(zone) => (Key::DemoLeak, zone),
            Event::Surge(bin) => (Key::DemoSurge, bin),
            Event::Block(lane) => (Key::DemoBlock, lane),
        };
        narrator.tell(
            key,
            &[("asset", estate.texts_of(asset).0.get(narrator.language()))],
        );
        match event {
            Event::Leak(zone) => world.set_wet(&zone, true),
            Event::Surge(bin) => world.set_fill(&bin, 97.0),
            Event::Block(lane) => world.park(&lane, true),
        }
    }
}
