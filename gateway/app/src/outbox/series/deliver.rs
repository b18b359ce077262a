//! Lines to one target, as it takes them: a refused batch is halved down to the bad line, which is parked; a target that is
//! not well is told of and left alone for a while.

use super::feed::Lines;
use super::forwarder::{Ended, STOPPED, Worker};
use super::lane::Lane;
use super::verdict::{BUSY, TIMEOUT, UNREACHABLE, Verdict, pause};
use crate::pipeline::{Failed, Request};
use linli_ledger::ParkedRow;
use std::sync::atomic::Ordering;
use std::time::Duration;
/// Lines refused one by one in a row, with none taken on either lane, after which the target is at fault and not the lines.
const SUSPICIOUS: usize = 64;

impl Worker {
    /// Sends lines until all are taken or parked; `Some` is a pause after which all of them are sent again.
    pub(super) async fn deliver(&self, lane: &mut Lane, lines: &Lines) -> Result<Option<Duration>, Ended> {
        let mut parked: Vec<ParkedRow> = Vec::new();
        let (mut taken, mut too_old) = (0, 0);
        // Ranges still to be sent, the next one last.
        let mut ranges: Vec<(usize, usize)> = (0..lines.len())
            .step_by(lane.most)
            .map(|from| (from, (from + lane.most).min(lines.len())))
            .rev()
            .collect();
        while let Some((from, to)) = ranges.pop() {
            let now = self.around.clock.now().wall;
            let timer = self.around.metrics.forwarder_seconds.start_timer();
            let verdict = self.sink.write(lines.slice(from, to).to_vec(), now).await;
            timer.observe_duration();
            match verdict {
                Verdict::Taken => {
                    taken += to - from;
                    self.goes_through(lane);
                    lane.in_time();
                }
                Verdict::TooOld { count } => {
                    let lost = count.unwrap_or(to - from).min(to - from);
                    (taken, too_old) = (taken + (to - from) - lost, too_old + lost);
                    self.goes_through(lane);
                }
                Verdict::Later { code, after } => {
                    if code == TIMEOUT {
                        lane.too_slow();
                    }
                    self.count_failure(code);
                    lane.attempt += 1;
                    let spread = f64::from(u8::try_from(now.as_millis() % 100).unwrap_or(0)) / 100.0;
                    let rest = after.unwrap_or_else(|| pause(lane.attempt, spread));
                    // Nobody there, or a wish to be left alone: that is about all lines. Otherwise these may be too
                    // many or too old for it, and others go through.
                    if code == UNREACHABLE || code == BUSY || after.is_some() {
                        self.hold(rest);
                    }
                    self.ill(lane.which, code, "", lane.attempt > 3).await;
                    return Ok(Some(rest));
                }
                Verdict::Stop { code, said } => {
                    self.count_failure(code);
                    self.hold(STOPPED);
                    self.ill(lane.which, code, &said, true).await;
                    return Ok(Some(STOPPED));
                }
                Verdict::Refused { code, said } if to - from == 1 => {
                    let takes = self.takes.load(Ordering::Relaxed);
                    // What the other lane has taken meanwhile says that it is these lines.
                    let none_since = *lane.refusing.get_or_insert(takes) == takes;
                    if self.refused.load(Ordering::Relaxed) >= SUSPICIOUS
                        && taken + too_old == 0
                        && none_since
                    {
                        lane.attempt += 1;
                        self.count_failure("refuses_everything");
                        self.ill(lane.which, "refuses_everything", &said, true).await;
                        return Ok(Some(STOPPED));
                    }
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    parked.push(ParkedRow {
                        target: self.target.name.clone(),
                        at: now,
                        line: String::from_utf8_lossy(lines.slice(from, to))
                            .trim_end()
                            .to_owned(),
                        reason: format!("{code}: {said}"),
                    });
                }
                Verdict::Refused { code, .. } => {
                    self.count_failure(code);
                    let middle = from + (to - from) / 2;
                    ranges.push((middle, to));
                    ranges.push((from, middle));
                }
            }
        }
        if !parked.is_empty() {
            self.park(parked).await?;
        }
        if too_old > 0 {
            self.left_out(too_old);
        }
        self.around
            .metrics
            .forwarder_sent
            .with_label_values(&[&self.target.name])
            .inc_by(taken as u64);
        self.update(|shown| shown.sent += taken as u64);
        if lines.len() > 0 {
            self.recovered(lane.which).await;
        }
        Ok(None)
    }

    /// A request was taken: when the one before it was not, or there was none, that is news of the target.
    fn goes_through(&self, lane: &mut Lane) {
        lane.refusing = None;
        self.refused.store(0, Ordering::Relaxed);
        self.takes.fetch_add(1, Ordering::Relaxed);
        let fresh = std::mem::take(&mut lane.fresh);
        if std::mem::take(&mut lane.attempt) > 0 || fresh {
            self.goes_through_again(lane.which);
        }
    }

    /// Refused lines are durable before the place moves past them.
    async fn park(&self, parked: Vec<ParkedRow>) -> Result<(), Ended> {
        let count = parked.len() as u64;
        for row in parked.iter().take(3) {
            tracing::warn!(forwarder = %row.target, line = %row.line, reason = %row.reason, "a line is refused for good; it is parked");
        }
        // Until they are stored: a disk that is full for a while loses none.
        loop {
            let rows = parked.clone();
            match self.around.door.ask(|reply| Request::Parked(rows, reply)).await {
                Err(_) | Ok(Err(Failed::Stopping)) => return Err(Ended),
                Ok(Ok(())) => break,
                Ok(Err(_)) => tokio::time::sleep(STOPPED).await,
            }
        }
        self.around
            .metrics
            .forwarder_parked
            .with_label_values(&[&self.target.name])
            .inc_by(count);
        self.update(|shown| shown.parked += count);
        Ok(())
    }

    /// What the target keeps no longer is counted and told once; it is not parked, because nobody can mend it.
    fn left_out(&self, count: usize) {
        if !self.told_too_old.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                forwarder = %self.target.name, count,
                "readings are older than the target keeps; it leaves them out, and they are counted"
            );
        }
        self.around
            .metrics
            .forwarder_lost
            .with_label_values(&[self.target.name.as_str(), "too_old"])
            .inc_by(count as u64);
    }

    fn count_failure(&self, code: &str) {
        self.around
            .metrics
            .forwarder_failures
            .with_label_values(&[self.target.name.as_str(), code])
            .inc();
    }
}
