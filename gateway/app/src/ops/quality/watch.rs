//! Keeps the gauges of alarm quality: the last day, once a minute.

use super::between;
use crate::clock::{self, SharedClock};
use crate::metrics::Metrics;
use linli_ledger::Reader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_secs(60);
const OVER: Duration = Duration::from_secs(86_400);

/// Looks until cancelled. What cannot be read is looked at again a minute later.
pub async fn watch(data: PathBuf, clock: SharedClock, metrics: Arc<Metrics>, stop: CancellationToken) {
    loop {
        let (data, to) = (data.clone(), clock.now().wall);
        let measured = tokio::task::spawn_blocking(move || {
            let reader = Reader::open(&data).map_err(|error| error.to_string())?;
            between(&reader, to.minus(OVER), to, 1).map_err(|error| error.to_string())
        });
        match measured.await {
            Ok(Ok(quality)) => {
                for figure in &quality.figures {
                    #[allow(clippy::cast_possible_truncation, reason = "a small figure")]
                    let hundredths = (figure.value * 100.0).round() as i64;
                    let gauge = metrics.alarm_quality.with_label_values(&[figure.figure.as_str()]);
                    gauge.set(hundredths);
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "alarm quality could not be measured"),
            Err(error) => tracing::warn!(%error, "alarm quality could not be measured"),
        }
        let rested = stop.run_until_cancelled(clock::rest(&clock, LOOK)).await;
        if rested.is_none() {
            return;
        }
    }
}
