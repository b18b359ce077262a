//! Lines to one target, as it takes them: a refused batch is halved down to the bad line, which is parked; a target that is
//! not well is told of and left alone for a while.

use super::feed::{self, Lines};
use super::forwarder::{Ended, STOPPED, Worker};
use super::verdict::{TIMEOUT, Verdict, pause};
use crate::field::{Fact, Frame};
use crate::pipeline::{Failed, Request};
use linli_domain::reading::Value;
use linli_ledger::ParkedRow;
use std::time::Duration;

/// Lines of one request at least, however slow a target is.
const FEWEST: usize = 50;
/// Requests in a row that are taken before more lines are tried again.
const STEADY: u32 = 32;
/// Lines refused one by one, with none taken, after which the target is at fault and not the lines.
const SUSPICIOUS: usize = 64;

impl Worker {
    /// Sends lines until all are taken or parked; `Some` is a pause after which all of them are sent again.
    pub(super) async fn deliver(&mut self, lines: &Lines) -> Result<Option<Duration>, Ended> {
        let mut parked: Vec<ParkedRow> = Vec::new();
        let (mut taken, mut too_old) = (0, 0);
        // Ranges still to be sent, the next one last.
        let mut ranges: Vec<(usize, usize)> = (0..lines.len())
            .step_by(self.most)
            .map(|from| (from, (from + self.most).min(lines.len())))
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
                    self.attempt = 0;
                    self.in_time();
                }
                Verdict::TooOld { count } => {
                    let lost = count.unwrap_or(to - from).min(to - from);
                    (taken, too_old) = (taken + (to - from) - lost, too_old + lost);
                    self.attempt = 0;
                }
                Verdict::Later { code, after } => {
                    if code == TIMEOUT {
                        // Over a thin line as many lines would never come through.
                        (self.most, self.steady) = ((self.most / 2).max(FEWEST), 0);
                    }
                    self.count_failure(code);
                    self.attempt += 1;
                    let spread = f64::from(u8::try_from(now.as_millis() % 100).unwrap_or(0)) / 100.0;
                    let rest = after.unwrap_or_else(|| pause(self.attempt, spread));
                    self.ill(code, "", self.attempt > 3).await;
                    return Ok(Some(rest));
                }
                Verdict::Stop { code, said } => {
                    self.count_failure(code);
                    self.ill(code, &said, true).await;
                    return Ok(Some(STOPPED));
                }
                Verdict::Refused { code, said } if to - from == 1 => {
                    if parked.len() >= SUSPICIOUS && taken + too_old == 0 {
                        self.count_failure("refuses_everything");
                        self.ill("refuses_everything", &said, true).await;
                        return Ok(Some(STOPPED));
                    }
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
            self.recovered().await;
        }
        Ok(None)
    }

    /// Refused lines are durable before the place moves past them.
    async fn park(&mut self, parked: Vec<ParkedRow>) -> Result<(), Ended> {
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

    /// A request came through in time: after some of them, more lines are tried.
    fn in_time(&mut self) {
        self.steady += 1;
        if self.steady >= STEADY && self.most < feed::BATCH {
            (self.most, self.steady) = ((self.most * 2).min(feed::BATCH), 0);
        }
    }

    /// What the target keeps no longer is counted and told once; it is not parked, because nobody can mend it.
    fn left_out(&mut self, count: usize) {
        if !std::mem::replace(&mut self.told_too_old, true) {
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

    async fn ill(&mut self, code: &str, said: &str, tell: bool) {
        let trouble = if said.is_empty() {
            code.to_owned()
        } else {
            format!("{code}: {said}")
        };
        self.update(|shown| shown.trouble = Some(trouble.clone()));
        if tell && self.well != Some(false) {
            tracing::warn!(forwarder = %self.target.name, trouble, "the target takes nothing; its readings wait in the ledger");
            self.tell(false).await;
        }
    }

    async fn recovered(&mut self) {
        self.update(|shown| shown.trouble = None);
        if self.well != Some(true) {
            if self.well == Some(false) {
                tracing::info!(forwarder = %self.target.name, "the target takes readings again");
            }
            self.tell(true).await;
        }
    }

    /// Whether the target is well is a reading of the gateway; rules decide whether it is an alarm.
    async fn tell(&mut self, well: bool) {
        let first = self.well.is_none();
        self.well = Some(well);
        // A target that was never ill has nothing to tell.
        if first && well {
            return;
        }
        if let Ok(measure) = "gateway.forwarder_ok".parse() {
            let fact = Fact {
                measure,
                instance: self.target.name.as_str().into(),
                value: Value::State(well),
                received: self.around.clock.now(),
            };
            let _ = self.around.door.push(vec![Frame::Fact(fact)]).await;
        }
    }
}
