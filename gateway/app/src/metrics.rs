//! Every metric name, once. Only this module registers metrics; labels are closed sets, never ids or topics.
//!
//! Names follow the Prometheus rules: prefix `linli_`, base units, `_total` on counters.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::Arc;

macro_rules! metrics {
    (
        counters { $($c:ident: $cn:literal, $ch:literal;)* }
        counter_sets { $($cv:ident: $cvn:literal [$($cvl:literal),+], $cvh:literal;)* }
        gauges { $($g:ident: $gn:literal, $gh:literal;)* }
        gauge_sets { $($gv:ident: $gvn:literal [$($gvl:literal),+], $gvh:literal;)* }
        histograms { $($h:ident: $hn:literal [$($hb:literal),+], $hh:literal;)* }
    ) => {
        /// All metrics of the process. Cheap to clone.
        #[derive(Clone)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $ch] pub $c: IntCounter,)*
            $(#[doc = $cvh] pub $cv: IntCounterVec,)*
            $(#[doc = $gh] pub $g: IntGauge,)*
            $(#[doc = $gvh] pub $gv: IntGaugeVec,)*
            $(#[doc = $hh] pub $h: Histogram,)*
        }

        /// Every metric name, for dashboards and tests.
        pub const NAMES: &[&str] = &[$($cn,)* $($cvn,)* $($gn,)* $($gvn,)* $($hn,)*];

        impl Metrics {
            /// Registers everything in a registry of its own.
            pub fn new() -> Result<Arc<Self>, prometheus::Error> {
                let registry = Registry::new();
                $(let $c = IntCounter::new($cn, $ch)?; registry.register(Box::new($c.clone()))?;)*
                $(let $cv = IntCounterVec::new(Opts::new($cvn, $cvh), &[$($cvl),+])?; registry.register(Box::new($cv.clone()))?;)*
                $(let $g = IntGauge::new($gn, $gh)?; registry.register(Box::new($g.clone()))?;)*
                $(let $gv = IntGaugeVec::new(Opts::new($gvn, $gvh), &[$($gvl),+])?; registry.register(Box::new($gv.clone()))?;)*
                $(let $h = Histogram::with_opts(HistogramOpts::new($hn, $hh).buckets(vec![$($hb),+]))?; registry.register(Box::new($h.clone()))?;)*
                Ok(Arc::new(Self { registry, $($c,)* $($cv,)* $($g,)* $($gv,)* $($h,)* }))
            }
        }
    };
}

metrics! {
    counters {
        readings_stored: "linli_readings_stored_total", "Readings committed to the ledger.";
        readings_late: "linli_readings_late_total", "Readings older than the last evaluated one: stored, not evaluated.";
        readings_historical: "linli_readings_historical_total", "Records devices had stored and sent later: kept as history.";
        duplicates: "linli_messages_duplicate_total", "Messages or readings dropped as repetitions.";
        conflicts: "linli_readings_conflict_total", "Second values for the same point and time that differ from the first.";
        commits: "linli_store_commits_total", "Transactions committed.";
        commit_failures: "linli_store_commit_failures_total", "Transactions that failed.";
        sealed_samples: "linli_store_sealed_samples_total", "Samples moved from the stage into chunks.";
        set_aside: "linli_store_set_aside_samples_total", "Samples of damaged chunks that were set aside.";
        live_resets: "linli_live_resets_total", "Live listeners told to start over because they were too slow.";
        broker_reload_failures: "linli_broker_reload_failures_total", "Changed users files and certificates of the embedded broker that could not be used.";
        onboarding_displaced: "linli_onboarding_displaced_total", "Unknown devices forgotten to make room for others.";
        onboarding_replayed: "linli_onboarding_replayed_total", "Waiting messages replayed because their device came into the estate.";
        watch_missed: "linli_watch_missed_total", "Messages those who watch devices were not shown.";
        http_refused_host: "linli_http_refused_host_total", "Requests refused for their Host header.";
    }
    counter_sets {
        messages_received: "linli_messages_received_total" ["connection", "kind"], "Frames received from the field.";
        messages_rejected: "linli_messages_rejected_total" ["reason"], "Frames recorded as rejected, by reason.";
        onboarding_messages: "linli_onboarding_messages_total" ["outcome"], "Messages of devices that are not in the estate: kept, counted only, ignored, or without room for their device.";
        connector_reconnects: "linli_connector_reconnects_total" ["connection"], "Reconnections.";
        sessions_lost: "linli_mqtt_sessions_lost_total" ["connection"], "Reconnects at which the broker no longer had our session.";
        field_asks: "linli_field_asks_total" ["connection", "outcome"], "Questions to the field (Sparkplug rebirths) by outcome.";
        broker_refused: "linli_broker_refused_total" ["what"], "Connections, messages and subscriptions the embedded broker refused.";
        broker_lost: "linli_broker_lost_total" ["what"], "Messages the embedded broker could not hand on or keep.";
        broker_throttled: "linli_broker_throttled_total" ["user"], "Pauses of clients that were too fast for the embedded broker, by configured user.";
        modbus_requests: "linli_modbus_requests_total" ["bus", "outcome"], "Modbus requests by outcome.";
        modbus_missed_polls: "linli_modbus_missed_polls_total" ["bus"], "Polls left out because the bus could not keep up.";
        modbus_quarantined: "linli_modbus_quarantined_total" ["bus", "kind"], "Frames that were no answer to what was asked, by kind; none became a value.";
        modbus_dtu_refused: "linli_modbus_dtu_refused_total" ["reason"], "Connections of DTUs that were refused.";
        profile_reloads: "linli_profile_reloads_total" ["outcome"], "Looks at the folder of profiles: done, with refused files, or failed.";
        alarm_transitions: "linli_alarm_transitions_total" ["priority", "to"], "Alarm transitions.";
        order_transitions: "linli_order_transitions_total" ["to"], "Order transitions.";
        dropped: "linli_readings_dropped_total" ["reason"], "Readings that were evaluated and not stored, by reason.";
        let_go: "linli_store_let_go_samples_total" ["reason"], "Sealed samples that went, for their age or to make room; their sums stay.";
        forwarder_sent: "linli_forwarder_sent_total" ["target"], "Readings a forwarder's target has taken.";
        forwarder_failures: "linli_forwarder_failures_total" ["target", "reason"], "Requests a forwarder's target did not take, by reason.";
        forwarder_parked: "linli_forwarder_parked_total" ["target"], "Lines a forwarder's target refused for good.";
        forwarder_lost: "linli_forwarder_lost_total" ["target", "reason"], "Readings a forwarder's target will never have: too_old, it keeps less; retention, the gateway let them go while the target was being filled in, at most so many.";
        forwarder_back_filled: "linli_forwarder_back_filled_total" ["target"], "Readings sent to a target by point and time, because it was behind the log or is new.";
        deliveries: "linli_deliveries_total" ["kind", "outcome"], "Delivery attempts by outcome.";
        http_requests: "linli_http_requests_total" ["route", "method", "status"], "HTTP requests by route template.";
        commands: "linli_commands_total" ["command", "outcome"], "Commands of people by outcome.";
    }
    gauges {
        inbox_waiting: "linli_inbox_waiting_frames", "Frames in the current batch and inbox.";
        store_bytes: "linli_store_bytes", "Bytes of the ledger file that hold something.";
        store_limit: "linli_store_limit_bytes", "Bytes above which the oldest readings go (max_size_mb); 0 without a limit.";
        last_commit: "linli_store_last_commit", "Number of the last commit.";
        watchers: "linli_watchers", "People who watch what devices say.";
        live_listeners: "linli_live_listeners", "Listeners of the live feed.";
        outbox_pending: "linli_outbox_pending", "Deliveries waiting.";
        outbox_dead: "linli_outbox_dead", "Deliveries given up.";
        broker_backlog: "linli_broker_backlog_bytes", "Bytes of messages the embedded broker holds for clients that are slow or away.";
        broker_certificate_expires: "linli_broker_certificate_expires_timestamp_seconds", "When the certificate of the embedded broker expires; 0 without TLS.";
        profiles_in_use: "linli_profiles_in_use", "Profiles of the catalogue.";
        profiles_refused: "linli_profiles_refused", "Profile files that are not used because something is wrong with them.";
        onboarding_devices_new: "linli_onboarding_devices_new", "Unknown devices that wait for a decision.";
        onboarding_devices_ignored: "linli_onboarding_devices_ignored", "Unknown devices that are ignored.";
        onboarding_bytes: "linli_onboarding_payload_bytes", "Bytes of the messages of unknown devices.";
        disk_free: "linli_disk_free_bytes", "Free space of the disk that holds the ledger.";
        backup_last: "linli_backup_last_success_timestamp_seconds", "When the last backup was made; 0 when none is known.";
        uptime_seconds: "linli_uptime_seconds", "Seconds since start.";
    }
    gauge_sets {
        build_info: "linli_build_info" ["version"], "Always 1.";
        connector_up: "linli_connector_up" ["connection", "kind"], "1 while connected.";
        modbus_slaves: "linli_modbus_slaves" ["bus", "state"], "Modbus slaves by the state of their breaker.";
        modbus_use: "linli_modbus_bus_use_percent" ["bus", "kind"], "Share of a bus's time that its plan asks for, and that was used.";
        broker_dropped: "linli_broker_dropped_messages" ["connection"], "The broker's own count of dropped messages.";
        broker_clients: "linli_broker_clients" ["listener"], "Clients connected to the embedded broker.";
        devices_flagged: "linli_devices_flagged" ["flag"], "Devices with something wrong, by what.";
        forwarder_behind: "linli_forwarder_behind_commits" ["target"], "Commits a forwarder's target has not taken yet.";
        forwarder_lag: "linli_forwarder_lag_seconds" ["target"], "Age of the last commit a target has taken while it is behind; 0 when it is not.";
        alarms_live: "linli_alarms_live" ["priority"], "Alarms that have not ended.";
        alarms_by_state: "linli_alarms_by_state" ["state"], "Alarms that have not ended, by what people see: active_unack, shelved, suppressed …";
        out_of_service: "linli_out_of_service" ["guards"], "Devices and assets that are out of service, by what their rules guard: lives, other.";
        alarm_quality: "linli_alarm_quality_hundredths" ["figure"], "Alarm quality of the last day in hundredths of each figure's unit; see docs/alarms.md for the figures and their targets.";
        orders_open: "linli_orders_open" ["state"], "Orders that are not closed or cancelled.";
    }
    histograms {
        commit_seconds: "linli_store_commit_duration_seconds" [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0], "Duration of a commit.";
        commit_frames: "linli_store_commit_frames" [1.0, 5.0, 20.0, 100.0, 500.0, 1000.0, 2000.0], "Frames per commit.";
        ingest_lag_seconds: "linli_ingest_lag_seconds" [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0], "From receipt to commit.";
        forwarder_seconds: "linli_forwarder_request_duration_seconds" [0.005, 0.02, 0.1, 0.5, 2.0, 10.0], "Duration of a forwarder's request.";
        http_seconds: "linli_http_request_duration_seconds" [0.001, 0.005, 0.02, 0.1, 0.5, 2.0], "Duration of an HTTP request.";
    }
}

impl Metrics {
    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_and_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for name in NAMES {
            assert!(name.starts_with("linli_"), "{name}");
            assert!(seen.insert(name), "{name} twice");
        }
        let metrics = Metrics::new().unwrap();
        metrics.build_info.with_label_values(&["x"]).set(1);
        assert!(metrics.render().contains("linli_build_info{version=\"x\"} 1"));
    }
}
