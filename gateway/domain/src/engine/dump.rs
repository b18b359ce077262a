//! The whole state as text, for people and for comparing two engines line by line.
//!
//! Sorted, complete and stable: two engines in the same state write the same text. It is read by people and by
//! `diff`, never by a program; [`super::snapshot`] is for that.

use super::Engine;
use super::state::{NEVER, Vital};
use crate::time::Deadline;
use std::fmt::Write;

impl Engine {
    /// Every fact the engine would lose if it forgot everything.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _written = self.write_dump(&mut text);
        text
    }

    fn write_dump(&self, out: &mut String) -> std::fmt::Result {
        let state = self.store.state();
        writeln!(out, "estate {}", state.estate.id())?;
        if let Some(clock) = state.counters.clock {
            let (boot, monotonic) = (clock.boot.0, clock.monotonic.0);
            writeln!(
                out,
                "clock {} boot {boot} monotonic {monotonic} trusted {} age {}",
                clock.wall, clock.trusted, state.counters.age
            )?;
        }
        writeln!(
            out,
            "next {} {} watchdog {}",
            crate::id::AlarmId(state.counters.next_alarm),
            crate::id::OrderId(state.counters.next_order),
            moment(state.counters.watchdog)
        )?;
        for (rule, version) in &state.rule_versions {
            writeln!(out, "rule {rule} version {version}")?;
        }
        for (def, point) in state.defs.iter().zip(&state.points) {
            let instance = def
                .instance
                .as_deref()
                .map(|i| format!("/{i}"))
                .unwrap_or_default();
            write!(out, "point {} {}/{}{instance}", def.key, def.device, def.measure)?;
            match &point.latest {
                None => writeln!(out, " never heard")?,
                Some(r) => writeln!(
                    out,
                    " {:?} {:?} observed {} received {} evaluated {} silent {}",
                    r.value,
                    r.quality,
                    r.observed,
                    r.received,
                    point.evaluated,
                    moment(point.silent_at)
                )?,
            }
        }
        self.write_health(out)?;
        for (watch, def) in state.watches.iter().zip(&self.store.index().watches) {
            writeln!(
                out,
                "watch {} {} on {} {watch:?}",
                def.rule.id, def.point, def.asset
            )?;
        }
        for (n, track) in &state.tracks {
            if let Some(def) = self.store.index().watches.get(*n) {
                writeln!(out, "track {} {} {track:?}", def.rule.id, def.point)?;
            }
        }
        if *state.crowd != super::state::Crowd::default() {
            writeln!(out, "crowd {:?}", state.crowd)?;
        }
        for ((asset, class), flap) in &state.flaps {
            writeln!(out, "flap {asset}/{class} {flap:?}")?;
        }
        for (what, why) in &state.out_of_service {
            writeln!(out, "out-of-service {what} {why:?}")?;
        }
        for alarm in state.alarms.values() {
            writeln!(
                out,
                "alarm {} {} {:?}",
                alarm.id,
                alarm.state.display_code(),
                alarm
            )?;
        }
        for order in state.orders.values() {
            writeln!(out, "order {} {} {:?}", order.id, order.state, order)?;
        }
        for (key, gathering) in &state.gatherings {
            writeln!(out, "gathering {key:?} {gathering:?}")?;
        }
        Ok(())
    }

    fn write_health(&self, out: &mut String) -> std::fmt::Result {
        let state = self.store.state();
        for (profile, facts) in state.estate.profiles().iter() {
            writeln!(out, "profile {profile} {facts:?}")?;
        }
        let devices = state.estate.devices().iter();
        for ((device, heard), known) in devices.zip(&state.heard).zip(&state.devices) {
            writeln!(out, "device {} {heard:?} {known:?}", device.id)?;
        }
        for (device, clock) in &state.clocks {
            let skew = clock.skew_ms();
            writeln!(out, "device-clock {device} skew {skew:?} ms {clock:?}")?;
        }
        for (device, bridge) in &state.through {
            writeln!(out, "device-bridge {device} {bridge}")?;
        }
        for (name, bridge) in &state.bridges {
            writeln!(out, "bridge {name} {bridge:?}")?;
        }
        for ((device, kind, point), flag) in &state.flags {
            writeln!(out, "flag {device} {kind} {point:?} {flag:?}")?;
        }
        for (def, vital) in state.defs.iter().zip(&state.vitals) {
            if *vital != Vital::default() {
                writeln!(out, "vital {} {vital:?}", def.key)?;
            }
        }
        Ok(())
    }
}

fn moment(deadline: Deadline) -> String {
    if deadline == NEVER {
        "never".into()
    } else {
        format!("at {} ms", deadline.at.0)
    }
}
