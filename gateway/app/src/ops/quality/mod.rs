//! Alarm quality 告警质量: whether people can work with the alarms they get, in the figures of ISA-18.2 and EEMUA 191.
//!
//! The targets are ceilings for one person on duty. Everything is counted from the history in the ledger; what was
//! shelved, suppressed or out of service is in the history like everything else.

mod figures;
mod measure;
mod watch;

pub use figures::{Figure, Frequent, Mix, Quality, Standing, TARGETS, Target};
pub use measure::Measuring;
pub use watch::watch;

use linli_domain::time::Timestamp;
use linli_ledger::{AlarmFilter, AlarmTransition, MAX_PAGE, Page, Reader, StoreError};
use std::time::Duration;

/// An alarm that stands for longer is stale.
pub const STALE: Duration = Duration::from_secs(86_400);
/// Most transitions that are looked at; an estate with more has its answer already. The oldest are looked at.
const MAX_TRANSITIONS: usize = 1_000_000;

/// Measures what happened between two times, for so many people on duty.
pub fn between(
    reader: &Reader,
    from: Timestamp,
    to: Timestamp,
    operators: u32,
) -> Result<Quality, StoreError> {
    let (mut measuring, mut looked_at) = (Measuring::default(), 0);
    let mut last: Option<AlarmTransition> = None;
    loop {
        let mut page = reader.alarm_transitions(from, to, last.as_ref())?;
        page.iter().for_each(|change| measuring.take(change));
        looked_at += page.len();
        if page.len() < MAX_PAGE || looked_at >= MAX_TRANSITIONS {
            break;
        }
        last = page.pop();
    }
    let filter = AlarmFilter {
        live: Some(true),
        raised_to: Some(to.minus(STALE)),
        ..AlarmFilter::default()
    };
    let standing = reader.alarms(&filter, Page::newest(MAX_PAGE))?;
    let closings = reader.closings(from, to)?;
    Ok(measuring.finish(&standing, closings, (from, to), operators))
}
