//! `idle`: what the gateway costs when nothing happens.

use crate::load::resident_mb;
use crate::report::Report;
use e2e::gateway::{Gateway, Site};
use e2e::process::{free_port, workspace_program};

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let estate = include_str!("../../config/estates/demo.toml").to_owned();
    let gateway = Gateway::start(&Site {
        estate,
        embedded: Some(free_port()),
        ..Site::default()
    })
    .await;
    report.add("idle", "resident_mb", resident_mb(gateway.pid()), "MB", None);
    let program = std::fs::metadata(workspace_program("linli")).map_or(0, |m| m.len());
    #[allow(clippy::cast_precision_loss, reason = "a size")]
    report.add("idle", "binary_mb", program as f64 / 1e6, "MB", None);
}
